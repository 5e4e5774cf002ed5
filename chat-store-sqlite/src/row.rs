//! Conversion of values from and to columns.

use chat_core::{
    ClientMessageId, Entry, EntryBody, EntryKind, Epoch, FlatBody, MessageId, Role, Room, RoomId,
    Seq, UserId,
};
use chrono::{DateTime, Utc};
use rusqlite::{
    Row,
    types::{Type, ValueRef},
};
use uuid::Uuid;

/// The columns of an entry, in the order in which [`entry`] reads them.
macro_rules! entry_columns {
    () => {
        "entry.seq, entry.id, entry.author, entry.client_id, entry.at, entry.kind, entry.target, \
         entry.text, entry.member, entry.edited_at, entry.role"
    };
}
pub(crate) use entry_columns;

/// The columns of an entry's body.
#[derive(Debug)]
pub(crate) struct BodyColumns<'a> {
    pub(crate) kind: i64,
    pub(crate) target: Option<i64>,
    pub(crate) text: Option<&'a str>,
    pub(crate) member: Option<&'a str>,
    pub(crate) edited_at: Option<i64>,
    pub(crate) role: Option<i64>,
}

impl<'a> BodyColumns<'a> {
    pub(crate) fn of(body: &'a FlatBody) -> Self {
        Self {
            kind: body.kind.number(),
            target: body.target.map(number),
            text: body.text.as_deref(),
            member: body.user.as_ref().map(UserId::as_str),
            edited_at: body.edited_at.map(|at| at.timestamp_micros()),
            role: body.role.map(Role::number),
        }
    }
}

/// Reads a room from the columns `id, epoch, head, created_at`, which begin the row.
pub(crate) fn room(found: &Row<'_>) -> rusqlite::Result<Room> {
    Ok(Room {
        id: id(found, 0)?,
        epoch: epoch(found, 1)?,
        head: seq(found, 2)?,
        created_at: time(found, 3)?,
    })
}

/// Converts a limit to a parameter of a query.
pub(crate) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Converts a seq to a column; a seq above the highest storable one becomes that one.
pub(crate) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(crate) fn damaged<E>(column: usize, kind: Type) -> impl FnOnce(E) -> rusqlite::Error
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |error| rusqlite::Error::FromSqlConversionFailure(column, kind, error.into())
}

/// Reads a name or an id, and validates it again.
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

pub(crate) fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    Role::numbered(row.get(column)?)
        .ok_or("a role that is not known")
        .map_err(damaged(column, Type::Integer))
}

pub(crate) fn epoch(row: &Row<'_>, column: usize) -> rusqlite::Result<Epoch> {
    Ok(Epoch(Uuid::from_bytes(row.get(column)?)))
}

/// Reads an entry from [`entry_columns`], which begin the row.
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
    let kind = row.get(5)?;
    let flat = FlatBody {
        kind: EntryKind::numbered(kind).ok_or(rusqlite::Error::IntegralValueOutOfRange(5, kind))?,
        target: optional(row, 6, seq)?,
        text: row.get::<_, Option<String>>(7)?.map(Into::into),
        user: optional(row, 8, id)?,
        edited_at: optional(row, 9, time)?,
        role: optional(row, 10, role)?,
    };
    flat.unflatten()
        .ok_or("a field of its kind is missing")
        .map_err(damaged(5, Type::Integer))
}

/// Reads a column that may be null.
pub(crate) fn optional<T>(
    row: &Row<'_>,
    column: usize,
    read: fn(&Row<'_>, usize) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}
