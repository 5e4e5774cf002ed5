//! The visibility of characters, for names, message texts and moderation.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Whether `c` shows nothing on a screen: zero-width, direction marks, soft hyphen, tags, blank patterns,
/// and the format controls of music, shorthand and hieroglyphs.
///
/// In names they stand only where `name` says; moderation skips over them.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{2800}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The composed form (NFC), so that one look has one spelling.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    // Most names, and their composed form by definition.
    if text.is_ascii() {
        return text.into();
    }
    text.nfc().collect()
}
