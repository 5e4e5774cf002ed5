//! Several nodes on one database, and nodes that die between two writes.

use std::{collections::HashMap, process::Stdio, sync::Arc, time::Duration};

use chat_core::{
    ClientMessageId, EntryBody, LeftWhy, MessageId, NewEntry, Role, RoomId, Seq, UserId,
    port::{AppendError, LogStore, Outcome, ReceiptStore, RoomStore},
};
use chat_store_mongo::MongoStore;
use chat_testkit::{
    Database, child,
    log::{append, entry, log, message, new_room, room, user},
};
use mongodb::bson::{Bson, doc};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use uuid::Uuid;

use crate::{connect, documents};

/// The role of a user in [`room`].
async fn role(store: &MongoStore, user: &UserId) -> Option<Role> {
    let member = store.member(&room(), user).await.unwrap();
    member.map(|member| member.role)
}

const NODES: u64 = 3;
const ROOMS: u64 = 5;
const BATCHES: u64 = 20;
const BATCH: u64 = 25;

fn group(number: u64) -> RoomId {
    RoomId::group(format!("room {number}")).unwrap()
}

/// Returns a batch for all rooms: entries of this node, and one text that all nodes send.
fn batch(node: u64, number: u64) -> Vec<NewEntry> {
    (0..BATCH)
        .map(|at| {
            let mut new = message(0, "hello");
            let shared = at == 7;
            let id = (u128::from(node) << 64) + u128::from(number * BATCH + at + 1);
            new.id = MessageId(Uuid::from_u128(id));
            new.room = group((number + at) % ROOMS);
            let sender = if shared { NODES } else { node };
            let client_id = format!("{sender}-{number}-{at}");
            new.client_id = ClientMessageId::new(client_id).unwrap();
            new
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_append_to_the_same_rooms_at_once_leave_no_gap_and_no_double() {
    let Some(database) = Database::new() else {
        return;
    };
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Arc::new(connect(&database).await));
    }
    for number in 0..ROOMS {
        nodes[0].create_room(new_room(group(number))).await.unwrap();
    }
    let work = (0..).zip(nodes.clone()).map(|(node, store)| {
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for number in 0..BATCHES {
                let sent = batch(node, number);
                let answered = store.append(sent.clone()).await;
                assert_eq!(sent.len(), answered.len());
                answers.extend(sent.into_iter().zip(answered));
            }
            answers
        })
    });
    let mut answers = Vec::new();
    for node in work.collect::<Vec<_>>() {
        answers.extend(node.await.unwrap());
    }

    let mut logs = HashMap::new();
    for number in 0..ROOMS {
        logs.insert(group(number), log(&*nodes[0], &group(number)).await);
    }
    let (mut stored, mut last) = (0, HashMap::new());
    for (sent, answer) in &answers {
        let answer = answer.as_ref().unwrap();
        let place = usize::try_from(answer.entry.seq.0 - 1).unwrap();
        let kept = &logs[&sent.room][place];
        assert_eq!(*kept, answer.entry);
        assert_eq!(
            (&kept.client_id, &kept.author),
            (&sent.client_id, &sent.author)
        );
        if answer.outcome == Outcome::Stored {
            stored += 1;
            assert_eq!(kept.id, sent.id);
            // The entries of one node and room are in the order in which they were sent.
            let node = (sent.id.0.as_u128() >> 64, sent.room.clone());
            assert!(last.insert(node, kept.seq) < Some(kept.seq));
        }
    }
    let in_logs: usize = logs.values().map(Vec::len).sum();
    assert_eq!(in_logs, stored);
    assert_eq!(stored as u64, NODES * BATCHES * (BATCH - 1) + BATCHES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stands_after_a_removal_on_another_node() {
    let Some(database) = Database::new() else {
        return;
    };
    let (one, other) = (connect(&database).await, connect(&database).await);
    for round in 0..60 {
        let id = RoomId::group(format!("team {round}")).unwrap();
        let mut new = new_room(id.clone());
        new.created_by = Some(user("alice"));
        one.create_room(new).await.unwrap();
        let by = |author: &str, number: u64, body| NewEntry {
            room: id.clone(),
            author: user(author),
            require: Some(Role::Member),
            ..entry(round * 100 + number, body)
        };
        let left = EntryBody::Left {
            user: user("bob"),
            why: LeftWhy::Left,
        };
        let removed = append(&one, by("alice", 1, left.clone()));
        let sends = async {
            for number in 2..8 {
                let sent = append(&other, by("bob", number, EntryBody::message("hi"))).await;
                if let Err(error) = sent {
                    assert!(matches!(error, AppendError::NotAllowed), "{error:?}");
                }
            }
        };
        let (removed, ()) = tokio::join!(removed, sends);
        removed.unwrap();
        let log = log(&one, &id).await;
        assert_eq!(log.last().map(|entry| &entry.body), Some(&left));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_edits_a_message_that_another_node_has_just_deleted() {
    let Some(database) = Database::new() else {
        return;
    };
    let (one, other) = (connect(&database).await, connect(&database).await);
    one.create_room(new_room(room())).await.unwrap();
    for round in 0..30_u64 {
        let target = append(&one, message(round * 3 + 1, "secret"))
            .await
            .unwrap()
            .entry
            .seq;
        let delete = entry(round * 3 + 2, EntryBody::Delete { target });
        let text = "secret too".into();
        let edit = entry(round * 3 + 3, EntryBody::Edit { target, text });
        let (deleted, edited) = tokio::join!(append(&one, delete), append(&other, edit));
        let deleted = deleted.unwrap().entry.seq;
        if let Ok(edited) = edited {
            assert!(edited.entry.seq < deleted);
        }
        for store in [&one, &other] {
            let log = log(store, &room()).await;
            assert_eq!(
                log[usize::try_from(target.0 - 1).unwrap()].body,
                EntryBody::Deleted
            );
        }
    }
    let left = documents(&database, doc! { "text": { "$exists": true } }).await;
    assert!(left.is_empty(), "{left:?}");
}

/// The work of a node until it is killed: messages, edits, deletions, members who join and leave.
/// It prints the answers that it got.
#[tokio::test]
#[ignore = "the process that the test below kills"]
async fn node_that_is_killed() {
    let uri = std::env::var("CHAT_TEST_NODE_URI").unwrap();
    let run: u64 = std::env::var("CHAT_TEST_NODE_RUN")
        .unwrap()
        .parse()
        .unwrap();
    let store = MongoStore::connect(&uri).await.unwrap();
    for number in 0.. {
        let id = |at: u64| run * 1_000_000 + number * 10 + at;
        let target = append(&store, message(id(1), "one"))
            .await
            .unwrap()
            .entry
            .seq;
        println!("acked {target}");
        let carol = user("carol");
        let text = "two".into();
        for (at, body) in [
            (2, EntryBody::Edit { target, text }),
            (
                3,
                EntryBody::Joined {
                    user: carol.clone(),
                    role: Role::Member,
                },
            ),
            (4, EntryBody::Delete { target }),
            (
                5,
                EntryBody::Left {
                    user: carol,
                    why: LeftWhy::Left,
                },
            ),
        ] {
            let kept = append(&store, entry(id(at), body)).await.unwrap();
            println!("acked {}", kept.entry.seq);
        }
    }
}

/// Returns the address for a client that the server knows by this name.
fn named(uri: &str, name: &str) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}appName={name}")
}

/// Waits until the server has read the end of all connections of the killed node: it carries out
/// the commands that were sent before, even after the node's death.
async fn gone(database: &Database) {
    let client = mongodb::Client::with_uri_str(&database.uri).await.unwrap();
    let admin = client.database("admin");
    let connections = [
        doc! { "$currentOp": { "allUsers": true, "idleConnections": true } },
        doc! { "$match": { "appName": &database.name } },
    ];
    let closing = async {
        while admin
            .aggregate(connections.clone())
            .await
            .unwrap()
            .advance()
            .await
            .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(10), closing).await;
    closed.expect("they are closed");
}

#[tokio::test]
async fn a_node_killed_between_an_entry_and_its_effect_leaves_nothing_half_done() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    store.create_room(new_room(room())).await.unwrap();
    let mut found_open = 0;
    for run in 1..=12_u64 {
        let mut node = Command::from(child::command("nodes::node_that_is_killed"))
            .env("CHAT_TEST_NODE_URI", named(&database.uri, &database.name))
            .env("CHAT_TEST_NODE_RUN", run.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let mut acked = 0;
        // Each run waits for a different number of answers, and for a moment that moves within one
        // write.
        for _ in 0..(20 + run * 3) {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some(seq) = line.split("acked ").nth(1) {
                acked = seq.parse().unwrap();
            }
        }
        tokio::time::sleep(Duration::from_micros(run * 400)).await;
        node.kill().await.unwrap();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(seq) = line.split("acked ").nth(1) {
                acked = seq.parse().unwrap();
            }
        }
        gone(&database).await;
        let open = documents(&database, doc! { "pending": true }).await;
        found_open += open.len();
        check(&store, acked).await;
        let left = doc! { "$or": [
            { "pending": true }, { "kind": "deleted", "text": { "$exists": true } },
        ] };
        let left = documents(&database, left).await;
        assert!(left.is_empty(), "{left:?}");
    }
    println!("{found_open} of 12 kills left an effect open");
}

/// Replays the log, and compares the result with the state of the store.
async fn check(store: &MongoStore, acked: u64) {
    let log = log(store, &room()).await;
    assert!(log.len() as u64 >= acked, "{} and {acked} acked", log.len());
    let mut carol = false;
    let mut deleted = Vec::new();
    let mut edited = HashMap::new();
    for entry in &log {
        match &entry.body {
            EntryBody::Edit { target, text } => drop(edited.insert(*target, text)),
            EntryBody::Delete { target } => deleted.push(*target),
            EntryBody::Joined { .. } => carol = true,
            EntryBody::Left { .. } => carol = false,
            _ => {}
        }
    }
    let at = |seq: Seq| &log[usize::try_from(seq.0 - 1).unwrap()].body;
    for target in deleted {
        assert_eq!(*at(target), EntryBody::Deleted);
        assert!(!edited.contains_key(&target));
    }
    for (target, text) in edited {
        assert!(matches!(at(target), EntryBody::Message { text: now, .. } if now == text));
    }
    assert_eq!(
        role(store, &user("carol")).await,
        carol.then_some(Role::Member)
    );
}

/// The state in which a crash leaves the database, made by hand: entries with open effects.
#[tokio::test]
async fn every_reader_finishes_what_a_crash_left_open() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    store.create_room(new_room(room())).await.unwrap();
    let carol = user("carol");
    let target = Seq(1);
    let text = "two".into();
    append(&store, message(1, "one")).await.unwrap();
    append(&store, message(9, "unread")).await.unwrap();
    append(
        &store,
        entry(
            2,
            EntryBody::Joined {
                user: carol.clone(),
                role: Role::Owner,
            },
        ),
    )
    .await
    .unwrap();
    append(&store, entry(3, EntryBody::Edit { target, text }))
        .await
        .unwrap();
    append(&store, entry(4, EntryBody::Delete { target: Seq(2) }))
        .await
        .unwrap();

    let messages = database.collection("messages").await;
    let members = database.collection("members").await;
    let undo = async || {
        let open = doc! { "kind": { "$in": ["edit", "joined", "delete"] } };
        let mark = doc! { "$set": { "pending": true } };
        messages.update_many(open, mark).await.unwrap();
        let old = doc! {
            "$set": { "text": "one" }, "$unset": { "editedAt": "", "revision": "" },
        };
        messages.update_one(doc! { "seq": 1 }, old).await.unwrap();
        let old = doc! { "$set": { "text": "unread", "kind": "message" } };
        messages.update_one(doc! { "seq": 2 }, old).await.unwrap();
        members.delete_one(doc! { "user": "carol" }).await.unwrap();
    };

    undo().await;
    let log = log(&store, &room()).await;
    assert!(matches!(&log[0].body, EntryBody::Message { text, .. } if &**text == "two"));
    assert_eq!(log[1].body, EntryBody::Deleted);
    undo().await;
    let first = message(1, "").id;
    let found = store.find(&room(), first).await.unwrap().unwrap();
    assert_eq!(found.body, log[0].body);
    undo().await;
    assert_eq!(role(&store, &carol).await, Some(Role::Owner));
    undo().await;
    let listed = store.members(&room(), None, 9).await.unwrap();
    assert!(listed.iter().any(|member| member.user == carol));
    undo().await;
    assert_eq!(store.rooms_of(&carol, None, 9).await.unwrap()[0].unread, 1);
    undo().await;
    let again = append(
        &store,
        entry(
            5,
            EntryBody::Edit {
                target: Seq(2),
                text: "x".into(),
            },
        ),
    )
    .await;
    assert!(matches!(again, Err(AppendError::NoTarget)), "{again:?}");
    undo().await;
    // The store is opened as in a new process, which reads nothing in particular.
    connect(&database).await;
    assert!(
        documents(&database, doc! { "pending": true })
            .await
            .is_empty()
    );

    // A room whose first members a crash kept out.
    database
        .collection("rooms")
        .await
        .update_one(doc! {}, doc! { "$set": { "entering": ["alice", "bob"] } })
        .await
        .unwrap();
    members.delete_many(doc! {}).await.unwrap();
    let bob = role(&store, &user("bob")).await;
    assert_eq!(bob, Some(Role::Member));
}

#[tokio::test]
async fn messages_of_direct_rooms_keep_the_fields_of_the_old_server() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    store.create_room(new_room(room())).await.unwrap();
    append(&store, message(1, "hello")).await.unwrap();
    let found = &documents(&database, doc! {}).await[0];
    for (field, value) in [
        ("_id", "00000000-0000-0000-0000-000000000001"),
        ("id", "00000000-0000-0000-0000-000000000001"),
        ("roomId", "alice,bob"),
        ("from", "alice"),
        ("to", "bob"),
        ("text", "hello"),
    ] {
        assert_eq!(found.get_str(field).unwrap(), value);
    }
    assert!(found.get_str("time").unwrap().contains("/2023, "));
    assert!(
        found.get("deliveredAt") == Some(&Bson::Null) && found.get("readAt") == Some(&Bson::Null)
    );

    let read = chat_core::Mark::Read;
    store
        .advance(&room(), &user("bob"), read, Seq(1))
        .await
        .unwrap();
    let found = &documents(&database, doc! {}).await[0];
    assert!(found.get_datetime("deliveredAt").is_ok() && found.get_datetime("readAt").is_ok());
    // The store still reads the document, also as an earlier version wrote it.
    let messages = database.collection("messages").await;
    let without = doc! { "$unset": { "id": "" } };
    messages.update_one(doc! {}, without).await.unwrap();
    assert_eq!(log(&store, &room()).await.len(), 1);
    let times = store.receipt_times(&room(), &user("bob"), &[Seq(1)]).await;
    assert!(times.unwrap()[0].read.is_some());
}

#[tokio::test]
async fn documents_of_the_old_server_are_in_nobodys_way() {
    let Some(database) = Database::new() else {
        return;
    };
    let old =
        doc! { "_id": "x", "roomId": "alice,bob", "from": "alice", "text": "old", "to": "bob" };
    let messages = database.collection("messages").await;
    let mut other = old.clone();
    other.insert("_id", "y");
    messages.insert_many([old, other]).await.unwrap();
    let store = connect(&database).await;
    store.create_room(new_room(room())).await.unwrap();
    assert_eq!(log(&store, &room()).await.len(), 0);
    append(&store, message(1, "new")).await.unwrap();
    assert_eq!(log(&store, &room()).await.len(), 1);
}

#[tokio::test]
async fn an_id_that_another_entry_has_is_refused_and_uses_up_nothing() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    store.create_room(new_room(room())).await.unwrap();
    append(&store, message(1, "one")).await.unwrap();
    let mut same_id = message(2, "two");
    same_id.id = message(1, "").id;
    let answers = store.append(vec![same_id, message(3, "three")]).await;
    assert!(answers[0].is_err());
    assert_eq!(answers[1].as_ref().unwrap().entry.seq, Seq(2));
}
