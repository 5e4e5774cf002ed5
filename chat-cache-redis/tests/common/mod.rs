//! Real servers for the tests.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use chat_core::{IdGen as _, RandomIds, testing::service};
use tempfile::TempDir;

/// Where the common Redis is.
pub(crate) fn redis_url() -> Option<String> {
    service("REDIS_URL")
}

/// Where the common Redis Cluster is.
pub(crate) fn cluster_url() -> Option<String> {
    service("REDIS_CLUSTER_URL")
}

/// A prefix for keys that no other test uses.
pub(crate) fn prefix() -> String {
    format!("test:{}", RandomIds.next())
}

/// A Redis of one test's own; it is killed when this is dropped.
pub(crate) struct Server {
    program: String,
    port: u16,
    folder: TempDir,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Option<Self> {
        let program = service("REDIS_SERVER")?;
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = spawn(&program, port, &folder);
        let server = Self {
            program,
            port,
            folder,
            process,
        };
        server.wait();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it, with all that it holds.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.program, self.port, &self.folder);
        self.wait();
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let kill = Command::new("kill").arg("-s").args([signal, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Runs a command without spaces in its arguments, and gives the first line of the answer.
    pub(crate) fn command(&self, command: &str) -> String {
        self.ask(command).expect("redis answers")
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        writeln!(stream, "{command}\r").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    }

    fn wait(&self) {
        for _ in 0..500 {
            if self.ask("PING").as_deref() == Some("+PONG") {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server doesn't answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(program: &str, port: u16, folder: &TempDir) -> Child {
    Command::new(program)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--port", &port.to_string()])
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
