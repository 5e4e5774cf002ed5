//! A server that is no member of a replica set.

use std::time::Duration;

use chat_core::{
    EntryBody, Mark, RoomId, Seq, Watermarks,
    port::{Change, Outcome, ReceiptStore, RoomStore},
};
use chat_store_mongo::{ConnectError, MongoStore};
use chat_testkit::{
    Mongod,
    log::{append, entry, log, message, new_room, room, user},
};
use mongodb::bson::{Document, doc};
use tokio::time::timeout;

use crate::room_effects::of_ten_thousand;

/// Every call returns an answer or an error in less than this time.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_standalone_server_keeps_a_conversation() {
    let Some(server) = Mongod::start(&[]).await else {
        return;
    };
    let store = MongoStore::connect(&server.uri("")).await.unwrap();
    store.create_room(new_room(room())).await.unwrap();
    let (target, text) = (Seq(1), "edited".into());
    for (number, body) in [
        (1, EntryBody::message("one")),
        (2, EntryBody::message("two")),
        (3, EntryBody::Edit { target, text }),
    ] {
        let stored = append(&store, entry(number, body)).await.unwrap();
        assert_eq!(
            (stored.entry.seq.0, stored.outcome),
            (number, Outcome::Stored)
        );
    }
    let again = append(&store, message(2, "two")).await.unwrap();
    assert_eq!(again.outcome, Outcome::Duplicate);
    let bob = user("bob");
    let moved = store.advance(&room(), &bob, Mark::Read, Seq(2)).await;
    let to = Watermarks {
        delivered: Seq(2),
        read: Seq(2),
    };
    let from = Watermarks::default();
    assert_eq!(moved.unwrap(), Change::Moved { from, to });

    // The entries are there for the next start, too.
    let store = MongoStore::connect(&server.uri("")).await.unwrap();
    let bodies = log(&store, &room()).await;
    assert!(
        matches!(&bodies[0].body, EntryBody::Message { text, .. } if &**text == "edited"),
        "{bodies:?}"
    );
    assert_eq!(store.watermarks(&room(), &[bob]).await.unwrap(), [to]);
}

#[tokio::test]
async fn a_server_that_is_slow_to_make_indexes_is_not_told_to_be_started() {
    let Some(server) = Mongod::start(&["--setParameter", "enableTestCommands=1"]).await else {
        return;
    };
    let block = doc! {
        "failCommands": ["createIndexes"], "blockConnection": true, "blockTimeMS": 5_000,
    };
    let slow = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": block };
    server.run(slow).await.unwrap();
    let refused = timeout(PATIENCE, MongoStore::connect(&server.uri(""))).await;
    let error = refused.unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Indexes { .. }), "{error:?}");
    let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    server.run(off).await.unwrap();
    MongoStore::connect(&server.uri("")).await.unwrap();
}

#[tokio::test]
async fn a_large_room_that_failed_halfway_goes_on_from_there() {
    let Some(server) = Mongod::start(&["--setParameter", "enableTestCommands=1"]).await else {
        return;
    };
    let store = MongoStore::connect(&server.uri("")).await.unwrap();
    let fail = doc! { "failCommands": ["update"], "errorCode": 2 };
    let after_7 = doc! { "configureFailPoint": "failCommand", "mode": { "skip": 7 }, "data": fail };
    server.run(after_7).await.unwrap();
    store.create_room(of_ten_thousand()).await.unwrap_err();
    let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    server.run(off).await.unwrap();

    let client = mongodb::Client::with_uri_str(server.uri("")).await.unwrap();
    let rooms = client.database("chat").collection::<Document>("rooms");
    let found = rooms.find_one(doc! {}).await.unwrap().unwrap();
    let waiting = found.get_array("entering").unwrap().len();
    assert!((1..10_000).contains(&waiting), "{waiting} of 10,000 wait");
    let id = RoomId::new(found.get_str("_id").unwrap()).unwrap();
    let last = store.member(&id, &user("user 09999")).await.unwrap();
    assert!(last.is_some(), "a reader lets in the others");
}
