//! Errors and reasons to close a connection, each with a stable code.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    model::InvalidId,
    port::{AppendError, AuthError, BackendError, BackendErrorKind, Retry},
};

macro_rules! codes {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type { $($(#[$variant_doc])* $variant,)+ }

        impl $type {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number on the wire. A number that is retired is never given again.
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The one with this number.
            pub fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    /// Stable codes of errors: 100 the request is wrong, 200 it is refused, 300 not now.
    ErrorCode {
        /// The frame is not what the protocol says.
        BadRequest = 100 "bad_request",
        /// No command has this type.
        UnknownCommand = 101 "unknown_command",
        /// A name or id breaks its rules.
        InvalidId = 102 "invalid_id",
        /// The text is empty or holds control characters.
        InvalidText = 103 "invalid_text",
        /// The text is too long.
        TextTooLong = 104 "text_too_long",
        /// There is nothing at this address.
        NoAddress = 105 "no_address",
        /// There is something at this address, but not for this method.
        WrongMethod = 106 "wrong_method",
        /// The token proves nothing, or none was given.
        Unauthenticated = 110 "unauthenticated",
        /// The token was valid, and has ended.
        TokenExpired = 111 "token_expired",
        /// There is no such room, or the user is not a member of it.
        NoRoom = 200 "no_room",
        /// There is no such message of this user.
        NoMessage = 201 "no_message",
        /// This user may not do this here.
        Forbidden = 202 "forbidden",
        /// One of the two users of a direct room has blocked the other.
        Blocked = 203 "blocked",
        /// Something else was asked for under this client id before.
        Conflict = 204 "conflict",
        /// The room has as many members as it may have.
        Full = 205 "full",
        /// Too many requests; wait.
        RateLimited = 210 "rate_limited",
        /// Too many requests before; wait.
        Muted = 211 "muted",
        /// Moderation refused the text.
        Moderated = 212 "moderated",
        /// Too many connections of this user.
        TooManySessions = 213 "too_many_sessions",
        /// The user is banned from this server.
        Banned = 214 "banned",
        /// The store can't be reached; nothing was stored.
        StoreUnavailable = 300 "store_unavailable",
        /// The store is full; nothing was stored.
        StoreFull = 301 "store_full",
        /// It is not known whether it was stored: retry with the same client message id.
        OutcomeUnknown = 302 "outcome_unknown",
        /// The store doesn't keep up; nothing was stored. Wait.
        Overloaded = 303 "overloaded",
        /// Moderation gave no answer, and the engine is set to refuse then.
        ModerationUnavailable = 304 "moderation_unavailable",
        /// Logins can't be checked at the moment; wait.
        AuthUnavailable = 305 "auth_unavailable",
        /// The server stops; reconnect.
        ShuttingDown = 310 "shutting_down",
        /// A fault of the server.
        Internal = 399 "internal",
    }
}

codes! {
    /// Why a connection is closed. After 4000 to 4499 a client reconnects and resumes; after all others it
    /// doesn't, for it would be closed again. Those below 4000 are WebSocket's own (RFC 6455, 7.4.1).
    CloseReason {
        /// The client sent what WebSocket forbids.
        ProtocolError = 1002 "protocol_error",
        /// The client sent a binary message.
        UnsupportedData = 1003 "unsupported_data",
        /// The client sent a text that is not UTF-8.
        InvalidPayload = 1007 "invalid_payload",
        /// The client sent a frame or message that is too large.
        TooBig = 1009 "too_big",
        /// The server stops, or restarts.
        Shutdown = 4000 "shutdown",
        /// The client did not read fast enough.
        Slow = 4001 "slow",
        /// The client sent no sign of life.
        Idle = 4002 "idle",
        /// A fault of the server.
        Internal = 4003 "internal",
        /// Too many frames in too short a time.
        Flood = 4004 "flood",
        /// The login has ended; come back with a new token.
        TokenExpired = 4005 "token_expired",
        /// An administrator closed it; the user may come back.
        Kicked = 4006 "kicked",
        /// The client breaks the protocol of the frames' content.
        BadRequest = 4500 "bad_request",
        /// No valid token, or none in time.
        Unauthenticated = 4501 "unauthenticated",
        /// Too many connections of this user.
        TooManySessions = 4502 "too_many_sessions",
        /// The application closed it.
        Finished = 4503 "finished",
        /// The login was revoked.
        Revoked = 4504 "revoked",
        /// The user is banned from this server.
        Banned = 4505 "banned",
    }
}

impl CloseReason {
    /// Whether the client should come back.
    pub const fn reconnect(self) -> bool {
        matches!(self.code(), 4000..4500)
    }
}

/// The reason why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A frame that is not what the protocol says.
    #[error("{0}")]
    BadRequest(String),
    /// A command that doesn't exist.
    #[error("there is no command {0:?}")]
    UnknownCommand(String),
    /// A name or id that breaks its rules.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// An empty text, or one with control characters.
    #[error("a text needs something visible, and no control characters but tabs and line breaks")]
    InvalidText,
    /// A text that is too long.
    #[error("a text has at most {max_chars} characters and {max_bytes} bytes")]
    TextTooLong {
        /// The limit in characters.
        max_chars: usize,
        /// The limit in bytes of UTF-8.
        max_bytes: usize,
    },
    /// A request to an address where there is nothing.
    #[error("there is nothing at this address")]
    NoAddress,
    /// A request with a method that its address doesn't know.
    #[error("this address takes another method")]
    WrongMethod,
    /// A token that proves nothing.
    #[error("{0}")]
    Unauthenticated(String),
    /// A token that has ended.
    #[error("the token has expired")]
    TokenExpired,
    /// A token that was revoked before its end.
    #[error("the token was revoked")]
    Revoked,
    /// Logins can't be checked at the moment.
    #[error("logins can't be checked at the moment; try again")]
    AuthUnavailable {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Not allowed to this user.
    #[error("{0}")]
    Forbidden(&'static str),
    /// One of two users has blocked the other; the error doesn't say which.
    #[error("one of you has blocked the other; what was written before can still be read")]
    Blocked,
    /// No such room, or not a member of it; a client can't distinguish the two.
    #[error("there is no such room, or you are not in it")]
    NoRoom,
    /// No such message of this user.
    #[error("there is no such message of yours")]
    NoMessage,
    /// Something else was asked for under this client id before.
    #[error("something else was asked for under this client_id before; take another one")]
    Conflict,
    /// The room has as many members as it may have.
    #[error("the room is full")]
    Full,
    /// The budget is used up, and the user is muted from now on.
    #[error("too many requests; wait {} s", retry_after.as_secs_f32().ceil())]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
        /// Set when this very request began a mute of this length.
        muted_for: Option<Duration>,
    },
    /// Muted, by the engine after too many requests or by a decision.
    #[error("you are muted{}", and_wait(*retry_after))]
    Muted {
        /// How long to wait; `None` when that is not known.
        retry_after: Option<Duration>,
    },
    /// Banned from this server.
    #[error("you are banned from this server{}", and_wait(*retry_after))]
    Banned {
        /// How long to wait; `None` for a ban without an end.
        retry_after: Option<Duration>,
    },
    /// Refused by moderation.
    #[error("{reason}")]
    Moderated {
        /// A short sentence for the author.
        reason: String,
    },
    /// Moderation failed, and the engine is set to refuse then.
    #[error("the text could not be checked; try again")]
    ModerationUnavailable,
    /// Too many connections of this user.
    #[error("at most {max} connections a user")]
    TooManySessions {
        /// The limit.
        max: usize,
    },
    /// A backend failed.
    #[error(transparent)]
    Backend(BackendError),
    /// The store doesn't keep up with what is waiting to be stored.
    #[error("the server is overloaded; wait {} s", retry_after.as_secs_f32().ceil())]
    Overloaded {
        /// How long to wait, estimated from the store's pace.
        retry_after: Duration,
    },
    /// The engine stops.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) => ErrorCode::BadRequest,
            Self::UnknownCommand(_) => ErrorCode::UnknownCommand,
            Self::InvalidId(_) => ErrorCode::InvalidId,
            Self::InvalidText => ErrorCode::InvalidText,
            Self::TextTooLong { .. } => ErrorCode::TextTooLong,
            Self::NoAddress => ErrorCode::NoAddress,
            Self::WrongMethod => ErrorCode::WrongMethod,
            Self::Unauthenticated(_) | Self::Revoked => ErrorCode::Unauthenticated,
            Self::TokenExpired => ErrorCode::TokenExpired,
            Self::AuthUnavailable { .. } => ErrorCode::AuthUnavailable,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::Blocked => ErrorCode::Blocked,
            Self::NoRoom => ErrorCode::NoRoom,
            Self::NoMessage => ErrorCode::NoMessage,
            Self::Conflict => ErrorCode::Conflict,
            Self::Full => ErrorCode::Full,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Muted { .. } => ErrorCode::Muted,
            Self::Banned { .. } => ErrorCode::Banned,
            Self::Moderated { .. } => ErrorCode::Moderated,
            Self::ModerationUnavailable => ErrorCode::ModerationUnavailable,
            Self::TooManySessions { .. } => ErrorCode::TooManySessions,
            Self::Backend(error) => match (error.kind, error.retry) {
                (BackendErrorKind::Full, _) => ErrorCode::StoreFull,
                (_, Retry::IfIdempotent) => ErrorCode::OutcomeUnknown,
                (BackendErrorKind::Unavailable | BackendErrorKind::Timeout, _) => {
                    ErrorCode::StoreUnavailable
                }
                _ => ErrorCode::Internal,
            },
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
        }
    }

    /// How long to wait before the same command has a chance, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. }
            | Self::AuthUnavailable { retry_after }
            | Self::Overloaded { retry_after } => Some(*retry_after),
            Self::Muted { retry_after } | Self::Banned { retry_after } => *retry_after,
            _ => None,
        }
    }
}

/// What a sentence says about a time to wait.
fn and_wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| {
        format!("; wait {} s", wait.as_secs_f32().ceil())
    })
}

impl From<BackendError> for Error {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid => Self::Unauthenticated(error.to_string()),
            AuthError::Revoked => Self::Revoked,
            AuthError::Expired => Self::TokenExpired,
            AuthError::Unavailable { retry_after } => Self::AuthUnavailable { retry_after },
        }
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NoRoom => Self::NoRoom,
            AppendError::NoTarget => Self::NoMessage,
            AppendError::NotAllowed => Self::Forbidden("you may not do this in this room"),
            AppendError::Blocked => Self::Blocked,
            AppendError::Full => Self::Full,
            AppendError::Backend(error) => Self::Backend(error),
        }
    }
}

/// An [`Error`] as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The number of its [`ErrorCode`].
    pub code: u16,
    /// The name of its [`ErrorCode`].
    pub name: String,
    /// What to tell the user.
    pub message: String,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl From<&Error> for ErrorBody {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().code(),
            name: error.code().name().to_owned(),
            message: error.to_string(),
            // Rounded up, so that a client that waits for this time isn't refused again.
            retry_after_ms: error
                .retry_after()
                .map(|wait| u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)),
        }
    }
}
