//! Values as they stand in rows.

use chat_core::{
    ClientMessageId, Entry, EntryBody, Epoch, MessageId, NewEntry, Room, RoomId, Seq, UserId,
};
use chrono::{DateTime, Utc};
use rusqlite::{Row, types::Type};
use uuid::Uuid;

/// Columns of an entry, in the order in which [`entry`] reads them.
macro_rules! entry_columns {
    () => {
        "entry.seq, entry.id, entry.author, entry.client_id, entry.at, entry.kind, entry.target, \
         entry.text, entry.member, entry.edited_at"
    };
}
pub(crate) use entry_columns;

pub(crate) const MESSAGE: i64 = 0;
const EDIT: i64 = 1;
const DELETE: i64 = 2;
const DELETED: i64 = 3;
const JOINED: i64 = 4;
const LEFT: i64 = 5;

/// The columns that an [`EntryBody`] becomes.
#[derive(Debug, Default)]
pub(crate) struct BodyColumns<'a> {
    pub(crate) kind: i64,
    pub(crate) target: Option<i64>,
    pub(crate) text: Option<&'a str>,
    pub(crate) member: Option<&'a str>,
    pub(crate) edited_at: Option<i64>,
}

impl<'a> BodyColumns<'a> {
    /// `None` for a body that is newer than this store.
    pub(crate) fn of(body: &'a EntryBody) -> Option<Self> {
        let none = Self::default();
        Some(match body {
            EntryBody::Message { text, edited_at } => Self {
                kind: MESSAGE,
                text: Some(text),
                edited_at: edited_at.map(|at| at.timestamp_micros()),
                ..none
            },
            EntryBody::Edit { target, text } => Self {
                kind: EDIT,
                target: Some(number(*target)),
                text: Some(text),
                ..none
            },
            EntryBody::Delete { target } => Self {
                kind: DELETE,
                target: Some(number(*target)),
                ..none
            },
            EntryBody::Deleted => Self {
                kind: DELETED,
                ..none
            },
            EntryBody::Joined { user } => Self {
                kind: JOINED,
                member: Some(user.as_str()),
                ..none
            },
            EntryBody::Left { user } => Self {
                kind: LEFT,
                member: Some(user.as_str()),
                ..none
            },
            _ => return None,
        })
    }
}

/// A room from columns `id, epoch, head, created_at`, the first ones of the row.
pub(crate) fn room(found: &Row<'_>) -> rusqlite::Result<Room> {
    Ok(Room {
        id: id(found, 0)?,
        epoch: epoch(found, 1)?,
        head: seq(found, 2)?,
        created_at: time(found, 3)?,
    })
}

/// A seq as a column; what is beyond the last one there can be is the last one.
pub(crate) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// The precision that is kept.
pub(crate) fn whole_micros(at: DateTime<Utc>) -> DateTime<Utc> {
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

fn damaged<E>(column: usize, kind: Type) -> impl FnOnce(E) -> rusqlite::Error
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |error| rusqlite::Error::FromSqlConversionFailure(column, kind, error.into())
}

/// A name or id, which must be valid still.
pub(crate) fn id<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: TryFrom<String, Error: std::error::Error + Send + Sync + 'static>,
{
    T::try_from(row.get(column)?).map_err(damaged(column, Type::Text))
}

pub(crate) fn seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    u64::try_from(row.get::<_, i64>(column)?)
        .map(Seq)
        .map_err(damaged(column, Type::Integer))
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(row.get(column)?)
        .ok_or("a time out of range")
        .map_err(damaged(column, Type::Integer))
}

pub(crate) fn epoch(row: &Row<'_>, column: usize) -> rusqlite::Result<Epoch> {
    Ok(Epoch(Uuid::from_bytes(row.get(column)?)))
}

/// Reads [`entry_columns`], which begin the row.
pub(crate) fn entry(row: &Row<'_>, room: &RoomId) -> rusqlite::Result<Entry> {
    Ok(Entry {
        room: room.clone(),
        seq: seq(row, 0)?,
        id: MessageId(Uuid::from_bytes(row.get(1)?)),
        author: id(row, 2)?,
        client_id: id::<ClientMessageId>(row, 3)?,
        at: time(row, 4)?,
        body: body(row)?,
    })
}

fn body(row: &Row<'_>) -> rusqlite::Result<EntryBody> {
    let target = || seq(row, 6);
    let text = || row.get::<_, String>(7).map(Into::into);
    let member = || id::<UserId>(row, 8);
    Ok(match row.get(5)? {
        MESSAGE => EntryBody::Message {
            text: text()?,
            edited_at: match row.get::<_, Option<i64>>(9)? {
                Some(_) => Some(time(row, 9)?),
                None => None,
            },
        },
        EDIT => EntryBody::Edit {
            target: target()?,
            text: text()?,
        },
        DELETE => EntryBody::Delete { target: target()? },
        DELETED => EntryBody::Deleted,
        JOINED => EntryBody::Joined { user: member()? },
        LEFT => EntryBody::Left { user: member()? },
        kind => return Err(rusqlite::Error::IntegralValueOutOfRange(5, kind)),
    })
}
