//! What a message costs the server, the more rooms there are.

use std::{io, sync::Arc, time::Duration};

use benches::{Stock, scatter};
use chat_core::{Clock as _, SystemClock};
use futures_util::future::try_join_all;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    options::Options,
    protocol::{Client, Heard, Protocol, Speech, refused, words},
    report::{Clock, Meter, Report, Times, nanoseconds},
    server::Server,
};

pub(crate) async fn run(options: &Options, server: &Server) -> io::Result<Report> {
    if options.protocol != Protocol::Native {
        let why = "on the old protocol a user is in one room at a time; leave --protocol out";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let stock = options.stock();
    let (clock, window) = (Clock::start(), options.window as u64);
    let speakers = 0..Stock::SPEAKERS.min(stock.rooms);
    let logins = speakers.map(|index| Speaker::login(options, server, stock, index));
    let mut speakers = try_join_all(logins).await?;
    // A room that comes into use is read from the store once, which is not what is measured.
    let used = Times::new()?;
    let visits = speakers.iter_mut().map(|speaker| {
        let rooms = speaker.rooms.len() as u64;
        speaker.speak(clock, window, &used, move |sent| sent < rooms)
    });
    try_join_all(visits).await?;

    let meter = Meter::start(server);
    let times = Arc::new(Times::new()?);
    let start = clock.now();
    let end = start + nanoseconds(options.seconds);
    let mut speaking = JoinSet::new();
    for mut speaker in speakers {
        let times = Arc::clone(&times);
        speaking.spawn(async move {
            let more = |_| clock.now() < end;
            let speaking = speaker.speak(clock, window, &times, more).await;
            speaking.map(|sent| (speaker, sent))
        });
    }
    let (mut report, mut acknowledged) = (Report::default(), 0);
    let ending = async {
        // All stay to the end, for what they leave in the server costs it something.
        let mut done = Vec::new();
        while let Some(ended) = speaking.join_next().await {
            let (speaker, sent) = ended??;
            done.push(speaker);
            acknowledged += sent;
        }
        io::Result::Ok(())
    };
    match timeout(options.seconds + options.patience, ending).await {
        Ok(ended) => ended?,
        Err(_) => report.missing = 1,
    }
    let elapsed = Duration::from_nanos(clock.now() - start);
    report.add("messages", stock.messages);
    report.add("window", options.window);
    report.add("acknowledged", acknowledged);
    report.add_rate("acknowledged_per_second", acknowledged, elapsed);
    report.add_times("acknowledged_ms", &times);
    report.add_times("first_in_its_room_ms", &used);
    meter.stop(&mut report, acknowledged);
    Ok(report)
}

/// One who sends to all of their rooms in turn, in an order that looks like chance.
pub(crate) struct Speaker {
    client: Client,
    rooms: Vec<Speech>,
    /// How long the server may say nothing while it is waited for.
    patience: Duration,
    /// How many messages have been sent.
    turn: usize,
}

impl Speaker {
    pub(crate) async fn login(
        options: &Options,
        server: &Server,
        stock: Stock,
        index: usize,
    ) -> io::Result<Self> {
        let words = words(options.text);
        let run = SystemClock::default().now().timestamp_millis();
        let mut rooms: Vec<_> = stock.rooms_of(index).collect();
        rooms.sort_by_key(|room| scatter(*room as u64));
        let speeches = rooms.into_iter().map(|room| {
            let [speaker, listener] = Stock::members(room);
            Speech::new(Protocol::Native, &speaker, &listener, &words, run)
        });
        let [name, _] = Stock::members(index);
        Ok(Self {
            rooms: speeches.collect(),
            patience: options.patience,
            client: Client::login(Protocol::Native, server.node(index), &name).await?,
            turn: 0,
        })
    }

    /// Sends, with a window of messages under way, while `more` says so of how many were sent; gives
    /// how many were sent when all are acknowledged.
    ///
    /// # Errors
    ///
    /// When one is refused, the server is silent for too long, or the connection ends.
    pub(crate) async fn speak(
        &mut self,
        clock: Clock,
        window: u64,
        times: &Times,
        more: impl Fn(u64) -> bool,
    ) -> io::Result<u64> {
        let (mut sent, mut answered, mut last) = (0, 0, 0);
        let Client { reader, writer, .. } = &mut self.client;
        loop {
            while sent - answered < window && more(sent) {
                last = clock.now().max(last + 1);
                let speech = &self.rooms[self.turn % self.rooms.len()];
                writer.queue(speech.message(last).as_bytes());
                self.turn += 1;
                sent += 1;
            }
            if sent == answered {
                return Ok(sent);
            }
            writer.flush();
            let mut refusal = None;
            let each = |text: &[u8], _| match Protocol::Native.hear(text) {
                Heard::Answer(at @ Clock::FIRST..) => {
                    times.note(at, clock.now());
                    answered += 1;
                }
                Heard::Refused => refusal = Some(refused(text)),
                _ => {}
            };
            timeout(self.patience, reader.read(writer, each)).await??;
            if let Some(refusal) = refusal {
                return Err(refusal);
            }
        }
    }
}
