//! The actions on a text that a moderator objects to.

use std::sync::Arc;

use crate::port::Verdict;

/// The reason that is shown to the author of a refused text.
pub const REASON: &str = "Message is not accepted";

/// The action on a text in which a word or pattern was found.
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
