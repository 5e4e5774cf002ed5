//! The conversion of an old message to an entry of a room, or the reason against it.

use chat_core::{ClientMessageId, EntryBody, InvalidId, MessageId, NewEntry, RoomId, UserId};
use chrono::DateTime;
use mongodb::bson::{self, Document, RawBsonRef, RawDocument};

use super::{
    order::{Id, Key, field},
    unfit::Unfit,
};

/// The prefix of the client message id of every imported entry.
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
        // The old name of the room is not used: the old server sorted by UTF-16, and did not
        // normalize.
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

/// A message of the old server that is ready to be imported.
#[derive(Debug)]
pub struct OldMessage {
    /// The entry that the message becomes. Texts that are empty, or longer than is allowed today,
    /// stay as they are.
    pub entry: NewEntry,
    /// `true` if the message was delivered to its recipient.
    pub delivered: bool,
    /// `true` if the recipient has read the message.
    pub read: bool,
    /// `true` if the time could not be read, and is that of the `ObjectId`, or of the newest
    /// message before this one.
    pub guessed: bool,
    /// The `_id` of the old document.
    pub(super) id: Id,
    pub(super) room: String,
    pub(super) time: Option<String>,
    pub(super) delivered_at: Option<bson::DateTime>,
    pub(super) read_at: Option<bson::DateTime>,
}

impl OldMessage {
    pub(super) fn read(doc: &RawDocument, key: &Key) -> Result<Self, Unfit> {
        // An import in place turns the whole document into an entry, so all of it must be readable.
        Document::try_from(doc).map_err(|_| Unfit::NotUtf8)?;
        let pair = Pair::of(doc)?;
        let [one, other] = &pair.users;
        let (from, peer) = match field(doc, "from")?.and_then(RawBsonRef::as_str) {
            Some(from) if from == one.0 => (one, other),
            Some(from) if from == other.0 => (other, one),
            _ => return Err(Unfit::Stranger),
        };
        // The name of the room holds the recipient as well, so the field may be missing.
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
                require: None,
                max_members: None,
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
