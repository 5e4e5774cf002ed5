//! Windows of history on a real Redis: their limits, and a Redis that is damaged, flushed, stalled
//! or dead.

use std::{
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use chat_cache_redis::{PATIENCE, RedisBroker, RedisCache};
use chat_core::{
    Actor, ChatEngine, ClientMessageId, Config, Cursor, Entry, EntryBody, Epoch, MessageId, Page,
    RandomIds, RoomId, Seq, UserId,
    memory::MemoryStore,
    port::{HistoryCache, LogStore, RoomStore},
};
use chat_testkit::{Redis, until};
use chrono::DateTime;
use uuid::Uuid;

/// The key of the room of alice and bob.
const KEY: &str = "chat:{h616c6963652c626f62}";

fn room() -> RoomId {
    RoomId::new("alice,bob").unwrap()
}

fn cursor(seq: u64) -> Cursor {
    Cursor {
        epoch: Epoch(Uuid::from_u128(1)),
        seq: Seq(seq),
    }
}

fn message(seq: u64, text: &str) -> Arc<Entry> {
    Arc::new(Entry {
        room: room(),
        seq: Seq(seq),
        id: MessageId(Uuid::from_u128(seq.into())),
        author: UserId::new("alice").unwrap(),
        client_id: ClientMessageId::new("c").unwrap(),
        at: DateTime::UNIX_EPOCH,
        body: EntryBody::message(text),
    })
}

fn messages(seqs: RangeInclusive<u64>) -> Vec<Arc<Entry>> {
    seqs.map(|seq| message(seq, "hello")).collect()
}

async fn window(
    cache: &RedisCache,
    at: u64,
    range: RangeInclusive<u64>,
) -> Option<Vec<Arc<Entry>>> {
    let range = Seq(*range.start())..=Seq(*range.end());
    cache.window(&room(), cursor(at), range).await.unwrap()
}

async fn fill(cache: &RedisCache, newest: &[Arc<Entry>]) {
    let at = cursor(newest.last().unwrap().seq.0);
    cache.fill(&room(), at, newest).await.unwrap();
}

async fn extend(cache: &RedisCache, entries: &[Arc<Entry>]) {
    let (room, epoch) = (room(), cursor(0).epoch);
    cache.extend(&room, epoch, entries).await.unwrap();
}

#[tokio::test]
async fn what_is_no_history_is_not_there_and_is_filled_anew() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    let json = |entry: &Entry| serde_json::to_string(entry).unwrap();
    let elsewhere = Entry {
        room: RoomId::group("other").unwrap(),
        ..(*message(8, "hello")).clone()
    };
    for damage in [
        format!("SET {KEY} garbage"),
        format!("HSET {KEY} field value"),
        format!("SADD {KEY} member"),
        format!("RPUSH {KEY} garbage garbage garbage garbage"),
        format!("RPUSH {KEY} \"\""),
        format!("LSET {KEY} 0 garbage"),
        format!("LSET {KEY} 0 \"\\xff\\xfe 1\""),
        format!("LSET {KEY} 3 garbage"),
        format!("LSET {KEY} 3 \"\""),
        format!("LSET {KEY} 3 \"\\xff\\xfe\""),
        format!("LSET {KEY} 3 '{{}}'"),
        format!("LSET {KEY} 3 '{}'", json(&message(7, "hello"))),
        format!("LSET {KEY} 3 '{}'", json(&elsewhere)),
        format!("LPOP {KEY}"),
        format!("RPOP {KEY} 9"),
        format!("LTRIM {KEY} 0 0"),
        format!("LPUSH {KEY} garbage"),
        format!("DEL {KEY}"),
    ] {
        fill(&cache, &messages(1..=10)).await;
        assert!(window(&cache, 10, 1..=10).await.is_some());
        if !damage.starts_with(['L', 'D']) && !damage.starts_with("RPOP") {
            server.command(&format!("DEL {KEY}"));
        }
        let done = server.command(&damage);
        assert!(!done.starts_with('-'), "{damage}: {done}");
        assert_eq!(window(&cache, 10, 1..=10).await, None, "{damage}");
        extend(&cache, &messages(11..=12)).await;
        assert_eq!(window(&cache, 12, 1..=12).await, None, "{damage}");
        fill(&cache, &messages(3..=12)).await;
        let healed = window(&cache, 12, 3..=12).await;
        assert_eq!(healed, Some(messages(3..=12)), "{damage}");
        server.command(&format!("DEL {KEY}"));
    }
}

#[tokio::test]
async fn a_window_lasts_an_hour_from_when_it_was_last_used() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    let lasts = || {
        let left = server.command(&format!("PTTL {KEY}"));
        let left: u64 = left.trim_start_matches(':').parse().unwrap();
        (3_500_000..=3_600_000).contains(&left)
    };
    let soon = || assert_eq!(server.command(&format!("EXPIRE {KEY} 60")), ":1");
    fill(&cache, &messages(1..=10)).await;
    assert!(lasts(), "filled");
    soon();
    extend(&cache, &messages(11..=11)).await;
    assert!(lasts(), "extended");
    soon();
    window(&cache, 11, 1..=11).await.unwrap();
    assert!(lasts(), "read");
    soon();
    assert_eq!(window(&cache, 10, 1..=10).await, None);
    extend(&cache, &messages(5..=5)).await;
    assert!(!lasts(), "of no use");
}

#[tokio::test]
async fn of_long_messages_as_many_are_kept_as_fit() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    let text = "x".repeat(16 << 10);
    let long = |seqs: RangeInclusive<u64>| seqs.map(|seq| message(seq, &text)).collect::<Vec<_>>();
    let bytes = || {
        let bytes = server.command(&format!("MEMORY USAGE {KEY} SAMPLES 0"));
        bytes.trim_start_matches(':').parse::<usize>().unwrap()
    };
    fill(&cache, &long(1..=200)).await;
    let kept = window(&cache, 200, 172..=200).await;
    assert_eq!(kept, Some(long(172..=200)));
    assert_eq!(window(&cache, 200, 165..=200).await, None);
    assert!(bytes() < 700 << 10, "{}", bytes());
    extend(&cache, &long(201..=250)).await;
    let kept = window(&cache, 250, 222..=250).await;
    assert_eq!(kept, Some(long(222..=250)));
    assert!(bytes() < 700 << 10, "{}", bytes());
    extend(&cache, &messages(251..=440)).await;
    assert!(window(&cache, 440, 251..=440).await.is_some());
}

/// The copy has the same rooms, epochs and numbers, and its entries differ from then on.
#[tokio::test]
async fn a_database_and_its_copy_on_one_redis_never_see_each_others_entries() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let connect = async |store| {
        let cache = RedisCache::connect(&server.url()).await.unwrap();
        cache.of_store(Uuid::from_u128(store))
    };
    let (original, copy) = (connect(1).await, connect(2).await);
    fill(&original, &messages(1..=3)).await;
    extend(&original, &[message(4, "of the original")]).await;
    assert_eq!(window(&copy, 3, 1..=3).await, None);
    extend(&copy, &[message(4, "of the copy")]).await;
    assert_eq!(window(&copy, 4, 4..=4).await, None);
    assert!(window(&original, 4, 1..=4).await.is_some());

    // The two databases replace each other's windows, and do no other harm.
    fill(&copy, &[message(4, "of the copy")]).await;
    assert_eq!(window(&original, 4, 4..=4).await, None);
    let own = window(&copy, 4, 4..=4).await.unwrap();
    assert_eq!(own[0].body, EntryBody::message("of the copy"));
    let node = connect(2).await;
    assert!(
        window(&node, 4, 4..=4).await.is_some(),
        "nodes on one database share"
    );
}

/// Returns a node on a store that others share.
async fn node(server: &Redis, store: &MemoryStore) -> Actor {
    let engine = ChatEngine::builder()
        .store(store.clone())
        .cache(RedisCache::connect(&server.url()).await.unwrap())
        .broker(RedisBroker::connect(&server.url()).await.unwrap())
        .ids(Arc::new(RandomIds))
        .config(Config {
            send_limit: None,
            room_limit: None,
            ..Config::default()
        })
        .build()
        .unwrap();
    engine.actor(UserId::new("alice").unwrap())
}

#[tokio::test]
async fn two_nodes_read_what_the_store_says_whatever_happens_to_redis() {
    let Some(mut server) = Redis::start().await else {
        return;
    };
    let store = MemoryStore::default();
    let nodes = [node(&server, &store).await, node(&server, &store).await];
    let room = room();
    let reads_are_right = async |what: &str| {
        for node in &nodes {
            for (page, limit) in [(Page::Newest, 50), (Page::After(Seq(2)), 3)] {
                let start = Instant::now();
                let read = node.history(&room, page, Some(limit)).await.unwrap();
                let took = start.elapsed();
                let right = store.page(&room, page, limit).await.unwrap();
                assert_eq!(read.entries, right, "{what}");
                // The machine may be busy.
                assert!(took < PATIENCE + Duration::from_millis(150), "{took:?}");
            }
        }
    };
    for n in 1..=30 {
        nodes[n % 2].send(&room, &format!("m{n}")).await.unwrap();
        reads_are_right("sent").await;
    }
    // The write-through arrives without a call of the test.
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    let stands = async |seq: u64| {
        let at = store.room(&room).await.unwrap().unwrap().cursor();
        assert_eq!(at.seq, Seq(seq));
        let window = cache.window(&room, at, at.seq..=at.seq);
        window.await.unwrap().is_some()
    };
    until("the window is there", async || stands(30).await).await;
    nodes[0].send(&room, "m31").await.unwrap();
    until("one more is in it", async || stands(31).await).await;
    assert_eq!(server.command(&format!("LLEN {KEY}")), ":32");

    nodes[0].edit(&room, Seq(3), "edited").await.unwrap();
    reads_are_right("edited").await;
    nodes[1].delete(&room, Seq(3)).await.unwrap();
    reads_are_right("deleted").await;
    nodes[1].delete(&room, Seq(5)).await.unwrap();
    until("the deletion is in it", async || stands(34).await).await;
    let alone = server.command(&format!("LLEN {KEY}"));
    assert_eq!(alone, ":2", "a label and the deletion: no text");
    reads_are_right("deleted").await;

    for damage in [
        "FLUSHALL".to_owned(),
        format!("LSET {KEY} 1 garbage"),
        format!("LSET {KEY} 0 garbage"),
        format!("SET {KEY} garbage"),
        "SCRIPT FLUSH".to_owned(),
        "CLIENT KILL TYPE normal".to_owned(),
    ] {
        server.command(&damage);
        reads_are_right(&damage).await;
        nodes[0].send(&room, "after").await.unwrap();
        reads_are_right(&damage).await;
    }
    server.signal("STOP");
    nodes[0].send(&room, "while it stalls").await.unwrap();
    reads_are_right("stalled").await;
    server.signal("CONT");
    reads_are_right("again").await;
    server.kill();
    nodes[1].send(&room, "while it is dead").await.unwrap();
    reads_are_right("dead").await;
    server.restart();
    server.ready().await;
    let at = store.room(&room).await.unwrap().unwrap().head.0;
    let filled = async || {
        reads_are_right("back").await;
        cache
            .window(&room, cursor(at), Seq(1)..=Seq(1))
            .await
            .is_ok()
            && stands(at).await
    };
    until("a window is there again", filled).await;
}
