//! The signals that stop the program.

use std::{
    future::Future,
    io::{self, IsTerminal as _},
};

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal as listen};
#[cfg(windows)]
use tokio::signal::windows;

/// The exit code of a program that Ctrl+C has ended.
const INTERRUPTED: i32 = 130;

/// Listens from now on for Ctrl+C and, on Unix, SIGTERM, and gives a future that waits for the
/// first of them. A second Ctrl+C then ends the process at once.
///
/// SIGHUP asks for files to be read again, and must not end a server that has none. But a terminal that is
/// closed ends what it started.
///
/// # Errors
///
/// When the system refuses to pass signals on.
pub fn signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    #[cfg(unix)]
    if !io::stdin().is_terminal() {
        // From the first listener on, the signal has no other effect.
        drop(listen(SignalKind::hangup())?);
    }
    #[cfg(windows)]
    let (mut interrupt, mut terminate) = (windows::ctrl_c()?, windows::ctrl_close()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            interrupt.recv().await;
            std::process::exit(INTERRUPTED);
        });
    })
}
