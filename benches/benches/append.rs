//! Acknowledged messages a second: `cargo bench -p benches --bench append`.
//!
//! `bare` is the base of comparison: the same rows by a loop on a connection of its own, in one
//! transaction a batch, with the same schema and the same durability. `mongo` is there when
//! `MONGODB_URI` names a server.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use std::{hint::black_box, path::Path, process};

use benches::{Messages, TEXT};
use chat_core::{NewEntry, port::Store};
use chat_store_mongo::MongoStore;
use chat_store_sqlite::SqliteStore;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::Connection;
use tokio::runtime::Runtime;

const BATCHES: [usize; 4] = [1, 10, 100, 1_000];
const SENDERS: usize = 256;

/// The least that storing these rows takes.
struct Bare(Connection, i64);

impl Bare {
    fn open(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
                 PRAGMA wal_autocheckpoint = 8000;",
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

/// A database of its own on the server that is named in the environment.
struct Mongo(mongodb::Client, String);

impl Mongo {
    async fn connect() -> Option<(Self, MongoStore)> {
        let uri = std::env::var("MONGODB_URI").ok()?;
        let (base, options) = uri.split_once('?').unwrap_or((&uri, ""));
        let (scheme, rest) = base.split_once("://").unwrap();
        let hosts = rest.split('/').next().unwrap();
        let name = format!("chat_bench_{}", process::id());
        let question = if options.is_empty() { "" } else { "?" };
        let uri = format!("{scheme}://{hosts}/{name}{question}{options}");
        let store = MongoStore::connect(&uri).await.unwrap();
        let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
        Some((Self(client, name), store))
    }

    async fn remove(self) {
        self.0.database(&self.1).drop().await.unwrap();
    }
}

fn batches(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut messages = Messages::between("alice", "bob").unwrap();
    let (mongo, mongo_store) = runtime.block_on(Mongo::connect()).unzip();
    let sqlite = SqliteStore::open(folder.path().join("chat.db"));
    let sqlite: Box<dyn Store> = Box::new(runtime.block_on(sqlite).unwrap());
    let memory: Box<dyn Store> = Box::new(chat_core::memory::MemoryStore::default());
    let mut stores = vec![("memory", memory), ("sqlite", sqlite)];
    stores.extend(mongo_store.map(|store| ("mongo", Box::new(store) as _)));
    for (_, store) in &stores {
        runtime
            .block_on(store.create_room(messages.room()))
            .unwrap();
    }
    let mut bare = Bare::open(&folder.path().join("bare.db"));

    let mut group = c.benchmark_group("append");
    for size in BATCHES {
        group.throughput(Throughput::Elements(size as u64));
        for (name, store) in &stores {
            group.bench_function(BenchmarkId::new(*name, size), |b| {
                b.iter_batched(
                    || messages.batch(size),
                    |batch| black_box(runtime.block_on(store.append(batch))),
                    BatchSize::PerIteration,
                );
            });
        }
        group.bench_function(BenchmarkId::new("bare", size), |b| {
            b.iter_batched(
                || messages.batch(size),
                |batch| bare.append(&batch),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();

    // Many who send one message each, at the same time: what group commit is for.
    let mut group = c.benchmark_group("senders");
    group.throughput(Throughput::Elements(SENDERS as u64));
    for (name, store) in stores.iter().filter(|(name, _)| *name != "memory") {
        group.bench_function(BenchmarkId::new(*name, SENDERS), |b| {
            b.iter_batched(
                || messages.batch(SENDERS),
                |batch| {
                    let sends = batch.into_iter().map(|entry| store.append(vec![entry]));
                    black_box(runtime.block_on(futures_util::future::join_all(sends)))
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    if let Some(mongo) = mongo {
        runtime.block_on(mongo.remove());
    }
}

criterion_group!(benches, batches);
criterion_main!(benches);
