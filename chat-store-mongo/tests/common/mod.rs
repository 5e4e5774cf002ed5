//! What the tests of this crate share: a real server, and a database of one's own on it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use chat_core::{
    ClientMessageId, Entry, EntryBody, Epoch, MessageId, NewEntry, NewRoom, Page, RoomId, Seq,
    UserId,
    port::{AppendError, Appended, LogStore, RoomStore},
};
use chat_store_mongo::MongoStore;
use chrono::DateTime;
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
};
use uuid::Uuid;

/// The server to test with.
pub(crate) fn server() -> Option<String> {
    chat_core::testing::service("MONGODB_URI")
}

/// A database of its own; it is dropped with the guard.
pub(crate) struct Database {
    /// The address of the server, with the name of this database.
    pub(crate) uri: String,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // The process id alone may come again before a database that was left over is gone.
        let name = format!("chat_test_{}_{next}_{:08x}", process::id(), random());
        Some(Self::named(&server()?, name))
    }

    pub(crate) fn named(server: &str, name: String) -> Self {
        let (base, options) = server.split_once('?').unwrap_or((server, ""));
        let (scheme, rest) = base.split_once("://").unwrap();
        let hosts = rest.split('/').next().unwrap();
        let question = if options.is_empty() { "" } else { "?" };
        let uri = format!("{scheme}://{hosts}/{name}{question}{options}");
        Self { uri, name }
    }

    pub(crate) async fn connect(&self) -> MongoStore {
        MongoStore::connect(&self.uri).await.unwrap()
    }

    /// The documents themselves.
    pub(crate) async fn collection(&self, name: &str) -> Collection<Document> {
        let client = Client::with_uri_str(&self.uri).await.unwrap();
        client.database(&self.name).collection(name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        // A runtime of its own: this may be inside another one, or after it.
        let dropped = std::thread::spawn(move || {
            chat_core::testing::block_on(async {
                let client = Client::with_uri_str(&uri).await.unwrap();
                client.database(&name).drop().await.unwrap();
            });
        });
        drop(dropped.join());
    }
}

fn random() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap()
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn room() -> RoomId {
    RoomId::new("alice,bob").unwrap()
}

/// An entry of alice's; the same number is the same entry.
pub(crate) fn entry(number: u64, body: EntryBody) -> NewEntry {
    NewEntry {
        room: room(),
        id: MessageId(Uuid::from_u128(u128::from(number))),
        author: user("alice"),
        client_id: ClientMessageId::new(format!("m{number}")).unwrap(),
        at: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
        body,
    }
}

pub(crate) fn message(number: u64, text: &str) -> NewEntry {
    entry(number, EntryBody::message(text))
}

pub(crate) fn new_room(id: RoomId) -> NewRoom {
    NewRoom {
        id,
        epoch: Epoch(Uuid::from_u128(7)),
        members: vec![user("alice"), user("bob")],
        created_at: DateTime::from_timestamp_millis(1_600_000_000_000).unwrap(),
    }
}

pub(crate) async fn append(store: &MongoStore, entry: NewEntry) -> Result<Appended, AppendError> {
    store.append(vec![entry]).await.pop().unwrap()
}

/// The whole log of a room, which is checked to have no gap.
pub(crate) async fn log(store: &MongoStore, room: &RoomId) -> Vec<Arc<Entry>> {
    let log = store
        .page(room, Page::After(Seq::ZERO), usize::MAX)
        .await
        .unwrap();
    for (expected, entry) in (1..).zip(&log) {
        assert_eq!(entry.seq, Seq(expected));
    }
    let head = store.room(room).await.unwrap().unwrap().head;
    assert_eq!(head.0, log.len() as u64);
    log
}

/// Every index of the test's database that a document stands in holds no text of it.
pub(crate) async fn documents(database: &Database, filter: Document) -> Vec<Document> {
    use futures_util::TryStreamExt;
    let messages = database.collection("messages").await;
    let found = messages.find(filter).sort(doc! { "seq": 1 }).await.unwrap();
    found.try_collect().await.unwrap()
}
