//! Acknowledged messages a second: `cargo bench -p benches --bench append`.
//!
//! `bare` is the base of comparison: the same rows by a loop on a connection of its own, in one
//! transaction a batch, with the same schema and the same durability.

use std::{hint::black_box, path::Path};

use chat_core::{
    ClientMessageId, EntryBody, Epoch, MessageId, NewEntry, NewRoom, RoomId, UserId,
    memory::MemoryStore,
    port::{LogStore, Store},
};
use chat_store_sqlite::SqliteStore;
use chrono::DateTime;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::Connection;
use tokio::runtime::Runtime;
use uuid::Uuid;

const BATCHES: [usize; 4] = [1, 10, 100, 1_000];
const SENDERS: usize = 256;
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog does not even look up from its sleep. So.";

/// Endless messages of one room.
struct Messages {
    count: u128,
    room: RoomId,
    author: UserId,
}

impl Messages {
    fn new() -> Self {
        Self {
            count: 0,
            room: RoomId::new("alice,bob").unwrap(),
            author: UserId::new("alice").unwrap(),
        }
    }

    fn take(&mut self, size: usize) -> Vec<NewEntry> {
        (0..size).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> NewEntry {
        self.count += 1;
        NewEntry {
            room: self.room.clone(),
            id: MessageId(Uuid::from_u128(self.count)),
            author: self.author.clone(),
            client_id: ClientMessageId::new(format!("{:032x}", self.count)).unwrap(),
            at: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
            body: EntryBody::message(TEXT),
        }
    }
}

async fn with_room(store: impl Store) -> impl Store {
    let room = NewRoom {
        id: RoomId::new("alice,bob").unwrap(),
        epoch: Epoch(Uuid::from_u128(1)),
        members: vec![UserId::new("alice").unwrap(), UserId::new("bob").unwrap()],
        created_at: DateTime::UNIX_EPOCH,
    };
    store.create_room(room).await.unwrap();
    store
}

/// The least that storing these rows takes.
struct Bare(Connection, i64);

impl Bare {
    fn open(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
                 PRAGMA wal_autocheckpoint = 4000;",
            )
            .unwrap();
        connection
            .execute_batch(include_str!("../../chat-store-sqlite/src/schema.sql"))
            .unwrap();
        Self(connection, 0)
    }

    fn append(&mut self, batch: &[NewEntry]) {
        let transaction = self.0.transaction().unwrap();
        let mut insert = transaction
            .prepare_cached(
                "INSERT INTO entry (room, seq, id, author, client_id, at, kind, text) \
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, 0, ?6)",
            )
            .unwrap();
        for entry in batch {
            self.1 += 1;
            let row = (
                self.1,
                entry.id.0.as_bytes(),
                entry.author.as_str(),
                entry.client_id.as_str(),
                entry.at.timestamp_micros(),
                TEXT,
            );
            insert.execute(row).unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
    }
}

fn batches(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let memory = runtime.block_on(with_room(MemoryStore::default()));
    let sqlite = runtime.block_on(async {
        with_room(
            SqliteStore::open(folder.path().join("chat.db"))
                .await
                .unwrap(),
        )
        .await
    });
    let mut bare = Bare::open(&folder.path().join("bare.db"));
    let mut messages = Messages::new();

    let mut group = c.benchmark_group("append");
    for size in BATCHES {
        group.throughput(Throughput::Elements(size as u64));
        for (name, store) in [("memory", &memory as &dyn Store), ("sqlite", &sqlite)] {
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter_batched(
                    || messages.take(size),
                    |batch| black_box(runtime.block_on(store.append(batch))),
                    BatchSize::PerIteration,
                );
            });
        }
        group.bench_function(BenchmarkId::new("bare", size), |b| {
            b.iter_batched(
                || messages.take(size),
                |batch| bare.append(&batch),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();

    // Many who send one message each, at the same time: what group commit is for.
    let mut group = c.benchmark_group("senders");
    group.throughput(Throughput::Elements(SENDERS as u64));
    group.bench_function(BenchmarkId::new("sqlite", SENDERS), |b| {
        b.iter_batched(
            || messages.take(SENDERS),
            |batch| {
                let sends = batch.into_iter().map(|entry| sqlite.append(vec![entry]));
                black_box(runtime.block_on(futures_util::future::join_all(sends)))
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, batches);
criterion_main!(benches);
