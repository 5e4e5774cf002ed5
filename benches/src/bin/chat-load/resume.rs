//! Everybody loses the connection, misses messages, and comes back with a cursor.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use benches::user;
use chat_core::{Clock as _, SystemClock};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    link::{AT_ONCE, find},
    options::Options,
    protocol::{Client, Heard, Protocol, Speech, hello, number, refused, words},
    report::{Clock, Meter, Report, Times},
    server::Server,
};

pub(crate) async fn run(options: &Options, server: &Server) -> io::Result<Report> {
    if options.protocol != Protocol::Native {
        let why = "the old protocol has no resume; leave --protocol out";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let (words, run) = (
        words(options.text),
        SystemClock::default().now().timestamp_millis(),
    );
    let missing = stream::iter(0..options.count).map(|index| {
        let (from, to) = (user(2 * index), user(2 * index + 1));
        let speech = Speech::new(options.protocol, &from, &to, &words, run);
        let nodes = [2 * index, 2 * index + 1].map(|user| server.node(user));
        miss(nodes, from, to, speech, options.missed as u64)
    });
    let cursors: Vec<_> = missing.buffer_unordered(AT_ONCE).try_collect().await?;

    let meter = Meter::start(server);
    let (clock, times) = (Clock::start(), Arc::new(Times::new()?));
    let (mut tasks, mut report) = (JoinSet::new(), Report::default());
    for (index, (name, cursor)) in cursors.into_iter().enumerate() {
        let times = Arc::clone(&times);
        tasks.spawn(catch_up(server.node(index), name, cursor, clock, times));
    }
    let (mut whole, mut entries, mut seconds) = (0, 0, 0.0);
    let until = Instant::now() + options.patience;
    while let Ok(Some(ended)) = timeout_at(until, tasks.join_next()).await {
        match ended? {
            Ok(got) => {
                whole += u64::from(got == options.missed as u64);
                entries += got;
                seconds = Duration::from_nanos(clock.now() - Clock::FIRST).as_secs_f64();
            }
            Err(error) => report.problem(&error, 1),
        }
    }
    report.add("missed_each", options.missed);
    report.add("caught_up", whole);
    report.add("entries", entries);
    report.add_fraction("seconds", seconds);
    report.add_times("caught_up_ms", &times);
    meter.stop(&mut report, options.count as u64);
    report.missing = options.count as u64 - whole;
    Ok(report)
}

/// Lets a user miss messages; gives the user and the cursor.
async fn miss(
    nodes: [SocketAddr; 2],
    from: String,
    to: String,
    speech: Speech,
    count: u64,
) -> io::Result<(String, String)> {
    let mut receiver = Client::login(Protocol::Native, nodes[1], &to).await?;
    receiver.ask_for(&from);
    let room = receiver.answer().await?;
    let after = |name: &[u8; 8]| {
        let at = find(&room, name).ok_or_else(|| refused(&room))?;
        Ok::<_, io::Error>(room.get(at + name.len()..).unwrap_or_default())
    };
    let epoch = after(b"\"epoch\":")?;
    let epoch = epoch.split(|byte| *byte == b'"').nth(1).unwrap_or_default();
    let epoch = String::from_utf8_lossy(epoch);
    let head = number(after(b",\"head\":")?);
    let cursor = format!(r#"{{"room":"{from},{to}","epoch":"{epoch}","seq":{head}}}"#);
    // All at once: without a goodbye.
    drop(receiver);
    let mut sender = Client::login(Protocol::Native, nodes[0], &from).await?;
    for at in Clock::FIRST..Clock::FIRST + count {
        sender.writer.queue(speech.message(at).as_bytes());
    }
    sender.writer.flush();
    let mut stored = 0;
    let all = |text: &[u8]| match Protocol::Native.hear(text) {
        Heard::Answer(Clock::FIRST..) => {
            stored += 1;
            (stored == count).then_some(Ok(()))
        }
        Heard::Refused => Some(Err(refused(text))),
        _ => None,
    };
    sender.wait_for(all).await??;
    sender.leave().await;
    Ok((to, cursor))
}

/// Comes back, perhaps to another node, and reads until there is nothing missed any more; gives how many entries came.
async fn catch_up(
    address: SocketAddr,
    name: String,
    cursor: String,
    clock: Clock,
    times: Arc<Times>,
) -> io::Result<u64> {
    let start = clock.now();
    let mut client = Client::connect(Protocol::Native, address).await?;
    client.say(&hello(&name, &cursor));
    let mut entries = 0;
    client
        .wait_for(|text| {
            entries += u64::from(matches!(Protocol::Native.hear(text), Heard::Message(_)));
            text.starts_with(b"{\"type\":\"resumed\"").then_some(())
        })
        .await?;
    times.note(start, clock.now());
    Ok(entries)
}
