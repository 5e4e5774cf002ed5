//! Who may come in and what may be said: the embedder's own rules.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::BackendError;
use crate::ids::{RoomId, UserId};

/// A text before it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Where it is to appear.
    pub room: RoomId,
    /// Who wrote it.
    pub author: UserId,
    /// What it says, with the masks of moderators that came before.
    pub text: Arc<str>,
}

/// What a moderator says of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let it through.
    Allow,
    /// Let this text through in its place.
    Mask(Arc<str>),
    /// Refuse it. The reason is shown to the author, and to nobody else.
    Reject {
        /// A short sentence for the author.
        reason: String,
    },
}

/// Reviews each message and edit before it is stored.
///
/// A review may ask elsewhere: its [`Link`](crate::moderation::Link) in the chain says how long the
/// engine waits for it, and what it does after that or after an error. The future is then dropped.
#[async_trait]
pub trait Moderator: fmt::Debug + Send + Sync + 'static {
    /// Judges a draft.
    ///
    /// # Errors
    ///
    /// When no judgement can be made.
    async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError>;
}

/// A token that proves nothing. The text tells the user why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unauthenticated {
    /// A short sentence for the user.
    pub reason: String,
}

/// Tells whom a token stands for.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The user that this token proves to be.
    ///
    /// # Errors
    ///
    /// [`Unauthenticated`] when it proves nothing.
    async fn authenticate(&self, token: &str) -> Result<UserId, Unauthenticated>;
}
