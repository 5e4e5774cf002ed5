//! The translation of failures of Redis to the errors of the engine.

use chat_core::port::{BackendError, BackendErrorKind, Retry};
use fred::error::{Error, ErrorKind};

/// The driver's message for a connection that has just been lost.
const UNROUTED: &str = "Failed to route command.";

/// The server's message for a user who may run a script, but not a command in it.
const SCRIPT_NOT_ALLOWED: &str = "The user executing the script can't run this command";

/// The name of this backend in its errors.
pub(crate) const BACKEND: &str = "redis";

/// Translates the driver's error to a kind of failure, and whether the call may be repeated.
pub(crate) fn classify(error: &Error, operation: &'static str) -> BackendError {
    use BackendErrorKind as Kind;

    // The server's own errors begin with a word in capitals, and mean that nothing was done.
    let word = error.details().split_whitespace().next().unwrap_or("");
    let (kind, retry) = match (word, error.kind()) {
        ("NOAUTH" | "WRONGPASS" | "NOPERM", _) | (_, ErrorKind::Auth) => {
            (Kind::Unauthorized, Retry::No)
        }
        _ if error.details().contains(SCRIPT_NOT_ALLOWED) => (Kind::Unauthorized, Retry::No),
        // The wording is that of rustls.
        _ if error.details().contains("InvalidCertificate") => (Kind::Misconfigured, Retry::No),
        ("OOM", _) => (Kind::Full, Retry::Safe),
        (
            "LOADING" | "BUSY" | "CLUSTERDOWN" | "TRYAGAIN" | "MASTERDOWN" | "READONLY" | "MISCONF"
            | "NOREPLICAS",
            _,
        )
        | (_, ErrorKind::Routing | ErrorKind::Cluster | ErrorKind::Backpressure) => {
            (Kind::Unavailable, Retry::Safe)
        }
        (_, ErrorKind::Unknown) if error.details() == UNROUTED => (Kind::Unavailable, Retry::Safe),
        (_, ErrorKind::IO | ErrorKind::Canceled) => (Kind::Unavailable, Retry::IfIdempotent),
        (_, ErrorKind::Timeout) => (Kind::Timeout, Retry::IfIdempotent),
        (_, ErrorKind::Config | ErrorKind::Url | ErrorKind::Tls) => {
            (Kind::Misconfigured, Retry::No)
        }
        ("WRONGTYPE", _) | (_, ErrorKind::Parse | ErrorKind::Protocol | ErrorKind::NotFound) => {
            (Kind::Corrupt, Retry::No)
        }
        _ => (Kind::Other, Retry::No),
    };
    BackendError::new(BACKEND, kind, retry, operation, error.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_it_is_and_whether_to_repeat() {
        use BackendErrorKind::{
            Corrupt, Full, Misconfigured, Other, Timeout, Unauthorized, Unavailable,
        };
        use Retry::{IfIdempotent, No, Safe};

        let table = [
            (ErrorKind::Auth, "", Unauthorized, No),
            (ErrorKind::Auth, "WRONGPASS invalid", Unauthorized, No),
            (ErrorKind::Unknown, "NOPERM this user", Unauthorized, No),
            (ErrorKind::Unknown, SCRIPT_NOT_ALLOWED, Unauthorized, No),
            (ErrorKind::Unknown, "OOM command not allowed", Full, Safe),
            (ErrorKind::Unknown, "LOADING Redis is", Unavailable, Safe),
            (ErrorKind::Unknown, "BUSY Redis is busy", Unavailable, Safe),
            (ErrorKind::Unknown, "READONLY You can't", Unavailable, Safe),
            (ErrorKind::Unknown, "MISCONF Redis is", Unavailable, Safe),
            (ErrorKind::Cluster, "CLUSTERDOWN", Unavailable, Safe),
            (ErrorKind::Cluster, "MOVED 1 host:1", Unavailable, Safe),
            (ErrorKind::Routing, "not connected", Unavailable, Safe),
            (ErrorKind::Unknown, UNROUTED, Unavailable, Safe),
            (ErrorKind::Backpressure, "", Unavailable, Safe),
            (ErrorKind::IO, "InvalidCertificate(", Misconfigured, No),
            (ErrorKind::IO, "reset", Unavailable, IfIdempotent),
            (ErrorKind::Canceled, "closed", Unavailable, IfIdempotent),
            (ErrorKind::Timeout, "late", Timeout, IfIdempotent),
            (ErrorKind::Config, "no such host", Misconfigured, No),
            (ErrorKind::Url, "no host", Misconfigured, No),
            (ErrorKind::Tls, "UnknownIssuer", Misconfigured, No),
            (ErrorKind::InvalidArgument, "WRONGTYPE", Corrupt, No),
            (ErrorKind::Parse, "not a number", Corrupt, No),
            (ErrorKind::Protocol, "no frame", Corrupt, No),
            (ErrorKind::Unknown, "ERR unknown command", Other, No),
            (ErrorKind::InvalidCommand, "", Other, No),
        ];
        for (kind, details, expected, retry) in table {
            let failed = classify(&Error::new(kind.clone(), details), "touch");
            let found = (failed.kind, failed.retry);
            assert_eq!(found, (expected, retry), "{kind:?} {details}");
            assert_eq!((failed.backend, failed.operation), ("redis", "touch"));
        }
    }
}
