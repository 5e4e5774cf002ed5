//! A page of 50 among a million messages in 1,000 rooms: `cargo bench -p benches --bench history`.
//!
//! Through the engine, from a file of `SQLite` in which the entries of a page lie far apart. `hot`: the
//! system has the file in memory. `cold`: the system has forgotten it before each page, which then waits
//! for the device; what `SQLite` keeps itself, 16 MiB a connection, it keeps. What 99 of 100 pages take
//! is a question for `chat-load history`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use benches::{Stock, drop_cached, measuring};
use chat_core::{Actor, ChatEngine, Page, RoomId, Seq, UserId};
use chat_store_sqlite::SqliteStore;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tokio::runtime::Builder;

const PAGE: usize = 50;

fn history(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let stock = Stock {
        rooms: if measuring() { 1_000 } else { 10 },
        messages: if measuring() { 1_000_000 } else { 1_000 },
    };
    runtime.block_on(stock.file(&path)).unwrap();
    let engine = runtime.block_on(async {
        let store = SqliteStore::open(&path).await.unwrap();
        ChatEngine::builder().store(store).build().unwrap()
    });
    let mut chances = 0..;
    let mut place = || {
        let (room, before) = stock.place(chances.next().unwrap(), PAGE as u64);
        let [speaker, _] = Stock::members(room);
        let reader = engine.actor(UserId::new(speaker).unwrap());
        (reader, Stock::room(room).unwrap(), before)
    };
    let page = |(reader, room, before): (Actor, RoomId, Seq)| {
        let page = reader.history(&room, Page::Before(before), Some(PAGE));
        let page = runtime.block_on(page).unwrap();
        assert_eq!(page.entries.len(), PAGE);
        page
    };

    let mut group = c.benchmark_group("history");
    group.bench_function("hot", |b| {
        b.iter_batched(&mut place, page, BatchSize::PerIteration);
    });
    group.bench_function("cold", |b| {
        let place = || {
            drop_cached(&path).unwrap();
            place()
        };
        b.iter_batched(place, page, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, history);
criterion_main!(benches);
