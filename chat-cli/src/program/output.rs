//! The output: the terminal, or standard output as text or JSON.

use std::io::{self, Write as _};

use chat_core::UserId;

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
        }
    }

    pub(crate) fn set_status(&self, status: Status) {
        if let Self::Terminal(terminal, _) = self {
            terminal.set_status(status);
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
