//! The events about the inbox that a user's devices are sent beside entries: a room that comes back, what is
//! read elsewhere, and how a room is set.

use std::time::Duration;

use chat_core::{
    ChatEngine, Event, InboxRoom, LocalSession, Mark, MeChange, RoomId, RoomNews, Seq,
    testing::Method,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    cluster::Cluster,
    common::{direct, engine, next_matching, pending, user},
};

fn set(json: Value) -> MeChange {
    serde_json::from_value(json).unwrap()
}

fn changed(event: &Event) -> bool {
    let why = RoomNews::Changed;
    matches!(event, Event::Room { why: it, .. } if *it == why)
}

async fn next_changed(device: &LocalSession) -> Box<InboxRoom> {
    match timeout(Duration::from_secs(9), next_matching(device, changed)).await {
        Ok(Event::Room { room, .. }) => room,
        other => panic!("{other:?}"),
    }
}

/// The changes that have come within some seconds.
async fn changes(device: &LocalSession) -> Vec<InboxRoom> {
    sleep(Duration::from_secs(5)).await;
    let events = pending(device).await.into_iter();
    let rooms = events.filter_map(|event| match event {
        Event::Room {
            why: RoomNews::Changed,
            room,
        } => Some(*room),
        _ => None,
    });
    rooms.collect()
}

/// The direct room of alice and bob, in which alice has said something.
async fn talk(engine: &ChatEngine) -> RoomId {
    let room = direct("alice", "bob");
    let alice = engine.actor(user("alice"));
    alice.send(&room, "hello").await.unwrap();
    room
}

#[tokio::test(start_paused = true)]
async fn a_message_sends_the_hidden_room_that_it_brings_back_to_the_member_who_hid_it() {
    let engine = engine();
    let room = talk(&engine).await;
    let (alice, bob) = (
        engine.connect(user("alice")).await.unwrap(),
        engine.connect(user("bob")).await.unwrap(),
    );
    bob.set_me(&room, set(json!({ "hidden": true })))
        .await
        .unwrap();
    assert!(next_changed(&bob).await.me.hidden, "what is set is news");
    alice.edit(&room, Seq(1), "hello!").await.unwrap();
    assert_eq!(changes(&bob).await, [], "an edit brings nothing back");
    alice.send(&room, "again").await.unwrap();
    let back = next_changed(&bob).await;
    assert_eq!((back.me.hidden, back.unread), (false, 2));
    assert_eq!(back.last.unwrap().seq, Seq(3));
    alice.send(&room, "and again").await.unwrap();
    assert_eq!(changes(&bob).await, [], "it is back");
    assert_eq!(changes(&alice).await, [], "and news to bob alone");
    bob.set_me(&room, set(json!({ "hidden": true })))
        .await
        .unwrap();
    bob.set_me(&room, set(json!({ "hidden": false })))
        .await
        .unwrap();
    assert_eq!(changes(&bob).await.len(), 2);
    alice.send(&room, "once more").await.unwrap();
    assert_eq!(changes(&bob).await, [], "it was shown before");
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_once_who_has_hidden_a_room() {
    let cluster = Cluster::<(), ()>::default();
    let engine = cluster.node();
    let room = talk(&engine).await;
    let before = engine.actor(user("bob"));
    before
        .set_me(&room, set(json!({ "hidden": true })))
        .await
        .unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    for _ in 0..9 {
        alice.send(&room, "again").await.unwrap();
    }
    assert_eq!(changes(&bob).await.len(), 1);
    assert_eq!(cluster.store.script.calls(Method::HIDDEN_BY), 1);
    let new = direct("alice", "carol");
    let _carol = engine.connect(user("carol")).await.unwrap();
    alice.send(&new, "hello").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let asked = cluster.store.script.calls(Method::HIDDEN_BY);
    assert_eq!(asked, 1, "nobody can have hidden a new room");
}

#[tokio::test(start_paused = true)]
async fn what_one_device_has_read_is_sent_to_the_others_once_in_a_second() {
    let engine = engine();
    let room = talk(&engine).await;
    let alice = engine.actor(user("alice"));
    for _ in 0..4 {
        alice.send(&room, "more").await.unwrap();
    }
    let phone = engine.connect(user("bob")).await.unwrap();
    phone.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    assert_eq!(changes(&phone).await, [], "bob has one device");
    let laptop = engine.connect(user("bob")).await.unwrap();
    for seq in 2..5 {
        phone.receipt(&room, Mark::Read, Seq(seq)).await.unwrap();
    }
    phone.receipt(&room, Mark::Delivered, Seq(5)).await.unwrap();
    let rooms = changes(&laptop).await;
    let unread: Vec<_> = rooms.iter().map(|room| room.unread).collect();
    assert_eq!(unread, [1], "a burst of receipts is one event");
    assert_eq!(changes(&phone).await, [], "the device that read knows");
    engine
        .actor(user("bob"))
        .receipt(&room, Mark::Read, Seq(5))
        .await
        .unwrap();
    for device in [&phone, &laptop] {
        let rooms = changes(device).await;
        assert_eq!((rooms.len(), rooms[0].unread), (1, 0));
    }
    phone.receipt(&room, Mark::Read, Seq(5)).await.unwrap();
    assert_eq!(changes(&laptop).await, [], "nothing new");
}

#[tokio::test(start_paused = true)]
async fn devices_on_another_node_are_sent_what_the_inbox_shows() {
    let cluster = Cluster::<(), ()>::default();
    let (one, two) = (cluster.node(), cluster.node());
    let room = talk(&one).await;
    let phone = one.connect(user("bob")).await.unwrap();
    let laptop = two.connect(user("bob")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    phone.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    let rooms = changes(&laptop).await;
    assert_eq!((rooms.len(), rooms[0].unread), (1, 0));
    phone
        .set_me(&room, set(json!({ "pinned": true })))
        .await
        .unwrap();
    assert!(next_changed(&laptop).await.me.pinned);
    phone
        .set_me(&room, set(json!({ "hidden": true })))
        .await
        .unwrap();
    assert!(next_changed(&laptop).await.me.hidden);
    changes(&phone).await;
    let alice = two.actor(user("alice"));
    alice.send(&room, "again").await.unwrap();
    for device in [&phone, &laptop] {
        assert!(!next_changed(device).await.me.hidden);
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_was_hidden_elsewhere_comes_back_on_a_node_that_used_it_before() {
    let cluster = Cluster::<(), ()>::default();
    let (one, two) = (cluster.node(), cluster.node());
    let room = talk(&one).await;
    let phone = one.connect(user("bob")).await.unwrap();
    let alice = one.connect(user("alice")).await.unwrap();
    alice
        .send(&room, "the node asks who has hidden it")
        .await
        .unwrap();
    changes(&phone).await;
    drop(phone);
    sleep(Duration::from_secs(1)).await;
    let elsewhere = two.actor(user("bob"));
    elsewhere
        .set_me(&room, set(json!({ "hidden": true })))
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let phone = one.connect(user("bob")).await.unwrap();
    alice.send(&room, "again").await.unwrap();
    assert!(!next_changed(&phone).await.me.hidden);
}
