//! Several nodes while the broker or the cache is away, and when they are back.

use std::{sync::Arc, time::Duration};

use chat_core::{
    ChatEngine, Config, Event, LocalSession, Mark, RandomIds, Seq, SessionId, Watermarks,
    memory::{MemoryBus, MemoryCache, MemoryStore},
    port::PresenceCache,
    testing::{Fault, Faulty, Method, Script},
};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::common::{direct, next_entry, next_matching, pending, text, unlimited, user};

/// A cache and a bus on one server, which can be away.
#[derive(Debug, Default)]
struct Redis {
    script: Script,
    cache: MemoryCache,
    bus: MemoryBus,
}

impl Redis {
    fn goes(&self) {
        // Topics are noted meanwhile, and listened to later.
        let noted = |method: &Method| [Method::SUBSCRIBE, Method::UNSUBSCRIBE].contains(method);
        let others = Method::all().filter(|method| !noted(method));
        self.script.always(others, Fault::AWAY);
    }

    fn comes_back(&self) {
        self.script.pass();
    }

    fn node(&self, store: &MemoryStore) -> ChatEngine {
        ChatEngine::builder()
            .store(store.clone())
            .cache(Faulty::scripted(self.cache.clone(), &self.script))
            .broker(Faulty::scripted(self.bus.node(), &self.script))
            .ids(Arc::new(RandomIds))
            .config(unlimited())
            .build()
            .unwrap()
    }
}

fn is(event: &Event, name: &str, online: bool) -> bool {
    matches!(event, Event::Presence(it) if it.user == user(name) && it.online == online)
}

/// Waits until the session is sent that a user came or went.
async fn told(session: &LocalSession, name: &str, online: bool) {
    let told = next_matching(session, |event| is(event, name, online));
    let told = timeout(Duration::from_mins(1), told).await;
    told.unwrap_or_else(|_| panic!("{name} is told to be online: {online}"));
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_is_away_entries_of_other_nodes_come_from_the_store() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let (one, two) = (redis.node(&store), redis.node(&store));
    let bob = two.connect(user("bob")).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    redis.goes();
    let alice = one.connect(user("alice")).await.unwrap();
    for n in 1..=3 {
        let sent = Instant::now();
        let room = direct("alice", "bob");
        alice.send(&room, &n.to_string()).await.unwrap();
        assert!(sent.elapsed() < Duration::from_millis(1), "sent as always");
        assert_eq!(text(&next_entry(&bob).await), n.to_string());
        assert!(sent.elapsed() < Duration::from_secs(2), "within a poll");
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_that_were_missed_are_told_when_the_broker_is_back() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let (one, two) = (redis.node(&store), redis.node(&store));
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    for n in 1..=3 {
        alice.send(&room, &n.to_string()).await.unwrap();
    }
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    next_matching(&alice, |event| matches!(event, Event::Receipt { .. })).await;
    redis.goes();
    bob.receipt(&room, Mark::Delivered, Seq(3)).await.unwrap();
    bob.receipt(&room, Mark::Read, Seq(2)).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    redis.comes_back();
    let receipt = next_matching(&alice, |event| matches!(event, Event::Receipt { .. }));
    let receipt = timeout(Duration::from_secs(5), receipt).await.unwrap();
    let at = |delivered, read| Watermarks {
        delivered: Seq(delivered),
        read: Seq(read),
    };
    let expected = Event::Receipt {
        room,
        user: user("bob"),
        was: at(1, 1),
        now: at(3, 2),
    };
    assert_eq!(receipt, expected);
}

#[tokio::test(start_paused = true)]
async fn who_left_while_the_cache_was_away_is_told_gone_also_when_it_forgot_them() {
    for forget in [false, true] {
        let (store, redis) = (MemoryStore::default(), Redis::default());
        let (one, two) = (redis.node(&store), redis.node(&store));
        let alice = one.connect(user("alice")).await.unwrap();
        alice.open(&user("bob")).await.unwrap();
        let bob = two.connect(user("bob")).await.unwrap();
        told(&alice, "bob", true).await;
        redis.goes();
        drop(bob);
        sleep(Duration::from_secs(3)).await;
        if forget {
            redis.cache.forget();
        }
        redis.comes_back();
        let back = Instant::now();
        told(&alice, "bob", false).await;
        assert!(back.elapsed() < Duration::from_secs(5), "forgot: {forget}");
        // The others' leases are there again soon, too.
        while one.online().await.unwrap() != [user("alice")] {
            assert!(back.elapsed() < Duration::from_secs(5), "forgot: {forget}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_cache_is_away_is_online_when_it_is_back() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let node = redis.node(&store);
    let alice = node.connect(user("alice")).await.unwrap();
    redis.goes();
    let _bob = node.connect(user("bob")).await.unwrap();
    let view = alice.open(&user("bob")).await.unwrap();
    let online = view.members.iter().all(|member| member.presence.online);
    assert!(online, "as far as this node knows");
    sleep(Duration::from_secs(3)).await;
    redis.comes_back();
    told(&alice, "bob", true).await;
    assert_eq!(node.online().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_devices_of_a_node_that_died_are_told_gone_within_the_lease() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let node = redis.node(&store);
    let alice = node.connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    // What a node that is no more has left behind, at its last moment.
    let Config { presence_lease, .. } = Config::default();
    let ghost = SessionId(Uuid::from_u128(1));
    let leave_behind = node.connect(user("bob")).await.unwrap();
    told(&alice, "bob", true).await;
    let given = presence_lease * 9 / 10;
    redis.cache.touch(&user("bob"), ghost, given).await.unwrap();
    let died = Instant::now();
    drop(leave_behind);
    told(&alice, "bob", false).await;
    let lasted = died.elapsed();
    assert!(
        lasted > presence_lease / 2 && lasted <= presence_lease,
        "{lasted:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_who_moves_between_nodes_is_told_each_time() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let nodes = [redis.node(&store), redis.node(&store)];
    let alice = nodes[0].connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    for round in 0..6 {
        let first = nodes[round % 2].connect(user("bob")).await.unwrap();
        told(&alice, "bob", true).await;
        let second = nodes[(round + 1) % 2].connect(user("bob")).await.unwrap();
        drop(first);
        sleep(Duration::from_secs(1)).await;
        assert!(pending(&alice).await.is_empty(), "one device is left");
        drop(second);
        told(&alice, "bob", false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_list_of_who_is_online_moves_on_nodes_that_share_no_room_with_them() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let (one, two) = (redis.node(&store), redis.node(&store));
    let _carol = two.connect(user("carol")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let mut changes = two.presence_changes();
    changes.mark_unchanged();
    let alice = one.connect(user("alice")).await.unwrap();
    let moved = timeout(Duration::from_secs(1), changes.changed()).await;
    moved.expect("it moves").unwrap();
    assert_eq!(two.online().await.unwrap().len(), 2);
    drop(alice);
    let moved = timeout(Duration::from_secs(1), changes.changed()).await;
    moved.expect("it moves").unwrap();
    assert_eq!(two.online().await.unwrap(), [user("carol")]);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_away_shows_in_the_health() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let node = redis.node(&store);
    let health = node.health().await;
    assert!(health.store.is_ok() && health.cache.is_ok());
    redis.goes();
    let health = node.health().await;
    assert!(health.store.is_ok() && health.cache.is_err());
}

#[tokio::test(start_paused = true)]
async fn hints_that_one_node_could_not_publish_reach_the_others_later() {
    let (store, cut_off) = (MemoryStore::default(), Redis::default());
    // Two views of one bus, of which only one is cut off.
    let fine = Redis {
        bus: cut_off.bus.clone(),
        ..Redis::default()
    };
    let (one, two) = (cut_off.node(&store), fine.node(&store));
    let bob = two.connect(user("bob")).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    cut_off.goes();
    let room = direct("alice", "bob");
    let alice = one.actor(user("alice"));
    for n in 1..=3 {
        alice.send(&room, &n.to_string()).await.unwrap();
    }
    sleep(Duration::from_secs(2)).await;
    assert!(pending(&bob).await.is_empty(), "it knows of nothing");
    cut_off.comes_back();
    for n in 1..=3 {
        let entry = timeout(Duration::from_secs(1), next_entry(&bob)).await;
        assert_eq!(entry.expect("soon").seq, Seq(n));
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_first_lease_failed_has_one_soon() {
    let (store, redis) = (MemoryStore::default(), Redis::default());
    let node = redis.node(&store);
    sleep(Duration::from_secs(3)).await;
    redis.goes();
    let _alice = node.connect(user("alice")).await.unwrap();
    redis.comes_back();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(node.online().await.unwrap(), [user("alice")]);
}
