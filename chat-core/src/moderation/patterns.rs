//! A moderator with regular expressions.

use async_trait::async_trait;
use regex::{Regex, RegexBuilder};

use super::action::{Action, masked, refused};
use crate::port::{BackendError, Draft, Moderator, Verdict};

/// The maximum size of a compiled pattern, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// The reason why a pattern can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It isn't a valid regular expression, or is larger than 1 MiB when compiled.
    #[error("the moderation pattern {pattern:?} can't be used: {source}")]
    Invalid {
        /// The pattern.
        pattern: String,
        /// The error in the pattern.
        source: regex::Error,
    },
    /// It matches the empty text, and therefore every text.
    #[error("the moderation pattern {0:?} matches the empty text, so it would hit every message")]
    MatchesAll(String),
}

/// Refuses or masks texts that match at least one of its regular expressions.
///
/// The patterns are applied to the original text, so that they can match links, addresses and
/// numbers. `(?i)` makes a pattern ignore case; use [`WordList`](super::WordList) against
/// disguises. The time is linear in the length of the text, for any pattern.
///
/// ```
/// use chat_core::{moderation::{Action, RegexModerator}, port::Verdict};
///
/// let cards = RegexModerator::new([r"\b\d{4}( ?\d{4}){3}\b"])?.action(Action::Mask);
/// assert_eq!(
///     cards.judge("mine is 4111 1111 1111 1111."),
///     Verdict::Mask("mine is *******************.".into()),
/// );
/// assert_eq!(cards.judge("call 4111"), Verdict::Allow);
/// # Ok::<(), chat_core::moderation::PatternError>(())
/// ```
#[derive(Debug)]
pub struct RegexModerator {
    patterns: Vec<Regex>,
    action: Action,
}

impl RegexModerator {
    /// Compiles the patterns, in the syntax of the `regex` crate. A text that matches is refused.
    ///
    /// # Errors
    ///
    /// [`PatternError`] names the pattern that can't be used.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, PatternError> {
        let compile = |pattern: P| {
            let pattern = pattern.as_ref();
            let regex = RegexBuilder::new(pattern)
                .size_limit(SIZE_LIMIT)
                .build()
                .map_err(|source| PatternError::Invalid {
                    pattern: pattern.to_owned(),
                    source,
                })?;
            if regex.is_match("") {
                return Err(PatternError::MatchesAll(pattern.to_owned()));
            }
            Ok(regex)
        };
        Ok(Self {
            patterns: patterns
                .into_iter()
                .map(compile)
                .collect::<Result<_, _>>()?,
            action: Action::default(),
        })
    }

    /// Sets what happens to a text with a match; the default is [`Action::Reject`].
    #[must_use]
    pub fn action(self, action: Action) -> Self {
        Self { action, ..self }
    }

    /// Judges a text.
    ///
    /// With [`Action::Mask`], each pattern is applied to the text as the patterns before it masked
    /// it, and each character of a match becomes a `*`.
    pub fn judge(&self, text: &str) -> Verdict {
        if !self.patterns.iter().any(|pattern| pattern.is_match(text)) {
            return Verdict::Allow;
        }
        if self.action == Action::Reject {
            return refused();
        }
        let stars = |found: &regex::Captures<'_>| "*".repeat(found[0].chars().count());
        let clean = self.patterns.iter().fold(text.to_owned(), |text, pattern| {
            pattern.replace_all(&text, stars).into_owned()
        });
        masked(clean)
    }
}

#[async_trait]
impl Moderator for RegexModerator {
    async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError> {
        Ok(self.judge(&draft.text))
    }
}
