//! The Latin letters that other characters look like.

use std::sync::LazyLock;

use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

/// The small capitals, in the order of the alphabet. Unicode's table of confusables has no entry
/// from them to the letters, and maps other scripts to them (Cyrillic `к` to `ᴋ`).
const SMALL_CAPITALS: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ";

/// Sorted pairs of a character and the letter that it looks like. Building it takes milliseconds,
/// once.
static TABLE: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    // The blocks of alphabets; ideographs and syllables look like no letter.
    let alphabets = [
        '\u{80}'..='\u{2fff}',
        '\u{a4d0}'..='\u{abff}',
        '\u{10280}'..='\u{118ff}',
        '\u{16f00}'..='\u{16f9f}',
        '\u{1f150}'..='\u{1f189}',
    ];
    let all = alphabets.into_iter().flatten();
    all.filter_map(|c| Some((c, compute(c)?))).collect()
});

/// The lower-case ASCII letter that `c` looks like, by the confusables of UTS 39.
///
/// ASCII characters are excluded, because the table maps `m` to `rn` and `I` to `l`.
pub(super) fn look_alike(c: char) -> Option<char> {
    let at = TABLE.binary_search_by_key(&c, |pair| pair.0).ok()?;
    TABLE.get(at).map(|pair| pair.1)
}

/// Builds the table now, so that no message waits for it.
pub(super) fn prepare() {
    LazyLock::force(&TABLE);
}

fn compute(c: char) -> Option<char> {
    if let Some(letter) = small_capital(c) {
        return Some(letter);
    }
    match c {
        // White letters on black have neither confusables nor compatibility forms.
        '\u{1f150}'..='\u{1f169}' => return nth_letter(u32::from(c) - 0x1f150),
        '\u{1f170}'..='\u{1f189}' => return nth_letter(u32::from(c) - 0x1f170),
        _ if !c.is_alphabetic() => return None,
        _ => {}
    }
    let mut buffer = [0; 4];
    let mut letters = skeleton(c.encode_utf8(&mut buffer)).filter(|c| !is_combining_mark(*c));
    match (letters.next()?, letters.next(), letters.next()) {
        ('l', None, _) if c.is_uppercase() => Some('i'),
        (letter, None, _) if letter.is_ascii_alphabetic() => Some(letter.to_ascii_lowercase()),
        (letter, None, _) => small_capital(letter),
        ('r', Some('n'), None) => Some('m'),
        _ => None,
    }
}

fn small_capital(c: char) -> Option<char> {
    let n = SMALL_CAPITALS.chars().position(|letter| letter == c)?;
    nth_letter(u32::try_from(n).ok()?)
}

fn nth_letter(n: u32) -> Option<char> {
    char::from_u32(u32::from('a') + n)
}
