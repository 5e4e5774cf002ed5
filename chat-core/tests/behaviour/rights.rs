//! Rights are asked when an entry gets its number: an author who has lost one stores nothing after that.

use std::time::Duration;

use async_trait::async_trait;
use chat_core::{
    Actor, ChatEngine, EntryBody, ErrorCode, LeftWhy, Page, RandomIds, RoomId, Seq,
    memory::MemoryStore,
    port::{BackendError, Draft, LogStore, Moderator, Verdict},
};
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    common::{unlimited, user},
};

/// A group of alice, who owns it, and bob.
async fn team(engine: &ChatEngine, name: &str) -> (RoomId, Actor, Actor) {
    let room = RoomId::group(name).unwrap();
    let (alice, bob) = (user("alice"), user("bob"));
    let made = engine.create_group(room.clone(), alice.clone(), vec![bob.clone()]);
    made.await.unwrap();
    (room, engine.actor(alice), engine.actor(bob))
}

/// Thinks about each text for 800 ms.
#[derive(Debug)]
struct Thoughtful;

#[async_trait]
impl Moderator for Thoughtful {
    async fn review(&self, _: &Draft) -> Result<Verdict, BackendError> {
        sleep(Duration::from_millis(800)).await;
        Ok(Verdict::Allow)
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_while_a_moderator_thinks_stores_nothing() {
    let store = MemoryStore::default();
    let engine = ChatEngine::builder()
        .store(store.clone())
        .moderator(Thoughtful)
        .config(unlimited())
        .build()
        .unwrap();
    let (room, alice, bob) = team(&engine, "team").await;
    let sent = async { bob.send(&room, "still here").await };
    let removed = async {
        sleep(Duration::from_millis(400)).await;
        alice.remove_member(&room, user("bob")).await
    };
    let (sent, removed) = tokio::join!(sent, removed);
    removed.unwrap();
    assert_eq!(sent.unwrap_err().code(), ErrorCode::Forbidden);
    let log = store.page(&room, Page::Newest, 9).await.unwrap();
    let bodies: Vec<_> = log.iter().map(|entry| entry.body.clone()).collect();
    assert_eq!(
        bodies,
        [EntryBody::Left {
            user: user("bob"),
            why: LeftWhy::Removed,
        }]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_removal_and_messages_at_once_nothing_stands_after_it() {
    let cluster: Cluster = Cluster::default();
    let node = || {
        ChatEngine::builder()
            .store(cluster.store.clone())
            .cache(cluster.cache.clone())
            .broker(cluster.bus.node())
            .ids(std::sync::Arc::new(RandomIds))
            .config(unlimited())
            .build()
            .unwrap()
    };
    let (one, two) = (node(), node());
    for round in 0..500 {
        let (room, alice, bob) = team(&one, &format!("team {round}")).await;
        let elsewhere = two.actor(user("bob"));
        let sends = async {
            for number in 0..4 {
                let by = if number % 2 == 0 { &bob } else { &elsewhere };
                drop(by.send(&room, "hi").await);
            }
        };
        let removed = alice.remove_member(&room, user("bob"));
        let (removed, ()) = tokio::join!(removed, sends);
        removed.unwrap();
        let log = cluster.store.page(&room, Page::After(Seq::ZERO), 9).await;
        let log = log.unwrap();
        let left = EntryBody::Left {
            user: user("bob"),
            why: LeftWhy::Removed,
        };
        assert_eq!(log.last().map(|entry| &entry.body), Some(&left));
    }
}

#[tokio::test]
async fn members_do_what_their_roles_allow() {
    let engine = crate::common::engine();
    let (room, alice, bob) = team(&engine, "team").await;
    let refused = Some(ErrorCode::Forbidden);
    let code = |result: Result<(), chat_core::Error>| result.err().map(|error| error.code());
    assert_eq!(code(bob.remove_member(&room, user("alice")).await), refused);
    assert_eq!(
        code(alice.remove_member(&room, user("alice")).await),
        refused
    );
    bob.add_member(&room, user("carol")).await.unwrap();
    assert_eq!(code(bob.remove_member(&room, user("carol")).await), refused);
    let hello = bob.send(&room, "hello").await.unwrap().seq;
    let carol = engine.actor(user("carol"));
    let deleted = carol.delete(&room, hello).await.unwrap_err();
    assert_eq!(deleted.code(), ErrorCode::Forbidden);
    alice.delete(&room, hello).await.unwrap();
    bob.remove_member(&room, user("bob")).await.unwrap();
}
