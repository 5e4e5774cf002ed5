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

/// A database of the old server. Nothing is written to it.
#[derive(Debug, Clone)]
pub struct OldServer {
    /// Undecoded, so that a text that is not UTF-8 costs its own message only.
    messages: Collection<RawDocumentBuf>,
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

    /// Reads the room and the time of every message, which the way to read the rest depends on: the
    /// order of day and month, and the spellings of each room. Times of the form `format` are read
    /// so, whatever others look like. It takes its time where there are many messages.
    ///
    /// # Errors
    ///
    /// When they can't be read.
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

    /// The rooms, one after the other, in the order of their old names.
    ///
    /// # Errors
    ///
    /// When they can't be read.
    pub async fn rooms(&self, survey: Arc<Survey>) -> Result<OldRooms, BackendError> {
        Ok(OldRooms {
            found: self.find(old()).await?,
            next: None,
            source: self.clone(),
            survey,
            merged: HashSet::new(),
        })
    }

    /// What is needed to put messages in order, sorted by the names of their rooms.
    async fn find(&self, wanted: Document) -> Result<Cursor<RawDocumentBuf>, BackendError> {
        let fields = Found::FIELDS.map(|field| (field.to_owned(), Bson::from(1)));
        // Sorted by the index that the old server made. The place of a record is the order of insertion,
        // whichever way it is found. No option that small hosted databases refuse.
        let found = self
            .messages
            .find(wanted)
            .projection(Document::from_iter(fields))
            .sort(doc! { "roomId": 1 })
            .show_record_id(true);
        found.await.map_err(|error| failed(&error))
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

/// What was written by the old server: no entry yet, or one that was made of it.
fn old() -> Document {
    let adopted = doc! { "clientId": { "$regex": format!("^{CLIENT_ID}") }, "kind": "message" };
    let text = || doc! { "$type": "string" };
    let entry = doc! { "seq": { "$type": "long" }, "kind": text(), "clientId": text() };
    doc! { "$or": [{ "$nor": [entry] }, adopted] }
}

/// What all messages of an old server together say about each.
#[derive(Debug)]
pub struct Survey {
    messages: u64,
    reader: Reader,
    /// Names of rooms that are not spelled as the room of today.
    spellings: HashMap<RoomId, Vec<String>>,
}

impl Survey {
    /// How many messages there are to read.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How many times could be read in two ways, the day or the month first, because no other time
    /// of their form says which, or some say the one and some the other. They are read as most
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
    /// Rooms of several spellings that have been read.
    merged: HashSet<RoomId>,
}

impl OldRooms {
    /// The next room, with the order of its messages; it holds up to 300 bytes for each.
    ///
    /// # Errors
    ///
    /// When it can't be read.
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

/// The messages of a room as they are found.
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
    /// In the old database it may have several.
    names: Vec<String>,
    keys: Vec<Key>,
    /// Messages that can't be brought over, whatever they say.
    strange: Vec<(String, Unfit)>,
}

impl OldRoom {
    /// The room that it becomes.
    ///
    /// # Errors
    ///
    /// [`Unfit`] says why it can't be one, and none of its messages can be brought over.
    pub fn id(&self) -> Result<&RoomId, Unfit> {
        self.id.as_ref().map_err(|why| *why)
    }

    /// How many messages it has that may be brought over.
    pub fn len(&self) -> usize {
        self.id.as_ref().map_or(0, |_| self.keys.len())
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What can't be brought over, whatever it says: the old ids, and why.
    pub fn unfit(&self) -> impl Iterator<Item = (String, Unfit)> {
        let why = self.id.as_ref().err();
        let all = why
            .into_iter()
            .flat_map(|why| self.keys.iter().map(|key| (key.id.shown(), *why)));
        self.strange.iter().cloned().chain(all)
    }
}
