//! The bytes of a terminal, read as keys. No input or output.

/// Something that the user pressed, or pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character to insert. Bytes that are no UTF-8 come as U+FFFD.
    Char(char),
    /// What the terminal marks as pasted, with `\n` as its line breaks.
    Paste(String),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    CutLeft,
    CutRight,
    CutWord,
    Yank,
    Redraw,
    Interrupt,
    /// Ctrl+D: the end of the input on an empty line.
    Eof,
    Suspend,
}

/// Bytes after which an escape sequence without an end is no escape sequence.
const SEQUENCE: usize = 32;

/// Bytes of a paste that are kept until its end comes; a longer one is given in parts.
const PASTE: usize = 1 << 20;

const PASTE_END: &[u8] = b"\x1b[201~";

/// Reads keys from bytes, however the bytes are cut into reads. What does not make a whole key yet
/// waits for the bytes that follow.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pending: Vec<u8>,
    pasting: bool,
}

impl Decoder {
    /// The keys that are complete with these bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.pending);
        let mut rest = &pending[..];
        let mut keys = Vec::new();
        while let Some((key, length)) = self.next(rest) {
            keys.extend(key);
            rest = &rest[length..];
        }
        self.pending = rest.to_vec();
        keys
    }

    /// The first key of the bytes and its length; `None` while it is not complete. A sequence
    /// that means nothing here has a length and no key.
    fn next(&mut self, bytes: &[u8]) -> Option<(Option<Key>, usize)> {
        if self.pasting {
            return self.pasted(bytes);
        }
        match bytes {
            [] | [0x1b] | [0x1b, b'O'] => None,
            [0x1b, b'[', rest @ ..] => self.control_sequence(rest),
            [0x1b, b'O', end, ..] => Some((letter(*end, false), 3)),
            [0x1b, 0x7f, ..] => Some((Some(Key::CutWord), 2)),
            [0x1b, b'b', ..] => Some((Some(Key::WordLeft), 2)),
            [0x1b, b'f', ..] => Some((Some(Key::WordRight), 2)),
            [0x1b, ..] => Some((None, 1)),
            [byte @ (0..0x20 | 0x7f), ..] => Some((control(*byte), 1)),
            bytes => character(bytes).map(|(c, length)| (Some(Key::Char(c)), length)),
        }
    }

    /// What follows `ESC [`: parameters, and a letter or a tilde at the end.
    fn control_sequence(&mut self, rest: &[u8]) -> Option<(Option<Key>, usize)> {
        let Some(at) = rest.iter().position(|byte| (0x40..0x7f).contains(byte)) else {
            return (rest.len() > SEQUENCE).then_some((None, 1));
        };
        let (parameters, length) = (&rest[..at], at + 3);
        let key = match (rest[at], parameters) {
            // The function keys of the Linux console have one letter more.
            (b'[', b"") => return (rest.len() > 1).then_some((None, length + 1)),
            (b'~', b"1" | b"7") => Some(Key::Home),
            (b'~', b"4" | b"8") => Some(Key::End),
            (b'~', b"3") => Some(Key::Delete),
            (b'~', b"200") => {
                self.pasting = true;
                None
            }
            (end, b"") => letter(end, false),
            // With Alt or Ctrl.
            (end, b"1;3" | b"1;5") => letter(end, true),
            _ => None,
        };
        Some((key, length))
    }

    fn pasted(&mut self, bytes: &[u8]) -> Option<(Option<Key>, usize)> {
        let end = bytes
            .windows(PASTE_END.len())
            .position(|at| at == PASTE_END);
        let (text, length) = match end {
            Some(end) => {
                self.pasting = false;
                (&bytes[..end], end + PASTE_END.len())
            }
            None if bytes.len() > PASTE => {
                let whole = bytes.len() - PASTE_END.len();
                let cut = bytes[..whole].iter().rposition(u8::is_ascii)? + 1;
                (&bytes[..cut], cut)
            }
            None => return None,
        };
        let text = String::from_utf8_lossy(text);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        Some((Some(Key::Paste(text)), length))
    }
}

/// The key of a letter that ends a sequence, alone or with a key that makes it go by words.
fn letter(end: u8, by_word: bool) -> Option<Key> {
    Some(match (end, by_word) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', false) => Key::Right,
        (b'C', true) => Key::WordRight,
        (b'D', false) => Key::Left,
        (b'D', true) => Key::WordLeft,
        (b'F', _) => Key::End,
        (b'H', _) => Key::Home,
        (b'M', _) => Key::Enter,
        _ => return None,
    })
}

fn control(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::Eof,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Char('\t'),
        b'\n' | b'\r' => Key::Enter,
        0x0b => Key::CutRight,
        0x0c => Key::Redraw,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::CutLeft,
        0x17 => Key::CutWord,
        0x19 => Key::Yank,
        0x1a => Key::Suspend,
        _ => return None,
    })
}

/// The first character and its length in bytes; `None` while it is not complete.
fn character(bytes: &[u8]) -> Option<(char, usize)> {
    let start = &bytes[..bytes.len().min(4)];
    let (valid, error) = match str::from_utf8(start) {
        Ok(valid) => (valid, None),
        Err(error) => {
            let (valid, _) = start.split_at(error.valid_up_to());
            (str::from_utf8(valid).unwrap_or_default(), Some(error))
        }
    };
    match (valid.chars().next(), error) {
        (Some(c), _) => Some((c, c.len_utf8())),
        (None, Some(error)) => Some((char::REPLACEMENT_CHARACTER, error.error_len()?)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Decoder::default().feed(bytes)
    }

    fn chars(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[test]
    fn keys_that_edit_are_known_in_their_usual_spellings() {
        for (bytes, key) in [
            (&b"\r"[..], Key::Enter),
            (b"\n", Key::Enter),
            (b"\x7f", Key::Backspace),
            (b"\x1b[3~", Key::Delete),
            (b"\x1b[A", Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[H", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1b[1;5C", Key::WordRight),
            (b"\x1bb", Key::WordLeft),
            (b"\x17", Key::CutWord),
            (b"\x04", Key::Eof),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn sequences_without_a_meaning_leave_nothing_behind() {
        for bytes in [
            &b"\x1b[15~"[..],
            b"\x1b[[A",
            b"\x1b[1;2P",
            b"\x1bOP",
            b"\x1b[?2026;2$y",
        ] {
            let with_text = [bytes, b"a"].concat();
            assert_eq!(keys(&with_text), chars("a"), "{bytes:?}");
        }
    }

    #[test]
    fn invalid_bytes_are_replaced_and_lose_nothing_else() {
        assert_eq!(keys(b"a\xe9b"), chars("a\u{fffd}b"));
        assert_eq!(keys(b"\xff\xfe!"), chars("\u{fffd}\u{fffd}!"));
        assert_eq!(keys(b"\xc3\r"), [Key::Char('\u{fffd}'), Key::Enter]);
    }

    #[test]
    fn a_paste_is_one_key_with_its_line_breaks_and_its_slashes() {
        let bytes = b"\x1b[200~//one\r\ntwo\r\x1b[A\x1b[201~x";
        let paste = Key::Paste("//one\ntwo\n\u{1b}[A".to_owned());
        assert_eq!(keys(bytes), [paste, Key::Char('x')]);
    }

    proptest! {
        #[test]
        fn keys_do_not_depend_on_how_the_bytes_are_cut(
            parts in proptest::collection::vec(
                prop_oneof![
                    any::<char>().prop_map(|c| c.to_string().into_bytes()),
                    any::<u8>().prop_map(|byte| vec![byte]),
                    proptest::sample::select(vec![
                        b"\x1b[A".to_vec(), b"\x1b[200~".to_vec(), b"\x1b[201~".to_vec(),
                        b"\x1bOH".to_vec(), b"\x1b[1;5D".to_vec(), b"\r\n".to_vec(),
                    ]),
                ],
                0..30,
            ),
        ) {
            let bytes = parts.concat();
            let mut decoder = Decoder::default();
            let cut: Vec<Key> = bytes.iter().flat_map(|byte| decoder.feed(&[*byte])).collect();
            prop_assert_eq!(cut, keys(&bytes));
        }
    }
}
