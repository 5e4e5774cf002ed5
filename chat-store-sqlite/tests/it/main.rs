//! The store on `SQLite`: its contract, its files, and what faults of the disk do to it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod close;
mod conformance;
mod decisions;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod files;
mod group_commit;
#[cfg(unix)]
mod open;
mod upgrade;

use std::path::Path;

use chat_core::port::RoomStore as _;
use chat_store_sqlite::SqliteStore;
use chat_testkit::log::{new_room, room};

/// A store with the one room that the messages go to.
async fn store_with_room(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).await.unwrap();
    store.create_room(new_room(room())).await.unwrap();
    store
}
