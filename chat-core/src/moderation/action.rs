//! What happens to a text that a moderator objects to.

use std::sync::Arc;

use crate::port::Verdict;

/// What the author of a refused text is told.
pub const REASON: &str = "Message is not accepted";

/// What happens to a text with a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// The text is refused, with [`REASON`].
    #[default]
    Reject,
    /// Each character of the hit is replaced by `*`.
    Mask,
}

pub(super) fn refused() -> Verdict {
    Verdict::Reject {
        reason: REASON.to_owned(),
    }
}

pub(super) fn masked(text: String) -> Verdict {
    Verdict::Mask(Arc::from(text))
}
