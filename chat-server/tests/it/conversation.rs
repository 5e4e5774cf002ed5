//! Two people talk over the native protocol.

use chat_core::{RoomId, UserId};
use chat_testkit::{Closed, Server};
use serde_json::{Value, json};

#[tokio::test]
async fn two_people_talk_and_see_the_same_order() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
    let room = alice.open("bob").await;
    assert_eq!(room, "alice,bob");
    assert_eq!(bob.open("alice").await, room);
    assert_eq!(alice.say(&room, "hello").await, 1);
    assert_eq!(bob.say(&room, "hi").await, 2);
    for client in [&mut alice, &mut bob] {
        assert_eq!([client.hear().await, client.hear().await], ["hello", "hi"]);
    }
}

#[tokio::test]
async fn messages_sent_without_waiting_keep_their_order() {
    let server = Server::start(&[("frame-rate", "1000/1s")]).await;
    let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
    let room = alice.open("bob").await;
    let mut last = 0;
    for number in 0..200 {
        let text = number.to_string();
        last = alice
            .tell(json!({ "type": "send", "room": room, "text": text }))
            .await;
    }
    assert_eq!(alice.answer(Some(last)).await["result"]["seq"], 200);
    for number in 0..200 {
        assert_eq!(bob.hear().await, number.to_string());
    }
}

#[tokio::test]
async fn a_duplicate_send_answers_with_the_first_and_is_not_delivered_again() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
    let room = alice.open("bob").await;
    let send = json!({ "type": "send", "room": room, "text": "once", "client_id": "c-1" });
    let first = alice.ask(send.clone()).await;
    let again = alice.ask(send).await;
    assert_eq!(
        (&first["result"]["duplicate"], &again["result"]["duplicate"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(first["result"]["id"], again["result"]["id"]);
    alice.say(&room, "then").await;
    assert_eq!([bob.hear().await, bob.hear().await], ["once", "then"]);
}

/// The cursor after an entry.
fn cursor(room: &str, epoch: &Value, seq: u64) -> Value {
    json!([{ "room": room, "epoch": epoch, "seq": seq }])
}

#[tokio::test]
async fn resume_brings_what_was_missed_before_what_is_new() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
    let room = alice.open("bob").await;
    alice.say(&room, "one").await;
    let view = bob.ask(json!({ "type": "open", "user": "alice" })).await;
    let epoch = &view["result"]["room"]["epoch"];
    drop(bob);
    alice.say(&room, "two").await;
    alice.say(&room, "three").await;
    let mut bob = server.resume("bob", cursor(&room, epoch, 1)).await;
    assert_eq!([bob.hear().await, bob.hear().await], ["two", "three"]);
    assert_eq!(bob.event("resumed").await["cursor"]["seq"], 3);
    alice.say(&room, "four").await;
    assert_eq!(bob.hear().await, "four");
}

#[tokio::test]
async fn more_than_is_sent_again_is_a_gap_that_the_history_fills() {
    let server = Server::start(&[("resume-max", "3")]).await;
    let mut alice = server.connect("alice").await;
    let view = alice.ask(json!({ "type": "open", "user": "bob" })).await;
    let (room, epoch) = ("alice,bob", &view["result"]["room"]["epoch"]);
    for number in 1..=10 {
        alice.say(room, &number.to_string()).await;
    }
    let mut bob = server.resume("bob", cursor(room, epoch, 0)).await;
    let gap = bob.event("gap").await;
    assert_eq!(gap["reason"], "too_many");
    let resumed = bob.event("resumed").await;
    let (from, to) = (gap["from"].as_u64().unwrap(), gap["to"].as_u64().unwrap());
    assert_eq!((from, resumed["cursor"]["seq"].as_u64()), (1, Some(10)));
    let history = json!({ "type": "history", "room": room, "page": { "after": from - 1 }, "limit": to - from + 1 });
    let page = bob.ask(history).await;
    let entries = page["result"]["entries"].as_array().unwrap();
    assert_eq!(entries.first().unwrap()["seq"], from);
    assert_eq!(entries.last().unwrap()["seq"], to);
}

#[tokio::test]
async fn the_sender_learns_that_a_message_was_received_and_read() {
    let server = Server::start(&[]).await;
    let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
    let room = alice.open("bob").await;
    alice.say(&room, "read me").await;
    bob.hear().await;
    for (mark, read) in [("delivered", 0), ("read", 1)] {
        let receipt = json!({ "type": "receipt", "room": room, "mark": mark, "seq": 1 });
        let reply = bob.ask(receipt).await;
        assert_eq!(
            reply["result"],
            json!({ "kind": "receipt", "delivered": 1, "read": read })
        );
        let event = alice.event("receipt").await;
        assert_eq!(
            (&event["user"], &event["delivered"]),
            (&json!("bob"), &json!(1))
        );
        assert_eq!(event["read"], read);
    }
}

#[tokio::test]
async fn presence_and_typing_reach_the_other_and_not_oneself() {
    let server = Server::start(&[("typing-expiry", "300ms")]).await;
    let mut alice = server.connect("alice").await;
    let room = alice.open("bob").await;
    let mut bob = server.connect("bob").await;
    let came = alice.event("presence").await;
    assert_eq!(
        (&came["user"], &came["online"]),
        (&json!("bob"), &json!(true))
    );
    let online = alice.ask(json!({ "type": "online" })).await;
    assert_eq!(online["result"]["users"], json!(["alice", "bob"]));
    bob.ask(json!({ "type": "typing", "room": room })).await;
    for active in [true, false] {
        let typing = alice.event("typing").await;
        assert_eq!(
            (&typing["user"], &typing["active"]),
            (&json!("bob"), &json!(active))
        );
    }
    bob.socket.close(None).await.unwrap();
    let went = alice.event("presence").await;
    assert_eq!(
        (&went["user"], &went["online"]),
        (&json!("bob"), &json!(false))
    );
}

#[tokio::test]
async fn a_refusal_says_how_long_to_wait() {
    let server = Server::start(&[("rate-limit", "2/60s"), ("mute", "5s")]).await;
    let mut alice = server.connect("alice").await;
    let room = alice.open("bob").await;
    alice.say(&room, "one").await;
    alice.say(&room, "two").await;
    for code in [210, 211] {
        let refused = alice
            .ask(json!({ "type": "send", "room": room, "text": "three" }))
            .await;
        assert_eq!(refused["error"]["code"], code, "{refused}");
        let wait = refused["error"]["retry_after_ms"].as_u64().unwrap();
        assert!((4_000..=5_000).contains(&wait), "{refused}");
    }
}

#[tokio::test]
async fn stopping_closes_connections_with_a_code_that_means_come_back() {
    let server = Server::start(&[]).await;
    let mut silent = server.silent().await;
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    let room = alice.open("bob").await;
    alice.say(&room, "last words").await;
    let (stopped, alice, bob, silent) =
        tokio::join!(server.stop(), alice.end(), bob.end(), silent.end());
    let shutdown = (None, Closed::With(4000));
    assert_eq!(
        (stopped, &alice, &bob, &silent),
        ((), &shutdown, &shutdown, &shutdown)
    );
}

#[tokio::test]
async fn a_client_in_a_thousand_rooms_resumes_all_of_them() {
    const ROOMS: usize = 1_000;
    /// As many as PROTOCOL.md says that a `hello` holds.
    const FIRST: usize = 300;
    let server = Server::start(&[("frame-rate", "10000/1s")]).await;
    let engine = &server.engine;
    for n in 0..ROOMS {
        let peer = UserId::new(format!("peer{n:060}")).unwrap();
        let room = RoomId::direct(&peer, &UserId::new("alice").unwrap()).unwrap();
        engine.actor(peer).send(&room, "hi").await.unwrap();
    }
    let mut alice = server.connect("alice").await;
    let mut cursors: Vec<Value> = Vec::new();
    while cursors.len() < ROOMS {
        let after = cursors.last().map(|cursor| &cursor["room"]);
        let rooms = json!({ "type": "rooms", "after": after, "limit": 200 });
        let page = alice.result(rooms).await;
        let rooms = page["rooms"].as_array().unwrap().iter();
        cursors.extend(
            rooms.map(|room| json!({ "room": room["id"], "epoch": room["epoch"], "seq": 0 })),
        );
    }
    let rest = cursors.split_off(FIRST);
    let mut alice = server.resume("alice", Value::Array(cursors)).await;
    for _ in 0..FIRST {
        assert_eq!(alice.hear().await, "hi");
    }
    for mut resume in rest {
        resume["type"] = "resume".into();
        let id = alice.tell(resume).await;
        assert_eq!(alice.hear().await, "hi");
        assert_eq!(alice.answer(Some(id)).await["result"]["cursor"]["seq"], 1);
    }
}
