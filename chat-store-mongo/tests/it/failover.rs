//! A replica set of three that loses its primary while two nodes append.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_core::{
    EntryBody, NewEntry, Seq,
    port::{AppendError, Retry, RoomStore as _},
};
use chat_store_mongo::MongoStore;
use chat_testkit::{
    ReplicaSet,
    log::{append, entry, log, message, new_room, room},
    turn, until,
};
use mongodb::{Client, bson::doc};
use tokio::time::{Instant, timeout};

/// Every call returns an answer or an error in less than this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Two nodes that append to one room, each a message and an edit of it by turns, until they are
/// stopped. A failed append is sent again, as clients do, with the same client message id.
struct Traffic {
    nodes: Vec<tokio::task::JoinHandle<Node>>,
    acked: Arc<[AtomicU64; 2]>,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct Node {
    acked: Vec<(NewEntry, Seq)>,
    failures: usize,
    /// The longest time from one ack to the next.
    stall: Duration,
}

impl Traffic {
    async fn start(uri: &str) -> Self {
        let (acked, stop) = (
            Arc::<[AtomicU64; 2]>::default(),
            Arc::<AtomicBool>::default(),
        );
        let mut nodes = Vec::new();
        for node in 0..2 {
            let store = MongoStore::connect(uri).await.unwrap();
            store.create_room(new_room(room())).await.unwrap();
            let (acked, stop) = (Arc::clone(&acked), Arc::clone(&stop));
            nodes.push(tokio::spawn(async move {
                let mut done = Node::default();
                let count = &acked[usize::from(node == 1)];
                while !stop.load(Ordering::Relaxed) {
                    let number = node * 1_000_000 + done.acked.len() as u64;
                    let new = match done.acked.last() {
                        Some((sent, target)) if number % 2 == 1 => {
                            assert!(matches!(sent.body, EntryBody::Message { .. }));
                            let (target, text) = (*target, format!("edit {target}").into());
                            entry(number, EntryBody::Edit { target, text })
                        }
                        _ => message(number, "hello"),
                    };
                    let seq = send(&store, &new, &mut done).await;
                    done.acked.push((new, seq));
                    count.fetch_add(1, Ordering::Relaxed);
                }
                done
            }));
        }
        let traffic = Self { nodes, acked, stop };
        traffic.goes_on().await;
        traffic
    }

    /// Waits until each node has had ten more acks. More would take long while a member hangs: then
    /// the servers exchange their replication progress only twice a second.
    async fn goes_on(&self) {
        let seen = || {
            self.acked
                .each_ref()
                .map(|acked| acked.load(Ordering::Relaxed))
        };
        let before = seen();
        until("each node has more acks", async || {
            let mut both = seen().into_iter().zip(before);
            both.all(|(now, before)| now >= before + 10)
        })
        .await;
    }

    /// Stops the nodes, and compares the acked entries with the stored ones.
    async fn check(self, set: &ReplicaSet) {
        self.stop.store(true, Ordering::Relaxed);
        let mut nodes = Vec::new();
        for node in self.nodes {
            nodes.push(
                timeout(chat_testkit::PATIENCE, node)
                    .await
                    .unwrap()
                    .unwrap(),
            );
        }
        let store = MongoStore::connect(&set.uri).await.unwrap();
        let log = log(&store, &room()).await;
        let mut places = HashMap::new();
        for entry in &log {
            let before = places.insert(entry.client_id.clone(), entry.seq);
            assert_eq!(before, None, "twice: {entry:?}");
        }
        let mut acks = 0;
        for node in nodes {
            println!("{} failures, longest stall {:?}", node.failures, node.stall);
            for (sent, seq) in &node.acked {
                acks += 1;
                let kept = log.get(usize::try_from(seq.0 - 1).unwrap());
                let kept = kept.unwrap_or_else(|| panic!("lost: {seq} of {}", log.len()));
                assert_eq!((&kept.client_id, kept.id), (&sent.client_id, sent.id));
                if let EntryBody::Edit { target, text } = &sent.body {
                    let edited = &log[usize::try_from(target.0 - 1).unwrap()].body;
                    assert!(
                        matches!(edited, EntryBody::Message { text: now, .. } if now == text),
                        "{edited:?}"
                    );
                }
            }
        }
        assert_eq!(acks, log.len(), "each entry was acked");
    }
}

/// Sends an entry again and again until it is acked.
async fn send(store: &MongoStore, new: &NewEntry, node: &mut Node) -> Seq {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = append(store, new.clone()).await;
        assert!(
            asked.elapsed() < PATIENCE,
            "{:?}: {answer:?}",
            asked.elapsed()
        );
        match answer {
            Ok(kept) => {
                node.stall = node.stall.max(begun.elapsed());
                return kept.entry.seq;
            }
            Err(AppendError::Backend(error)) => {
                assert_ne!(error.retry, Retry::No, "{error:?}");
                node.failures += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_steps_down_loses_and_doubles_nothing() {
    let _turn = turn().await;
    let Some(set) = ReplicaSet::start().await else {
        return;
    };
    let traffic = Traffic::start(&set.uri).await;
    for _ in 0..2 {
        set.step_down().await;
        traffic.goes_on().await;
    }
    traffic.check(&set).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_loses_and_doubles_nothing() {
    let _turn = turn().await;
    let Some(mut set) = ReplicaSet::start().await else {
        return;
    };
    let traffic = Traffic::start(&set.uri).await;
    let primary = set.primary().await;
    set.members[primary].kill();
    traffic.goes_on().await;
    set.members[primary].restart();
    traffic.goes_on().await;
    traffic.check(&set).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_and_wakes_up_loses_and_doubles_nothing() {
    let _turn = turn().await;
    let Some(set) = ReplicaSet::start().await else {
        return;
    };
    let traffic = Traffic::start(&set.uri).await;
    let primary = set.primary().await;
    set.members[primary].signal("STOP");
    // A new primary was elected, and the old one still believes that it is the primary when it
    // wakes up.
    traffic.goes_on().await;
    set.members[primary].signal("CONT");
    traffic.goes_on().await;
    traffic.check(&set).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_on_old_messages_needs_no_more_than_a_majority_of_the_members() {
    let _turn = turn().await;
    let Some(mut set) = ReplicaSet::start().await else {
        return;
    };
    let client = Client::with_uri_str(&set.uri).await.unwrap();
    let messages = client.database("chat").collection("messages");
    // An index on an empty collection is made at once, even if members are away.
    let old = doc! { "roomId": "alice,bob", "from": "alice", "text": "old" };
    messages.insert_one(old).await.unwrap();
    let primary = set.primary().await;
    set.members[(primary + 1) % 3].kill();
    let started = timeout(PATIENCE, MongoStore::connect(&set.uri)).await;
    started.unwrap().unwrap();
}
