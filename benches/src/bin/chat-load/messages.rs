//! Pairs and room: users who send to others, and how long it takes.

use std::{
    future::pending,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use benches::user;
use chat_core::{Clock as _, SystemClock};
use futures_util::{
    StreamExt, TryStreamExt,
    future::{Either, try_join, try_join_all},
    stream,
};
use tokio::{
    sync::Notify,
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    link::{AT_ONCE, Writer},
    options::{Mode, Options},
    protocol::{Client, Heard, Protocol, Speech, words},
    report::{Clock, Meter, Report, Times, nanoseconds, number},
    server::Server,
};

/// How many messages are sent at most to find out that a conversation has begun.
const PROBES: u64 = 20;

/// After which time nothing more comes of the users' arrival.
const SETTLE: Duration = Duration::from_millis(300);

/// One who sends, and those who listen: the devices of one user, or the other members of a group.
struct Conversation {
    from: String,
    to: String,
    sender: Client,
    receivers: Vec<Client>,
    speech: Speech,
}

impl Conversation {
    /// Connects both users, and finds out that the one is heard by the other.
    async fn begin(
        options: &Options,
        server: &Server,
        index: usize,
        devices: usize,
        speech: Speech,
    ) -> io::Result<Self> {
        let (from, to) = (user(2 * index), user(2 * index + 1));
        // The old protocol has no groups; to the fan-out, devices are the same.
        let is_group = options.mode == Mode::Room && options.protocol == Protocol::Native;
        let listener = |device| {
            if is_group {
                user(1 + device)
            } else {
                to.clone()
            }
        };
        let login = async |user, name: String| {
            Client::login(options.protocol, server.node(user), &name).await
        };
        let mut sender = login(2 * index, from.clone()).await?;
        // Before they connect: each member who is added would be announced to all who are.
        let speech = if is_group {
            let members: Vec<_> = (0..devices).map(listener).collect();
            speech.in_room(gathered(&mut sender, &members).await?)
        } else {
            speech
        };
        let receivers =
            stream::iter(0..devices).map(|device| login(2 * index + 1 + device, listener(device)));
        let receivers = receivers.buffer_unordered(AT_ONCE);
        let receivers: Vec<_> = receivers.try_collect().await?;
        let mut conversation = Self {
            from,
            to,
            sender,
            receivers,
            speech,
        };
        conversation.prove(options.protocol, 1).await?;
        Ok(conversation)
    }

    /// The old protocol doesn't say when a chat has begun; so messages are sent, with the numbers
    /// from `first` on, until one arrives and its sender knows. All that came before it has been read.
    async fn prove(&mut self, protocol: Protocol, first: u64) -> io::Result<()> {
        const EACH: Duration = Duration::from_millis(500);
        for probe in first..first + PROBES {
            if protocol == Protocol::Socketio {
                // Repeated, for a user may make only so many rooms, and all devices ask at once.
                let receivers = self.receivers.iter().map(|receiver| (receiver, &self.from));
                for (client, peer) in receivers.chain([(&self.sender, &self.to)]) {
                    client.ask_for(peer);
                }
            }
            self.sender.say(&self.speech.message(probe));
            let hearing = self.receivers.iter_mut().map(|receiver| {
                receiver.wait_for(move |text| match protocol.hear(text) {
                    Heard::Message(at) => (at == probe).then_some(()),
                    _ => None,
                })
            });
            let known = self.sender.wait_for(|text| {
                let done = protocol.done(&protocol.hear(text));
                (done == Some(probe)).then_some(())
            });
            let both = try_join(try_join_all(hearing), known);
            if let Ok(heard) = timeout(EACH, both).await {
                return heard.map(drop);
            }
        }
        Err(io::Error::other(
            "messages don't arrive; are the server's limits off?",
        ))
    }
}

/// Makes a group of these members and the one who sends: the first 1,000 with it, for a command has only so
/// many bytes, the others one by one.
async fn gathered(sender: &mut Client, members: &[String]) -> io::Result<String> {
    let (first, others) = members.split_at(members.len().min(1_000));
    let room = sender.group(first).await?;
    for member in others {
        sender.add(&room, member).await?;
    }
    Ok(room)
}

/// What all tasks count.
struct Tally {
    protocol: Protocol,
    clock: Clock,
    /// Until when messages are sent.
    end: u64,
    sent: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
    first_refusal: OnceLock<String>,
    received: AtomicU64,
    until_done: Times,
    until_received: Times,
}

impl Tally {
    fn over(&self) -> u64 {
        self.done.load(Relaxed) + self.refused.load(Relaxed)
    }

    fn tell(&self, report: &mut Report, elapsed: Duration, devices: u64) {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let (sent, done) = (count(&self.sent), count(&self.done));
        let (received, refused) = (count(&self.received), count(&self.refused));
        report.add_fraction("seconds", elapsed.as_secs_f64());
        report.add("sent", sent);
        report.add("acknowledged", done);
        report.add("refused", refused);
        report.add("received", received);
        report.add_rate("acknowledged_per_second", done, elapsed);
        report.add_rate("received_per_second", received, elapsed);
        report.add_times("acknowledged_ms", &self.until_done);
        report.add_times("received_ms", &self.until_received);
        report.missing = sent.saturating_sub(done) + (sent * devices).saturating_sub(received);
        if let Some(said) = self.first_refusal.get() {
            report.problem(&format_args!("refused, first with {said}"), refused);
        }
    }

    /// Waits, not for ever, until `enough`, and writes what could not be written before.
    async fn wait(&self, writers: &[Arc<Writer>], until: Instant, enough: impl Fn(&Self) -> bool) {
        while !enough(self) && Instant::now() < until {
            for writer in writers {
                writer.flush();
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Runs `conversations` with so many devices each.
pub(crate) async fn run(
    options: &Options,
    server: &Server,
    conversations: usize,
    devices: usize,
) -> io::Result<Report> {
    let (words, run) = (
        words(options.text),
        SystemClock::default().now().timestamp_millis(),
    );
    let beginning = stream::iter(0..conversations).map(|index| {
        let (from, to) = (user(2 * index), user(2 * index + 1));
        let speech = Speech::new(options.protocol, &from, &to, &words, run);
        Conversation::begin(options, server, index, devices, speech)
    });
    let mut begun: Vec<_> = beginning.buffer_unordered(AT_ONCE).try_collect().await?;
    sleep(SETTLE).await;
    let settling = begun.iter_mut();
    try_join_all(settling.map(|one| one.prove(options.protocol, 1 + PROBES))).await?;

    let clock = Clock::start();
    let meter = Meter::start(server);
    let start = clock.now();
    let tally = Arc::new(Tally {
        protocol: options.protocol,
        clock,
        end: start + nanoseconds(options.seconds),
        sent: AtomicU64::new(0),
        done: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        first_refusal: OnceLock::new(),
        received: AtomicU64::new(0),
        until_done: Times::new()?,
        until_received: Times::new()?,
    });
    let (mut receiving, mut sending) = (JoinSet::new(), JoinSet::new());
    let (mut writers, mut speeches) = (Vec::new(), Vec::new());
    for Conversation {
        sender,
        receivers,
        speech,
        ..
    } in begun
    {
        let heard = Arc::new(HeardBy::new(devices));
        writers.push(Arc::clone(&sender.writer));
        for receiver in receivers {
            receiving.spawn(receive(receiver, Arc::clone(&tally), Arc::clone(&heard)));
        }
        let tally = Arc::clone(&tally);
        sending.spawn(if options.rate.is_some() {
            speeches.push(speech);
            Either::Left(confirm(sender, tally))
        } else {
            Either::Right(converse(sender, speech, tally, heard, options.window))
        });
    }
    let mut report = Report::default();
    let patience = Instant::now() + options.seconds + options.patience;
    if let Some(rate) = options.rate {
        let (tally, writers) = (Arc::clone(&tally), writers.clone());
        spawn_blocking(move || pace(&tally, start, rate, &writers, &speeches)).await?;
    }
    // A sender with a window ends by itself.
    let finish = async {
        while let Some(ended) = sending.join_next().await {
            if let Err(error) = ended? {
                report.problem(&error, 1);
            }
        }
        io::Result::Ok(())
    };
    let done = |tally: &Tally| tally.over() >= tally.sent.load(Relaxed);
    tokio::select! {
        finished = timeout_at(patience, finish), if options.rate.is_none() => {
            finished.unwrap_or(Ok(()))?;
        }
        () = tally.wait(&writers, patience, done), if options.rate.is_some() => {}
    }
    let every =
        |tally: &Tally| tally.received.load(Relaxed) >= tally.done.load(Relaxed) * devices as u64;
    tally.wait(&writers, patience, every).await;
    let elapsed = Duration::from_nanos(clock.now() - start);

    match options.rate {
        Some(rate) => report.add("rate", rate),
        None => report.add("window", options.window),
    }
    tally.tell(&mut report, elapsed, devices as u64);
    let each = if devices > 1 {
        &tally.received
    } else {
        &tally.done
    };
    meter.stop(&mut report, each.load(Relaxed));
    while let Some(ended) = receiving.try_join_next() {
        if let Err(error) = ended? {
            report.problem(&error, 1);
        }
    }
    Ok(report)
}

/// How many of a sender's messages its listeners have heard, all devices together.
struct HeardBy {
    devices: u64,
    count: AtomicU64,
    all: Notify,
}

impl HeardBy {
    fn new(devices: usize) -> Self {
        Self {
            devices: devices as u64,
            count: AtomicU64::new(0),
            all: Notify::new(),
        }
    }

    fn note(&self) {
        let count = self.count.fetch_add(1, Relaxed) + 1;
        if self.devices > 1 && count.is_multiple_of(self.devices) {
            self.all.notify_one();
        }
    }

    /// How many messages are no longer under way, when so many were answered, some with a refusal.
    /// One listener is as quick as the answer; many hold a sender back, for it could outrun them.
    fn through(&self, answered: u64, refused: u64) -> u64 {
        if self.devices > 1 {
            answered.min(self.count.load(Relaxed) / self.devices + refused)
        } else {
            answered
        }
    }

    async fn more(&self) {
        if self.devices > 1 {
            self.all.notified().await;
        } else {
            pending::<()>().await;
        }
    }
}

async fn receive(mut client: Client, tally: Arc<Tally>, heard: Arc<HeardBy>) -> io::Result<()> {
    loop {
        let each = |text: &[u8], _| {
            if let Heard::Message(at @ Clock::FIRST..) = tally.protocol.hear(text) {
                tally.until_received.note(at, tally.clock.now());
                tally.received.fetch_add(1, Relaxed);
                heard.note();
            }
        };
        client.reader.read(&client.writer, each).await?;
    }
}

/// What a sender is told of one of its messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Ack,
    Refusal,
}

/// Counts what the server says to a sender.
fn answer(tally: &Tally, text: &[u8]) -> Option<Answer> {
    let heard = tally.protocol.hear(text);
    if heard == Heard::Refused {
        tally.refused.fetch_add(1, Relaxed);
        let said = || String::from_utf8_lossy(text).into_owned();
        tally.first_refusal.get_or_init(said);
        return Some(Answer::Refusal);
    }
    match tally.protocol.done(&heard) {
        Some(at @ Clock::FIRST..) => {
            tally.until_done.note(at, tally.clock.now());
            tally.done.fetch_add(1, Relaxed);
            Some(Answer::Ack)
        }
        _ => None,
    }
}

/// A sender at a fixed rate only listens.
async fn confirm(mut sender: Client, tally: Arc<Tally>) -> io::Result<()> {
    loop {
        let each = |text: &[u8], _| {
            answer(&tally, text);
        };
        sender.reader.read(&sender.writer, each).await?;
    }
}

/// A sender with a window sends as soon as one of its messages is done.
async fn converse(
    mut sender: Client,
    speech: Speech,
    tally: Arc<Tally>,
    heard: Arc<HeardBy>,
    window: usize,
) -> io::Result<()> {
    let (mut sent, mut answered, mut refused, mut last) = (0, 0, 0, 0);
    loop {
        if tally.clock.now() < tally.end {
            let free = (heard.through(answered, refused) + window as u64).saturating_sub(sent);
            for _ in 0..free {
                last = tally.clock.now().max(last + 1);
                sender.writer.queue(speech.message(last).as_bytes());
            }
            sender.writer.flush();
            sent += free;
            tally.sent.fetch_add(free, Relaxed);
        } else if sent == answered {
            return Ok(());
        }
        let each = |text: &[u8], _| {
            let answer = answer(&tally, text);
            answered += u64::from(answer.is_some());
            refused += u64::from(answer == Some(Answer::Refusal));
        };
        tokio::select! {
            read = sender.reader.read(&sender.writer, each) => read?,
            () = heard.more() => {}
        }
    }
}

/// So many moments a second, from `start` to `end`, each given when it has come. It holds up its
/// thread: the runtime's timers are no better than a millisecond. One that is late is given at once.
pub(crate) fn moments(
    clock: Clock,
    start: u64,
    end: u64,
    rate: u32,
) -> impl Iterator<Item = u64> + use<> {
    let gap = 1.0 / f64::from(rate);
    let moments = (0_u64..).map(move |count| {
        let after = Duration::from_secs_f64(number(count) * gap);
        start + nanoseconds(after)
    });
    moments.take_while(move |at| *at < end).inspect(move |at| {
        if let Some(early) = at.checked_sub(clock.now()) {
            std::thread::sleep(Duration::from_nanos(early));
        }
    })
}

/// Sends one message after the other at its moment.
fn pace(tally: &Tally, start: u64, rate: u32, writers: &[Arc<Writer>], speeches: &[Speech]) {
    let turns = writers.iter().zip(speeches).cycle();
    for (at, (writer, speech)) in moments(tally.clock, start, tally.end, rate).zip(turns) {
        writer.send(speech.message(at).as_bytes());
        tally.sent.fetch_add(1, Relaxed);
    }
}
