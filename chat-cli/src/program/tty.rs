//! A terminal, as far as the screen needs one: what tests see instead of bytes.

use unicode_width::UnicodeWidthChar as _;

/// The rows of a terminal of a fixed width, without an end.
#[derive(Debug)]
pub(crate) struct Tty {
    columns: usize,
    rows: Vec<Vec<char>>,
    pub(crate) row: usize,
    pub(crate) column: usize,
    /// An escape sequence of which the end is missing.
    sequence: String,
}

/// Stands where a wide character has its second half.
const HALF: char = '\0';

impl Tty {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            columns,
            rows: vec![Vec::new()],
            row: 0,
            column: 0,
            sequence: String::new(),
        }
    }

    pub(crate) fn write(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                c if !self.sequence.is_empty() || c == '\x1b' => self.escape(c),
                '\r' => self.column = 0,
                '\n' => self.feed(),
                c => self.put(c),
            }
        }
    }

    /// The lines on it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.rows.iter().map(|row| {
            let line: String = row.iter().filter(|c| **c != HALF).collect();
            line.trim_end().to_owned()
        });
        lines.collect()
    }

    fn feed(&mut self) {
        self.row += 1;
        if self.row == self.rows.len() {
            self.rows.push(Vec::new());
        }
    }

    fn put(&mut self, c: char) {
        let width = c.width().unwrap_or(0);
        if self.column + width > self.columns {
            self.column = 0;
            self.feed();
        }
        let (column, end) = (self.column, self.column + width);
        let row = &mut self.rows[self.row];
        if row.len() < end {
            row.resize(end, ' ');
        }
        if width > 0 {
            row[column] = c;
            row[column + 1..end].fill(HALF);
        }
        self.column = end;
    }

    fn escape(&mut self, c: char) {
        self.sequence.push(c);
        if self.sequence.len() < 3 || !c.is_ascii_alphabetic() {
            return;
        }
        let sequence = std::mem::take(&mut self.sequence);
        match (&sequence[2..sequence.len() - 1], c) {
            (rows, 'A') => self.row -= rows.parse().unwrap_or(1),
            (columns, 'C') => self.column += columns.parse().unwrap_or(1),
            ("", 'K') => self.rows[self.row].truncate(self.column),
            ("", 'J') => {
                self.rows.truncate(self.row + 1);
                self.rows[self.row].truncate(self.column);
            }
            // Colours, and modes of the terminal.
            (_, 'm' | 'h' | 'l') => {}
            _ => panic!("an unknown sequence: {sequence:?}"),
        }
    }
}
