//! The errors of a client: its end, and the failure of one command.

use std::{path::PathBuf, time::Duration};

use chat_core::{CloseReason, ErrorBody, ErrorCode};

/// Why a client ended, or could not begin. Reconnecting would not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address of the server is not valid.
    #[error("{url:?} is no address of a server: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// The rule that it breaks.
        why: String,
    },
    /// The file of certificates to trust can't be used.
    #[error("the certificates of {} can't be used: {why}", .path.display())]
    Certificates {
        /// As it was given.
        path: PathBuf,
        /// The fault that was found.
        why: String,
    },
    /// No host has this name. A resolver that can't say so now is asked again instead.
    #[error("no host has the name {host:?}: {why}")]
    NoHost {
        /// The name in the address.
        host: String,
        /// The resolver's error.
        why: String,
    },
    /// The server does not accept this user.
    #[error("the server refused: {} (code {})", .0.message, .0.code)]
    Refused(ErrorBody),
    /// The server closed the connection with a code that means: do not come back.
    #[error("the server closed the connection for good: {} (code {code})", name(*code, text))]
    Closed {
        /// 1002, 1003, 1007, 1009, or 4500 to 4999; see [`CloseReason`].
        code: u16,
        /// The server's explanation; may be empty.
        text: String,
    },
    /// Something answers at this address, but no chat server.
    #[error("no chat server answers there: HTTP status {status}{}", because(.reason))]
    NoChatServer {
        /// The status that came instead of a WebSocket.
        status: u16,
        /// The reason in the answer; may be empty.
        reason: String,
    },
    /// [`Client::close`](crate::Client::close) was called, or the last client dropped.
    #[error("the client was closed")]
    Finished,
}

/// A reason to put behind a status.
pub(crate) fn because(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    }
}

fn name(code: u16, text: &str) -> String {
    match (CloseReason::from_code(code), text) {
        (Some(reason), "") => reason.name().to_owned(),
        _ => text.to_owned(),
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused it, for good unless [`retry_after`](Self::retry_after) is `Some`; or the
    /// client did, because a frame of more than 64 KiB would have ended the connection.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// 1,000 commands wait for an answer; this one was not sent. Try again after some answers.
    #[error("too many messages are waiting; try again later")]
    QueueFull,
    /// No answer in time.
    #[error("the server gave no answer in time")]
    TimedOut,
    /// The connection was lost before the answer, and the command may not be sent twice. Whether it was
    /// carried out is not known.
    #[error("the connection was lost before the answer; look whether it was done")]
    Unanswered,
    /// The answer was of another kind than the question.
    #[error("the server gave an answer that does not fit the question")]
    Mismatch,
    /// The client ended before the answer came. Whether a message was stored is not known.
    #[error("the client ended before the answer came: {0}")]
    Ended(ClientError),
}

impl RequestError {
    /// The time after which the same command has a chance, where the server named one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(body) => body.retry_after_ms.map(Duration::from_millis),
            _ => None,
        }
    }

    /// The server's code, when it was a refusal that this version knows.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(body) => ErrorCode::from_code(body.code),
            _ => None,
        }
    }
}
