//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use benches::Stock;
use clap::{Parser, ValueEnum};

use crate::protocol::Protocol;

/// What is done to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// COUNT pairs of users; one of each sends to the other.
    Pairs,
    /// One user sends to a group of COUNT others; on the old protocol, to a user who has COUNT devices.
    Room,
    /// COUNT connections, each with a user and one room, that do nothing.
    Idle,
    /// COUNT users connect at once.
    Storm,
    /// COUNT users lose their connections at once, miss messages, and come back at once.
    Resume,
    /// Pages of 50 from any of COUNT rooms, asked for at a rate of 100 a second unless --rate says otherwise.
    History,
    /// Pages of 50 of an inbox with COUNT groups, each with a message, asked for at a rate of 100 a second unless
    /// --rate says otherwise.
    Inbox,
    /// Ten users send to COUNT rooms in turn, in which nobody else is there.
    Rooms,
    /// The server stops and starts, and is killed and starts, COUNT times each.
    Start,
}

/// Loads a chat server over real sockets and measures what comes of it.
///
/// Prints one line of JSON, and a table to stderr. Exits with 1 when something is missing at the end.
#[derive(Debug, Parser)]
#[command(name = "chat-load")]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// The server. Given several times, the nodes of one: each user is on the next.
    #[arg(long = "url", value_name = "http://IP:PORT", default_value = "http://127.0.0.1:5000",
          value_parser = address)]
    pub(crate) urls: Vec<SocketAddr>,
    /// The process of that server, to measure its processor time and memory (on Linux).
    #[arg(long, value_name = "ID")]
    pub(crate) pid: Option<u32>,
    /// A server to start and stop, a chat-server or bare-relay. It gets a free port, an empty SQLite
    /// file and no limits, all through its environment, so that its ARGS may say otherwise.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["urls", "pid"])]
    pub(crate) server: Option<PathBuf>,
    /// What the server is given on its command line.
    #[arg(last = true, requires = "server")]
    pub(crate) args: Vec<OsString>,
    #[arg(long, value_enum, default_value = "native")]
    pub(crate) protocol: Protocol,
    /// How many there are of what MODE says.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = in_range::<1, 100_000>)]
    pub(crate) count: usize,
    /// For how long something is sent or asked for, and idle waits.
    #[arg(long, value_name = "N", default_value = "3", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// How many messages of a sender may be under way.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = in_range::<1, 1_000>)]
    pub(crate) window: usize,
    /// How many messages a second all send together, or pages they ask for, whether the server
    /// keeps up or not.
    #[arg(long, value_name = "N", conflicts_with = "window",
          value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) rate: Option<u32>,
    /// How many characters of text a message has beside its 16 digits of time.
    #[arg(long, value_name = "N", default_value_t = 84, value_parser = in_range::<1, 2_000>)]
    pub(crate) text: usize,
    /// How many messages each user of resume misses; a server sends 300 again.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = in_range::<1, 300>)]
    pub(crate) missed: usize,
    /// How many messages the SQLite file of --server has at first, for history, rooms and start.
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    pub(crate) messages: u64,
    /// Lets the system forget that file before each page of history, and before each start (on Linux).
    #[arg(long)]
    pub(crate) cold: bool,
    /// For how long to wait at the end, in seconds, for what is still to come.
    #[arg(long, value_name = "N", default_value = "30", value_parser = seconds)]
    pub(crate) patience: Duration,
}

impl Options {
    /// Whether the mode is about a store with a [`stock`](Self::stock).
    pub(crate) fn wants_stock(&self) -> bool {
        matches!(self.mode, Mode::History | Mode::Rooms | Mode::Start)
    }

    /// What the file of the server holds at first.
    pub(crate) fn stock(&self) -> Stock {
        let rooms = if self.mode == Mode::Start {
            1_000
        } else {
            self.count
        };
        let messages = self.messages;
        Stock { rooms, messages }
    }
}

fn address(url: &str) -> Result<SocketAddr, String> {
    let address = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    address
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| "write it as http://127.0.0.1:5000".to_owned())
}

fn in_range<const MIN: usize, const MAX: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (MIN..=MAX).contains(&number) => Ok(number),
        _ => Err(format!("from {MIN} to {MAX}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("from 0.1 to 600".to_owned()),
    }
}
