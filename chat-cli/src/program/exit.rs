//! The end of the program when something is wrong.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use chat_cli::clean;

/// Says why, and gives the exit code of wrong usage.
pub(super) fn wrong(why: &str) -> ExitCode {
    let _ = failed(why);
    ExitCode::from(2)
}

/// Says why, and gives the exit code of a failure.
pub(super) fn failed(why: &str) -> ExitCode {
    let lines: Vec<_> = why.lines().map(clean).collect();
    let _ = writeln!(io::stderr(), "chat-cli: {}", lines.join("\n"));
    ExitCode::FAILURE
}
