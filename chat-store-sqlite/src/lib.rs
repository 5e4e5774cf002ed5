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
