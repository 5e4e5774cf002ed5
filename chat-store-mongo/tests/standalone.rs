//! A server that is no member of a replica set.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod common;

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chat_core::{
    EntryBody, Mark, Seq, Watermarks,
    port::{Change, Outcome, ReceiptStore, RoomStore},
    testing::service,
};
use chat_store_mongo::{ConnectError, MongoStore};
use common::{append, entry, log, message, new_room, room, user};
use mongodb::{
    Client,
    bson::{Document, doc},
};
use tempfile::TempDir;
use tokio::time::timeout;

/// In less than this there is an answer of some kind.
const PATIENCE: Duration = Duration::from_secs(5);

/// For what the server needs to start.
const LONG: Duration = Duration::from_secs(30);

/// It is killed when this is dropped.
struct Standalone {
    process: Child,
    uri: String,
    _folder: TempDir,
}

impl Standalone {
    async fn start() -> Option<Self> {
        let program = service("MONGOD")?;
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        drop(taken);
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(program)
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket"])
            .args(["--wiredTigerCacheSizeGB", "0.25"])
            .args(["--setParameter", "enableTestCommands=1"])
            .args(["--port", &port.to_string(), "--dbpath"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            uri: format!("mongodb://127.0.0.1:{port}/chat"),
            _folder: folder,
        };
        server.run(doc! { "ping": 1 }).await;
        Some(server)
    }

    /// Waits until it answers.
    async fn run(&self, command: Document) {
        let client = Client::with_uri_str(&self.uri).await.unwrap();
        let admin = client.database("admin");
        timeout(LONG, admin.run_command(command))
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_standalone_server_keeps_a_conversation() {
    let Some(server) = Standalone::start().await else {
        return;
    };
    let store = MongoStore::connect(&server.uri).await.unwrap();
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

    // What has been written is there for the next start, too.
    let store = MongoStore::connect(&server.uri).await.unwrap();
    let bodies = log(&store, &room()).await;
    assert!(
        matches!(&bodies[0].body, EntryBody::Message { text, .. } if &**text == "edited"),
        "{bodies:?}"
    );
    assert_eq!(store.watermarks(&room(), &[bob]).await.unwrap(), [to]);
}

#[tokio::test]
async fn a_server_that_is_slow_to_make_indexes_is_not_told_to_be_started() {
    let Some(server) = Standalone::start().await else {
        return;
    };
    let block = doc! {
        "failCommands": ["createIndexes"], "blockConnection": true, "blockTimeMS": 5_000,
    };
    let slow = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": block };
    server.run(slow).await;
    let refused = timeout(PATIENCE, MongoStore::connect(&server.uri)).await;
    let error = refused.unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Indexes { .. }), "{error:?}");
    server
        .run(doc! { "configureFailPoint": "failCommand", "mode": "off" })
        .await;
    MongoStore::connect(&server.uri).await.unwrap();
}
