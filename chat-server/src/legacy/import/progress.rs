//! The progress of an import on standard error: a bar on a terminal, elsewhere a line each 5 seconds.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Writes a line to standard error, which may be closed.
pub(super) fn write_line(what: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "{what}"));
}

#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the last line was written, without a terminal.
    written: Option<Mutex<Instant>>,
}

impl Progress {
    pub(super) fn new(messages: u64) -> Self {
        const FORM: &str =
            "{bar:40} {percent:>3} %  {human_pos} of {human_len} messages, {eta} left";
        let bar = ProgressBar::new(messages);
        if let Ok(style) = ProgressStyle::with_template(FORM) {
            bar.set_style(style);
        }
        let written = (!io::stderr().is_terminal()).then(|| Mutex::new(Instant::now()));
        Self { bar, written }
    }

    pub(super) fn add(&self, messages: usize) {
        self.bar.inc(messages.try_into().unwrap_or(0));
        if let Some(written) = &self.written {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            if written.elapsed() >= EVERY {
                *written = Instant::now();
                let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
                write_line(format_args!("{done} of {all} messages"));
            }
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
