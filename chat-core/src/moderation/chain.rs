//! A chain of several moderators.

use std::{sync::Arc, time::Duration};

use tokio::time;

use crate::port::{
    BackendError, BackendErrorKind, Draft, Moderator, Retry, Verdict, panics::caught_async,
};

/// The treatment of a text that a moderator could not judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// The text is treated as if the moderator had allowed it.
    Open,
    /// The text is refused.
    #[default]
    Closed,
}

/// A moderator could not judge a text, and its policy is [`FailurePolicy::Closed`].
#[derive(Debug, thiserror::Error)]
#[error("a moderator gave no verdict: {0}")]
pub struct Unavailable(#[source] pub BackendError);

impl From<Unavailable> for crate::Error {
    fn from(_: Unavailable) -> Self {
        Self::ModerationUnavailable
    }
}

/// A moderator with its time-out, and the policy for its failures.
#[derive(Debug, Clone)]
pub struct Link {
    /// The moderator.
    pub moderator: Arc<dyn Moderator>,
    /// The time to wait for a verdict.
    pub timeout: Duration,
    /// The policy after an error, a panic or the time-out.
    pub on_failure: FailurePolicy,
}

impl Link {
    /// The default time to wait for a verdict.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1500);

    /// A link with [`Link::DEFAULT_TIMEOUT`], which refuses the text when the moderator fails.
    pub fn new(moderator: impl Moderator) -> Self {
        Self {
            moderator: Arc::new(moderator),
            timeout: Self::DEFAULT_TIMEOUT,
            on_failure: FailurePolicy::default(),
        }
    }

    async fn review(&self, draft: &Draft) -> Result<Verdict, Unavailable> {
        let review = caught_async(async { self.moderator.review(draft).await });
        let error = match time::timeout(self.timeout, review).await {
            Ok(Ok(Ok(verdict))) => return Ok(verdict),
            Ok(Ok(Err(error))) => error,
            Ok(Err(panic)) => panic.into_error("moderator", Retry::Safe, "review"),
            Err(_) => BackendError {
                kind: BackendErrorKind::Timeout,
                retry: Retry::Safe,
                backend: "moderator",
                operation: "review",
                source: None,
            },
        };
        tracing::warn!(%error, policy = ?self.on_failure, "moderation failed");
        match self.on_failure {
            FailurePolicy::Open => Ok(Verdict::Allow),
            FailurePolicy::Closed => Err(Unavailable(error)),
        }
    }
}

/// Asks moderators one after the other. An empty chain allows everything.
///
/// ```
/// use chat_core::{
///     RoomId, UserId,
///     moderation::{Action, Chain, Link, RegexModerator, WordList},
///     port::{Draft, Verdict},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let words = Link::new(WordList::new(["war", "gun"])?.action(Action::Mask));
/// let links = Link::new(RegexModerator::new(["https?://"])?);
/// let chain = Chain::new(vec![words, links]);
///
/// let mut draft = Draft {
///     room: RoomId::new("alice,bob")?,
///     author: UserId::new("alice")?,
///     text: "no war".into(),
/// };
/// assert_eq!(chain.review(&draft).await?, Verdict::Mask("no ***".into()));
/// draft.text = "no war, see http://peace.example".into();
/// assert!(matches!(chain.review(&draft).await?, Verdict::Reject { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Chain {
    links: Vec<Link>,
}

impl Chain {
    /// A chain that asks in this order.
    pub fn new(links: Vec<Link>) -> Self {
        Self { links }
    }

    /// The verdict of all moderators. The first [`Verdict::Reject`] ends the review; a
    /// [`Verdict::Mask`] rewrites the draft for the moderators that follow, and the text after the
    /// last one is the one to accept.
    ///
    /// Requires a tokio runtime with its timer. A dropped call has no lasting effect.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] after an error or a time-out of a moderator whose policy is
    /// [`FailurePolicy::Closed`].
    pub async fn review(&self, draft: &Draft) -> Result<Verdict, Unavailable> {
        let mut masked: Option<Draft> = None;
        for link in &self.links {
            match link.review(masked.as_ref().unwrap_or(draft)).await? {
                Verdict::Allow => {}
                Verdict::Mask(text) => {
                    masked = Some(Draft {
                        text,
                        ..draft.clone()
                    });
                }
                reject @ Verdict::Reject { .. } => return Ok(reject),
            }
        }
        Ok(masked.map_or(Verdict::Allow, |draft| Verdict::Mask(draft.text)))
    }
}
