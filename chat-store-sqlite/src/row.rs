//! Conversion of values from and to columns.

use chat_core::{
    ClientMessageId, Entry, EntryBody, EntryKind, Epoch, FlatBody, Member, MessageId, Role, Room,
    RoomId, RoomKind, Seq, UserId, Watermarks,
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

/// The columns of a room, in the order in which [`room`] reads them.
macro_rules! room_columns {
    () => {
        "room.id, room.epoch, room.head, room.created_at, room.kind, room.created_by, room.details, \
         room.members"
    };
}
pub(crate) use room_columns;

/// Reads a room from [`room_columns`], which begin the row.
pub(crate) fn room(found: &Row<'_>) -> rusqlite::Result<Room> {
    let details: String = found.get(6)?;
    Ok(Room {
        id: id(found, 0)?,
        kind: RoomKind::numbered(found.get(4)?)
            .ok_or("a kind of room that is not known")
            .map_err(damaged(4, Type::Integer))?,
        epoch: epoch(found, 1)?,
        head: seq(found, 2)?,
        created_at: time(found, 3)?,
        created_by: optional(found, 5, id)?,
        details: serde_json::from_str(&details).map_err(damaged(6, Type::Text))?,
        members: seq(found, 7)?.0,
    })
}

/// The columns of a member with the watermarks of table `receipt`, in the order in which [`member`] reads
/// them.
macro_rules! member_columns {
    () => {
        "member.user, member.role, member.joined_at, member.joined_seq, \
         ifnull(receipt.delivered, 0), ifnull(receipt.read, 0)"
    };
}
pub(crate) use member_columns;

/// Reads a member from [`member_columns`], which begin the row.
pub(crate) fn member(found: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        user: id(found, 0)?,
        role: role(found, 1)?,
        joined_at: time(found, 2)?,
        joined_seq: seq(found, 3)?,
        watermarks: watermarks(found, 4)?,
    })
}

/// Reads watermarks from two columns in a row.
pub(crate) fn watermarks(found: &Row<'_>, column: usize) -> rusqlite::Result<Watermarks> {
    Ok(Watermarks {
        delivered: seq(found, column)?,
        read: seq(found, column + 1)?,
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
