//! The rules of a name: what may stand in it, and where.
//!
//! A character that takes no room on a screen makes two names look alike, so none may stand in a name,
//! except where its script or its emoji needs it: the joiners of RFC 5892, appendices A.1 and A.2, the
//! joiner inside an emoji, and the selector after one.

use std::sync::Arc;

use unicode_joining_type::{JoiningType, get_joining_type};
use unicode_normalization::char::canonical_combining_class;
use unicode_properties::{GeneralCategory, UnicodeEmoji, UnicodeGeneralCategory};

use super::{
    invalid_id::InvalidId,
    text::{is_invisible, nfc},
};

/// The longest name, in characters.
pub(super) const MAX_CHARS: usize = 64;

/// How many marks may follow one another: a letter under more of them hides its neighbours. The number is
/// that of UTS #39, section 5.4.
const MAX_MARKS: usize = 4;

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
const EMOJI_SELECTOR: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// Checks a name that somebody takes, and gives the one spelling of it.
pub(super) fn new(what: &'static str, text: &str) -> Result<Arc<str>, InvalidId> {
    let name = spelled(text);
    check_length(what, &name)?;
    if matches!(&*name, "." | "..") {
        return Err(InvalidId::Dots { what });
    }
    let chars: Vec<char> = name.chars().collect();
    let mut marks = 0;
    for (at, c) in chars.iter().copied().enumerate() {
        let (before, after) = (&chars[..at], &chars[at + 1..]);
        let allowed = match c {
            NON_JOINER => may_stand_apart(before, after),
            JOINER => follows_virama(before) || joins_emoji(before, after),
            EMOJI_SELECTOR => selects_emoji(before, after),
            _ => may_always_stand(c) && c.general_category() != GeneralCategory::Format,
        };
        if !allowed {
            return Err(InvalidId::Character { what, found: c });
        }
        let is_mark = matches!(
            c.general_category(),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        );
        marks = if is_mark { marks + 1 } else { 0 };
        if marks > MAX_MARKS {
            let max = MAX_MARKS;
            return Err(InvalidId::Marks { what, max });
        }
    }
    Ok(name)
}

/// Reads a name that may have been taken under the rules of an earlier release.
pub(super) fn known(what: &'static str, text: &str) -> Result<Arc<str>, InvalidId> {
    new(what, text).or_else(|error| {
        let name: Arc<str> = nfc(text).into();
        check_length(what, &name)?;
        if name.chars().all(|c| may_always_stand(c) || could_stand(c)) {
            Ok(name)
        } else {
            Err(error)
        }
    })
}

/// The composed form, with one kind of space: U+00A0 and U+3000 look like it.
fn spelled(text: &str) -> Arc<str> {
    let spaced = text.replace(['\u{a0}', '\u{3000}'], " ");
    nfc(&spaced).into()
}

fn check_length(what: &'static str, name: &str) -> Result<(), InvalidId> {
    if name.is_empty() {
        return Err(InvalidId::Empty { what });
    }
    if name.chars().count() > MAX_CHARS {
        let max = MAX_CHARS;
        return Err(InvalidId::TooLong { what, max });
    }
    if name.starts_with(' ') || name.ends_with(' ') {
        return Err(InvalidId::Padded { what });
    }
    Ok(())
}

/// What stood in names from the first release on, wherever it stands.
fn may_always_stand(c: char) -> bool {
    c != ',' && !c.is_control() && !is_invisible(c) && (!c.is_whitespace() || c == ' ')
}

/// Invisible characters that could stand in names before 0.1.0 was released.
fn could_stand(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
}

/// RFC 5892, A.1: a non-joiner after a virama, or between two letters that would join.
fn may_stand_apart(before: &[char], after: &[char]) -> bool {
    let joining = |c: &char| get_joining_type(*c);
    let is_seen = |kind: &JoiningType| *kind != JoiningType::Transparent;
    let left = before.iter().rev().map(joining).find(is_seen);
    let right = after.iter().map(joining).find(is_seen);
    let would_join = matches!(
        left,
        Some(JoiningType::LeftJoining | JoiningType::DualJoining)
    ) && matches!(
        right,
        Some(JoiningType::RightJoining | JoiningType::DualJoining)
    );
    !after.is_empty() && (follows_virama(before) || would_join)
}

/// RFC 5892, A.2: whether a virama comes just before; its canonical combining class is 9.
fn follows_virama(before: &[char]) -> bool {
    before
        .last()
        .is_some_and(|c| canonical_combining_class(*c) == 9)
}

/// Whether one emoji comes before, with its selector or its colour of skin, and another one after.
fn joins_emoji(before: &[char], after: &[char]) -> bool {
    let before = before.iter().rev().find(|c| **c != EMOJI_SELECTOR);
    before.copied().is_some_and(is_emoji) && after.first().copied().is_some_and(is_emoji)
}

/// Whether an emoji comes before. A digit is one only under a keycap.
fn selects_emoji(before: &[char], after: &[char]) -> bool {
    match before.last() {
        Some(c) if c.is_ascii() => c.is_emoji_char() && after.first() == Some(&KEYCAP),
        Some(c) => is_emoji(*c),
        None => false,
    }
}

fn is_emoji(c: char) -> bool {
    !c.is_ascii() && c.is_emoji_char()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> bool {
        new("a name", text).is_err()
    }

    #[test]
    fn joiners_stand_where_their_script_needs_them() {
        for good in [
            "\u{639}\u{644}\u{6cc}\u{200c}\u{631}\u{636}\u{627}", // Persian: Ali-Reza
            "\u{d28}\u{d4d}\u{200d}",                             // Malayalam, after a virama
            "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}",               // Sinhala: Sri
            "\u{915}\u{94d}\u{200c}\u{937}",                      // Devanagari, after a virama
        ] {
            assert!(!refused(good), "{good:?}");
        }
        for bad in [
            "a\u{200c}b",
            "a\u{200d}b",
            "\u{200c}\u{639}",
            "\u{639}\u{200c}",
            "\u{639}\u{200d}\u{644}",
            "\u{200d}a",
        ] {
            assert!(refused(bad), "{bad:?}");
        }
    }

    #[test]
    fn emoji_keep_their_joiners_and_selectors() {
        for good in [
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "\u{1f469}\u{1f3fd}\u{200d}\u{1f4bb}",
            "\u{2764}\u{fe0f}",
            "\u{2764}\u{fe0f}\u{200d}\u{1f525}",
            "1\u{fe0f}\u{20e3}",
        ] {
            assert!(!refused(good), "{good:?}");
        }
        for bad in [
            "a\u{fe0f}",
            "1\u{fe0f}",
            "\u{fe0f}",
            "\u{1f468}\u{200d}",
            "\u{1f468}\u{200d}a",
        ] {
            assert!(refused(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_wide_and_an_unbroken_space_are_a_space() {
        for space in ["\u{a0}", "\u{3000}"] {
            let name = new("a name", &format!("anna{space}maria")).unwrap();
            assert_eq!(&*name, "anna maria");
            assert!(refused(&format!("{space}anna")), "{space:?}");
        }
    }

    #[test]
    fn what_nobody_sees_or_reaches_is_refused() {
        for bad in [
            "\u{2800}",
            "a\u{1d173}b",
            "a\u{1bca0}b",
            "a\u{13430}b",
            "\u{110bd}",
            ".",
            "..",
            "a\u{200b}b",
            "a\u{202e}b",
            "a\u{feff}b",
        ] {
            assert!(refused(bad), "{bad:?}");
        }
        let stacked = |marks| format!("a{}", "\u{35f}".repeat(marks));
        assert!(!refused(&stacked(MAX_MARKS)));
        assert!(refused(&stacked(MAX_MARKS + 1)));
        assert!(!refused("..."), "it is reachable");
    }

    #[test]
    fn a_name_of_an_earlier_release_is_still_read() {
        for old in [
            ".",
            "..",
            "a\u{110bd}b",
            &format!("a{}", "\u{35f}".repeat(9)),
        ] {
            assert!(refused(old), "{old:?}");
            assert_eq!(known("a name", old).as_deref(), Ok(old));
        }
        for never in ["", "a,b", " a", "a\u{200b}b", "a\nb", "a\u{200c}b"] {
            assert!(known("a name", never).is_err(), "{never:?}");
        }
    }
}
