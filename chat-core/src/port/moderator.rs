//! The moderator: the embedder's own rules about texts.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::BackendError;
use crate::model::{RoomId, UserId};

/// A text before it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The room in which it is to appear.
    pub room: RoomId,
    /// The user who wrote it.
    pub author: UserId,
    /// The text, with the masks of moderators that came before.
    pub text: Arc<str>,
}

/// What a moderator decides about a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let it through.
    Allow,
    /// Let this text through in its place.
    Mask(Arc<str>),
    /// Refuse it. Only the author is shown the reason.
    Reject {
        /// A short sentence for the author.
        reason: String,
    },
}

/// Reviews each message and edit before it is stored.
///
/// A review may ask a service elsewhere: its [`Link`](crate::moderation::Link) in the chain says how long
/// the engine waits for it, and what the engine does after that, after an error or after a panic. The future is
/// then dropped.
#[async_trait]
pub trait Moderator: fmt::Debug + Send + Sync + 'static {
    /// Judges a draft.
    ///
    /// # Errors
    ///
    /// If the moderator can't judge the draft.
    async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError>;
}
