//! Makes text from other users safe to print.

use std::borrow::Cow;

/// The text on one line, without characters that a terminal would obey or that are invisible.
///
/// A line break becomes `↵`, a tab a space; every other control character (C0, DEL, C1, so ESC
/// too), direction mark, line separator and invisible formatting character becomes `\u{fffd}`.
/// Nothing is dropped silently, so that hidden characters show that they are there. Joiners
/// between visible characters stay, for scripts and emoji need them.
///
/// ```
/// use chat_cli::clean;
///
/// assert_eq!(clean("hello"), "hello");
/// assert_eq!(clean("two\nlines"), "two↵lines");
/// assert_eq!(clean("\u{1b}[2Jboo"), "\u{fffd}[2Jboo");
/// ```
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        clean.push(match c {
            '\n' | '\r' => '↵',
            '\t' => ' ',
            c if is_unsafe(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        });
    }
    Cow::Owned(clean)
}

/// Whether `c` might control a terminal, or be invisible on it.
///
/// The default-ignorable format characters of Unicode, without ZWNJ, ZWJ and variation selectors,
/// which shape visible characters.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_that_is_safe_is_not_copied() {
        for text in [
            "",
            "hello",
            "Zoë 李雷",
            "👩\u{200d}👩\u{200d}👧",
            "می\u{200c}خواهم",
        ] {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn characters_that_control_a_terminal_are_made_visible() {
        for (text, shown) in [
            (
                "\u{1b}]52;c;ZXZpbA==\u{7}",
                "\u{fffd}]52;c;ZXZpbA==\u{fffd}",
            ),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("a\r\nb\rc\td", "a↵b↵c d"),
            ("evil\u{202e}txt.exe", "evil\u{fffd}txt.exe"),
            ("\u{7f}\u{0}\u{8}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("a\u{200b}b", "a\u{fffd}b"),
        ] {
            assert_eq!(clean(text), shown);
        }
    }

    fn nasty() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                any::<char>(),
                (0_u32..0xa0).prop_map(|c| char::from_u32(c).unwrap_or('x')),
                (0x2000_u32..0x2070).prop_map(|c| char::from_u32(c).unwrap_or('x')),
            ],
            0..40,
        )
        .prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn no_character_that_controls_a_terminal_is_left(text in nasty()) {
            let shown = clean(&text);
            for c in shown.chars() {
                let code = u32::from(c);
                prop_assert!(code >= 0x20 && !(0x7f..=0x9f).contains(&code), "U+{code:04X}");
                prop_assert!(!(0x202a..=0x202e).contains(&code) && !(0x2066..=0x2069).contains(&code));
                prop_assert!(![0x61c, 0x200e, 0x200f, 0x2028, 0x2029].contains(&code));
            }
            prop_assert_eq!(clean(&shown), shown.as_ref());
        }
    }
}
