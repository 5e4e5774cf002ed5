//! The bottom of the terminal: a status line, and under it the line that is being edited, in as
//! many rows as it takes. What is printed goes above. No input or output: each change gives the
//! bytes to write.
//!
//! Rows are broken here and not by the terminal, so that the number of rows to take away again is
//! known, also when a wide character does not fit into the last column.

use std::fmt::Write as _;

use chat_cli::clean;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{
    keys::{Decoder, Key},
    line::{Effect, Line},
    shown::{Status, Style},
};

const PROMPT: &str = "> ";

/// Columns and rows of the terminal.
pub(crate) type Size = (usize, usize);

/// The rows at the bottom, and how many of them are above the cursor.
#[derive(Debug)]
pub(crate) struct Screen {
    style: Style,
    status: Status,
    decoder: Decoder,
    line: Line,
    /// The widths of the painted rows above the cursor, and of the cursor's row.
    painted: Vec<usize>,
}

impl Screen {
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            status: Status::Nothing,
            decoder: Decoder::default(),
            line: Line::default(),
            painted: Vec::new(),
        }
    }

    /// Takes bytes from the keyboard; gives the bytes to write, and what the keys did.
    pub(crate) fn type_in(&mut self, bytes: &[u8], size: Size) -> (String, Vec<Effect>) {
        let mut effects = Vec::new();
        let mut out = self.erase(size);
        for key in self.decoder.feed(bytes) {
            if key == Key::Redraw {
                out.push_str("\x1b[H\x1b[J");
            }
            effects.push(self.line.press(key));
        }
        self.paint(&mut out, size);
        (out, effects)
    }

    /// The text being edited.
    pub(crate) fn text(&self) -> &str {
        self.line.text()
    }

    /// Puts a line above.
    pub(crate) fn print(&mut self, line: &str, size: Size) -> String {
        let mut out = self.erase(size);
        let _ = write!(out, "{line}\r\n");
        self.paint(&mut out, size);
        out
    }

    /// Changes the status line.
    pub(crate) fn set_status(&mut self, status: Status, size: Size) -> String {
        if self.status == status {
            return String::new();
        }
        self.status = status;
        self.repaint(size)
    }

    pub(crate) fn repaint(&mut self, size: Size) -> String {
        let mut out = self.erase(size);
        self.paint(&mut out, size);
        out
    }

    /// Takes away what was painted.
    pub(crate) fn erase(&mut self, (columns, _): Size) -> String {
        // A terminal that became narrower since has broken the rows once more.
        let rows = |width: &usize| width.div_ceil(columns.max(1)).max(1);
        let above = match &self.painted[..] {
            [] => 0,
            [above @ .., here] => above.iter().map(rows).sum::<usize>() + rows(here) - 1,
        };
        self.painted.clear();
        match above {
            0 => "\r\x1b[J".to_owned(),
            above => format!("\x1b[{above}A\r\x1b[J"),
        }
    }

    fn paint(&mut self, out: &mut String, (columns, height): Size) {
        let status = match &self.status {
            Status::Nothing => String::new(),
            Status::Typing(status) => status.clone(),
            Status::Offline => "not connected, trying again...".to_owned(),
        };
        let status = if status.width() < columns {
            status
        } else {
            "...".to_owned()
        };
        let Layout { rows, here, before } = lay_out(self.line.text(), self.line.cursor(), columns);
        // A line that takes more than the screen is shown around the cursor.
        let most = height.saturating_sub(1).max(1);
        let first = (here + 1).saturating_sub(most);
        let rows = &rows[first..rows.len().min(first + most)];
        let here = here - first;
        out.push_str(&self.style.dim(&status));
        for row in rows {
            let _ = write!(out, "\r\n{row}");
        }
        let below = rows.len() - 1 - here;
        if below > 0 {
            let _ = write!(out, "\x1b[{below}A");
        }
        if below > 0 || rows[here] != before {
            // Writing the row again leaves the cursor where the terminal itself says.
            let _ = write!(out, "\r{before}");
        }
        let above = rows[..here].iter().map(|row| row.width());
        self.painted = [status.width()].into_iter().chain(above).collect();
        self.painted.push(before.width());
    }
}

/// A text in rows.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    rows: Vec<String>,
    /// The row of the cursor, and what stands before the cursor in it.
    here: usize,
    before: String,
}

/// Breaks the prompt and a text into rows of at most `columns` cells.
fn lay_out(text: &str, cursor: usize, columns: usize) -> Layout {
    let columns = columns.max(PROMPT.len() + 2);
    let mut rows = vec![PROMPT.to_owned()];
    let mut used = PROMPT.len();
    let mut at_cursor = None;
    for (at, grapheme) in text.grapheme_indices(true) {
        let shown = clean(grapheme);
        let width = widest(&shown);
        if used + width > columns {
            rows.push(String::new());
            used = 0;
        }
        let row = rows.len() - 1;
        if at == cursor {
            at_cursor = Some((row, rows[row].clone()));
        }
        rows[row].push_str(&shown);
        used += width;
    }
    if used >= columns {
        rows.push(String::new());
    }
    let (here, before) = at_cursor.unwrap_or_else(|| {
        let row = rows.len() - 1;
        (row, rows[row].clone())
    });
    Layout { rows, here, before }
}

/// The cells that a character as people see it takes at most: some terminals show a sequence of
/// emoji as one, some as several.
fn widest(grapheme: &str) -> usize {
    let apart = grapheme.chars().map(|c| c.width().unwrap_or(0)).sum();
    grapheme.width().max(apart)
}

#[cfg(test)]
mod tests {
    use super::{super::tty::Tty, *};
    use proptest::prelude::*;

    const SIZE: Size = (21, 10);

    fn screen() -> Screen {
        Screen::new(Style { colours: false })
    }

    #[test]
    fn an_entered_line_of_wide_characters_leaves_no_row_behind() {
        let (mut screen, mut tty) = (screen(), Tty::new(SIZE.0));
        tty.write(&screen.repaint(SIZE));
        for c in "李".repeat(40).chars() {
            tty.write(
                &screen
                    .type_in(c.encode_utf8(&mut [0; 4]).as_bytes(), SIZE)
                    .0,
            );
        }
        let row = "李".repeat(10);
        let first = format!("> {}", "李".repeat(9));
        let last = "李".to_owned();
        assert_eq!(tty.lines(), ["", &first, &row, &row, &row, &last]);
        let (out, effects) = screen.type_in(b"\r", SIZE);
        tty.write(&out);
        assert!(matches!(&effects[..], [Effect::Entered(_)]));
        assert_eq!(tty.lines(), ["", ">"]);
        tty.write(&screen.print("hello", SIZE));
        assert_eq!(tty.lines(), ["hello", "", ">"]);
    }

    #[test]
    fn one_write_of_two_lines_enters_both_and_the_next_begins_where_it_was() {
        let mut screen = screen();
        let mut entered = Vec::new();
        for bytes in [&b"one\rtwo\rth"[..], b"ree\r"] {
            for effect in screen.type_in(bytes, SIZE).1 {
                if let Effect::Entered(line) = effect {
                    entered.push(line.text);
                }
            }
        }
        assert_eq!(entered, ["one", "two", "three"]);
    }

    #[test]
    fn a_printed_line_appears_above_the_line_being_typed() {
        let (mut screen, mut tty) = (screen(), Tty::new(SIZE.0));
        tty.write(&screen.type_in(b"half a line", SIZE).0);
        tty.write(&screen.print("18:22 bob: hi", SIZE));
        let typing = Status::Typing("bob is typing...".to_owned());
        tty.write(&screen.set_status(typing, SIZE));
        assert_eq!(
            tty.lines(),
            ["18:22 bob: hi", "bob is typing...", "> half a line"]
        );
        tty.write(&screen.type_in(b"\x1b[D\x1b[D", SIZE).0);
        assert_eq!((tty.row, tty.column), (2, 11));
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_the_terminal_and_nothing_stays_behind(
            texts in proptest::collection::vec("[a李e\u{301}👩\u{200d} \t\r]{0,40}", 1..8),
            columns in 4..30_usize,
        ) {
            let size = (columns, 50);
            let (mut screen, mut tty) = (screen(), Tty::new(columns));
            for text in &texts {
                tty.write(&screen.type_in(text.as_bytes(), size).0);
                tty.write(&screen.type_in(b"\x1b[D\x1b[D\x1b[D", size).0);
                tty.write(&screen.type_in(b"\x05", size).0);
            }
            tty.write(&screen.type_in(b"\r", size).0);
            prop_assert_eq!(tty.lines(), ["", ">"]);
        }
    }
}
