//! The authenticator: the embedder's own login.

use std::{fmt, net::IpAddr, time::Duration};

use async_trait::async_trait;

use super::Secret;
use crate::model::{Principal, Via};

/// A token, and where it came from.
#[derive(Debug)]
pub struct Credential<'a> {
    /// The token.
    pub token: &'a Secret,
    /// The protocol by which it came.
    pub via: Via,
    /// The address of the client; `None` when it is not known, as on a Unix socket.
    pub from: Option<IpAddr>,
}

/// The reason why a login was refused. The client receives a code and this text, nothing else; log anything
/// more at the level debug, and never the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token, or an invalid one.
    #[error("the token is missing or not valid")]
    Invalid,
    /// The token was valid until it ended.
    #[error("the token has expired")]
    Expired,
    /// The token was revoked before its end.
    #[error("the token was revoked")]
    Revoked,
    /// Tokens can't be checked at the moment. The client keeps its token and tries again.
    #[error("logins can't be checked at the moment; try again")]
    Unavailable {
        /// How long to wait before another attempt.
        retry_after: Duration,
    },
}

/// Decides which user a token stands for, and what they may do.
///
/// `chat-server` waits for an answer for at most 2 s and asks for at most 256 at once; what exceeds that is
/// answered as [`AuthError::Unavailable`]. If it panics, only that login fails, as
/// unavailable too.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The user that this token proves to be.
    ///
    /// # Errors
    ///
    /// [`AuthError`] says whether the client should try again with the same token.
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError>;
}
