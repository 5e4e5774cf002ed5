//! Rooms and their members.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chat_core::{
    EntryKind, Member, Membership, NewRoom, Role, Room, RoomId, Seq, UNREAD_CAP, UserId,
    Watermarks,
    port::{BackendError, Created, RoomStore},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::{
    row::{self, at_most},
    store::SqliteStore,
    transaction::{Transaction, stored_room},
};

impl Transaction<'_> {
    fn create_room(&mut self, new: NewRoom) -> rusqlite::Result<Created> {
        if let Some(existing) = self.rooms.open(&self.sql, &new.id)? {
            return Ok(Created::Existing(existing.room.clone()));
        }
        let first_members = new.first_members();
        let new = new.in_micros();
        let room = Room {
            id: new.id,
            epoch: new.epoch,
            head: Seq::ZERO,
            created_at: new.created_at,
        };
        self.sql
            .prepare_cached(
                "INSERT INTO room (id, epoch, head, created_at) VALUES (:id, :epoch, 0, :at)",
            )?
            .execute(named_params! {
                ":id": room.id.as_str(),
                ":epoch": room.epoch.0.as_bytes(),
                ":at": room.created_at.timestamp_micros(),
            })?;
        for Member { user, role } in first_members {
            admit(&self.sql, &room.id, &user, role)?;
        }
        Ok(Created::New(room))
    }
}

pub(crate) fn admit(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
    role: Role,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO member (user, room, role) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET role = ?3",
        )?
        .execute((user.as_str(), room.as_str(), role.number()))
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

    async fn role(&self, id: &RoomId, user: &UserId) -> Result<Option<Role>, BackendError> {
        let (id, user) = (id.clone(), user.clone());
        let query = move |snapshot: &Connection| stored_role(snapshot, &id, &user);
        self.readers.read("role", query).await
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
                .prepare_cached(
                    "SELECT user, role FROM member WHERE room = ?1 AND user > ?2 \
                     ORDER BY user LIMIT ?3",
                )?
                .query_map((id.as_str(), after, at_most(limit)), |found| {
                    Ok(Member {
                        user: row::id(found, 0)?,
                        role: row::role(found, 1)?,
                    })
                })?
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
                .prepare_cached(
                    "SELECT room.id, room.epoch, room.head, room.created_at, \
                     ifnull(receipt.delivered, 0), ifnull(receipt.read, 0), \
                     (SELECT count(*) FROM (SELECT 1 FROM entry WHERE entry.room = room.number \
                      AND entry.seq > ifnull(receipt.read, 0) AND entry.kind = :message \
                      AND entry.author <> :user LIMIT :cap)) \
                     FROM member JOIN room ON room.id = member.room \
                     LEFT JOIN receipt ON receipt.room = room.number AND receipt.user = :user \
                     WHERE member.user = :user AND member.room > :after \
                     ORDER BY member.room LIMIT :limit",
                )?
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
            let mut statement = snapshot.prepare_cached(
                "SELECT room.id, room.epoch, room.head, room.created_at \
                 FROM member JOIN room ON room.id = member.room \
                 WHERE member.user = ?1 AND member.room > ?2 ORDER BY member.room LIMIT ?3",
            )?;
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
}

fn membership(found: &Row<'_>) -> rusqlite::Result<Membership> {
    Ok(Membership {
        room: row::room(found)?,
        watermarks: Watermarks {
            delivered: row::seq(found, 4)?,
            read: row::seq(found, 5)?,
        },
        unread: row::seq(found, 6)?.0,
    })
}
