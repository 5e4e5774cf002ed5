//! A moderator with a list of words, which it finds in spite of disguises.

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

/// The form in which a word has to occur in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matching {
    /// Only as a whole word: `war` isn't in `warm`. Scripts without spaces between words, such as
    /// Chinese and Thai, are searched as with `Substring`.
    #[default]
    Word,
    /// Inside other words too: `war` is in `warm`. This is the old server's rule.
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
    /// An entry has no letter or digit to search for.
    #[error("the word list has an entry without a letter or digit: {0:?}")]
    Blank(String),
    /// The list has more words than can be searched for at once.
    #[error("the word list is too long: {0}")]
    TooLong(BuildError),
}

/// The meaning of a pattern of the automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// A word to act on.
    Word,
    /// The word in the Latin letters that it looks like: `война` with a Latin `o`. It counts only
    /// where a letter was indeed replaced, because otherwise the Cyrillic `сор` would match `cop`.
    LookAlike,
    /// A word to leave alone.
    Allowed,
}

/// Refuses or masks texts that contain one of many words or phrases, in any spelling.
///
/// Words and texts are folded before they are compared. Folding removes case, full width, accents,
/// look-alikes from other scripts, invisible characters, and one separator between every two
/// letters (`w.a.r`, `w a r`; an apostrophe doesn't count). The time is linear in the length of the
/// text and hardly depends on the number of words.
///
/// - A letter is taken for the Latin one that it looks like only in a word that has Latin letters
///   too; a word that is all Cyrillic never equals an English one.
/// - Digits are digits: `w4r` is not `war`, and `war2` is a different word.
/// - A hyphen separates words: `war-time` contains `war`.
/// - A phrase is found whatever is written between its words.
/// - An allowed word or phrase protects whatever lies wholly inside it.
///
/// ```
/// use chat_core::{moderation::WordList, port::Verdict};
///
/// let words = WordList::parse("
///     # one per line; an exclamation mark allows
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
    /// The entry of each pattern.
    entries: Vec<Entry>,
    matching: Matching,
    action: Action,
}

impl WordList {
    /// Takes words and phrases; those that begin with `!` are allowed.
    ///
    /// Whole words are matched, and a text that contains one is refused.
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

    /// Takes a text of one word or phrase per line. Blank lines and lines that begin with `#` are
    /// ignored; a line that begins with `!` allows its word or phrase.
    ///
    /// # Errors
    ///
    /// As [`WordList::new`].
    pub fn parse(text: &str) -> Result<Self, WordListError> {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        Self::new(lines.filter(|line| !line.is_empty() && !line.starts_with('#')))
    }

    /// Reads a file in the form of [`WordList::parse`]. The call blocks, and is meant for the start
    /// of a program.
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

    /// Sets the form in which words are matched; the default is [`Matching::Word`].
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
    /// A masked text has no hit left: each letter of a hit becomes one `*`, accents included;
    /// separators and invisible characters between the letters are kept.
    pub fn judge(&self, text: &str) -> Verdict {
        let Some(mut clean) = self.mask(text) else {
            return Verdict::Allow;
        };
        if self.action == Action::Reject {
            return refused();
        }
        // A mask can bring letters together (`x*y`). Each round removes letters, so the loop ends.
        while let Some(cleaner) = self.mask(&clean) {
            clean = cleaner;
        }
        masked(clean)
    }

    /// The text with its hits masked; `None` when it has none.
    fn mask(&self, text: &str) -> Option<String> {
        // Most texts have no hit and return here.
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

    /// Whether a folded ASCII text contains one of the words.
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
