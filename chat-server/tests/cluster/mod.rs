//! The real programs, each a process that can be killed, stopped and started again where it was.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests, each of which uses a part of it"
)]

pub(crate) mod mongo;
pub(crate) mod proxy;
pub(crate) mod redis;

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// Longer than anything here takes; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The value of a variable that `scripts/services` prints. Without it a test is left out, and says
/// so, unless `CHAT_REQUIRE_SERVICES` forbids that.
pub(crate) fn service(variable: &str) -> Option<OsString> {
    let value = env::var_os(variable);
    if value.is_none() {
        let hint = format!("no {variable}; see scripts/services");
        assert!(env::var_os("CHAT_REQUIRE_SERVICES").is_none(), "{hint}");
        let test = thread::current();
        let test = test.name().unwrap_or("a test");
        // Past the capture of the output, so that it is seen.
        let _ = writeln!(io::stderr(), "LEFT OUT {test}: {hint}");
    }
    value
}

/// Below the ports that systems give to outgoing connections: one of those would be in the way, and
/// a client that tries again and again could even end up connected to itself.
pub(crate) fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Tests that run beside these begin elsewhere: it takes a while until a program has its port.
    static FIRST: LazyLock<u16> = LazyLock::new(|| rand::random_range(0..12_000));
    PORTS
        .map(|_| (*FIRST + TAKEN.fetch_add(1, Ordering::Relaxed)) % 12_000 + PORTS.start)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// A process with a folder and a port; killed when dropped.
pub(crate) struct Daemon {
    pub(crate) port: u16,
    program: OsString,
    arguments: Vec<String>,
    process: Child,
    files: TempDir,
}

impl Daemon {
    pub(crate) fn start(
        program: OsString,
        arguments: impl FnOnce(u16, &Path) -> Vec<String>,
    ) -> Self {
        let (port, files) = (free_port(), tempfile::tempdir().unwrap());
        let arguments = arguments(port, files.path());
        Self {
            process: spawn(&program, &arguments, files.path()),
            port,
            program,
            arguments,
            files,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself: {}", self.said());
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.program, &self.arguments, self.files.path());
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) {
        self.signal("TERM");
        until("it ends", async || {
            self.process.try_wait().unwrap().is_some()
        })
        .await;
    }

    /// What it wrote, from its first start on.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.files.path().join("log")).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A test that fails shows what its processes said last.
        if thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.len().saturating_sub(40);
            eprintln!("{}:\n{}", self.program.display(), lines[last..].join("\n"));
        }
    }
}

fn spawn(program: &OsString, arguments: &[String], files: &Path) -> Child {
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
        .unwrap()
}

/// A chat-server: the one that was built with the tests, or the one that `CHAT_SERVER` names.
pub(crate) struct Node(pub(crate) Daemon);

impl Node {
    pub(crate) fn start(settings: &[&str]) -> Self {
        let built = || env!("CARGO_BIN_EXE_chat-server").into();
        let program = env::var_os("CHAT_SERVER").unwrap_or_else(built);
        Self(Daemon::start(program, |port, _| {
            let listen = format!("127.0.0.1:{port}");
            let mut all = vec!["--log", "warn", "--listen", &listen];
            all.extend(settings);
            all.into_iter().map(str::to_owned).collect()
        }))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Waits until it says that it can serve.
    pub(crate) async fn ready(&self) {
        let ready = async || {
            let mut tcp = TcpStream::connect(self.address()).await.ok()?;
            let ask = b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            tcp.write_all(ask).await.ok()?;
            let mut answer = String::new();
            tcp.read_to_string(&mut answer).await.ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        };
        let said = || format!("a node is ready: {}", self.0.said());
        let waiting = timeout(PATIENCE, async {
            while ready().await.is_none() {
                // Whoever answers then is another.
                let gave_up = self
                    .0
                    .said()
                    .lines()
                    .any(|line| line.starts_with("error: "));
                assert!(!gave_up, "{}", self.0.said());
                sleep(Duration::from_millis(10)).await;
            }
        });
        waiting.await.unwrap_or_else(|_| panic!("{}", said()));
    }

    /// Fails when it panicked; gives how many warnings it logged.
    pub(crate) fn warnings(&self) -> usize {
        let said = self.0.said();
        assert!(!said.contains("panicked"), "{said}");
        said.lines().filter(|line| line.contains(" WARN ")).count()
    }
}
