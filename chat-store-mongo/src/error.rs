//! The translation of failures of MongoDB to the errors of the engine.

use std::io;

use chat_core::port::{AppendError, Appended, BackendError, BackendErrorKind, Retry};
use mongodb::error::{Error, ErrorKind, InsertManyError, WriteFailure};

/// The name of this backend in its errors.
pub(crate) const BACKEND: &str = "mongodb";

/// Translates the driver's error.
///
/// A duplicate key is no failure: an operation that may meet one calls [`duplicate`] first.
pub(crate) fn classify(error: &Error, operation: &'static str) -> BackendError {
    let (kind, retry) = meaning(error);
    BackendError::new(BACKEND, kind, retry, operation, said(error))
}

/// Returns the message of the server or the driver, without the bytes of the answer.
fn said(error: &Error) -> String {
    let by_server = |code: i32, message: &str| format!("error {code} of the server: {message}");
    match &*error.kind {
        ErrorKind::Command(failed) => by_server(failed.code, &failed.message),
        ErrorKind::Write(WriteFailure::WriteError(failed)) => {
            by_server(failed.code, &failed.message)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(failed)) => {
            by_server(failed.code, &failed.message)
        }
        ErrorKind::InsertMany(failed) => {
            let first = failed.write_errors.as_ref().and_then(|all| all.first());
            match (&failed.write_concern_error, first) {
                (Some(failed), _) => by_server(failed.code, &failed.message),
                (None, Some(failed)) => by_server(failed.code, &failed.message),
                (None, None) => error.kind.to_string(),
            }
        }
        kind => kind.to_string(),
    }
}

/// Returns the error of an operation that had no answer in time.
pub(crate) fn timed_out(operation: &'static str, retry: Retry) -> BackendError {
    let reason = "no answer in time";
    BackendError::new(BACKEND, BackendErrorKind::Timeout, retry, operation, reason)
}

/// Returns the error of an operation whose task ended before it did, as when the program ends.
pub(crate) fn interrupted(operation: &'static str) -> BackendError {
    let (kind, retry) = (BackendErrorKind::Unavailable, Retry::IfIdempotent);
    BackendError::new(BACKEND, kind, retry, operation, "the task was stopped")
}

fn meaning(error: &Error) -> (BackendErrorKind, Retry) {
    use BackendErrorKind as Kind;

    match &*error.kind {
        // The driver reports the first error after a second try, so no command was ever sent.
        ErrorKind::ServerSelection { .. } => (Kind::Unavailable, Retry::Safe),
        // The second try may have met this error after the first one was applied.
        ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::DnsResolve { .. } => {
            (Kind::Unavailable, Retry::IfIdempotent)
        }
        ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::TimedOut => {
            (Kind::Timeout, Retry::IfIdempotent)
        }
        ErrorKind::Io(_) => (Kind::Unavailable, Retry::IfIdempotent),
        ErrorKind::Authentication { .. } => (Kind::Unauthorized, Retry::No),
        ErrorKind::InvalidArgument { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::IncompatibleServer { .. }
        | ErrorKind::SessionsNotSupported => (Kind::Misconfigured, Retry::No),
        ErrorKind::BsonDeserialization(_)
        | ErrorKind::Bson(_)
        // This crate's own error, for an entry whose fields don't form a valid one.
        | ErrorKind::Custom(_)
        | ErrorKind::InvalidResponse { .. } => (Kind::Corrupt, Retry::No),
        _ => code(error).map_or((Kind::Other, Retry::No), of_code),
    }
}

/// Returns the server's error code.
pub(crate) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(failed) => Some(failed.code),
        ErrorKind::Write(WriteFailure::WriteError(failed)) => Some(failed.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(failed)) => Some(failed.code),
        // The write concern comes first: without a majority nothing is certain, not even a
        // duplicate.
        ErrorKind::InsertMany(failed) => {
            let concern = failed.write_concern_error.as_ref().map(|it| it.code);
            concern.or_else(|| failed.write_errors.as_ref()?.first().map(|it| it.code))
        }
        _ => None,
    }
}

/// Returns the server's words about a single write that failed.
pub(crate) fn message(error: &Error) -> Option<&str> {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(failed)) => Some(&failed.message),
        _ => None,
    }
}

/// Translates an error code, see
/// <https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml>.
fn of_code(code: i32) -> (BackendErrorKind, Retry) {
    use BackendErrorKind as Kind;

    match code {
        // AuthenticationFailed, Unauthorized, and the code 8000 of Atlas.
        18 | 13 | 8000 => (Kind::Unauthorized, Retry::No),
        // OutOfDiskSpace: the server checks before it writes.
        14_031 => (Kind::Full, Retry::Safe),
        // MaxTimeMSExpired, WriteConcernFailed (wtimeout), NetworkTimeout, ExceededTimeLimit.
        50 | 64 | 89 | 262 => (Kind::Timeout, Retry::IfIdempotent),
        // HostUnreachable, HostNotFound, ShutdownInProgress, UnsatisfiableWriteConcern,
        // PrimarySteppedDown, SocketException, NotWritablePrimary, Interrupted...,
        // NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary. Of several documents some may be stored.
        6 | 7 | 91 | 100 | 189 | 9001 | 10_107 | 11_600 | 11_602 | 13_435 | 13_436 => {
            (Kind::Unavailable, Retry::IfIdempotent)
        }
        // IllegalOperation, CannotCreateIndex, CommandNotFound, Index...Conflict,
        // InvalidNamespace.
        20 | 59 | 67 | 73 | 85 | 86 => (Kind::Misconfigured, Retry::No),
        _ => (Kind::Other, Retry::No),
    }
}

/// The unique index that refused a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Another entry has the number.
    Seq,
    /// Another entry has the id.
    Id,
    /// The client message id, or anything else.
    Other,
}

/// Returns the index of the document that an ordered insert refused as a duplicate, and the key
/// that was taken.
pub(crate) fn duplicate(error: &Error) -> Option<(usize, Taken)> {
    let ErrorKind::InsertMany(InsertManyError {
        write_errors: Some(errors),
        write_concern_error: None,
        ..
    }) = &*error.kind
    else {
        return None;
    };
    let first = errors.first().filter(|first| first.code == DUPLICATE_KEY)?;
    Some((first.index, Taken::told_in(&first.message)))
}

impl Taken {
    /// Reads the name of the index from
    /// `E11000 duplicate key error collection: chat.messages index: NAME dup key: { ... }`; users
    /// chose the text after `dup key`.
    pub(crate) fn told_in(message: &str) -> Self {
        let (_, rest) = message.split_once(" index: ").unwrap_or_default();
        match rest.split_once(' ').map(|(name, _)| name) {
            Some("room_seq") => Self::Seq,
            Some("_id_") => Self::Id,
            _ => Self::Other,
        }
    }
}

pub(crate) const DUPLICATE_KEY: i32 = 11_000;

/// The answer to one entry.
pub(crate) type Answer = Result<Appended, AppendError>;

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::{
        bson::{Document, deserialize_from_document, doc},
        error::{CommandError, WriteConcernError, WriteError},
    };

    fn insert_many(failed: Document) -> Error {
        let failed: InsertManyError = deserialize_from_document(failed).unwrap();
        ErrorKind::InsertMany(failed).into()
    }

    #[test]
    fn each_failure_says_what_it_is_and_whether_to_repeat() {
        use BackendErrorKind::{
            Corrupt, Full, Misconfigured, Other, Timeout, Unauthorized, Unavailable,
        };
        use Retry::{IfIdempotent, No, Safe};

        let codes = [
            (18, Unauthorized, No),
            (13, Unauthorized, No),
            (8_000, Unauthorized, No),
            (14_031, Full, Safe),
            (50, Timeout, IfIdempotent),
            (64, Timeout, IfIdempotent),
            (262, Timeout, IfIdempotent),
            (91, Unavailable, IfIdempotent),
            (189, Unavailable, IfIdempotent),
            (10_107, Unavailable, IfIdempotent),
            (11_602, Unavailable, IfIdempotent),
            (13_435, Unavailable, IfIdempotent),
            (20, Misconfigured, No),
            (85, Misconfigured, No),
            (2, Other, No),
        ];
        for (code, kind, retry) in codes {
            let failed = doc! { "code": code, "codeName": "", "errmsg": "" };
            let command: CommandError = deserialize_from_document(failed.clone()).unwrap();
            let write: WriteError = deserialize_from_document(failed.clone()).unwrap();
            let concern: WriteConcernError = deserialize_from_document(failed.clone()).unwrap();
            let mut one_of_many = failed.clone();
            one_of_many.insert("index", 3_i64);
            let many = doc! { "writeErrors": [one_of_many] };
            for error in [
                ErrorKind::Command(command).into(),
                ErrorKind::Write(WriteFailure::WriteError(write)).into(),
                ErrorKind::Write(WriteFailure::WriteConcernError(concern)).into(),
                insert_many(many),
            ] {
                let told = classify(&error, "append");
                assert_eq!(
                    (told.kind, told.retry),
                    (kind, retry),
                    "{code} in {error:?}"
                );
                assert_eq!((told.backend, told.operation), ("mongodb", "append"));
            }
        }

        let of_io = |kind: io::ErrorKind| Error::from(io::Error::from(kind));
        let others = [
            (of_io(io::ErrorKind::TimedOut), Timeout, IfIdempotent),
            (
                of_io(io::ErrorKind::ConnectionReset),
                Unavailable,
                IfIdempotent,
            ),
            (
                of_io(io::ErrorKind::UnexpectedEof),
                Unavailable,
                IfIdempotent,
            ),
            (Error::custom("damaged".to_owned()), Corrupt, No),
            (ErrorKind::Shutdown.into(), Other, No),
        ];
        for (error, kind, retry) in others {
            let told = classify(&error, "page");
            assert_eq!((told.kind, told.retry), (kind, retry), "{error:?}");
        }
    }

    #[test]
    fn a_failure_of_the_server_is_told_by_its_number_and_its_words() {
        let failed =
            doc! { "code": 10_334, "codeName": "BSONObjectTooLarge", "errmsg": "too large" };
        let command: CommandError = deserialize_from_document(failed).unwrap();
        let told = classify(&ErrorKind::Command(command).into(), "adopt").source;
        let told = told.unwrap().to_string();
        assert_eq!(told, "error 10334 of the server: too large");
    }

    #[test]
    fn a_duplicate_names_its_document_and_what_is_taken() {
        // Names of users and rooms hold nearly any text, which must not be taken for the name of an
        // index.
        for (index, taken) in [
            ("room_seq", Taken::Seq),
            ("_id_", Taken::Id),
            ("room_author_client", Taken::Other),
        ] {
            let message = format!(
                "E11000 duplicate key error collection: chat.messages index: {index} dup key: \
                 {{ from: \" index: _id_ dup key\" }}"
            );
            let first = doc! { "index": 4_i64, "code": DUPLICATE_KEY, "errmsg": message };
            let failed = doc! { "writeErrors": [first] };
            assert_eq!(duplicate(&insert_many(failed)), Some((4, taken)));
        }
    }

    #[test]
    fn without_a_majority_nothing_counts_as_a_duplicate() {
        let first = doc! { "index": 0_i64, "code": DUPLICATE_KEY, "errmsg": "" };
        let concern = doc! { "code": 64, "codeName": "", "errmsg": "waited in vain" };
        let failed = doc! { "writeErrors": [first], "writeConcernError": concern };
        let error = insert_many(failed);
        assert_eq!(duplicate(&error), None);
        let told = classify(&error, "append");
        let expected = (BackendErrorKind::Timeout, Retry::IfIdempotent);
        assert_eq!((told.kind, told.retry), expected);
    }
}
