//! The messages of the old server, the Node backend that `chat-server` replaces: reading them, and
//! [`MongoStore::adopt`](crate::MongoStore::adopt).

mod adopt;
mod message;
mod order;
mod time;
mod time_form;
mod unfit;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use chat_core::{RoomId, port::BackendError};
use futures_util::{TryStreamExt, future};
use mongodb::{
    Client, Collection, Cursor,
    bson::{Bson, Document, RawDocumentBuf, doc},
    error::Error,
};

use self::{
    message::{CLIENT_ID, Pair},
    order::{Found, Id, Key, lossy, ordered},
    time::Reader,
};
use crate::{
    connect::{self, ConnectError},
    doc::MESSAGES,
    error::classify,
    store::MongoStore,
};

pub use self::{
    message::OldMessage,
    time::{InvalidTimeFormat, TimeFormat},
    unfit::Unfit,
};

/// The database that the old server used when its address named none.
const DATABASE: &str = "test";

/// A database of the old server. It is only read.
#[derive(Debug, Clone)]
pub struct OldServer {
    /// Documents stay undecoded, so that a text that is not UTF-8 affects its own message only.
    messages: Collection<RawDocumentBuf>,
}

impl OldServer {
    /// Connects to the database that the address names, `test` if it names none, as the old server did.
    ///
    /// # Errors
    ///
    /// A [`ConnectError`] with the reason and the remedy, in less than 5 s.
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

    /// Returns whether this is the same database that the store writes to.
    ///
    /// # Errors
    ///
    /// When the servers can't be asked.
    pub async fn is_in(&self, store: &MongoStore) -> Result<bool, BackendError> {
        if self.database() != store.database() {
            return Ok(false);
        }
        // Several addresses may lead to one server; each process of a server has an id of its own.
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

    /// Reads the room and the time of every message. How the messages are read depends on all of
    /// them: the order of day and month, and the spellings of each room. Times of the form `format`
    /// are read in that form, whatever the other times look like. With many messages this takes
    /// long.
    ///
    /// # Errors
    ///
    /// When the server can't be read.
    pub async fn survey(&self, format: Option<TimeFormat>) -> Result<Survey, BackendError> {
        let mut survey = Survey {
            messages: 0,
            reader: Reader::new(format),
            spellings: HashMap::new(),
        };
        let fields = doc! { "_id": 0, "roomId": 1, "time": 1 };
        let found = self.messages.find(old()).projection(fields).await;
        let mut found = found.map_err(|error| failed(&error))?;
        while let Some(doc) = found.try_next().await.map_err(|error| failed(&error))? {
            survey.messages += 1;
            survey.reader.note(doc.get("time").ok().flatten());
            if let Ok(pair) = Pair::of(&doc)
                && pair.name != pair.room.as_str()
            {
                let names = survey.spellings.entry(pair.room).or_default();
                if !names.contains(&pair.name) {
                    names.push(pair.name);
                }
            }
        }
        Ok(survey)
    }

    /// Returns the rooms, one after the other, in the order of their old names.
    ///
    /// # Errors
    ///
    /// When the server can't be read.
    pub async fn rooms(&self, survey: Arc<Survey>) -> Result<OldRooms, BackendError> {
        Ok(OldRooms {
            found: self.find(old()).await?,
            next: None,
            source: self.clone(),
            survey,
            merged: HashSet::new(),
        })
    }

    /// Finds the fields that the order of messages depends on, sorted by the names of their rooms.
    async fn find(&self, wanted: Document) -> Result<Cursor<RawDocumentBuf>, BackendError> {
        let fields = Found::FIELDS.map(|field| (field.to_owned(), Bson::from(1)));
        // The sort uses the index that the old server made. The record id gives the order of
        // insertion, whichever index is used. The query has no option that small hosted databases
        // refuse.
        let found = self
            .messages
            .find(wanted)
            .projection(Document::from_iter(fields))
            .sort(doc! { "roomId": 1 })
            .show_record_id(true);
        found.await.map_err(|error| failed(&error))
    }

    /// Reads messages of a room by their indexes in it; those that can't be imported come with
    /// their old ids. A message that was removed meanwhile is left out.
    ///
    /// # Errors
    ///
    /// When the server can't be read.
    pub async fn messages(
        &self,
        room: &OldRoom,
        places: Range<usize>,
    ) -> Result<Vec<Result<OldMessage, (String, Unfit)>>, BackendError> {
        let Some(keys) = room.keys.get(places).filter(|_| room.id().is_ok()) else {
            return Ok(Vec::new());
        };
        let ids: Vec<Bson> = keys.iter().map(|key| key.id.bson()).collect();
        let wanted = doc! { "roomId": { "$in": room.names.clone() }, "_id": { "$in": ids } };
        let found: Vec<RawDocumentBuf> =
            async { self.messages.find(wanted).await?.try_collect().await }
                .await
                .map_err(|error| failed(&error))?;
        let mut found: HashMap<Id, RawDocumentBuf> = found
            .into_iter()
            .filter_map(|doc| Some((Id::read(&doc).ok()?, doc)))
            .collect();
        let read = keys.iter().filter_map(|key| {
            let message = OldMessage::read(&found.remove(&key.id)?, key);
            Some(message.map_err(|why| (key.id.shown(), why)))
        });
        Ok(read.collect())
    }
}

/// Returns the filter for documents of the old server: those that are no entry yet, and entries
/// that were made of one.
fn old() -> Document {
    let adopted = doc! { "clientId": { "$regex": format!("^{CLIENT_ID}") }, "kind": "message" };
    let text = || doc! { "$type": "string" };
    let entry = doc! { "seq": { "$type": "long" }, "kind": text(), "clientId": text() };
    doc! { "$or": [{ "$nor": [entry] }, adopted] }
}

/// The findings of a survey of all messages, on which the reading of each message depends.
#[derive(Debug)]
pub struct Survey {
    messages: u64,
    reader: Reader,
    /// The old names of rooms that are spelled otherwise than the room's id today.
    spellings: HashMap<RoomId, Vec<String>>,
}

impl Survey {
    /// The number of messages to read.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The number of times that could be read in two ways, with the day or the month first, because
    /// no other time of their form decides it, or the others disagree. They are read as most
    /// locales write that form.
    pub fn unclear_times(&self) -> u64 {
        self.reader.unclear()
    }
}

fn failed(error: &Error) -> BackendError {
    classify(error, "read the old messages")
}

/// The rooms of an old server that have not been read yet.
#[derive(Debug)]
pub struct OldRooms {
    found: Cursor<RawDocumentBuf>,
    /// The first message of the next room.
    next: Option<RawDocumentBuf>,
    source: OldServer,
    survey: Arc<Survey>,
    /// Rooms of several spellings that have already been read.
    merged: HashSet<RoomId>,
}

impl OldRooms {
    /// Returns the next room, with the order of its messages; the room holds up to 300 bytes for
    /// each message.
    ///
    /// # Errors
    ///
    /// When the server can't be read.
    pub async fn next(&mut self) -> Result<Option<OldRoom>, BackendError> {
        loop {
            let Some(first) = self.read().await? else {
                return Ok(None);
            };
            let (pair, name) = (Pair::of(&first), lossy(&first, "roomId"));
            let mut messages = Messages::default();
            messages.take(&first, &self.survey.reader);
            while let Some(doc) = self.read().await? {
                if lossy(&doc, "roomId") != name {
                    self.next = Some(doc);
                    break;
                }
                messages.take(&doc, &self.survey.reader);
            }
            let pair = match pair {
                Ok(pair) => pair,
                Err(why) => return Ok(Some(messages.room(Err(why), Vec::new()))),
            };
            let mut names = vec![pair.name];
            if let Some(spellings) = self.survey.spellings.get(&pair.room) {
                if !self.merged.insert(pair.room.clone()) {
                    continue;
                }
                let today = [pair.room.as_str().to_owned()];
                let others = spellings.iter().chain(&today);
                let others: Vec<_> = others.filter(|it| **it != names[0]).cloned().collect();
                let wanted = doc! { "$and": [old(), { "roomId": { "$in": others.clone() } }] };
                let mut found = self.source.find(wanted).await?;
                while let Some(doc) = found.try_next().await.map_err(|error| failed(&error))? {
                    messages.take(&doc, &self.survey.reader);
                }
                names.extend(others);
            }
            return Ok(Some(messages.room(Ok(pair.room), names)));
        }
    }

    async fn read(&mut self) -> Result<Option<RawDocumentBuf>, BackendError> {
        match self.next.take() {
            Some(doc) => Ok(Some(doc)),
            None => self.found.try_next().await.map_err(|error| failed(&error)),
        }
    }
}

/// The messages of one room, in the order in which the server returns them.
#[derive(Default)]
struct Messages {
    found: Vec<Found>,
    strange: Vec<(String, Unfit)>,
}

impl Messages {
    fn take(&mut self, doc: &RawDocumentBuf, reader: &Reader) {
        match Found::read(doc, reader) {
            Ok(found) => self.found.push(found),
            Err(strange) => self.strange.push(strange),
        }
    }

    fn room(self, id: Result<RoomId, Unfit>, names: Vec<String>) -> OldRoom {
        OldRoom {
            id,
            names,
            keys: ordered(self.found),
            strange: self.strange,
        }
    }
}

/// A room of the old server: its messages in the order in which they were written.
#[derive(Debug)]
pub struct OldRoom {
    id: Result<RoomId, Unfit>,
    /// The names of the room; the old database may have several.
    names: Vec<String>,
    keys: Vec<Key>,
    /// Messages that can't be imported, whatever their content is.
    strange: Vec<(String, Unfit)>,
}

impl OldRoom {
    /// Returns the id of the room in this store.
    ///
    /// # Errors
    ///
    /// An [`Unfit`] with the reason, when the room can't be imported; then none of its messages can
    /// be.
    pub fn id(&self) -> Result<&RoomId, Unfit> {
        self.id.as_ref().map_err(|why| *why)
    }

    /// The number of messages that may be imported.
    pub fn len(&self) -> usize {
        self.id.as_ref().map_or(0, |_| self.keys.len())
    }

    /// Returns whether no message may be imported.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the messages that can't be imported, whatever their content is: their old ids, and
    /// the reasons.
    pub fn unfit(&self) -> impl Iterator<Item = (String, Unfit)> {
        let why = self.id.as_ref().err();
        let all = why
            .into_iter()
            .flat_map(|why| self.keys.iter().map(|key| (key.id.shown(), *why)));
        self.strange.iter().cloned().chain(all)
    }
}
