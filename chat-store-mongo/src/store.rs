//! [`MongoStore`] and the ways to open it.

use std::sync::Arc;

use chat_core::port::BackendError;
use futures_util::future;
use mongodb::{Database, bson::doc};
use tokio::{sync::Mutex, time::timeout};
use uuid::Uuid;

use crate::{
    append::Heads,
    collections::{Collections, read},
    connect::{self, ConnectError, LIMIT},
    upgrade::upgrade,
};

/// A store on `MongoDB`, which several nodes may share.
///
/// Every write waits until a majority of the servers has it in its journal, and every read sees
/// only such writes. An operation takes 4 s at most; then it is an error.
#[derive(Debug)]
pub struct MongoStore {
    pub(crate) collections: Collections,
    /// Concurrent appends of one process would only race one another, so each takes the heads for
    /// itself; the engine makes one at a time anyway.
    pub(crate) heads: Arc<Mutex<Heads>>,
    /// Held while a decision is stored.
    pub(crate) deciding: Arc<Mutex<()>>,
    id: Uuid,
}

impl MongoStore {
    /// Connects to the database that the address names, `chat` if it names none, and makes the
    /// indexes and the schema where they are missing.
    ///
    /// The address has the driver's form, `mongodb://user:password@host:port/database?options`.
    /// Write and read concern are those that durability needs, whatever the address sets. By
    /// default the driver looks for a server for 2.5 s, and opens up to 32 connections.
    ///
    /// # Errors
    ///
    /// A [`ConnectError`] with the reason and the remedy, in less than 5 s.
    ///
    /// # Cancel safety
    ///
    /// The indexes made so far stay, and the next call makes the rest.
    pub async fn connect(uri: &str) -> Result<Self, ConnectError> {
        let (database, id) = connect::connect(uri).await?;
        let store = Self::on(&database, id);
        // Every reader also applies the effects that a crash left open, so this may fail.
        let all = &store.collections;
        let settled = future::try_join(all.settle(doc! {}), all.settle_rooms(doc! {}));
        match timeout(LIMIT, settled).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "effects of old entries are left for later"),
            Err(_) => tracing::warn!("effects of old entries are left for later"),
        }
        upgrade(&database)
            .await
            .map_err(|source| ConnectError::Other {
                database: database.name().to_owned(),
                source,
            })?;
        Ok(store)
    }

    /// Connects as [`connect`](Self::connect) does, but makes nothing in the database: for
    /// [`numbers`](Self::numbers).
    ///
    /// # Errors
    ///
    /// A [`ConnectError`] with the reason and the remedy, in less than 5 s.
    pub async fn look(uri: &str) -> Result<Self, ConnectError> {
        connect::look(uri, connect::DATABASE)
            .await
            .map(|database| Self::on(&database, Uuid::nil()))
    }

    fn on(database: &Database, id: Uuid) -> Self {
        Self {
            collections: Collections::of(database),
            heads: Arc::default(),
            deciding: Arc::default(),
            id,
        }
    }

    /// The name of the database.
    pub fn database(&self) -> String {
        self.collections.messages.namespace().db
    }

    /// The id of the database, the same on all nodes. A copy made by `mongorestore`, and a database
    /// of another name or in another replica set, has a different id, though its rooms may have the
    /// same epochs.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The approximate number of rooms.
    ///
    /// # Errors
    ///
    /// When the store can't be read.
    pub async fn room_count(&self) -> Result<u64, BackendError> {
        let rooms = self.collections.rooms.clone();
        read("room_count", async move {
            rooms.estimated_document_count().await
        })
        .await
    }
}
