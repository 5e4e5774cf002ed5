//! The authenticator: the embedder's own login.

use std::fmt;

use async_trait::async_trait;

use crate::model::UserId;

/// A token that proves nothing. The text says why, for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unauthenticated {
    /// A short sentence for the user.
    pub reason: String,
}

/// Decides which user a token stands for.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The user that this token proves to be.
    ///
    /// # Errors
    ///
    /// [`Unauthenticated`] when it proves nothing.
    async fn authenticate(&self, token: &str) -> Result<UserId, Unauthenticated>;
}
