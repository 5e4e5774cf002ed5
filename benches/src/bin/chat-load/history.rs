//! Pages of history, at a fixed rate, from a store with many messages.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use benches::{Stock, drop_cached};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Duration, Instant, sleep},
};

use crate::{
    messages::moments,
    options::Options,
    protocol::{Client, Heard, Protocol, refused},
    report::{Clock, Meter, Report, Times, nanoseconds, number},
    server::Server,
};

/// Asked for in a second, when nothing else is said.
const RATE: u32 = 100;

/// Messages of a page.
const PAGE: u64 = 50;

/// What all readers count.
struct Pages {
    clock: Clock,
    times: Times,
    read: AtomicU64,
    bytes: AtomicU64,
}

pub(crate) async fn run(options: &Options, server: &Server) -> io::Result<Report> {
    if options.protocol != Protocol::Native {
        let why = "the old protocol has no pages of history; leave --protocol out";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let stock = options.stock();
    let file = options.cold.then(|| server.store()).transpose()?;
    // All of it, which takes a moment; later ones only what the last page brought back.
    file.as_deref().map(drop_cached).transpose()?;
    let clock = Clock::start();
    let pages = Arc::new(Pages {
        clock,
        times: Times::new()?,
        read: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let (mut reading, mut writers) = (JoinSet::new(), Vec::new());
    for speaker in 0..Stock::SPEAKERS {
        let [speaker, _] = Stock::members(speaker);
        let client = Client::login(Protocol::Native, server.node(0), &speaker).await?;
        writers.push(Arc::clone(&client.writer));
        reading.spawn(read(client, Arc::clone(&pages)));
    }

    let rate = options.rate.unwrap_or(RATE);
    let meter = Meter::start(server);
    let start = clock.now();
    let end = start + nanoseconds(options.seconds);
    let asking = spawn_blocking(move || {
        let mut asked = 0;
        for at in moments(clock, start, end, rate) {
            if let Some(file) = &file {
                drop_cached(file)?;
            }
            let (room, before) = stock.place(at, PAGE);
            let [speaker, listener] = Stock::members(room);
            let command = format!(
                r#"{{"id":{at},"type":"history","room":"{speaker},{listener}","page":{{"before":{before}}},"limit":{PAGE}}}"#
            );
            writers[room % Stock::SPEAKERS].send(command.as_bytes());
            asked += 1;
        }
        io::Result::Ok(asked)
    });
    let asked: u64 = asking.await??;
    let mut report = Report::default();
    let until = Instant::now() + options.patience;
    while pages.read.load(Relaxed) < asked && Instant::now() < until {
        sleep(Duration::from_millis(2)).await;
        while let Some(Ok(Err(error))) = reading.try_join_next() {
            report.problem(&error, 1);
        }
    }

    let read = pages.read.load(Relaxed);
    report.add("messages", stock.messages);
    report.add("cold", options.cold);
    report.add("rate", rate);
    report.add("asked", asked);
    report.add("read", read);
    report.add_fraction(
        "bytes_each",
        number(pages.bytes.load(Relaxed)) / number(read.max(1)),
    );
    report.add_times("read_ms", &pages.times);
    meter.stop(&mut report, read);
    report.missing = asked - read;
    Ok(report)
}

async fn read(mut client: Client, pages: Arc<Pages>) -> io::Result<()> {
    loop {
        let mut refusal = None;
        let each = |text: &[u8], length: usize| match Protocol::Native.hear(text) {
            Heard::Answer(at @ Clock::FIRST..) => {
                pages.times.note(at, pages.clock.now());
                pages.bytes.fetch_add(length as u64, Relaxed);
                pages.read.fetch_add(1, Relaxed);
            }
            Heard::Refused => refusal = Some(refused(text)),
            _ => {}
        };
        client.reader.read(&client.writer, each).await?;
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
    }
}
