//! Moderation: decides which texts are accepted.
//!
//! A [`Chain`] asks its moderators in order. Two come with the engine: [`WordList`], which sees
//! through disguises, and [`RegexModerator`], for regular expressions; anything else implements
//! [`Moderator`](crate::port::Moderator).
//!
//! ```
//! use chat_core::{moderation::{Action, WordList}, port::Verdict};
//!
//! let words = WordList::new(["war", "gun"])?.action(Action::Mask);
//! assert_eq!(words.judge("make love, not w.a.r"), Verdict::Mask("make love, not *.*.*".into()));
//! assert_eq!(words.judge("it had begun to get warm"), Verdict::Allow);
//! # Ok::<(), chat_core::moderation::WordListError>(())
//! ```

mod action;
mod chain;
mod fold;
mod look_alike;
mod patterns;
mod words;

pub use action::{Action, REASON};
pub use chain::{Chain, FailurePolicy, Link, Unavailable};
pub use patterns::{PatternError, RegexModerator};
pub use words::{Matching, WordList, WordListError};

/// The words that the server refuses by default.
pub const DEFAULT_WORDS: [&str; 2] = ["war", "gun"];

#[cfg(test)]
mod tests;
