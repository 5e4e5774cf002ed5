//! Real servers for the tests.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    io::{Read as _, Write as _},
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
    command: Command,
    port: u16,
    _folder: TempDir,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Option<Self> {
        let [port] = free_ports();
        Self::start_with(port, &[])
    }

    fn start_with(port: u16, options: &[&str]) -> Option<Self> {
        let program = service("REDIS_SERVER")?;
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string()])
            .args(options)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null());
        let process = command.spawn().unwrap();
        let server = Self {
            command,
            port,
            _folder: folder,
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
        self.process = self.command.spawn().unwrap();
        self.wait();
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let kill = Command::new("kill").arg("-s").args([signal, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Runs a command without spaces in its arguments, and gives the answer.
    pub(crate) fn command(&self, command: &str) -> String {
        self.ask(command).expect("redis answers")
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "{command}\r\nQUIT\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let mut answer = answer.strip_suffix("+OK\r\n")?;
        if answer.starts_with('$') {
            // The length of a text comes before it.
            answer = answer.split_once('\n')?.1;
        }
        Some(answer.trim().to_owned())
    }

    /// Repeats a command until the answer is the right one.
    fn wait_for(&self, command: &str, right: impl Fn(&str) -> bool) {
        for _ in 0..1000 {
            if self.ask(command).is_some_and(|answer| right(&answer)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server doesn't answer {command} as it should");
    }

    fn wait(&self) {
        self.wait_for("PING", |answer| answer == "+PONG");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ports that are free now, each of them once.
fn free_ports<const N: usize>() -> [u16; N] {
    let taken = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    taken.each_ref().map(|one| one.local_addr().unwrap().port())
}

/// A Redis Cluster of three masters, of one test's own. Slots whose master is gone are missed alone.
pub(crate) struct Cluster(pub(crate) [Server; 3]);

impl Cluster {
    const SLOTS: u16 = 16_384;

    pub(crate) fn start() -> Option<Self> {
        let [a, b, c, links @ ..] = free_ports::<6>();
        let node = |port: u16, link: u16| {
            let options = "--cluster-enabled yes --cluster-require-full-coverage no \
                --cluster-node-timeout 1000 --cluster-port";
            let link = link.to_string();
            let mut options: Vec<_> = options.split_whitespace().collect();
            options.push(&link);
            Server::start_with(port, &options)
        };
        let nodes = [node(a, links[0])?, node(b, links[1])?, node(c, links[2])?];
        for (at, node) in (0..).zip(&nodes) {
            let first = Self::SLOTS.div_ceil(3) * at;
            let last = (first + Self::SLOTS.div_ceil(3)).min(Self::SLOTS) - 1;
            let taken = node.command(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            assert_eq!(taken, "+OK");
            let met = node.command(&format!("CLUSTER MEET 127.0.0.1 {a} {}", links[0]));
            assert_eq!(met, "+OK");
        }
        for node in &nodes {
            node.wait_for("CLUSTER INFO", |info| {
                info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
            });
        }
        Some(Self(nodes))
    }

    pub(crate) fn url(&self) -> String {
        let [a, b, c] = self.0.each_ref().map(|node| node.port);
        format!("redis-cluster://127.0.0.1:{a}?node=127.0.0.1:{b}&node=127.0.0.1:{c}")
    }

    /// The place of the master that had the slot of a key at first.
    pub(crate) fn home(&self, key: &str) -> usize {
        usize::from(self.slot(key) / Self::SLOTS.div_ceil(3))
    }

    fn slot(&self, key: &str) -> u16 {
        let slot = self.0[0].command(&format!("CLUSTER KEYSLOT {key}"));
        slot.trim_start_matches(':').parse().unwrap()
    }

    /// Gives the slot of a key, which holds nothing, to the next master.
    pub(crate) fn move_slot(&self, key: &str) {
        let (slot, home) = (self.slot(key), self.home(key));
        let (from, to) = (&self.0[home], &self.0[(home + 1) % 3]);
        let [from_id, to_id] = [from, to].map(|node| node.command("CLUSTER MYID"));
        for (node, step) in [
            (to, format!("IMPORTING {from_id}")),
            (from, format!("MIGRATING {to_id}")),
            (to, format!("NODE {to_id}")),
            (from, format!("NODE {to_id}")),
        ] {
            let done = node.command(&format!("CLUSTER SETSLOT {slot} {step}"));
            assert_eq!(done, "+OK", "{step}");
        }
    }
}
