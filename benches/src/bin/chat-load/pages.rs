//! Pages that are asked for at a fixed rate, and how long each takes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

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

/// Items of a page.
pub(crate) const PAGE: u64 = 50;

/// The measurements of all readers together.
struct Pages {
    clock: Clock,
    times: Times,
    read: AtomicU64,
    bytes: AtomicU64,
}

/// Sends the command that `ask` gives for each moment, from the client that it names.
///
/// # Errors
///
/// When `ask` fails.
pub(crate) async fn run(
    options: &Options,
    server: &Server,
    clients: Vec<Client>,
    mut ask: impl FnMut(u64) -> io::Result<(usize, String)> + Send + 'static,
) -> io::Result<Report> {
    let clock = Clock::start();
    let pages = Arc::new(Pages {
        clock,
        times: Times::new()?,
        read: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let (mut reading, mut writers) = (JoinSet::new(), Vec::new());
    for client in clients {
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
            let (client, command) = ask(at)?;
            writers[client].send(command.as_bytes());
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
