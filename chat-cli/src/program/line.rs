//! The line that the user edits, and the lines entered before. No input or output.

use std::collections::VecDeque;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

use super::keys::Key;

/// Entered lines that can be called back.
const HISTORY: usize = 100;

/// A text, and whether it begins with something that was pasted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// What is pasted is meant as it is: a slash at its beginning makes no command.
    pub(crate) pasted: bool,
}

/// The effect of a key, beyond changing the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing, or a move of the cursor.
    None,
    /// The text changed.
    Changed,
    /// The line was entered, and is empty now.
    Entered(Text),
    /// The user leaves.
    Quit,
    /// The screen is to be painted anew.
    Redraw,
    /// The user wants the shell back for a while.
    Suspend,
}

/// The line being edited.
#[derive(Debug, Default)]
pub(crate) struct Line {
    now: Text,
    /// The position of the next character, in bytes; always between two characters as people see them.
    cursor: usize,
    cut: String,
    history: VecDeque<Text>,
    /// The entry of the history that is shown, and the line that was being written before.
    recalled: Option<usize>,
    draft: Text,
}

impl Line {
    pub(crate) fn text(&self) -> &str {
        &self.now.text
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Puts another text in the place of the line, and the cursor at its end.
    pub(crate) fn set(&mut self, text: &str) {
        text.clone_into(&mut self.now.text);
        self.now.pasted = false;
        self.cursor = self.now.text.len();
    }

    /// Puts the cursor before the character at this byte.
    pub(crate) fn place(&mut self, at: usize) {
        self.cursor = self.boundary_at(at.min(self.now.text.len()));
    }

    /// Does what a key says.
    pub(crate) fn press(&mut self, key: Key) -> Effect {
        let before = self.now.text.len();
        match key {
            Key::Char(c) => return self.insert(c.encode_utf8(&mut [0; 4]), false),
            Key::Paste(text) => return self.insert(&text, true),
            Key::Yank => return self.insert(&self.cut.clone(), false),
            Key::Enter => return self.enter(),
            Key::Interrupt => return Effect::Quit,
            Key::Eof if before == 0 => return Effect::Quit,
            Key::Redraw => return Effect::Redraw,
            Key::Suspend => return Effect::Suspend,
            Key::Left => self.cursor = self.left(),
            Key::Right => self.cursor = self.right(),
            Key::WordLeft => self.cursor = self.word_left(),
            Key::WordRight => self.cursor = self.word_right(),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = before,
            Key::Up => return self.recall(true),
            Key::Down => return self.recall(false),
            Key::Backspace => drop(self.remove(self.left(), self.cursor)),
            Key::Delete | Key::Eof => drop(self.remove(self.cursor, self.right())),
            Key::CutLeft => self.cut = self.remove(0, self.cursor),
            Key::CutRight => self.cut = self.remove(self.cursor, before),
            Key::CutWord => self.cut = self.remove(self.word_left(), self.cursor),
        }
        if self.now.text.len() == before {
            Effect::None
        } else {
            Effect::Changed
        }
    }

    fn insert(&mut self, text: &str, pasted: bool) -> Effect {
        if self.cursor == 0 {
            self.now.pasted = pasted;
        }
        self.now.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        // A mark joins the letter before it: the cursor may not stand between the two.
        self.cursor = self.boundary_at(self.cursor);
        Effect::Changed
    }

    fn remove(&mut self, from: usize, to: usize) -> String {
        let removed = self.now.text.drain(from..to).collect();
        self.cursor = self.boundary_at(from);
        if self.now.text.is_empty() {
            self.now.pasted = false;
        }
        removed
    }

    fn enter(&mut self) -> Effect {
        let line = std::mem::take(&mut self.now);
        self.cursor = 0;
        self.recalled = None;
        if !line.text.trim().is_empty() && self.history.back() != Some(&line) {
            self.history.push_back(line.clone());
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        Effect::Entered(line)
    }

    fn recall(&mut self, older: bool) -> Effect {
        let newest = self.history.len();
        let now = self.recalled.unwrap_or(newest);
        let then = if older {
            now.saturating_sub(1)
        } else {
            (now + 1).min(newest)
        };
        if then == now {
            return Effect::None;
        }
        if now == newest {
            self.draft = std::mem::take(&mut self.now);
        }
        self.now = self.history.get(then).unwrap_or(&self.draft).clone();
        self.recalled = (then < newest).then_some(then);
        self.cursor = self.now.text.len();
        Effect::Changed
    }

    fn boundary_at(&self, at: usize) -> usize {
        let text = &self.now.text;
        let mut cursor = GraphemeCursor::new(at, text.len(), true);
        match cursor.is_boundary(text, 0) {
            Ok(false) => cursor
                .next_boundary(text, 0)
                .ok()
                .flatten()
                .unwrap_or(text.len()),
            _ => at,
        }
    }

    fn left(&self) -> usize {
        let before = self.now.text[..self.cursor].graphemes(true).next_back();
        self.cursor - before.map_or(0, str::len)
    }

    fn right(&self) -> usize {
        let after = self.now.text[self.cursor..].graphemes(true).next();
        self.cursor + after.map_or(0, str::len)
    }

    fn word_left(&self) -> usize {
        let mut words = self.now.text[..self.cursor].unicode_word_indices();
        words.next_back().map_or(0, |(at, _)| at)
    }

    fn word_right(&self) -> usize {
        let mut words = self.now.text[self.cursor..].unicode_word_indices();
        let next = words.next().map(|(at, word)| self.cursor + at + word.len());
        next.unwrap_or(self.now.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &mut Line, text: &str) {
        for c in text.chars() {
            assert_eq!(line.press(Key::Char(c)), Effect::Changed);
        }
    }

    fn entered(text: &str, pasted: bool) -> Effect {
        Effect::Entered(Text {
            text: text.to_owned(),
            pasted,
        })
    }

    #[test]
    fn text_is_inserted_and_removed_at_the_cursor() {
        let mut line = Line::default();
        typed(&mut line, "helo wrld");
        line.press(Key::WordLeft);
        line.press(Key::Right);
        typed(&mut line, "o");
        line.press(Key::Home);
        line.press(Key::WordRight);
        line.press(Key::Left);
        typed(&mut line, "l");
        assert_eq!(line.text(), "hello world");
        line.press(Key::End);
        line.press(Key::CutWord);
        line.press(Key::Home);
        line.press(Key::Yank);
        assert_eq!(line.text(), "worldhello ");
        line.press(Key::Delete);
        line.press(Key::CutLeft);
        assert_eq!((line.text(), line.cursor()), ("ello ", 0));
        assert_eq!(line.press(Key::Eof), Effect::Changed, "it deletes");
        line.press(Key::CutRight);
        assert_eq!(line.press(Key::Eof), Effect::Quit);
    }

    #[test]
    fn a_grapheme_cluster_is_one_step_of_the_cursor() {
        let mut line = Line::default();
        let family = "👩\u{200d}👩\u{200d}👧";
        typed(&mut line, &format!("a{family}e\u{301}"));
        line.press(Key::Backspace);
        assert_eq!(line.text(), format!("a{family}"));
        line.press(Key::Left);
        assert_eq!(line.cursor(), 1);
        line.press(Key::Delete);
        assert_eq!(line.text(), "a");
    }

    #[test]
    fn a_line_that_begins_with_a_paste_counts_as_pasted_until_something_is_typed_before_it() {
        let mut line = Line::default();
        line.press(Key::Paste("//a".to_owned()));
        typed(&mut line, "b");
        assert_eq!(line.press(Key::Enter), entered("//ab", true));
        line.press(Key::Up);
        assert_eq!(
            line.press(Key::Enter),
            entered("//ab", true),
            "also from the history"
        );
        line.press(Key::Paste("a".to_owned()));
        line.press(Key::Home);
        typed(&mut line, "/");
        assert_eq!(line.press(Key::Enter), entered("/a", false));
        line.press(Key::Paste("a".to_owned()));
        line.press(Key::Backspace);
        typed(&mut line, "/q");
        assert_eq!(line.press(Key::Enter), entered("/q", false));
    }

    #[test]
    fn entered_lines_come_back_and_the_draft_is_kept() {
        let mut line = Line::default();
        for text in ["one", "two"] {
            typed(&mut line, text);
            line.press(Key::Enter);
        }
        typed(&mut line, "draft");
        let mut seen = Vec::new();
        for key in [Key::Up, Key::Up, Key::Up, Key::Down, Key::Down, Key::Down] {
            line.press(key);
            seen.push(line.text().to_owned());
        }
        assert_eq!(seen, ["two", "one", "one", "two", "draft", "draft"]);
    }
}
