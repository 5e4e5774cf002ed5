//! A person at a terminal, for tests.

use std::{
    fs::File,
    io::Write as _,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use chat_testkit::until;

use crate::pty;

#[path = "../../src/program/tty.rs"]
mod tty;

use tty::Tty;

/// A person at a terminal in which the program runs.
pub(crate) struct Person {
    process: Child,
    keyboard: File,
    screen: Arc<Mutex<Tty>>,
}

impl Person {
    pub(crate) fn start(server: SocketAddr, me: &str, peer: &str) -> Self {
        Self::with_columns(80, server, &[me, peer])
    }

    pub(crate) fn with_columns(columns: u16, server: SocketAddr, args: &[&str]) -> Self {
        let (keyboard, terminal) = pty::open(columns, 24);
        let process = Command::new(env!("CARGO_BIN_EXE_chat-cli"))
            .args(args)
            .env("CHAT_SERVER", format!("http://{server}"))
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Tty::new(columns.into())));
        let painting = Arc::clone(&screen);
        pty::paint(&keyboard, move |text| painting.lock().unwrap().write(text));
        Self {
            process,
            keyboard,
            screen,
        }
    }

    pub(crate) fn types(&mut self, bytes: impl AsRef<[u8]>) {
        self.keyboard.write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.lines()
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.lines().iter().any(|line| line.contains(text))
    }

    pub(crate) async fn sees(&self, text: &str) {
        until(text, async || self.shows(text)).await;
    }

    /// Leaves; returns the lines on the screen and the exit code.
    pub(crate) async fn leaves(mut self) -> (Vec<String>, Option<i32>) {
        self.types("\x03");
        let mut status = None;
        until("the program ends", async || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        })
        .await;
        (self.lines(), status.unwrap().code())
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("the screen:\n{}", self.lines().join("\n"));
        }
    }
}
