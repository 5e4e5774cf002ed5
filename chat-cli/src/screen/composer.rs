//! The text that the user writes, in several lines. No input or output.

use std::ops::Range;

use chat_core::Seq;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::wrap::rows;
use crate::program::{
    keys::Key,
    line::{Effect, Line, Text},
};

/// The text that is being written, and the message that it is to replace.
#[derive(Debug, Default)]
pub(crate) struct Composer {
    line: Line,
    pub(crate) edits: Option<Seq>,
}

/// The effect of a key on the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// The key means nothing here.
    Nothing,
    Moved,
    Changed,
    Entered(Text),
    Quit,
}

impl Composer {
    pub(crate) fn text(&self) -> &str {
        self.line.text()
    }

    pub(crate) fn set(&mut self, text: &str) {
        self.line.set(text);
    }

    /// The rows of the text at this width, and the row and column of the cursor.
    pub(crate) fn rows(&self, width: usize) -> (Vec<Range<usize>>, (usize, usize)) {
        rows(self.line.text(), self.line.cursor(), width)
    }

    pub(crate) fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.line.press(Key::Paste(text));
    }

    pub(crate) fn press(&mut self, key: KeyEvent, width: usize) -> Pressed {
        let Some(key) = meaning(key) else {
            return Pressed::Nothing;
        };
        if matches!(key, Key::Up | Key::Down) && self.step(key == Key::Up, width) {
            return Pressed::Moved;
        }
        match self.line.press(key) {
            Effect::None | Effect::Redraw | Effect::Suspend => Pressed::Moved,
            Effect::Changed => Pressed::Changed,
            Effect::Entered(text) => Pressed::Entered(text),
            Effect::Quit => Pressed::Quit,
        }
    }

    /// Moves the cursor to the row above or below, if there is one.
    fn step(&mut self, up: bool, width: usize) -> bool {
        let (all, (row, column)) = self.rows(width);
        let next = if up {
            row.checked_sub(1)
        } else {
            Some(row + 1).filter(|row| *row < all.len())
        };
        let Some(next) = next else { return false };
        let range = all[next].clone();
        let text = &self.line.text()[range.clone()];
        let mut at = range.end;
        let mut used = 0;
        for (offset, grapheme) in
            unicode_segmentation::UnicodeSegmentation::grapheme_indices(text, true)
        {
            if used >= column {
                at = range.start + offset;
                break;
            }
            used += unicode_width::UnicodeWidthStr::width(grapheme);
        }
        self.line.place(at);
        true
    }
}

/// The meaning of a key in a text.
fn meaning(key: KeyEvent) -> Option<Key> {
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    Some(match key.code {
        KeyCode::Enter if alt || shift || control => Key::Char('\n'),
        KeyCode::Enter => Key::Enter,
        KeyCode::Char('j') if control => Key::Char('\n'),
        KeyCode::Char('a') if control => Key::Home,
        KeyCode::Char('e') if control => Key::End,
        KeyCode::Char('u') if control => Key::CutLeft,
        KeyCode::Char('k') if control => Key::CutRight,
        KeyCode::Char('w') if control => Key::CutWord,
        KeyCode::Char('y') if control => Key::Yank,
        KeyCode::Char('h') if control => Key::Backspace,
        KeyCode::Char('d') if control => Key::Eof,
        KeyCode::Char('c') if control => Key::Interrupt,
        KeyCode::Char('b') if alt => Key::WordLeft,
        KeyCode::Char('f') if alt => Key::WordRight,
        KeyCode::Char(c) if !control && !alt => Key::Char(c),
        KeyCode::Backspace if alt || control => Key::CutWord,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Left if alt || control => Key::WordLeft,
        KeyCode::Right if alt || control => Key::WordRight,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Up if !alt => Key::Up,
        KeyCode::Down if !alt => Key::Down,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(composer: &mut Composer, code: KeyCode, modifiers: KeyModifiers) -> Pressed {
        composer.press(KeyEvent::new(code, modifiers), 10)
    }

    fn types(composer: &mut Composer, text: &str) {
        for c in text.chars() {
            press(composer, KeyCode::Char(c), KeyModifiers::NONE);
        }
    }

    #[test]
    fn alt_enter_begins_a_line_and_enter_sends_all_of_them() {
        let mut composer = Composer::default();
        types(&mut composer, "one");
        press(&mut composer, KeyCode::Enter, KeyModifiers::ALT);
        types(&mut composer, "two");
        press(&mut composer, KeyCode::Char('j'), KeyModifiers::CONTROL);
        types(&mut composer, "three");
        let entered = press(&mut composer, KeyCode::Enter, KeyModifiers::NONE);
        let text = "one\ntwo\nthree".to_owned();
        assert_eq!(
            entered,
            Pressed::Entered(Text {
                text,
                pasted: false
            })
        );
        assert_eq!(composer.text(), "");
    }

    #[test]
    fn up_and_down_move_between_rows_and_then_through_what_was_sent() {
        let mut composer = Composer::default();
        types(&mut composer, "sent");
        press(&mut composer, KeyCode::Enter, KeyModifiers::NONE);
        types(&mut composer, "ab");
        press(&mut composer, KeyCode::Enter, KeyModifiers::ALT);
        types(&mut composer, "c");
        press(&mut composer, KeyCode::Up, KeyModifiers::NONE);
        types(&mut composer, "X");
        assert_eq!(composer.text(), "aXb\nc");
        press(&mut composer, KeyCode::Up, KeyModifiers::NONE);
        assert_eq!(composer.text(), "sent");
        press(&mut composer, KeyCode::Down, KeyModifiers::NONE);
        assert_eq!(composer.text(), "aXb\nc", "the draft");
    }
}
