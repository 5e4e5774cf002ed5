//! The messages of the old server, the Node backend that `chat-server` replaces: reading them, and
//! [`MongoStore::adopt`](crate::MongoStore::adopt).

mod adopt;
mod message;
mod order;
mod time;

use std::{collections::HashMap, ops::Range};

use chat_core::{RoomId, port::BackendError};
use futures_util::{TryStreamExt, future};
use mongodb::{
    Client, Collection, Cursor,
    bson::{Bson, Document, doc},
    error::Error,
};

use self::{
    message::{CLIENT_ID, Pair},
    order::{Found, Id, Key, ordered},
};
use crate::{
    connect::{self, ConnectError},
    doc::MESSAGES,
    error::classify,
    store::MongoStore,
};

pub use self::message::{OldMessage, Unfit};

/// The database that the old server used when its address named none.
const DATABASE: &str = "test";

/// A database of the old server. Nothing is written to it.
#[derive(Debug, Clone)]
pub struct OldServer {
    messages: Collection<Document>,
}

impl OldServer {
    /// Connects to the database that the address names, `test` if it names none, as the old server did.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why, in less than 5 s, and what to do.
    pub async fn connect(uri: &str) -> Result<Self, ConnectError> {
        let database = connect::look(uri, DATABASE).await?;
        Ok(Self {
            messages: database.collection(MESSAGES),
        })
    }

    /// The name of the database.
    pub fn database(&self) -> String {
        self.messages.namespace().db
    }

    /// Whether it is the very database that the store writes to.
    ///
    /// # Errors
    ///
    /// When it can't be found out.
    pub async fn is_in(&self, store: &MongoStore) -> Result<bool, BackendError> {
        if self.database() != store.database() {
            return Ok(false);
        }
        // Addresses may name one server in many ways; each process of a server has an id of its own.
        let process = async |client: &Client| -> mongodb::error::Result<_> {
            let admin = client.database("admin");
            let hello = admin.run_command(doc! { "hello": 1 }).await?;
            let version = hello.get_document("topologyVersion").ok();
            Ok(version.and_then(|it| it.get_object_id("processId").ok()))
        };
        let found = future::try_join(
            process(self.messages.client()),
            process(store.collections.messages.client()),
        );
        let (here, there) = found.await.map_err(|error| failed(&error))?;
        Ok(here.is_some() && here == there)
    }

    /// How many messages there are to read. It takes its time where there are many.
    ///
    /// # Errors
    ///
    /// When they can't be read.
    pub async fn count(&self) -> Result<u64, BackendError> {
        let count = self.messages.count_documents(old()).await;
        count.map_err(|error| failed(&error))
    }

    /// The rooms, one after the other, in the order of their old names.
    ///
    /// # Errors
    ///
    /// When they can't be read.
    pub async fn rooms(&self) -> Result<OldRooms, BackendError> {
        let fields = Found::FIELDS.map(|field| (field.to_owned(), Bson::from(1)));
        // Sorted by the index that the old server made. The place of a record is the order of insertion,
        // whichever way it is found. No option that small hosted databases refuse.
        let found = self
            .messages
            .find(old())
            .projection(Document::from_iter(fields))
            .sort(doc! { "roomId": 1 })
            .show_record_id(true)
            .await
            .map_err(|error| failed(&error))?;
        Ok(OldRooms { found, next: None })
    }

    /// Reads messages of a room by their places in it; those that can't be brought over come with
    /// their old ids. One that is gone meanwhile is left out.
    ///
    /// # Errors
    ///
    /// When they can't be read.
    pub async fn messages(
        &self,
        room: &OldRoom,
        places: Range<usize>,
    ) -> Result<Vec<Result<OldMessage, (String, Unfit)>>, BackendError> {
        let (Ok(pair), Some(keys)) = (&room.pair, room.keys.get(places)) else {
            return Ok(Vec::new());
        };
        let ids: Vec<Bson> = keys.iter().map(|key| key.id.bson()).collect();
        let wanted = doc! { "roomId": room.name.clone(), "_id": { "$in": ids } };
        let found: Vec<Document> = async { self.messages.find(wanted).await?.try_collect().await }
            .await
            .map_err(|error| failed(&error))?;
        let mut found: HashMap<Id, Document> = found
            .into_iter()
            .filter_map(|doc| Some((Id::read(doc.get("_id"))?, doc)))
            .collect();
        let read = keys.iter().filter_map(|key| {
            let message = OldMessage::read(&found.remove(&key.id)?, key, pair);
            Some(message.map_err(|why| (key.id.shown(), why)))
        });
        Ok(read.collect())
    }
}

/// What was written by the old server: no entry yet, or one that was made of it.
fn old() -> Document {
    let adopted = doc! { "clientId": { "$regex": format!("^{CLIENT_ID}") }, "kind": "message" };
    doc! { "$or": [{ "seq": { "$exists": false } }, adopted] }
}

fn failed(error: &Error) -> BackendError {
    classify(error, "read the old messages")
}

/// The rooms of an old server that have not been read yet.
#[derive(Debug)]
pub struct OldRooms {
    found: Cursor<Document>,
    /// The first message of the next room.
    next: Option<Document>,
}

impl OldRooms {
    /// The next room, with the order of its messages; it holds up to 300 bytes for each.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub async fn next(&mut self) -> Result<Option<OldRoom>, BackendError> {
        let first = match self.next.take() {
            Some(first) => Some(first),
            None => self.read().await?,
        };
        let Some(first) = first else { return Ok(None) };
        let name = first.get("roomId").cloned().unwrap_or(Bson::Null);
        let (mut found, mut strange) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(doc) = next {
            if *doc.get("roomId").unwrap_or(&Bson::Null) != name {
                self.next = Some(doc);
                break;
            }
            match Found::read(&doc) {
                Some(message) => found.push(message),
                None => strange.push(doc.get("_id").map(ToString::to_string).unwrap_or_default()),
            }
            next = self.read().await?;
        }
        Ok(Some(OldRoom {
            pair: Pair::read(&name),
            name,
            keys: ordered(found),
            strange,
        }))
    }

    async fn read(&mut self) -> Result<Option<Document>, BackendError> {
        self.found.try_next().await.map_err(|error| failed(&error))
    }
}

/// A room of the old server: its messages in the order in which they were written.
#[derive(Debug)]
pub struct OldRoom {
    name: Bson,
    pair: Result<Pair, Unfit>,
    keys: Vec<Key>,
    /// What has an id of another kind.
    strange: Vec<String>,
}

impl OldRoom {
    /// The room that it becomes.
    ///
    /// # Errors
    ///
    /// [`Unfit`] says why it can't be one, and none of its messages can be brought over.
    pub fn id(&self) -> Result<&RoomId, Unfit> {
        match &self.pair {
            Ok(pair) => Ok(&pair.room),
            Err(why) => Err(*why),
        }
    }

    /// How many messages it has that may be brought over.
    pub fn len(&self) -> usize {
        self.pair.as_ref().map_or(0, |_| self.keys.len())
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What can't be brought over, whatever it says: the old ids, and why.
    pub fn unfit(&self) -> impl Iterator<Item = (String, Unfit)> {
        let strange = self.strange.iter().map(|id| (id.clone(), Unfit::Id));
        let why = self.pair.as_ref().err();
        let all = why
            .into_iter()
            .flat_map(|why| self.keys.iter().map(|key| (key.id.shown(), *why)));
        strange.chain(all)
    }
}
