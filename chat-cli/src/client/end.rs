//! How a connection ends, and whether another one may do better.

use chat_core::ErrorBody;

use crate::error::ClientError;

/// The end of a connection, or of an attempt to make one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next connection may do better; why this one ended, for people.
    Lost(String),
    /// No connection will do better.
    Final(ClientError),
}

impl End {
    pub(super) fn lost(reason: impl Into<String>) -> Self {
        Self::Lost(reason.into())
    }

    /// What a close frame of the server means.
    pub(super) fn closed(frame: Option<(u16, String)>) -> Self {
        match frame {
            Some((code @ 4500..=4999, text)) => Self::Final(ClientError::Closed { code, text }),
            Some((code, text)) if !text.is_empty() => {
                Self::Lost(format!("the server closed the connection: {text} ({code})"))
            }
            _ => Self::lost("the server closed the connection"),
        }
    }

    /// What a refused `hello` means: the user is at fault, or the server can't take it now.
    pub(super) fn refused(error: ErrorBody) -> Self {
        match error.code {
            100..=199 | 213 => Self::Final(ClientError::Refused(error)),
            _ => Self::Lost(error.message),
        }
    }

    /// What an HTTP answer instead of a WebSocket means. A server that was there before is taken
    /// to be restarting, whatever a proxy answers for it.
    pub(super) fn no_websocket(status: u16, was_connected: bool) -> Self {
        if was_connected || status >= 500 || matches!(status, 408 | 425 | 429) {
            Self::Lost(format!("HTTP status {status}"))
        } else {
            Self::Final(ClientError::NoChatServer { status })
        }
    }
}
