//! A process that a test kills, stops and starts again where it was.

use std::{
    ffi::OsString,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::{free_port, until};

/// A process with a folder and a port of its own. It is killed when this is dropped; if a test fails,
/// the last lines that it wrote are shown.
#[derive(Debug)]
pub struct Daemon {
    port: u16,
    program: OsString,
    arguments: Vec<OsString>,
    process: Child,
    files: TempDir,
}

impl Daemon {
    /// Starts a program with the arguments that are right for this port and this folder, in an empty
    /// environment. The folder is also its working directory.
    pub fn start(
        program: impl Into<OsString>,
        arguments: impl FnOnce(u16, &Path) -> Vec<OsString>,
    ) -> Self {
        let (port, files) = (free_port(), tempfile::tempdir().unwrap());
        let (program, arguments) = (program.into(), arguments(port, files.path()));
        Self {
            process: spawn(&program, &arguments, files.path()),
            port,
            program,
            arguments,
            files,
        }
    }

    /// Where it listens, or will.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, which goes when this is dropped.
    pub fn folder(&self) -> &Path {
        self.files.path()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Panics
    ///
    /// When it has ended by itself.
    pub fn kill(&mut self) {
        assert!(!self.has_ended(), "it ended by itself: {}", self.said());
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, with the same port, folder and arguments; doesn't wait until it serves.
    pub fn restart(&mut self) {
        self.process = spawn(&self.program, &self.arguments, self.files.path());
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) {
        self.signal("TERM");
        until("it ends", async || self.has_ended()).await;
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// What it wrote, from its first start on.
    pub fn said(&self) -> String {
        let said = fs::read(self.files.path().join("log")).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.len().saturating_sub(40);
            eprintln!("{}:\n{}", self.program.display(), lines[last..].join("\n"));
        }
    }
}

fn spawn(program: &OsString, arguments: &[OsString], files: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(files.join("log"))
        .unwrap();
    Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir(files)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Sends a signal by its name, such as `TERM`, to a process.
pub fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.unwrap().success(), "no process {pid}");
}
