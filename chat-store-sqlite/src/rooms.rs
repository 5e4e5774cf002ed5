//! Rooms and their members.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chat_core::{
    Details, EntryKind, History, Member, Membership, NewRoom, Role, Room, RoomId, RoomKind, Seq,
    UNREAD_CAP, UserId,
    port::{BackendError, Created, RoomStore},
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::{
    row::{self, at_most},
    store::SqliteStore,
    transaction::{Transaction, stored_room},
};

/// The number of unread messages of user `:user`, where tables `room`, `member` and `receipt` are joined.
macro_rules! unread {
    () => {
        "(SELECT count(*) FROM (SELECT 1 FROM entry WHERE entry.room = room.number \
         AND entry.seq > max(ifnull(receipt.read, 0), iif(room.from_joining, member.joined_seq, 0)) \
         AND entry.kind = :message AND entry.author <> :user LIMIT :cap))"
    };
}
pub(crate) use unread;

impl Transaction<'_> {
    fn create_room(&mut self, new: NewRoom) -> rusqlite::Result<Created> {
        if let Some(existing) = self.rooms.open(&self.sql, &new.id)? {
            return Ok(Created::Existing(existing.room.clone()));
        }
        let first_members = new.first_members();
        let room = new.made();
        self.sql
            .prepare_cached(
                "INSERT INTO room (id, epoch, head, created_at, kind, created_by, details, members, \
                 active_at, listed_as, from_joining) \
                 VALUES (:id, :epoch, 0, :at, :kind, :by, :details, :members, :at, :listed_as, \
                 :from_joining)",
            )?
            .execute(named_params! {
                ":id": room.id.as_str(),
                ":epoch": room.epoch.0.as_bytes(),
                ":at": room.created_at.timestamp_micros(),
                ":kind": room.kind.number(),
                ":by": room.created_by.as_ref().map(UserId::as_str),
                ":details": json(&room.details)?,
                ":members": at_most_members(&room),
                ":listed_as": listed_as(&room),
                ":from_joining": begins_with_joining(&room),
            })?;
        for Member {
            user,
            role,
            joined_at,
            joined_seq,
            ..
        } in first_members
        {
            admit(&self.sql, &room.id, &user, role, joined_at, joined_seq)?;
        }
        Ok(Created::New(room))
    }
}

/// The name under which the directory lists a room; `None` for a room that it doesn't list.
fn listed_as(room: &Room) -> Option<String> {
    let listed = room.kind == RoomKind::Channel && !room.details.archived;
    listed.then(|| room.details.name.folded())
}

/// True if members read nothing from before they joined.
fn begins_with_joining(room: &Room) -> bool {
    let settings = room.details.settings;
    settings.is_some_and(|settings| settings.history == History::Joined)
}

fn at_most_members(room: &Room) -> i64 {
    i64::try_from(room.members).unwrap_or(i64::MAX)
}

fn json(details: &Details) -> rusqlite::Result<String> {
    let json = serde_json::to_string(details);
    json.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Writes what the room with this number says about itself, and how many members it has.
pub(crate) fn describe(connection: &Connection, number: i64, room: &Room) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE room SET details = ?2, members = ?3, listed_as = ?4, from_joining = ?5 \
             WHERE number = ?1",
        )?
        .execute((
            number,
            json(&room.details)?,
            at_most_members(room),
            listed_as(room),
            begins_with_joining(room),
        ))
        .map(drop)
}

/// Makes a user a member who has joined by this entry, or gives a member another role.
pub(crate) fn admit(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
    role: Role,
    at: DateTime<Utc>,
    seq: Seq,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO member (user, room, role, joined_at, joined_seq) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET role = ?3",
        )?
        .execute((
            user.as_str(),
            room.as_str(),
            role.number(),
            at.timestamp_micros(),
            row::number(seq),
        ))
        .map(drop)
}

/// Reads the role of a user in a room; `None` for one who is no member.
pub(crate) fn stored_role(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> rusqlite::Result<Option<Role>> {
    connection
        .prepare_cached("SELECT role FROM member WHERE user = ?1 AND room = ?2")?
        .query_row((user.as_str(), room.as_str()), |found| row::role(found, 0))
        .optional()
}

/// Whether a room has an owner beside this user.
pub(crate) fn has_owner_beside(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM member WHERE room = ?1 AND role = ?2 AND user <> ?3")?
        .exists((room.as_str(), Role::Owner.number(), user.as_str()))
}

pub(crate) fn dismiss(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM member WHERE user = ?1 AND room = ?2")?
        .execute((user.as_str(), room.as_str()))
        .map(drop)
}

#[async_trait]
impl RoomStore for SqliteStore {
    async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError> {
        let work = |transaction: &mut Transaction<'_>| transaction.create_room(room);
        self.writer.submit("create_room", 1, work).await
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        let id = id.clone();
        let query =
            move |snapshot: &Connection| Ok(stored_room(snapshot, &id)?.map(|(_, room)| room));
        self.readers.read("room", query).await
    }

    async fn member(&self, id: &RoomId, user: &UserId) -> Result<Option<Member>, BackendError> {
        let (id, user) = (id.clone(), user.clone());
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    row::member_columns!(),
                    " FROM member JOIN room ON room.id = member.room \
                     LEFT JOIN receipt ON receipt.room = room.number AND receipt.user = member.user \
                     WHERE member.user = ?1 AND member.room = ?2"
                ))?
                .query_row((user.as_str(), id.as_str()), row::member)
                .optional()
        };
        self.readers.read("member", query).await
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let (id, after) = (id.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            let after = after.as_ref().map_or("", UserId::as_str);
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    row::member_columns!(),
                    " FROM member JOIN room ON room.id = member.room \
                     LEFT JOIN receipt ON receipt.room = room.number AND receipt.user = member.user \
                     WHERE member.room = ?1 AND member.user > ?2 ORDER BY member.user LIMIT ?3"
                ))?
                .query_map((id.as_str(), after, at_most(limit)), row::member)?
                .collect()
        };
        self.readers.read("members", query).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        let (user, after) = (user.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    row::room_columns!(),
                    ", ifnull(receipt.delivered, 0), ifnull(receipt.read, 0), ",
                    unread!(),
                    " FROM member JOIN room ON room.id = member.room \
                     LEFT JOIN receipt ON receipt.room = room.number AND receipt.user = :user \
                     WHERE member.user = :user AND member.room > :after \
                     ORDER BY member.room LIMIT :limit"
                ))?
                .query_map(
                    named_params! {
                        ":user": user.as_str(),
                        ":after": after.as_ref().map_or("", RoomId::as_str),
                        ":message": EntryKind::Message.number(),
                        ":cap": i64::try_from(UNREAD_CAP).unwrap_or(i64::MAX),
                        ":limit": at_most(limit),
                    },
                    membership,
                )?
                .collect()
        };
        self.readers.read("rooms_of", query).await
    }

    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        let (users, after) = (users.to_vec(), after.cloned());
        let query = move |snapshot: &Connection| {
            let after = after.as_ref().map_or("", RoomId::as_str);
            let mut statement = snapshot.prepare_cached(concat!(
                "SELECT ",
                row::room_columns!(),
                " FROM member JOIN room ON room.id = member.room \
                 WHERE member.user = ?1 AND member.room > ?2 ORDER BY member.room LIMIT ?3"
            ))?;
            let mut rooms = BTreeMap::new();
            for user in users {
                let found =
                    statement.query_map((user.as_str(), after, at_most(limit)), row::room)?;
                for room in found {
                    let room = room?;
                    rooms.insert(room.id.clone(), room);
                }
            }
            Ok(rooms.into_values().take(limit).collect())
        };
        self.readers.read("rooms_with", query).await
    }

    async fn directory(
        &self,
        query: &str,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        let (query, after) = (query.to_owned(), after.cloned());
        let query = move |snapshot: &Connection| {
            let after = after.as_ref().map_or("", RoomId::as_str);
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    row::room_columns!(),
                    " FROM room WHERE listed_as IS NOT NULL AND id > ?1 \
                     AND (?2 = '' OR instr(listed_as, ?2) > 0) ORDER BY id LIMIT ?3"
                ))?
                .query_map((after, &query, at_most(limit)), row::room)?
                .collect()
        };
        self.readers.read("directory", query).await
    }
}

fn membership(found: &Row<'_>) -> rusqlite::Result<Membership> {
    Ok(Membership {
        room: row::room(found)?,
        watermarks: row::watermarks(found, 8)?,
        unread: row::seq(found, 10)?.0,
    })
}
