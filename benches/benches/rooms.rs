//! What a message costs, the more rooms there are: `cargo bench -p benches --bench rooms`.
//!
//! Messages to all rooms in turn, in an order that looks like chance, a thousand at once: accepted,
//! stored, and put into the outboxes of the ten who speak. Each room has been used before. All rooms
//! together hold as many messages, however many rooms there are.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use std::sync::Arc;

use benches::{Stock, TEXT, measuring, scatter};
use chat_core::{
    ChatEngine, Config, Connect, NewBody, Outbox, OutboxLimits, Responder, RoomId, Session,
    Transport, UserId, memory::MemoryStore, port::Store,
};
use chat_store_sqlite::SqliteStore;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::{runtime::Builder, sync::Semaphore};

const MESSAGES: u64 = 200_000;
const AT_ONCE: usize = 1_000;

struct Speakers {
    sessions: Vec<(Session, Arc<Outbox>)>,
    /// Each with its speaker.
    rooms: Vec<(usize, RoomId)>,
    next: usize,
}

impl Speakers {
    async fn on(store: impl Store, stock: Stock) -> Self {
        stock.fill(&store).await.unwrap();
        let config = Config {
            send_limit: None,
            ..Config::default()
        };
        let engine = ChatEngine::builder().store(store).config(config);
        let engine = engine.build().unwrap();
        let mut sessions = Vec::new();
        for speaker in 0..Stock::SPEAKERS {
            let [speaker, _] = Stock::members(speaker);
            let outbox = Outbox::new(OutboxLimits::default());
            let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
            let connect = Connect::new(UserId::new(speaker).unwrap());
            sessions.push((
                engine.connect_with(connect, transport).await.unwrap(),
                outbox,
            ));
        }
        let mut numbers: Vec<_> = (0..stock.rooms).collect();
        numbers.sort_by_key(|room| scatter(*room as u64));
        let rooms = numbers.into_iter();
        let rooms = rooms.map(|room| (room % Stock::SPEAKERS, Stock::room(room).unwrap()));
        let mut speakers = Self {
            sessions,
            rooms: rooms.collect(),
            next: 0,
        };
        while speakers.next < stock.rooms {
            speakers.speak().await;
        }
        speakers
    }

    /// Sends a thousand messages, waits until all are stored, and takes what has come.
    async fn speak(&mut self) {
        let stored = Arc::new(Semaphore::new(0));
        let mut expected = [0; Stock::SPEAKERS];
        for _ in 0..AT_ONCE {
            let (speaker, room) = &self.rooms[self.next % self.rooms.len()];
            self.next += 1;
            expected[*speaker] += 1;
            let stored = Arc::clone(&stored);
            let done = Responder::new(move |sent| {
                sent.unwrap();
                stored.add_permits(1);
            });
            let body = NewBody::Message(TEXT.to_owned());
            let (session, _) = &self.sessions[*speaker];
            session.submit(room, body, None, done).await;
        }
        let all = u32::try_from(AT_ONCE).unwrap();
        drop(stored.acquire_many(all).await.unwrap());
        let mut frames = Vec::new();
        for ((_, outbox), expected) in self.sessions.iter().zip(expected) {
            while frames.len() < expected {
                outbox.recv_many(&mut frames, usize::MAX).await;
            }
            frames.clear();
        }
    }
}

fn rooms(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (counts, messages) = if measuring() {
        (vec![10, 1_000, 100_000], MESSAGES)
    } else {
        (vec![10, 100], 100)
    };
    let mut group = c.benchmark_group("rooms");
    group.throughput(Throughput::Elements(AT_ONCE as u64));
    for rooms in counts {
        let stock = Stock { rooms, messages };
        for name in ["memory", "sqlite"] {
            // Not prepared unless it is wanted.
            let mut speakers = None;
            let prepare = || {
                runtime.block_on(async {
                    if name == "memory" {
                        return Speakers::on(MemoryStore::default(), stock).await;
                    }
                    let file = folder.path().join(format!("{rooms}.db"));
                    Speakers::on(SqliteStore::open(file).await.unwrap(), stock).await
                })
            };
            group.bench_function(BenchmarkId::new(name, rooms), |b| {
                let speakers = speakers.get_or_insert_with(prepare);
                b.iter(|| runtime.block_on(speakers.speak()));
            });
            // Within the runtime, which they tell.
            let _entered = runtime.enter();
            drop(speakers);
        }
    }
    group.finish();
}

criterion_group!(benches, rooms);
criterion_main!(benches);
