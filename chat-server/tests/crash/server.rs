//! The real program, killed and started again on the same port and file.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    files: TempDir,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let address = free_address();
        Self {
            process: spawn(address, files.path()),
            address,
            files,
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself: {}", self.said());
        self.process.kill().await.unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.address, self.files.path());
    }

    /// What it wrote to its standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.files.path().join("log")).unwrap()
    }
}

/// Below the ports that systems give to outgoing connections: one of those would be in the way, and
/// a client that tries again and again could even end up connected to itself.
fn free_address() -> SocketAddr {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    (first..first + 2_000)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}

fn spawn(address: SocketAddr, files: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(files.join("log"))
        .unwrap();
    // A resume may be long, and clients write as fast as they can.
    Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args([
            "--listen",
            &address.to_string(),
            "--store",
            "sqlite:chat.db",
        ])
        .args(["--rate-limit", "off", "--frame-rate", "10000/1s"])
        .args(["--log", "warn"])
        .current_dir(files)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
