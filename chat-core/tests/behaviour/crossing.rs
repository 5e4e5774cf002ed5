//! Several nodes while changes cross: which devices are notified, how often, and how soon.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chat_core::{
    ChatEngine, Event, LocalSession, Mark, Page, RoomId, Seq, Watermarks,
    port::{
        BackendError, BackendErrorKind, Broker, Hint, PresenceCache, ReceiptStore, Retry, Topic,
    },
    testing::{Fault, Faulty, Hooks, Method},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    cluster::{Cluster, Pages},
    common::{direct, next_entry, next_matching, pending, text, user},
};

/// A store that takes four seconds to say that it can't.
fn slow_failure(retry: Retry) -> Fault {
    Fault::Refuse(BackendErrorKind::Timeout, retry).after(Duration::from_secs(4))
}

fn hang(cluster: &Cluster<Pages>) {
    let script = &cluster.store.script;
    script.always(Method::all(), slow_failure(Retry::Safe));
    script.always(Method::APPEND, slow_failure(Retry::IfIdempotent));
}

async fn told(session: &LocalSession, name: &str, online: bool) -> bool {
    let matching = |event: &Event| matches!(event, Event::Presence(it) if it.user == user(name) && it.online == online);
    timeout(Duration::from_mins(5), next_matching(session, matching))
        .await
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_while_away_is_refused_when_back() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let room = RoomId::group("garden").unwrap();
    one.create_group(room.clone(), user("alice"), vec![user("bob")])
        .await
        .unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    bob.send(&room, "hi").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    drop(bob);
    sleep(Duration::from_secs(1)).await;
    let alice = one.actor(user("alice"));
    alice.remove_member(&room, user("bob")).await.unwrap();
    alice.send(&room, "secret").await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let bob = two.connect(user("bob")).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let read = bob.history(&room, Page::Newest, None).await;
    let texts: Vec<_> = read
        .iter()
        .flat_map(|page| page.entries.iter())
        .map(|e| format!("{:?}", e.body))
        .collect();
    let sent = bob.send(&room, "intruder").await;
    assert!(
        read.is_err() && sent.is_err(),
        "read {texts:?}\nsent {sent:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_who_flaps_over_nodes_ends_offline_for_others() {
    let cluster = Cluster::far_from_the_store();
    let one = cluster.node();
    let b = cluster.node();
    sleep(Duration::from_millis(100)).await;
    let c = cluster.node();
    let alice = one.connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let on_b = b.connect(user("bob")).await.unwrap();
    assert!(told(&alice, "bob", true).await);
    drop(on_b);
    assert!(told(&alice, "bob", false).await);
    let mut failed = Vec::new();
    for offset in 0..20u64 {
        let x = b.connect(user("bob")).await.unwrap();
        let came = timeout(Duration::from_secs(20), told(&alice, "bob", true))
            .await
            .unwrap_or(false);
        if !came {
            failed.push((offset, "never told that bob came"));
        }
        sleep(Duration::from_millis(1000 + 10 * offset)).await;
        drop(x);
        sleep(Duration::from_millis(10)).await;
        let y = c.connect(user("bob")).await.unwrap();
        sleep(Duration::from_millis(90)).await;
        drop(y);
        let went = timeout(Duration::from_secs(20), told(&alice, "bob", false))
            .await
            .unwrap_or(false);
        if !went {
            failed.push((offset, "never told that bob went"));
        }
        sleep(Duration::from_secs(20)).await;
        pending(&alice).await;
    }
    assert!(
        failed.is_empty(),
        "not told that bob went, at offsets {failed:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_repeated_after_its_node_died_is_told() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let room = direct("alice", "bob");
    for n in 1..=3 {
        alice.send(&room, &n.to_string()).await.unwrap();
    }
    // The node that stored it died before it published it.
    cluster
        .store
        .inner
        .advance(&room, &user("bob"), Mark::Read, Seq(3))
        .await
        .unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    bob.receipt(&room, Mark::Read, Seq(3)).await.unwrap();
    let receipt = next_matching(&alice, |event| matches!(event, Event::Receipt { .. }));
    timeout(Duration::from_mins(5), receipt)
        .await
        .expect("alice is told");
}

#[tokio::test(start_paused = true)]
async fn a_send_is_answered_in_time_while_the_store_hangs() {
    let cluster = Cluster::far_from_the_store();
    let node = cluster.node();
    let alice = node.actor(user("alice"));
    let rooms: Vec<_> = (0..20)
        .map(|n| direct("alice", &format!("peer{n}")))
        .collect();
    for room in &rooms {
        alice.send(room, "hello").await.unwrap();
    }
    hang(&cluster);
    let mut sends = JoinSet::new();
    for room in rooms.clone() {
        let alice = alice.clone();
        sends.spawn(async move { alice.send(&room, "lost?").await.is_err() });
    }
    while sends.join_next().await.is_some() {}
    sleep(Duration::from_millis(1100)).await;
    let start = Instant::now();
    let sent = alice.send(&rooms[0], "and this?").await;
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "{:?} {:?}",
        start.elapsed(),
        sent.is_err()
    );
}

/// Refuses hints to this topic.
#[derive(Debug)]
struct Refusing(Topic);

#[async_trait]
impl Hooks for Refusing {
    async fn publish(
        &self,
        inner: &dyn Broker,
        topic: &Topic,
        hint: &Hint,
    ) -> Result<(), BackendError> {
        if *topic == self.0 {
            let (kind, retry) = (BackendErrorKind::Timeout, Retry::Safe);
            let why = "this topic is refused";
            return Err(BackendError::new("refusing", kind, retry, "publish", why));
        }
        inner.publish(topic, hint).await
    }
}

#[tokio::test(start_paused = true)]
async fn one_slot_that_is_away_does_not_delay_the_hints_of_others() {
    let cluster = Cluster::far_from_the_store();
    let refuses_dave = Arc::new(Refusing(Topic::User(user("dave"))));
    let one = cluster.node_with(Faulty::new(cluster.bus.node()).hooked(refuses_dave));
    let two = cluster.node();
    let bob = two.connect(user("bob")).await.unwrap();
    let alice = one.connect(user("alice")).await.unwrap();
    alice.send(&direct("alice", "bob"), "0").await.unwrap();
    next_entry(&bob).await;
    alice.send(&direct("alice", "dave"), "x").await.unwrap();
    let mut worst = Duration::ZERO;
    for n in 1..=20 {
        sleep(Duration::from_millis(37)).await;
        let start = Instant::now();
        alice
            .send(&direct("alice", "bob"), &n.to_string())
            .await
            .unwrap();
        assert_eq!(text(&next_entry(&bob).await), n.to_string());
        worst = worst.max(start.elapsed());
    }
    assert!(worst < Duration::from_millis(50), "{worst:?}");
}

#[tokio::test(start_paused = true)]
async fn presence_that_was_missed_is_told_after_lagged() {
    let cluster = Cluster::far_from_the_store();
    let broker = Faulty::new(cluster.bus.node());
    let script = broker.script.clone();
    let (one, two) = (cluster.node_with(broker), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    assert!(told(&alice, "bob", true).await);
    script.always(Method::NEXT, Fault::LoseAnswer);
    drop(bob);
    sleep(Duration::from_secs(1)).await;
    script.pass();
    assert!(told(&alice, "bob", false).await, "never told");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_whose_hint_came_while_the_store_failed_is_told_later() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "1").await.unwrap();
    next_entry(&bob).await;
    let script = &cluster.store.script;
    script.always(Method::WATERMARKS, Fault::AWAY);
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    script.always(Method::WATERMARKS, Fault::Pass);
    let told =
        |event: &Event| matches!(event, Event::Receipt { user: who, .. } if *who == user("bob"));
    timeout(Duration::from_mins(5), next_matching(&alice, told))
        .await
        .expect("told");
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_while_the_store_hangs_and_people_try_to_connect() {
    let cluster = Cluster::far_from_the_store();
    let node = cluster.node();
    let _alice = node.connect(user("alice")).await.unwrap();
    let carol = node.connect(user("carol")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    hang(&cluster);
    let start = Instant::now();
    let mut comers = JoinSet::new();
    for n in 0..1500 {
        let node = node.clone();
        comers.spawn(async move {
            let start = Instant::now();
            let refused = node.connect(user(&format!("u{n}"))).await.is_err();
            (refused, start.elapsed())
        });
    }
    sleep(Duration::from_secs(1)).await;
    drop(carol);
    let mut offline = None;
    while start.elapsed() < Duration::from_mins(2) {
        sleep(Duration::from_secs(1)).await;
        if !node.online().await.unwrap().contains(&user("alice")) {
            offline = Some(start.elapsed());
            break;
        }
    }
    let mut slowest = Duration::ZERO;
    while let Some(done) = comers.join_next().await {
        slowest = slowest.max(done.unwrap().1);
    }
    assert!(
        offline.is_none() && slowest < Duration::from_secs(9),
        "offline after {offline:?}, slowest refusal {slowest:?}"
    );
}

/// Counts the hints that a message costs.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Hooks for Counting {
    async fn publish(
        &self,
        inner: &dyn Broker,
        topic: &Topic,
        hint: &Hint,
    ) -> Result<(), BackendError> {
        if matches!(hint, Hint::Appended { .. }) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        inner.publish(topic, hint).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_in_a_group_is_announced_once_and_by_its_own_node_only() {
    let cluster = Cluster::far_from_the_store();
    let count = Arc::new(Counting::default());
    let broker = || Faulty::new(cluster.bus.node()).hooked(Arc::clone(&count));
    let nodes: Vec<_> = (0..10).map(|_| cluster.node_with(broker())).collect();
    let room = RoomId::group("garden").unwrap();
    let names: Vec<_> = (0..10).map(|n| user(&format!("m{n}"))).collect();
    nodes[0]
        .create_group(room.clone(), names[0].clone(), names.clone())
        .await
        .unwrap();
    let mut sessions = Vec::new();
    for (node, name) in nodes.iter().zip(&names) {
        sessions.push(node.connect(name.clone()).await.unwrap());
    }
    sleep(Duration::from_secs(1)).await;
    sessions[0].send(&room, "hi").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

async fn crowd(
    cluster: &Cluster<Pages>,
) -> (
    ChatEngine,
    ChatEngine,
    RoomId,
    LocalSession,
    Vec<LocalSession>,
) {
    let (one, two) = (cluster.node(), cluster.node());
    let room = RoomId::group("garden").unwrap();
    let names: Vec<_> = (0..10).map(|n| user(&format!("m{n}"))).collect();
    let mut all = names.clone();
    all.push(user("bob"));
    one.create_group(room.clone(), user("bob"), all)
        .await
        .unwrap();
    let bob = one.connect(user("bob")).await.unwrap();
    bob.send(&room, "hi").await.unwrap();
    let mut sessions = Vec::new();
    for name in names {
        sessions.push(two.connect(name).await.unwrap());
    }
    sleep(Duration::from_secs(1)).await;
    (one, two, room, bob, sessions)
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_told_once_to_each_device_on_another_node() {
    let cluster = Cluster::far_from_the_store();
    let (_one, _two, room, bob, sessions) = crowd(&cluster).await;
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let told = pending(&sessions[0]).await;
    let receipts = told
        .iter()
        .filter(|e| matches!(e, Event::Receipt { .. }))
        .count();
    assert_eq!(receipts, 1);
}

#[tokio::test(start_paused = true)]
async fn typing_is_told_once_to_each_device_on_another_node() {
    let cluster = Cluster::far_from_the_store();
    let (_one, _two, room, bob, sessions) = crowd(&cluster).await;
    bob.typing(&room).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let told = pending(&sessions[0]).await;
    assert_eq!(
        told.iter()
            .filter(|e| matches!(e, Event::Typing { active: true, .. }))
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_forged_receipt_hint_shows_nobody_a_stranger() {
    let cluster = Cluster::far_from_the_store();
    let one = cluster.node();
    let alice = one.connect(user("alice")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "1").await.unwrap();
    let evil = cluster.bus.node();
    let hint = Hint::Receipt {
        room: room.clone(),
        user: user("BUY PILLS at evil.example"),
        was: Watermarks::default(),
    };
    evil.publish(&Topic::User(user("alice")), &hint)
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let told = pending(&alice).await;
    assert!(
        !told.iter().any(|e| matches!(e, Event::Receipt { .. })),
        "{told:?}"
    );
}

/// Notes what is listened to.
#[derive(Debug, Default)]
struct Listening(Mutex<HashSet<Topic>>);

#[async_trait]
impl Hooks for Listening {
    async fn subscribe(&self, inner: &dyn Broker, topic: &Topic) -> Result<(), BackendError> {
        self.0.lock().unwrap().insert(topic.clone());
        inner.subscribe(topic).await
    }

    async fn unsubscribe(&self, inner: &dyn Broker, topic: &Topic) -> Result<(), BackendError> {
        self.0.lock().unwrap().remove(topic);
        inner.unsubscribe(topic).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_could_not_connect_is_not_listened_for() {
    let cluster = Cluster::far_from_the_store();
    let listening = Arc::new(Listening::default());
    let broker = Faulty::new(cluster.bus.node()).hooked(Arc::clone(&listening));
    let node = cluster.node_with(broker);
    sleep(Duration::from_secs(1)).await;
    hang(&cluster);
    for n in 0..5 {
        assert!(node.connect(user(&format!("u{n}"))).await.is_err());
    }
    cluster.store.script.pass();
    sleep(Duration::from_mins(2)).await;
    let topics = listening.0.lock().unwrap();
    let users = topics.iter().filter(|it| matches!(it, Topic::User(_)));
    assert_eq!(users.count(), 0);
}

async fn mass(lag: u64, users: usize) -> Vec<String> {
    let cluster = Cluster::far_from_the_store();
    let (b, c) = (cluster.node(), cluster.node());
    let alice = Arc::new(b.connect(user("alice")).await.unwrap());
    let names: Vec<_> = (0..users).map(|n| user(&format!("u{n}"))).collect();
    let last = Arc::new(Mutex::new(std::collections::HashMap::new()));
    let (reader, seen) = (Arc::clone(&alice), Arc::clone(&last));
    let reading = tokio::spawn(async move {
        while let Some(event) = reader.next_event().await {
            if let Event::Presence(p) = event {
                seen.lock().unwrap().insert(p.user.clone(), p.online);
            }
        }
    });
    let mut sessions = Vec::new();
    for name in &names {
        alice.open(name).await.unwrap();
        sessions.push(b.connect(name.clone()).await.unwrap());
    }
    sleep(Duration::from_secs(5)).await;
    assert!(
        names
            .iter()
            .all(|n| last.lock().unwrap().get(n) == Some(&true)),
        "before"
    );
    let rooms = Fault::Pass.after(Duration::from_millis(lag));
    cluster.store.script.always(Method::ROOMS_WITH, rooms);
    drop(sessions);
    let mut again = JoinSet::new();
    for (n, name) in names.iter().cloned().enumerate() {
        let c = c.clone();
        again.spawn(async move {
            sleep(Duration::from_millis(100 + (n as u64 * 37) % 1000)).await;
            c.connect(name).await.unwrap()
        });
    }
    let kept = again.join_all().await;
    sleep(Duration::from_mins(2)).await;
    let really = cluster.cache.inner.presence(&names).await.unwrap();
    assert!(really.iter().all(|p| p.online));
    let wrong: Vec<_> = names
        .iter()
        .filter(|n| last.lock().unwrap().get(*n) != Some(&true))
        .map(ToString::to_string)
        .collect();
    drop(kept);
    reading.abort();
    wrong
}

#[tokio::test(start_paused = true)]
async fn who_moves_to_another_node_is_seen_online_in_the_end() {
    let mut all = Vec::new();
    for (lag, users) in [(0, 300), (1, 300), (2, 300), (5, 300), (5, 50)] {
        all.push((lag, users, mass(lag, users).await.len()));
    }
    assert!(
        all.iter().all(|(_, _, wrong)| *wrong == 0),
        "(ms a read, users, wrong for ever): {all:?}"
    );
}
