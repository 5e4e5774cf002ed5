//! Durable embedded storage for `chat-core` on `SQLite`: one file, nothing to install.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chat_core::{RoomId, port::RoomStore};
//! use chat_store_sqlite::SqliteStore;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("chat.db");
//! let store = SqliteStore::open(path).await?;
//! assert_eq!(store.room(&RoomId::new("alice,bob")?).await?, None);
//! # Ok(())
//! # }
//! ```
//!
//! Build it with `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1` in the environment, as this workspace does in
//! `.cargo/config.toml`: the bundled `SQLite` then waits for the data of a commit only, and not for the
//! times of its file, which takes two thirds of the time on a journaling file system.

mod append;
mod connection;
mod error;
mod group;
mod open;
mod page;
mod readers;
mod row;
mod store;
mod writer;

pub use open::OpenError;
pub use store::SqliteStore;
