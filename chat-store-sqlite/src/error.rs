//! The meaning of `SQLite` failures for the engine.

use std::sync::Arc;

use chat_core::port::{BackendError, BackendErrorKind, Retry};
use rusqlite::{Error, ErrorCode, ffi};

/// The stage of a transaction at which it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the commit: nothing is stored.
    Before,
    /// During the commit: it may be stored.
    Commit,
}

/// A failure that is reported to every caller in a group.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    error: Arc<Error>,
    stage: Stage,
}

impl Failure {
    pub(crate) fn before(error: Error) -> Self {
        Self {
            error: Arc::new(error),
            stage: Stage::Before,
        }
    }

    pub(crate) fn in_commit(error: Error) -> Self {
        Self {
            error: Arc::new(error),
            stage: Stage::Commit,
        }
    }

    /// The file no longer exists under its name, so further writes would be lost.
    pub(crate) fn moved() -> Self {
        let moved = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
        let what = "the file was removed or replaced while the store has it open";
        Self::before(Error::SqliteFailure(moved, Some(what.to_owned())))
    }

    /// The error that this failure causes for one operation.
    pub(crate) fn of(&self, operation: &'static str) -> BackendError {
        let (kind, retry) = classify(&self.error, self.stage);
        BackendError::new(BACKEND, kind, retry, operation, Arc::clone(&self.error))
    }

    /// Whether the connection can still be used. After other failures, above all a failed sync, the
    /// pages that it believes to be in the file may not be there.
    pub(crate) fn leaves_connection_sound(&self) -> bool {
        matches!(
            self.error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }
}

/// The name of this backend in its errors.
pub(crate) const BACKEND: &str = "sqlite";

/// Classifies a failure, and decides whether the call may be repeated.
///
/// A commit writes its last frame after all others and then syncs. If the disk was full, the write
/// failed or the lock could not be taken, that frame is missing, so nothing is stored; after any
/// other failure the transaction may be stored.
pub(crate) fn classify(error: &Error, stage: Stage) -> (BackendErrorKind, Retry) {
    use BackendErrorKind as Kind;

    let Error::SqliteFailure(failure, _) = error else {
        // The row doesn't have the form in which it was written.
        return (Kind::Corrupt, Retry::No);
    };
    let (kind, retry) = match failure.code {
        ErrorCode::DiskFull => (Kind::Full, Retry::Safe),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (Kind::Timeout, Retry::Safe),
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_CORRUPTFS => {
            (Kind::Corrupt, Retry::No)
        }
        ErrorCode::SystemIoFailure
        | ErrorCode::OutOfMemory
        | ErrorCode::CannotOpen
        | ErrorCode::OperationInterrupted
        | ErrorCode::FileLockingProtocolFailed => (Kind::Unavailable, Retry::Safe),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => (Kind::Corrupt, Retry::No),
        ErrorCode::PermissionDenied => (Kind::Unauthorized, Retry::No),
        ErrorCode::ReadOnly | ErrorCode::NoLargeFileSupport => (Kind::Misconfigured, Retry::No),
        _ => (Kind::Other, Retry::No),
    };
    let written_whole = !matches!(kind, Kind::Full | Kind::Timeout)
        && failure.extended_code != ffi::SQLITE_IOERR_WRITE;
    if stage == Stage::Commit && written_whole {
        (kind, Retry::IfIdempotent)
    } else {
        (kind, retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::types::Type;

    #[test]
    fn each_failure_says_what_it_is_and_whether_to_repeat() {
        use BackendErrorKind::{
            Corrupt, Full, Misconfigured, Other, Timeout, Unauthorized, Unavailable,
        };
        use Retry::{IfIdempotent, No, Safe};

        let table = [
            (ffi::SQLITE_FULL, Full, Safe, Safe),
            (ffi::SQLITE_BUSY, Timeout, Safe, Safe),
            (ffi::SQLITE_BUSY_SNAPSHOT, Timeout, Safe, Safe),
            (ffi::SQLITE_LOCKED, Timeout, Safe, Safe),
            (ffi::SQLITE_IOERR_WRITE, Unavailable, Safe, Safe),
            (ffi::SQLITE_IOERR_FSYNC, Unavailable, Safe, IfIdempotent),
            (ffi::SQLITE_IOERR_READ, Unavailable, Safe, IfIdempotent),
            (ffi::SQLITE_IOERR_SHMMAP, Unavailable, Safe, IfIdempotent),
            (ffi::SQLITE_IOERR_CORRUPTFS, Corrupt, No, IfIdempotent),
            (ffi::SQLITE_NOMEM, Unavailable, Safe, IfIdempotent),
            (ffi::SQLITE_CANTOPEN, Unavailable, Safe, IfIdempotent),
            (ffi::SQLITE_CORRUPT, Corrupt, No, IfIdempotent),
            (ffi::SQLITE_NOTADB, Corrupt, No, IfIdempotent),
            (ffi::SQLITE_PERM, Unauthorized, No, IfIdempotent),
            (ffi::SQLITE_READONLY, Misconfigured, No, IfIdempotent),
            (
                ffi::SQLITE_READONLY_DBMOVED,
                Misconfigured,
                No,
                IfIdempotent,
            ),
            (ffi::SQLITE_CONSTRAINT, Other, No, IfIdempotent),
            (ffi::SQLITE_TOOBIG, Other, No, IfIdempotent),
        ];
        for (code, kind, before, in_commit) in table {
            let error = || Error::SqliteFailure(ffi::Error::new(code), None);
            let failed = Failure::before(error()).of("append");
            assert_eq!((failed.kind, failed.retry), (kind, before), "{code}");
            assert_eq!((failed.backend, failed.operation), ("sqlite", "append"));
            let failed = Failure::in_commit(error()).of("append");
            assert_eq!((failed.kind, failed.retry), (kind, in_commit), "{code}");
        }
    }

    #[test]
    fn a_row_that_does_not_read_is_damage() {
        let error = Error::InvalidColumnType(0, "id".into(), Type::Null);
        assert_eq!(
            classify(&error, Stage::Before),
            (BackendErrorKind::Corrupt, Retry::No)
        );
    }
}
