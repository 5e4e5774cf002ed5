//! A person at a terminal, for tests.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use chat_testkit::until;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

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
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&controller, size).unwrap();
        let path = ptsname(&controller, Vec::new()).unwrap();
        let path = path.into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(path).unwrap();
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
        let keyboard = File::from(controller);
        let screen = Arc::new(Mutex::new(Tty::new(columns.into())));
        let (mut output, painting) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let (mut bytes, mut cut) = ([0; 4096], Vec::new());
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                cut.extend_from_slice(&bytes[..count]);
                let whole = match str::from_utf8(&cut) {
                    Ok(_) => cut.len(),
                    Err(error) => error.valid_up_to(),
                };
                let text: Vec<u8> = cut.drain(..whole).collect();
                let text = String::from_utf8(text).unwrap();
                painting.lock().unwrap().write(&text);
            }
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
