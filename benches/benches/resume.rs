//! A device comes back with a cursor and gets what it missed: `cargo bench -p benches --bench resume`.
//!
//! From the connection to the frames in its outbox, which are encoded, and to its end.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use std::{hint::black_box, sync::Arc};

use benches::Messages;
use chat_core::{
    ChatEngine, Connect, Cursor, Outbox, OutboxLimits, RoomCursor, Seq, Transport,
    memory::MemoryStore, port::Store,
};
use chat_store_sqlite::SqliteStore;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Builder;

const MISSED: [usize; 2] = [10, 300];
const HEAD: usize = 1_000;

/// An engine on a store with one room, and where that ends.
async fn engine(store: impl Store) -> (ChatEngine, RoomCursor) {
    let mut messages = Messages::between("alice", "bob").unwrap();
    let room = store
        .create_room(messages.room())
        .await
        .unwrap()
        .into_room();
    let stored = store.append(messages.batch(HEAD)).await;
    assert!(stored.iter().all(Result::is_ok));
    let cursor = Cursor {
        epoch: room.epoch,
        seq: Seq(HEAD as u64),
    };
    let engine = ChatEngine::builder().store(store).build().unwrap();
    let room = room.id;
    (engine, RoomCursor { room, cursor })
}

async fn resume(engine: &ChatEngine, end: &RoomCursor, missed: usize) {
    let mut from = end.clone();
    from.cursor.seq = Seq((HEAD - missed) as u64);
    let [_, bob] = from.room.pair().unwrap();
    let connect = Connect {
        cursors: vec![from],
        ..Connect::new(bob)
    };
    let outbox = Outbox::new(OutboxLimits::default());
    let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
    let session = engine.connect_with(connect, transport).await.unwrap();
    let mut frames = Vec::new();
    outbox.recv_many(&mut frames, usize::MAX).await;
    // And that it is caught up.
    assert_eq!(frames.len(), missed + 1);
    for frame in &frames {
        black_box(frame.json());
    }
    drop(session);
}

fn resumes(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let memory = runtime.block_on(engine(MemoryStore::default()));
    let sqlite = runtime.block_on(async {
        let store = SqliteStore::open(folder.path().join("chat.db")).await;
        engine(store.unwrap()).await
    });
    let mut group = c.benchmark_group("resume");
    for missed in MISSED {
        group.throughput(Throughput::Elements(missed as u64));
        for (name, (engine, end)) in [("memory", &memory), ("sqlite", &sqlite)] {
            group.bench_function(BenchmarkId::new(name, missed), |b| {
                b.iter(|| runtime.block_on(resume(engine, end, missed)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, resumes);
criterion_main!(benches);
