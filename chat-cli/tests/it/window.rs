//! A terminal window with a full screen in it, for tests.

use std::{
    fs::File,
    io::Write as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use chat_testkit::until;
use rustix::termios::{LocalModes, tcgetattr};

use crate::pty;

/// A window, and the program in it.
pub(crate) struct Window {
    process: Child,
    keyboard: File,
    screen: Arc<Mutex<Cells>>,
}

/// The contents of a terminal, as far as a full screen needs them.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// All that was written.
    pub(crate) raw: String,
    /// An escape sequence of which the end is missing.
    sequence: String,
}

impl Cells {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            rows: vec![vec![' '; columns]; rows],
            ..Self::default()
        }
    }

    fn write(&mut self, text: &str) {
        self.raw.push_str(text);
        for c in text.chars() {
            match c {
                c if !self.sequence.is_empty() || c == '\x1b' => self.escape(c),
                '\r' => self.column = 0,
                '\n' => self.row = (self.row + 1).min(self.rows.len() - 1),
                c => {
                    if let Some(cell) = self.rows[self.row].get_mut(self.column) {
                        *cell = c;
                    }
                    self.column += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
                }
            }
        }
    }

    fn escape(&mut self, c: char) {
        self.sequence.push(c);
        let sequence = &self.sequence;
        let is_link = sequence.starts_with("\x1b]");
        let ends = if is_link {
            sequence.ends_with("\x1b\\")
        } else {
            sequence.len() > 2 && c.is_ascii_alphabetic()
        };
        if !ends {
            return;
        }
        let sequence = std::mem::take(&mut self.sequence);
        let inside = &sequence[2..sequence.len() - 1];
        match (inside, c) {
            (place, 'H') => {
                let (row, column) = place.split_once(';').unwrap_or(("1", "1"));
                self.row = row.parse::<usize>().unwrap() - 1;
                self.column = column.parse::<usize>().unwrap() - 1;
            }
            ("2", 'J') => self.rows.iter_mut().for_each(|row| row.fill(' ')),
            ("?1049", 'h' | 'l') => self.rows.iter_mut().for_each(|row| row.fill(' ')),
            (_, 'm' | 'h' | 'l' | '\\') => {}
            _ => panic!("an unknown sequence: {sequence:?}"),
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.rows.iter().map(|row| row.iter().collect::<String>());
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
}

impl Window {
    /// Opens a window of this size with a command in it, which finds its controlling terminal there.
    pub(crate) fn open(
        (columns, rows): (u16, u16),
        command: &[&str],
        envs: &[(&str, &str)],
    ) -> Self {
        let (keyboard, terminal) = pty::open(columns, rows);
        let process = Command::new("setsid")
            .arg("--ctty")
            .args(command)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("COLORFGBG")
            .envs(envs.iter().copied())
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(Stdio::from(terminal))
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Cells::new(columns.into(), rows.into())));
        let painting = Arc::clone(&screen);
        pty::paint(&keyboard, move |text| {
            let mut cells = painting.lock().unwrap_or_else(PoisonError::into_inner);
            cells.write(text);
        });
        Self {
            process,
            keyboard,
            screen,
        }
    }

    pub(crate) fn types(&mut self, bytes: impl AsRef<[u8]>) {
        self.keyboard.write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn cells(&self) -> MutexGuard<'_, Cells> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.cells().lines().iter().any(|line| line.contains(text))
    }

    pub(crate) async fn sees(&self, text: &str) {
        until(text, async || self.shows(text)).await;
    }

    /// Changes the size of the window.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.cells().rows = vec![vec![' '; columns.into()]; rows.into()];
        pty::resize(&self.keyboard, columns, rows);
    }

    /// True if the terminal echoes and waits for whole lines, as shells want it.
    pub(crate) fn is_plain(&self) -> bool {
        let mode = tcgetattr(&self.keyboard).unwrap().local_modes;
        mode.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the end of the program; the terminal is as it was.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program ends", async || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        })
        .await;
        until("the screen is left", async || {
            let raw = self.cells().raw.clone();
            raw.rfind("\x1b[?1049l") > raw.rfind("\x1b[?1049h")
        })
        .await;
        assert!(self.is_plain());
        status.unwrap()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("the window:\n{}", self.cells().lines().join("\n"));
        }
    }
}
