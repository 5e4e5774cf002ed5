//! The server under load: one that runs already, or one that is started here.

use std::{fs, io, net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::options::Options;

/// How long a server may take to say where it listens.
const START: Duration = Duration::from_secs(30);

/// How long it may take to end; a chat-server gives its connections 30 s.
const END: Duration = Duration::from_mins(1);

/// So that only the machine limits it, as settings of chat-server; others take no notice.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("CHAT_LISTEN", "127.0.0.1:0"),
    ("CHAT_STORE", "sqlite:chat.db"),
    ("CHAT_LOG", "warn"),
    ("CHAT_RATE_LIMIT", "off"),
    ("CHAT_FRAME_RATE", "1000000/1s"),
    ("CHAT_CONNECTIONS_PER_IP", "1000000"),
    ("CHAT_SESSIONS_PER_IP", "1000000"),
    ("CHAT_PENDING_PER_IP", "1000000"),
    ("CHAT_REQUESTS_PER_IP", "off"),
    ("CHAT_REQUESTS_PER_USER", "off"),
    ("CHAT_CONNECTIONS_PER_USER", "1000000"),
];

#[derive(Debug)]
pub(crate) struct Server {
    nodes: Vec<SocketAddr>,
    pid: Option<u32>,
    /// It ends with this, before its folder goes.
    child: Option<Child>,
    folder: Option<TempDir>,
}

impl Server {
    /// Starts the one that was asked for, if one was, on a file with what the mode wants in it.
    ///
    /// # Errors
    ///
    /// When it doesn't start, or the mode wants a file and there is none to start.
    pub(crate) async fn new(options: &Options) -> io::Result<Self> {
        let mut server = Self {
            nodes: options.urls.clone(),
            pid: options.pid,
            child: None,
            folder: None,
        };
        if options.server.is_some() {
            server.folder = Some(tempfile::tempdir()?);
        }
        if options.wants_stock() {
            let filled = options.stock().file(&server.store()?).await;
            filled.map_err(io::Error::other)?;
        }
        if options.server.is_some() {
            server.start(options).await?;
        }
        Ok(server)
    }

    /// The file of one that is started here.
    ///
    /// # Errors
    ///
    /// When it is another's.
    pub(crate) fn store(&self) -> io::Result<PathBuf> {
        let folder = self.folder.as_ref().ok_or_else(|| {
            let why = "this mode fills a file for a server that it starts; name one with --server";
            io::Error::new(io::ErrorKind::InvalidInput, why)
        })?;
        Ok(folder.path().join("chat.db"))
    }

    /// Starts it, when it has not been started yet or has ended.
    ///
    /// # Errors
    ///
    /// When it doesn't say where it listens.
    pub(crate) async fn start(&mut self, options: &Options) -> io::Result<()> {
        let (Some(program), Some(folder)) = (&options.server, &self.folder) else {
            return Ok(());
        };
        let mut child = Command::new(program.canonicalize()?)
            .args(&options.args)
            .envs(ENVIRONMENT)
            .current_dir(folder.path())
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let silent = || io::Error::other("the server didn't say where it listens");
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(silent)?).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                let url = line.split("http://").nth(1);
                let url = url.and_then(|rest| rest.split_whitespace().next());
                if let Some(address) = url.and_then(|url| url.parse().ok()) {
                    return Ok(address);
                }
            }
            Err(silent())
        };
        let address = timeout(START, listening).await.map_err(|_| silent())??;
        self.nodes = vec![address];
        self.pid = child.id();
        self.child = Some(child);
        Ok(())
    }

    /// Ends it with this signal, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it can't be ended, or takes too long.
    #[cfg(unix)]
    pub(crate) async fn end(&mut self, signal: rustix::process::Signal) -> io::Result<()> {
        use rustix::process::{Pid, kill_process};
        if let Some(mut child) = self.child.take() {
            let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
            if let Some(pid) = pid {
                kill_process(pid, signal)?;
            }
            timeout(END, child.wait()).await??;
        }
        Ok(())
    }

    /// The node of a user.
    pub(crate) fn node(&self, user: usize) -> SocketAddr {
        self.nodes[user % self.nodes.len()]
    }

    /// What it has used so far; `None` when that can't be read.
    pub(crate) fn usage(&self) -> Option<Usage> {
        Usage::of(&self.pid?.to_string())
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time of all its threads, in and for it.
    pub(crate) cpu: Duration,
    /// Memory at this moment, in bytes.
    pub(crate) memory: u64,
    /// The most it has had, in bytes.
    pub(crate) peak: u64,
}

impl Usage {
    /// Of a process, or of `self`.
    pub(crate) fn of(process: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        Self::read(&stat, &status)
    }

    fn read(stat: &str, status: &str) -> Option<Self> {
        /// Of each tick; Linux shows 100 a second to every program.
        const TICK: Duration = Duration::from_millis(10);
        // The name, in parentheses, may hold anything; utime and stime are 12 and 13 after it.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut ticks = rest.split_whitespace().skip(11);
        let mut next = || ticks.next()?.parse::<u32>().ok();
        let ticks = next()? + next()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Self {
            cpu: TICK * ticks,
            memory: kib("VmRSS:")? << 10,
            peak: kib("VmHWM:")? << 10,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_past_a_strange_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14 15 16";
        let status = "Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n";
        assert_eq!(
            Usage::read(stat, status),
            Some(Usage {
                cpu: Duration::from_millis(420),
                memory: 1_024_000,
                peak: 2_048_000,
            })
        );
        assert_eq!(Usage::read("7 (a) S 1", status), None);
    }
}
