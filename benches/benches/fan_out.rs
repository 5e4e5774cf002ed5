//! One message to everybody in a room: `cargo bench -p benches --bench fan_out`.
//!
//! The whole way through the engine, without a socket and without a disk: accepted, stored in
//! memory, put into the outbox of each member's session, and taken out of it. What there is beside
//! the fan-out is what one session costs.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use std::{sync::Arc, time::Duration};

use benches::{TEXT, user};
use chat_core::{
    ChatEngine, Config, Connect, Event, Frame, Outbox, OutboxLimits, Outgoing, RoomId, Session,
    Transport, UserId,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Builder;

const SESSIONS: [usize; 3] = [1, 100, 10_000];

/// A room, each member of which has a session.
struct Audience {
    sessions: Vec<(Session, Arc<Outbox>)>,
    room: RoomId,
}

impl Audience {
    async fn of(sessions: usize) -> Self {
        let config = Config {
            send_limit: None,
            // Nobody is told who has come: 10,000 would be told of 10,000.
            presence_window: Duration::from_hours(1),
            ..Config::default()
        };
        let engine = ChatEngine::builder().config(config).build().unwrap();
        let members = (0..sessions).map(|index| UserId::new(user(index)).unwrap());
        let members: Vec<_> = members.collect();
        let mut sessions = Vec::new();
        for member in &members {
            let outbox = Outbox::new(OutboxLimits::default());
            let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
            let session = engine.connect_with(Connect::new(member.clone()), transport);
            sessions.push((session.await.unwrap(), outbox));
        }
        let room = RoomId::group("everybody").unwrap();
        engine
            .create_group(room.clone(), members[0].clone(), members)
            .await
            .unwrap();
        Self { sessions, room }
    }

    /// One of them speaks, and all hear it.
    async fn hear(&self) {
        let (speaker, _) = &self.sessions[0];
        speaker.send(&self.room, TEXT).await.unwrap();
        let is_entry = |frame: Frame| matches!(frame.outgoing(), Outgoing::Event(Event::Entry(_)));
        let mut frames = Vec::with_capacity(1);
        for (_, outbox) in &self.sessions {
            // Who was told early of who has come hears that first.
            while !frames.drain(..).any(is_entry) {
                assert_eq!(outbox.recv_many(&mut frames, usize::MAX).await, None);
            }
        }
    }
}

fn fan_out(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = c.benchmark_group("fan out");
    for count in SESSIONS {
        // Not gathered unless it is wanted.
        let mut audience = None;
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("sessions", count), |b| {
            let audience = audience.get_or_insert_with(|| runtime.block_on(Audience::of(count)));
            b.iter(|| runtime.block_on(audience.hear()));
        });
        // Within the runtime, which they tell.
        let _entered = runtime.enter();
        drop(audience);
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
