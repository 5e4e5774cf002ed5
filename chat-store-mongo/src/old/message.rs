//! A message of the old server as an entry of a room, or why it can't be one.

use chat_core::{ClientMessageId, EntryBody, InvalidId, MessageId, NewEntry, RoomId, UserId};
use chrono::DateTime;
use mongodb::bson::{self, Document, RawBsonRef, RawDocument};

use super::{
    order::{Id, Key, field},
    unfit::Unfit,
};

/// Every entry that was a message of the old server has a client message id that begins so.
pub(super) const CLIENT_ID: &str = "import:";

/// The two users of a room of the old server.
#[derive(Debug)]
pub(super) struct Pair {
    /// The name of the room in the old database.
    pub(super) name: String,
    pub(super) room: RoomId,
    users: [(String, UserId); 2],
}

impl Pair {
    pub(super) fn of(doc: &RawDocument) -> Result<Self, Unfit> {
        let name = field(doc, "roomId")?.and_then(RawBsonRef::as_str);
        Self::read(name.ok_or(Unfit::NoRoom)?)
    }

    pub(super) fn read(name: &str) -> Result<Self, Unfit> {
        let (one, other) = name.split_once(',').ok_or(Unfit::Name)?;
        let user = |name: &str| match UserId::new(name) {
            Ok(user) => Ok((name.to_owned(), user)),
            Err(_) => Err(Unfit::Name),
        };
        let users = [user(one)?, user(other)?];
        // Not the name as it stands there: the old server sorted by UTF-16, and composed nothing.
        let room = RoomId::direct(&users[0].1, &users[1].1).map_err(|error| match error {
            InvalidId::SameUser => Unfit::Alone,
            _ => Unfit::Name,
        })?;
        Ok(Self {
            name: name.to_owned(),
            room,
            users,
        })
    }
}

/// A message of the old server, on its way to a store.
#[derive(Debug)]
pub struct OldMessage {
    /// What it becomes. Texts that are empty, or longer than is allowed today, stay as they are.
    pub entry: NewEntry,
    /// Whether it reached whom it was for.
    pub delivered: bool,
    /// Whether they have seen it.
    pub read: bool,
    /// Whether its time could not be read, and is that of its `ObjectId`, or of the newest message
    /// before it.
    pub guessed: bool,
    /// What stands in its document.
    pub(super) id: Id,
    pub(super) room: String,
    pub(super) time: Option<String>,
    pub(super) delivered_at: Option<bson::DateTime>,
    pub(super) read_at: Option<bson::DateTime>,
}

impl OldMessage {
    pub(super) fn read(doc: &RawDocument, key: &Key) -> Result<Self, Unfit> {
        // In place the whole document becomes an entry, so all of it must be readable.
        Document::try_from(doc).map_err(|_| Unfit::NotUtf8)?;
        let pair = Pair::of(doc)?;
        let [one, other] = &pair.users;
        let (from, peer) = match field(doc, "from")?.and_then(RawBsonRef::as_str) {
            Some(from) if from == one.0 => (one, other),
            Some(from) if from == other.0 => (other, one),
            _ => return Err(Unfit::Stranger),
        };
        // The room says it too, so it may be missing.
        let to = field(doc, "to")?.filter(|to| *to != RawBsonRef::Null);
        if to.is_some_and(|to| to.as_str() != Some(&peer.0)) {
            return Err(Unfit::Stranger);
        }
        let text = field(doc, "text")?.and_then(RawBsonRef::as_str);
        let text = text.ok_or(Unfit::NoText)?;
        let id = MessageId(key.id.message());
        let client_id = ClientMessageId::new(format!("{CLIENT_ID}{id}")).map_err(|_| Unfit::Id)?;
        let date = |field| doc.get_datetime(field).ok();
        let (delivered_at, read_at) = (date("deliveredAt"), date("readAt"));
        Ok(Self {
            entry: NewEntry {
                room: pair.room,
                id,
                author: from.1.clone(),
                client_id,
                at: DateTime::from_timestamp_micros(key.at).unwrap_or_default(),
                body: EntryBody::message(text),
            },
            delivered: delivered_at.is_some() || read_at.is_some(),
            read: read_at.is_some(),
            guessed: key.guessed,
            id: key.id.clone(),
            room: pair.name,
            time: doc.get_str("time").ok().map(str::to_owned),
            delivered_at,
            read_at,
        })
    }
}
