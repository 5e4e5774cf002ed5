//! A list of words, found in spite of disguises.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aho_corasick::{AhoCorasick, BuildError, PatternID};
use async_trait::async_trait;

use super::{
    action::{Action, masked, refused},
    fold::{Folded, Looks, Unit, fold_ascii},
    look_alike,
};
use crate::port::{BackendError, Draft, Moderator, Verdict};

/// How a word has to occur in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matching {
    /// Only as a whole word: `war` isn't in `warm`. Scripts that don't part their words, such as
    /// Chinese and Thai, are searched as with `Substring`.
    #[default]
    Word,
    /// Inside other words too: `war` is in `warm`, as the old server had it.
    Substring,
}

/// The reason why a word list can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WordListError {
    /// The file can't be read, or isn't UTF-8.
    #[error("the word list {path} can't be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An entry without anything to look for.
    #[error("the word list has an entry without a letter or digit: {0:?}")]
    Blank(String),
    /// More words than can be searched for at once.
    #[error("the word list is too long: {0}")]
    TooLong(BuildError),
}

/// The meaning of a pattern of the automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// A word to act on.
    Word,
    /// The same as it looks in Latin letters: `война` with a Latin `o`. It counts only where a
    /// letter was indeed replaced, or the Cyrillic `сор` would stop a `cop`.
    LookAlike,
    /// A word to leave alone.
    Allowed,
}

/// Refuses or masks texts that hold one of many words or phrases, however they are written.
///
/// Both sides are folded before they are compared: case, full width, accents, look-alikes from
/// other scripts, invisible characters, one separator between each two letters (`w.a.r`, `w a r`;
/// an apostrophe is none). The time is linear in the text and hardly depends on the number of words.
///
/// - A letter is taken for the Latin one that it looks like only in a word that has Latin letters
///   too; a word that is all Cyrillic never equals an English one.
/// - Digits are digits: `w4r` is not `war`, and `war2` is another word.
/// - A hyphen parts words: `war-time` has `war` in it.
/// - A phrase is found whatever stands between its words.
/// - An allowed word or phrase protects whatever lies wholly inside it.
///
/// ```
/// use chat_core::{moderation::WordList, port::Verdict};
///
/// let words = WordList::parse("
///     # one a line; an exclamation mark allows
///     war
///     nuclear option
///     !War and Peace
/// ")?;
/// for refused in ["WAR!", "w\u{200b}ar", "wа\u{301}r", "ｗａｒ", "a w-a-r", "the nuclear... option"] {
///     assert!(matches!(words.judge(refused), Verdict::Reject { .. }), "{refused}");
/// }
/// for allowed in ["software award", "I read war and peace"] {
///     assert_eq!(words.judge(allowed), Verdict::Allow, "{allowed}");
/// }
/// # Ok::<(), chat_core::moderation::WordListError>(())
/// ```
pub struct WordList {
    automaton: AhoCorasick,
    /// By pattern.
    entries: Vec<Entry>,
    matching: Matching,
    action: Action,
}

impl WordList {
    /// Takes words and phrases, and those to allow, which begin with `!`.
    ///
    /// Whole words are matched, and a text with one is refused.
    ///
    /// # Errors
    ///
    /// [`WordListError::Blank`] and [`WordListError::TooLong`].
    pub fn new<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> Result<Self, WordListError> {
        look_alike::prepare();
        let mut patterns = Vec::new();
        let mut entries = Vec::new();
        for word in words {
            let word = word.as_ref().trim();
            let (text, entry) = match word.strip_prefix('!') {
                Some(text) => (text, Entry::Allowed),
                None => (word, Entry::Word),
            };
            let pattern = |looks| Folded::new(text, looks).text.trim().to_owned();
            let plain = pattern(Looks::InMixedWords);
            if plain.is_empty() {
                return Err(WordListError::Blank(word.to_owned()));
            }
            let look_alike = pattern(Looks::Everywhere);
            if entry == Entry::Word && look_alike != plain {
                patterns.push(look_alike);
                entries.push(Entry::LookAlike);
            }
            patterns.push(plain);
            entries.push(entry);
        }
        Ok(Self {
            automaton: AhoCorasick::new(patterns).map_err(WordListError::TooLong)?,
            entries,
            matching: Matching::default(),
            action: Action::default(),
        })
    }

    /// Takes a text of one word or phrase a line. Blank lines and lines that begin with `#` are
    /// left out; a line that begins with `!` allows.
    ///
    /// # Errors
    ///
    /// As [`WordList::new`].
    pub fn parse(text: &str) -> Result<Self, WordListError> {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        Self::new(lines.filter(|line| !line.is_empty() && !line.starts_with('#')))
    }

    /// Reads a file in the form of [`WordList::parse`]. It blocks: for the start of a program.
    ///
    /// # Errors
    ///
    /// [`WordListError`] says what is wrong.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WordListError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|source| WordListError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Sets where words are looked for; the default is [`Matching::Word`].
    #[must_use]
    pub fn matching(self, matching: Matching) -> Self {
        Self { matching, ..self }
    }

    /// Sets what happens to a text with a hit; the default is [`Action::Reject`].
    #[must_use]
    pub fn action(self, action: Action) -> Self {
        Self { action, ..self }
    }

    /// Judges a text.
    ///
    /// A masked text has no hit left: each letter of a hit is a `*`, with its accents; separators
    /// and invisible characters between them stay.
    pub fn judge(&self, text: &str) -> Verdict {
        let Some(mut clean) = self.mask(text) else {
            return Verdict::Allow;
        };
        if self.action == Action::Reject {
            return refused();
        }
        // A mask can bring letters together (`x*y`). Each round takes letters away, so it ends.
        while let Some(cleaner) = self.mask(&clean) {
            clean = cleaner;
        }
        masked(clean)
    }

    /// The text with its hits masked; `None` when it has none.
    fn mask(&self, text: &str) -> Option<String> {
        // Most texts end here.
        if fold_ascii(text).is_some_and(|folded| !self.may_hit(&folded)) {
            return None;
        }
        let folded = Folded::new(text, Looks::InMixedWords);
        let (mut hits, mut allowed) = (Vec::new(), Vec::new());
        for found in self.automaton.find_overlapping_iter(&folded.text) {
            let (start, end) = folded.range(found.start(), found.end());
            if self.matching == Matching::Word
                && !(folded.is_boundary(start) && folded.is_boundary(end))
            {
                continue;
            }
            match self.entry(found.pattern()) {
                Entry::Allowed => allowed.push((start, end)),
                Entry::LookAlike
                    if !folded.units.get(start..end)?.iter().any(Unit::is_replaced) => {}
                Entry::Word | Entry::LookAlike => hits.push((start, end)),
            }
        }
        hits.retain(|hit| {
            !allowed
                .iter()
                .any(|safe| safe.0 <= hit.0 && hit.1 <= safe.1)
        });
        if hits.is_empty() {
            return None;
        }
        hits.sort_unstable();
        let mut clean = String::with_capacity(text.len());
        let mut copied = 0;
        for unit in hits
            .iter()
            .filter_map(|hit| folded.units.get(hit.0..hit.1))
            .flatten()
        {
            // One character can fold to several units, and hits can overlap.
            if unit.start >= copied && !unit.is_gap() {
                clean.push_str(text.get(copied..unit.start)?);
                clean.push('*');
                copied = unit.end;
            }
        }
        clean.push_str(text.get(copied..)?);
        Some(clean)
    }

    /// Whether an ASCII text, folded, has one of the words.
    fn may_hit(&self, folded: &[u8]) -> bool {
        let is_boundary = |index: Option<usize>| {
            let byte = index.and_then(|index| folded.get(index));
            byte.is_none_or(|byte| *byte == b' ')
        };
        let mut found = self.automaton.find_overlapping_iter(folded);
        found.any(|found| {
            self.matching == Matching::Substring
                || is_boundary(found.start().checked_sub(1)) && is_boundary(Some(found.end()))
        })
    }

    fn entry(&self, pattern: PatternID) -> Entry {
        self.entries
            .get(pattern.as_usize())
            .copied()
            .unwrap_or(Entry::Word)
    }
}

impl fmt::Debug for WordList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordList")
            .field(
                "words",
                &self
                    .entries
                    .iter()
                    .filter(|entry| **entry == Entry::Word)
                    .count(),
            )
            .field("matching", &self.matching)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Moderator for WordList {
    async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError> {
        Ok(self.judge(&draft.text))
    }
}
