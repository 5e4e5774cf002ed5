//! The store on `MongoDB`: its contract, several nodes, faults of servers and of replica sets, and
//! the data of the old server.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]
#![allow(clippy::print_stdout, reason = "some tests say what they measured")]

mod conformance;
mod decisions;
mod failover;
mod faults;
mod indexes;
mod nodes;
mod old;
mod room_effects;
#[cfg(unix)]
mod srv;
mod standalone;
mod upgrade;

use chat_store_mongo::MongoStore;
use chat_testkit::Database;
use mongodb::bson::{Document, doc};

async fn connect(database: &Database) -> MongoStore {
    MongoStore::connect(&database.uri).await.unwrap()
}

/// Returns the documents of messages that match, in the order of their numbers.
async fn documents(database: &Database, filter: Document) -> Vec<Document> {
    use futures_util::TryStreamExt;
    let messages = database.collection("messages").await;
    let found = messages.find(filter).sort(doc! { "seq": 1 }).await.unwrap();
    found.try_collect().await.unwrap()
}
