//! Folding: gives all disguises of a text one spelling, and keeps the positions in the original.
//!
//! Letters lose their case, width and accents (NFKD, then lower, upper and lower case, which turns
//! `ß` into `ss` and all four Turkish i's into `i`). Invisible characters are skipped. Any sequence
//! of characters between words becomes one space. Single letters in a row are joined (`w a r`). A
//! letter of another script becomes the Latin letter that it looks like, but only in a word that
//! has Latin letters as well, so that words that are Cyrillic or Greek throughout are kept.
//!
//! A folded text has at most four times as many units as the text has characters, and each distinct
//! character is folded once. To keep that limit, the ligatures of whole phrases, `ﷺ` and `ﷻ`, are
//! kept: they are signs for a formula, which nobody reads as its words.

use std::{collections::HashMap, ops::Range};

use unicode_normalization::char::{compose, decompose_compatible, is_combining_mark};

use super::look_alike::look_alike;
use crate::model::text::is_invisible;

/// A folded character, with its position in the original.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    /// The folded character; a space represents the characters between two words.
    pub(super) ch: char,
    /// The character before its case was folded, to compare its shape.
    raw: char,
    /// The position in the folded text.
    at: usize,
    /// The position in the original text, accents included.
    pub(super) start: usize,
    pub(super) end: usize,
    flag: Flag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    None,
    /// A separator between words: more than one character, or an apostrophe.
    Wide,
    /// A separator between two single letters, which is skipped.
    Skip,
    /// The first letter after a skipped separator at which a word may begin or end nevertheless.
    Loose,
}

/// The places where a letter of another script is replaced by the Latin one that it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// Only words that have Latin letters too.
    InMixedWords,
    /// All words.
    Everywhere,
}

/// Folds an ASCII text in one quick pass, without positions; `None` for a text that isn't ASCII or
/// may have single letters to join.
pub(super) fn fold_ascii(text: &str) -> Option<Vec<u8>> {
    let mut folded = Vec::with_capacity(text.len());
    let mut word = 0;
    let mut after_single = false;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            folded.push(byte.to_ascii_lowercase());
        } else if !byte.is_ascii() {
            return None;
        } else if folded.last() != Some(&b' ') {
            let single = folded.len() == word + 1;
            if single && after_single {
                return None;
            }
            after_single = single;
            folded.push(b' ');
            word = folded.len();
        }
    }
    (!after_single || folded.len() != word + 1).then_some(folded)
}

#[derive(Debug)]
pub(super) struct Folded {
    pub(super) text: String,
    pub(super) units: Vec<Unit>,
}

/// A part of what a character folds to, independent of its context.
#[derive(Debug, Clone, Copy)]
enum Piece {
    /// A letter or digit, with the character before its case was folded.
    Letter { ch: char, raw: char },
    /// A mark that belongs to the letter before it.
    Mark(char),
    /// A separator between words.
    Gap(char),
}

/// The pieces of the characters of one text; each distinct character is computed once.
#[derive(Debug, Default)]
struct Pieces {
    all: Vec<Piece>,
    known: HashMap<char, Range<usize>>,
}

impl Folded {
    pub(super) fn new(text: &str, looks: Looks) -> Self {
        let mut units = Vec::with_capacity(text.len());
        let mut pieces = Pieces::default();
        for (start, c) in text.char_indices() {
            let unit = Unit::new(c.to_ascii_lowercase(), c, start, start + c.len_utf8());
            if c.is_ascii_alphanumeric() {
                units.push(unit);
            } else if c.is_ascii() {
                separate(&mut units, unit);
            } else {
                push_unicode(&mut units, pieces.of(c), unit);
            }
        }
        join_single_letters(&mut units);
        if !text.is_ascii() {
            replace_look_alikes(&mut units, looks);
        }
        let mut folded = String::with_capacity(text.len());
        for unit in &mut units {
            unit.at = folded.len();
            folded.push(unit.ch);
        }
        Self {
            text: folded,
            units,
        }
    }

    /// The units of a range of the folded text.
    pub(super) fn range(&self, start: usize, end: usize) -> (usize, usize) {
        let index = |at| self.units.partition_point(|unit| unit.at < at);
        (index(start), index(end))
    }

    /// Whether a word may begin or end before the unit with this index.
    pub(super) fn is_boundary(&self, index: usize) -> bool {
        let (Some(before), Some(after)) = (
            index.checked_sub(1).and_then(|index| self.units.get(index)),
            self.units.get(index),
        ) else {
            return true;
        };
        before.is_gap()
            || after.is_gap()
            || after.flag == Flag::Loose
            || is_unspaced(before.ch)
            || is_unspaced(after.ch)
    }
}

impl Unit {
    fn new(ch: char, raw: char, start: usize, end: usize) -> Self {
        let (at, flag) = (0, Flag::None);
        Self {
            ch,
            raw,
            at,
            start,
            end,
            flag,
        }
    }

    pub(super) fn is_gap(&self) -> bool {
        self.ch == ' '
    }

    /// Whether this is a Latin letter that replaces a similar letter of another script.
    pub(super) fn is_replaced(&self) -> bool {
        is_latin(self.ch) && !is_latin(self.raw)
    }
}

/// Adds a separator between two words; consecutive separators become one.
fn separate(units: &mut Vec<Unit>, mut unit: Unit) {
    match units.last_mut() {
        Some(last) if last.is_gap() => last.flag = Flag::Wide,
        _ => {
            unit.ch = ' ';
            // "I'm a ..." isn't a word of three single letters.
            if is_apostrophe(unit.raw) {
                unit.flag = Flag::Wide;
            }
            units.push(unit);
        }
    }
}

impl Pieces {
    fn of(&mut self, c: char) -> &[Piece] {
        let Self { all, known } = self;
        let range = known.entry(c).or_insert_with(|| {
            let start = all.len();
            unfold(c, all);
            start..all.len()
        });
        all.get(range.clone()).unwrap_or_default()
    }
}

/// Adds the pieces of a character that is not ASCII.
fn unfold(c: char, pieces: &mut Vec<Piece>) {
    // The line separators count as invisible in a name; here they end a word.
    if is_invisible(c) && !c.is_whitespace() {
        return;
    }
    if !(c.is_alphanumeric() || is_combining_mark(c)) {
        return pieces.push(Piece::Gap(c));
    }
    // The ligatures of phrases are kept as they are.
    if matches!(c, '\u{fdfa}' | '\u{fdfb}') {
        return pieces.push(Piece::Letter { ch: c, raw: c });
    }
    decompose_compatible(c, |part| {
        // The two ranges: the Arabic lengthening stroke; vowels and finals of Hangul.
        if is_combining_mark(part) || matches!(part, '\u{640}' | '\u{1161}'..='\u{11ff}') {
            pieces.push(Piece::Mark(part));
        } else if part.is_alphanumeric() && !is_apostrophe(part) {
            unfold_letter(part, pieces);
        } else {
            pieces.push(Piece::Gap(part));
        }
    });
}

fn unfold_letter(part: char, pieces: &mut Vec<Piece>) {
    let upper = part.to_lowercase().flat_map(char::to_uppercase);
    let mut fold = upper.flat_map(char::to_lowercase);
    let ch = fold.next().unwrap_or(part);
    let look = if is_latin(ch) { look_alike(ch) } else { None };
    let ch = look.unwrap_or(ch);
    pieces.push(Piece::Letter { ch, raw: part });
    pieces.extend(fold.map(|ch| {
        if is_combining_mark(ch) {
            Piece::Mark(ch)
        } else {
            Piece::Letter { ch, raw: ch }
        }
    }));
}

/// Adds a character that folds to these pieces.
fn push_unicode(units: &mut Vec<Unit>, pieces: &[Piece], unit: Unit) {
    let Unit { start, end, .. } = unit;
    for piece in pieces {
        match *piece {
            Piece::Letter { ch, raw } => units.push(Unit::new(ch, raw, start, end)),
            Piece::Mark(mark) => push_mark(units, mark, start, end),
            Piece::Gap(raw) => separate(units, Unit::new(raw, raw, start, end)),
        }
    }
}

/// Adds a mark to the letter before it: an accent is dropped, another mark is composed with the
/// letter where Unicode has a character for both (`й`, `が`, the syllables of Hangul).
fn push_mark(units: &mut Vec<Unit>, mark: char, start: usize, end: usize) {
    let last = units.last_mut().filter(|last| !last.is_gap());
    let Some(last) = last else {
        if !is_accent(mark) {
            units.push(Unit::new(mark, mark, start, end));
        }
        return;
    };
    let composed = compose(last.ch, mark);
    // In Cyrillic the breve makes a different letter; all other accents are dropped.
    let letter = |c: &char| !is_accent(mark) || matches!(c, 'й' | 'ў');
    if let Some(composed) = composed.filter(letter) {
        (last.ch, last.raw, last.end) = (composed, composed, end);
    } else if is_accent(mark) {
        last.end = end;
    } else {
        units.push(Unit::new(mark, mark, start, end));
    }
}

/// Skips the separators between single letters, as in `w.a.r`.
fn join_single_letters(units: &mut Vec<Unit>) {
    let word = |index: Option<usize>| {
        let unit = index.and_then(|index| units.get(index));
        unit.filter(|unit| !unit.is_gap())
    };
    let is_single = |index: usize| {
        word(Some(index)).is_some_and(|unit| unit.ch.is_alphabetic())
            && word(index.checked_sub(1)).is_none()
            && word(Some(index + 1)).is_none()
    };
    let joins = |gap: usize| {
        let unit = units.get(gap);
        unit.is_some_and(|unit| unit.is_gap() && unit.flag == Flag::None)
            && gap.checked_sub(1).is_some_and(is_single)
            && is_single(gap + 1)
    };
    // English has two words of one letter. At either end of a row of single letters they may be
    // such words ("a g u n"); elsewhere the row is one word, and "s o f t w a r e" has no "war" in
    // it.
    let article = |index: usize| word(Some(index)).is_some_and(|unit| matches!(unit.ch, 'a' | 'i'));

    let gaps = (1..units.len()).filter(|gap| joins(*gap));
    let found: Vec<(usize, bool)> = gaps
        .map(|gap| {
            let first = !gap.checked_sub(2).is_some_and(joins);
            let last = !joins(gap + 2);
            (gap, first && article(gap - 1) || last && article(gap + 1))
        })
        .collect();
    if found.is_empty() {
        return;
    }
    for (gap, loose) in found {
        if let Some([gap, after]) = units.get_mut(gap..gap + 2) {
            gap.flag = Flag::Skip;
            after.flag = if loose { Flag::Loose } else { Flag::None };
        }
    }
    units.retain(|unit| unit.flag != Flag::Skip);
}

fn replace_look_alikes(units: &mut [Unit], looks: Looks) {
    for word in units.split_mut(Unit::is_gap) {
        if looks == Looks::InMixedWords && !word.iter().any(|unit| is_latin(unit.ch)) {
            continue;
        }
        for unit in word.iter_mut().filter(|unit| !is_latin(unit.ch)) {
            // The shape depends on the case: `Ν` looks like `N`, but `ν` like `v`.
            if let Some(letter) = look_alike(unit.raw) {
                unit.ch = letter;
            }
        }
    }
}

/// Whether a character is an apostrophe, or a modifier letter that looks like one.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2b9}'..='\u{2df}' | '\u{2ec}'..='\u{2ff}')
}

/// Whether a mark may be left out without making a different word: the accents of Latin, Greek and
/// Cyrillic, the vowel points of Hebrew and Arabic, and the Arabic lengthening stroke.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}' | '\u{591}'..='\u{5c7}'
        | '\u{640}' | '\u{64b}'..='\u{652}' | '\u{670}')
}

/// Whether a character is a letter of the Latin script.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c,
            '\u{c0}'..='\u{2af}' | '\u{1d00}'..='\u{1d7f}' | '\u{1d80}'..='\u{1dbf}'
            | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}' | '\u{a720}'..='\u{a7ff}'
            | '\u{ab30}'..='\u{ab6f}' | '\u{1f150}'..='\u{1f189}')
            && c.is_alphabetic()
}

/// Whether a character belongs to a script without spaces between words: a word may begin or end at
/// each one.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{31ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The maximum number of pieces that a character folds to.
    const MOST_PIECES: usize = 4;

    #[test]
    fn no_character_is_folded_to_more_than_a_few_pieces() {
        for c in '\u{80}'..=char::MAX {
            let mut pieces = Pieces::default();
            let count = pieces.of(c).len();
            assert!(count <= MOST_PIECES, "U+{:04X}: {count}", u32::from(c));
        }
    }

    #[test]
    fn a_character_is_worked_out_once_however_often_it_is_there() {
        let mut pieces = Pieces::default();
        for c in "\u{fdfa}\u{fdfb}\u{fdf0}".repeat(4_000).chars() {
            pieces.of(c);
        }
        assert!(pieces.all.len() <= 3 * MOST_PIECES);
        let folded = Folded::new(&"\u{fdfa}".repeat(4_000), Looks::InMixedWords);
        assert_eq!(folded.units.len(), 4_000);
    }
}
