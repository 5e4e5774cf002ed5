//! What stands in the database.
//!
//! Entries of direct rooms keep the names that the old server gave its fields: `_id`, `roomId`,
//! `from`, `text`, `to`, `time`, `deliveredAt` and `readAt`. Our own fields stand beside them.

use std::sync::Arc;

use chat_core::{
    ClientMessageId, Entry, EntryBody, Epoch, MessageId, NewEntry, Room, RoomId, Seq, UserId,
    Watermarks,
};
use chrono::{DateTime, Local, Utc};
use mongodb::bson;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names of the collections.
pub(crate) const MESSAGES: &str = "messages";
pub(crate) const ROOMS: &str = "rooms";
pub(crate) const MEMBERS: &str = "members";
pub(crate) const META: &str = "meta";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Message,
    Edit,
    Delete,
    Deleted,
    Joined,
    Left,
}

/// A line of a log, in collection `messages`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryDoc {
    #[serde(rename = "_id", with = "as_text")]
    pub(crate) id: Uuid,
    pub(crate) room_id: RoomId,
    pub(crate) seq: i64,
    pub(crate) from: UserId,
    pub(crate) client_id: ClientMessageId,
    /// Microseconds; a BSON date has no more than milliseconds.
    pub(crate) at: i64,
    pub(crate) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<i64>,
    /// The number of the edit that gave it its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<i64>,
    /// What it does beside standing in the log may not be done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<bool>,
    #[serde(flatten)]
    pub(crate) old: Option<OldFields>,
}

/// What the old server had in a message, and we have no other use for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OldFields {
    pub(crate) to: UserId,
    pub(crate) time: String,
    pub(crate) delivered_at: Option<bson::DateTime>,
    pub(crate) read_at: Option<bson::DateTime>,
}

impl EntryDoc {
    /// `None` for a body that is newer than this store.
    pub(crate) fn of(new: &NewEntry, seq: Seq) -> Option<Self> {
        let mut doc = Self {
            id: new.id.0,
            room_id: new.room.clone(),
            seq: number(seq),
            from: new.author.clone(),
            client_id: new.client_id.clone(),
            at: new.at.timestamp_micros(),
            kind: Kind::Message,
            text: None,
            target: None,
            user: None,
            edited_at: None,
            revision: None,
            pending: None,
            old: None,
        };
        match &new.body {
            EntryBody::Message { text, edited_at } => {
                doc.text = Some(Arc::clone(text));
                doc.edited_at = edited_at.map(|at| at.timestamp_micros());
                doc.old = new.room.peer_of(&new.author).map(|to| OldFields {
                    to,
                    time: old_time(new.at),
                    delivered_at: None,
                    read_at: None,
                });
            }
            EntryBody::Edit { target, text } => {
                doc.kind = Kind::Edit;
                doc.target = Some(number(*target));
                doc.text = Some(Arc::clone(text));
            }
            EntryBody::Delete { target } => {
                doc.kind = Kind::Delete;
                doc.target = Some(number(*target));
            }
            EntryBody::Deleted => doc.kind = Kind::Deleted,
            EntryBody::Joined { user } => {
                doc.kind = Kind::Joined;
                doc.user = Some(user.clone());
            }
            EntryBody::Left { user } => {
                doc.kind = Kind::Left;
                doc.user = Some(user.clone());
            }
            _ => return None,
        }
        if !matches!(doc.kind, Kind::Message | Kind::Deleted) {
            doc.pending = Some(true);
        }
        Some(doc)
    }

    /// `None` when it doesn't make sense.
    pub(crate) fn entry(self) -> Option<Entry> {
        let body = match self.kind {
            Kind::Message => EntryBody::Message {
                text: self.text?,
                edited_at: match self.edited_at {
                    Some(at) => Some(DateTime::from_timestamp_micros(at)?),
                    None => None,
                },
            },
            Kind::Edit => EntryBody::Edit {
                target: seq(self.target?),
                text: self.text?,
            },
            Kind::Delete => EntryBody::Delete {
                target: seq(self.target?),
            },
            Kind::Deleted => EntryBody::Deleted,
            Kind::Joined => EntryBody::Joined { user: self.user? },
            Kind::Left => EntryBody::Left { user: self.user? },
        };
        Some(Entry {
            room: self.room_id,
            seq: seq(self.seq),
            id: MessageId(self.id),
            author: self.from,
            client_id: self.client_id,
            at: DateTime::from_timestamp_micros(self.at)?,
            body,
        })
    }
}

/// A room, in collection `rooms`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomDoc {
    #[serde(rename = "_id")]
    pub(crate) id: RoomId,
    #[serde(with = "as_text")]
    pub(crate) epoch: Uuid,
    /// Microseconds.
    pub(crate) created_at: i64,
    /// First members who may not stand in collection `members` yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entering: Option<Vec<UserId>>,
    /// The newest entry, where a query has joined it.
    #[serde(default, skip_serializing)]
    pub(crate) newest: Vec<Numbered>,
}

/// The number of an entry.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Numbered {
    seq: i64,
}

impl RoomDoc {
    pub(crate) fn head(&self) -> Seq {
        self.newest.first().map_or(Seq::ZERO, |it| seq(it.seq))
    }

    pub(crate) fn room(self) -> Room {
        Room {
            head: self.head(),
            id: self.id,
            epoch: Epoch(self.epoch),
            created_at: DateTime::from_timestamp_micros(self.created_at).unwrap_or_default(),
        }
    }
}

/// Somebody in a room, in collection `members`; it stays when they leave.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct MemberDoc {
    pub(crate) user: UserId,
    #[serde(default)]
    pub(crate) delivered: i64,
    #[serde(default)]
    pub(crate) read: i64,
}

impl MemberDoc {
    pub(crate) fn watermarks(&self) -> Watermarks {
        Watermarks {
            delivered: seq(self.delivered),
            read: seq(self.read),
        }
    }
}

/// A number as BSON has it; what is beyond the last one there can be is the last one.
pub(crate) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(crate) fn seq(number: i64) -> Seq {
    Seq(u64::try_from(number).unwrap_or(0))
}

/// The precision that is kept.
fn whole_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

/// An entry as it will be read: times in the precision that is kept.
pub(crate) fn as_kept(mut entry: NewEntry) -> NewEntry {
    entry.at = whole_micros(entry.at);
    if let EntryBody::Message { edited_at, .. } = &mut entry.body {
        *edited_at = edited_at.map(whole_micros);
    }
    entry
}

/// As the old server wrote it: `5/3/2026, 9:07:04 pm`, in the server's local time.
pub(crate) fn old_time(at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&Local);
    local.format("%-d/%-m/%Y, %-I:%M:%S %P").to_string()
}

/// Ids as the old server wrote them.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(from)?;
        Uuid::parse_str(&text).map_err(de::Error::custom)
    }
}
