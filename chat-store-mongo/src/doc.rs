//! The documents of the database.
//!
//! Entries of direct rooms keep the names that the old server gave its fields: `_id`, `roomId`,
//! `from`, `text`, `to`, `time`, `deliveredAt` and `readAt`. Our own fields are added to them.

use std::sync::Arc;

use chat_core::{
    ClientMessageId, Effect, Entry, EntryBody, EntryKind, FlatBody, MessageId, NewEntry,
    ReceiptTimes, Role, RoomId, Seq, UserId, old_time,
};
use chrono::DateTime;
use mongodb::{
    bson,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::details_doc::DetailsDoc;

/// Names of the collections.
pub(crate) const MESSAGES: &str = "messages";
pub(crate) const ROOMS: &str = "rooms";
pub(crate) const MEMBERS: &str = "members";
pub(crate) const DECISIONS: &str = "decisions";
pub(crate) const LOOKS: &str = "looks";
pub(crate) const BLOCKS: &str = "blocks";
pub(crate) const INVITES: &str = "invites";
pub(crate) const META: &str = "meta";

/// An entry of a log, in collection `messages`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryDoc {
    #[serde(rename = "_id", with = "as_text")]
    pub(crate) id: Uuid,
    pub(crate) room_id: RoomId,
    pub(crate) seq: i64,
    pub(crate) from: UserId,
    pub(crate) client_id: ClientMessageId,
    /// The time in microseconds; a BSON date has no more than milliseconds.
    pub(crate) at: i64,
    pub(crate) kind: EntryKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<i64>,
    /// The number of the edit that set the current text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<i64>,
    /// Set if the entry made a member of a user who was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) joins: Option<bool>,
    /// The number of members after the entry, if it changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) members: Option<i64>,
    /// The details of the room after the entry, if they changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<DetailsDoc>,
    /// Set while the effect of the entry on other documents may not have been applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<bool>,
    #[serde(flatten)]
    pub(crate) old: Option<OldFields>,
}

/// Fields of the old server's messages that this store has no other use for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OldFields {
    /// The id a second time: documents of the old server held it twice.
    #[serde(with = "as_text")]
    pub(crate) id: Uuid,
    pub(crate) to: UserId,
    pub(crate) time: String,
    pub(crate) delivered_at: Option<bson::DateTime>,
    pub(crate) read_at: Option<bson::DateTime>,
}

impl EntryDoc {
    pub(crate) fn of(new: &NewEntry, seq: Seq) -> Self {
        let body = new.body.flatten();
        let old = match body.kind {
            EntryKind::Message => new.room.peer_of(&new.author),
            _ => None,
        };
        Self {
            id: new.id.0,
            room_id: new.room.clone(),
            seq: number(seq),
            from: new.author.clone(),
            client_id: new.client_id.clone(),
            at: new.at.timestamp_micros(),
            kind: body.kind,
            text: body.text,
            target: body.target.map(number),
            user: body.user,
            role: body.role,
            edited_at: body.edited_at.map(|at| at.timestamp_micros()),
            revision: None,
            joins: None,
            members: None,
            details: None,
            pending: (new.body.effect() != Effect::None).then_some(true),
            old: old.map(|to| OldFields {
                id: new.id.0,
                to,
                time: old_time(new.at),
                delivered_at: None,
                read_at: None,
            }),
        }
    }

    /// Returns the body of the entry; `None` when the fields don't form a valid one.
    pub(crate) fn body(&self) -> Option<EntryBody> {
        let flat = FlatBody {
            kind: self.kind,
            text: self.text.clone(),
            target: self.target.map(seq),
            user: self.user.clone(),
            role: self.role,
            edited_at: match self.edited_at {
                Some(at) => Some(DateTime::from_timestamp_micros(at)?),
                None => None,
            },
        };
        flat.unflatten()
    }

    /// Converts the document to the engine's entry.
    pub(crate) fn entry(self) -> Result<Entry> {
        let body = self.body().zip(DateTime::from_timestamp_micros(self.at));
        let (body, at) = body.ok_or_else(|| {
            tracing::error!(room = %self.room_id, seq = self.seq, "an entry is damaged");
            Error::custom("a damaged entry".to_owned())
        })?;
        Ok(Entry {
            room: self.room_id,
            seq: seq(self.seq),
            id: MessageId(self.id),
            author: self.from,
            client_id: self.client_id,
            at,
            body,
        })
    }
}

/// The times at which a message was delivered and read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatedDoc {
    pub(crate) seq: i64,
    delivered_at: Option<bson::DateTime>,
    read_at: Option<bson::DateTime>,
}

impl DatedDoc {
    pub(crate) fn times(&self) -> ReceiptTimes {
        let time = |at: Option<bson::DateTime>| {
            at.and_then(|at| DateTime::from_timestamp_millis(at.timestamp_millis()))
        };
        ReceiptTimes {
            delivered: time(self.delivered_at),
            read: time(self.read_at),
        }
    }
}

/// Converts a number to BSON's signed integer; larger ones become the largest one.
pub(crate) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(crate) fn seq(number: i64) -> Seq {
    Seq(u64::try_from(number).unwrap_or(0))
}

/// Ids as the old server wrote them.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use uuid::Uuid;

    pub(crate) fn serialize<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(from)?;
        Uuid::parse_str(&text).map_err(de::Error::custom)
    }
}

/// A look and its user, in collection `looks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LookDoc {
    #[serde(rename = "_id")]
    pub(crate) look: String,
    pub(crate) user: UserId,
}
