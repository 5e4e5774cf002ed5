//! The output: the terminal, or standard output as text or JSON.

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chat_core::UserId;
use tokio::sync::Notify;

use super::{
    shown::{Shown, Status, Style},
    terminal::Terminal,
};

/// The terminal, or standard output.
#[derive(Debug)]
pub(crate) enum Output {
    Terminal(Terminal, Style),
    Plain(Style),
    Json,
    /// For scripts with expectations.
    Kept(Arc<Transcript>),
}

/// The lines that a terminal would have shown.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    lines: Mutex<Vec<String>>,
    grown: Notify,
}

impl Transcript {
    /// The lines so far.
    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for another line, if none has come since the last wait. Cancel safe.
    pub(crate) async fn grown(&self) {
        self.grown.notified().await;
    }

    fn push(&self, line: String) {
        self.lines().push(line);
        self.grown.notify_one();
    }
}

impl Output {
    /// Shows a line of the conversation, if this output shows lines of its kind.
    ///
    /// # Errors
    ///
    /// What writing to standard output gives; a terminal that is gone ends the input instead.
    pub(crate) fn show(&self, shown: &Shown, me: &UserId) -> io::Result<()> {
        match self {
            Self::Terminal(terminal, style) => {
                if let Some(line) = shown.line(me, *style) {
                    terminal.print(&line);
                }
                Ok(())
            }
            Self::Plain(style) => print(shown.line(me, *style)),
            Self::Json => print(shown.json()),
            Self::Kept(transcript) => {
                if let Some(line) = shown.line(me, Style { colours: false }) {
                    transcript.push(line);
                }
                Ok(())
            }
        }
    }

    pub(crate) fn set_status(&self, status: Status) {
        match (self, status) {
            (Self::Terminal(terminal, _), status) => terminal.set_status(status),
            (Self::Kept(transcript), Status::Typing(line)) => transcript.push(line),
            _ => {}
        }
    }
}

fn print(line: Option<String>) -> io::Result<()> {
    match line {
        Some(line) => {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()
        }
        None => Ok(()),
    }
}
