//! Everybody connects at the same moment, until each knows who else is there.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use benches::user;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    link::AT_ONCE,
    options::Options,
    protocol::{Client, Protocol},
    report::{Clock, Meter, Report, Times},
    server::Server,
};

struct Storm {
    clock: Clock,
    connected: Times,
    settled: Times,
    /// How many are settled, and when the last one was.
    settled_count: AtomicU64,
    last: AtomicU64,
    bytes: AtomicU64,
}

pub(crate) async fn run(options: &Options, server: &Server) -> io::Result<Report> {
    if options.protocol == Protocol::Native {
        acquaint(options, server).await?;
    }
    let meter = Meter::start(server);
    let storm = Arc::new(Storm {
        clock: Clock::start(),
        connected: Times::new()?,
        settled: Times::new()?,
        settled_count: AtomicU64::new(0),
        last: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let count = options.count as u64;
    let mut tasks = JoinSet::new();
    for index in 0..options.count {
        let (storm, protocol, address) = (Arc::clone(&storm), options.protocol, server.node(index));
        let everybody = options.count;
        tasks.spawn(async move {
            match protocol {
                Protocol::Native => storm.meet_partner(address, index).await,
                Protocol::Socketio => storm.see_everybody(address, index, everybody).await,
            }
        });
    }
    let mut report = Report::default();
    let until = Instant::now() + options.patience;
    while storm.settled_count.load(Relaxed) < count && Instant::now() < until {
        sleep(Duration::from_millis(5)).await;
        while let Some(Ok(Err(error))) = tasks.try_join_next() {
            report.problem(&error, 1);
        }
    }

    let settled = storm.settled_count.load(Relaxed);
    let last = Duration::from_nanos(storm.last.load(Relaxed));
    report.add("settled", settled);
    report.add_fraction("seconds", last.as_secs_f64());
    report.add_times("connected_ms", &storm.connected);
    report.add_times("settled_ms", &storm.settled);
    report.add("bytes_received", storm.bytes.load(Relaxed));
    meter.stop(&mut report, count);
    report.missing = count - settled;
    Ok(report)
}

/// Makes the room of each pair, for in a storm those come back who know each other.
async fn acquaint(options: &Options, server: &Server) -> io::Result<()> {
    let meeting = stream::iter((0..options.count).step_by(2)).map(|index| async move {
        let mut client = Client::login(options.protocol, server.node(index), &user(index)).await?;
        client.ask_for(&user(index + 1));
        client.answer().await?;
        client.leave().await;
        io::Result::Ok(())
    });
    let mut meeting = meeting.buffer_unordered(AT_ONCE);
    while meeting.try_next().await?.is_some() {}
    Ok(())
}

impl Storm {
    /// A native client is settled when it knows that its partner is there.
    async fn meet_partner(&self, address: SocketAddr, index: usize) -> io::Result<()> {
        let start = self.clock.now();
        let client = Client::login(Protocol::Native, address, &user(index)).await?;
        self.connected.note(start, self.clock.now());
        let partner = user(index ^ 1);
        client.ask_for(&partner);
        let there = format!(r#""user":"{partner}","online":true"#);
        self.watch(client, start, |text, _| {
            String::from_utf8_lossy(text).contains(&there)
        })
        .await
    }

    /// An old client is settled when it has a list of all, which it recognises by its length.
    async fn see_everybody(
        &self,
        address: SocketAddr,
        index: usize,
        everybody: usize,
    ) -> io::Result<()> {
        let start = self.clock.now();
        let mut client = Client::connect(Protocol::Socketio, address).await?;
        client.say("40");
        client
            .wait_for(|text| text.starts_with(b"40").then_some(()))
            .await?;
        self.connected.note(start, self.clock.now());
        client.say(&format!(r#"42["set-username","{}"]"#, user(index)));
        let names = everybody * (user(0).len() + 3) - 1;
        let whole = r#"42["online-users",[]]"#.len() + names;
        self.watch(client, start, |text, length| {
            length == whole && text.starts_with(b"42[\"online-users\"")
        })
        .await
    }

    /// Reads on and on, and notes when the client is settled.
    async fn watch(
        &self,
        mut client: Client,
        start: u64,
        settles: impl Fn(&[u8], usize) -> bool,
    ) -> io::Result<()> {
        let (mut settled, mut counted) = (false, 0);
        loop {
            let read = &mut client.reader;
            read.read(&client.writer, |text, length| {
                if !settled && settles(text, length) {
                    settled = true;
                    let now = self.clock.now();
                    self.settled.note(start, now);
                    self.settled_count.fetch_add(1, Relaxed);
                    self.last.fetch_max(now - Clock::FIRST, Relaxed);
                }
            })
            .await?;
            self.bytes.fetch_add(read.bytes - counted, Relaxed);
            counted = read.bytes;
        }
    }
}
