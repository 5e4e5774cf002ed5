//! How far an import is, on standard error: a bar on a terminal, and now and then a line elsewhere.

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

/// Writes a line, which nobody needs to read.
pub(super) fn tell(what: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "{what}"));
}

#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the last line was written, without a terminal.
    told: Option<Mutex<Instant>>,
}

impl Progress {
    pub(super) fn new(messages: u64) -> Self {
        const FORM: &str =
            "{bar:40} {percent:>3} %  {human_pos} of {human_len} messages, {eta} left";
        let bar = ProgressBar::new(messages);
        if let Ok(style) = ProgressStyle::with_template(FORM) {
            bar.set_style(style);
        }
        let told = (!io::stderr().is_terminal()).then(|| Mutex::new(Instant::now()));
        Self { bar, told }
    }

    pub(super) fn add(&self, messages: usize) {
        self.bar.inc(messages.try_into().unwrap_or(0));
        if let Some(told) = &self.told {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.elapsed() >= EVERY {
                *told = Instant::now();
                let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
                tell(format_args!("{done} of {all} messages"));
            }
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
