//! One transaction of the writer, and the rooms that it touches.

use std::collections::{HashMap, hash_map::Entry as Slot};

use chat_core::{NewRoom, Room, RoomId, Seq, port::Created};
use rusqlite::{Connection, OptionalExtension, Transaction, named_params};

use crate::row;

/// A room as the jobs so far left it; its head is written when all jobs of a group are done.
#[derive(Debug)]
pub(crate) struct OpenRoom {
    pub(crate) number: i64,
    pub(crate) room: Room,
    stored_head: Seq,
}

/// How many rooms are known at the begin of a group.
const ROOMS: usize = 1_024;

/// The rooms that lately got entries. Nobody else writes, so they are as stored between groups;
/// after a group that failed they are not, and have to be forgotten.
#[derive(Debug, Default)]
pub(crate) struct OpenRooms(HashMap<RoomId, OpenRoom>);

impl OpenRooms {
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    pub(crate) fn open(
        &mut self,
        connection: &Connection,
        id: &RoomId,
    ) -> rusqlite::Result<Option<&mut OpenRoom>> {
        let slot = match self.0.entry(id.clone()) {
            Slot::Occupied(known) => return Ok(Some(known.into_mut())),
            Slot::Vacant(slot) => slot,
        };
        let found = stored_room(connection, id)?;
        Ok(found.map(|(number, room)| {
            slot.insert(OpenRoom {
                number,
                stored_head: room.head,
                room,
            })
        }))
    }
}

/// What the jobs of a group work on. An error that leaves a job undoes the whole group, so a
/// job answers what concerns it alone in its result.
pub(crate) struct Group<'a> {
    pub(crate) transaction: Transaction<'a>,
    pub(crate) rooms: &'a mut OpenRooms,
}

impl<'a> Group<'a> {
    pub(crate) fn new(transaction: Transaction<'a>, rooms: &'a mut OpenRooms) -> Self {
        if rooms.0.len() > ROOMS {
            rooms.forget();
        }
        Self { transaction, rooms }
    }

    pub(crate) fn create_room(&mut self, new: NewRoom) -> rusqlite::Result<Created> {
        if let Some(existing) = self.rooms.open(&self.transaction, &new.id)? {
            return Ok(Created::Existing(existing.room.clone()));
        }
        let room = Room {
            id: new.id,
            epoch: new.epoch,
            head: Seq::ZERO,
            created_at: row::whole_micros(new.created_at),
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO room (id, epoch, head, created_at) VALUES (:id, :epoch, 0, :at)",
            )?
            .execute(named_params! {
                ":id": room.id.as_str(),
                ":epoch": room.epoch.0.as_bytes(),
                ":at": room.created_at.timestamp_micros(),
            })?;
        for user in &new.members {
            add_member(&self.transaction, &room.id, user.as_str())?;
        }
        Ok(Created::New(room))
    }

    /// Ends the transaction. Writes each head once, however many entries a room has got.
    pub(crate) fn finish(self) -> rusqlite::Result<Transaction<'a>> {
        {
            let mut update = self
                .transaction
                .prepare_cached("UPDATE room SET head = ?2 WHERE number = ?1")?;
            for open in self.rooms.0.values_mut() {
                if open.room.head != open.stored_head {
                    update.execute((open.number, row::number(open.room.head)))?;
                    open.stored_head = open.room.head;
                }
            }
        }
        Ok(self.transaction)
    }
}

pub(crate) fn add_member(
    connection: &Connection,
    room: &RoomId,
    user: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO member (user, room) VALUES (?1, ?2)")?
        .execute((user, room.as_str()))?;
    Ok(())
}

pub(crate) fn remove_member(
    connection: &Connection,
    room: &RoomId,
    user: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM member WHERE user = ?1 AND room = ?2")?
        .execute((user, room.as_str()))?;
    Ok(())
}

/// The room and its number, as committed.
pub(crate) fn stored_room(
    connection: &Connection,
    id: &RoomId,
) -> rusqlite::Result<Option<(i64, Room)>> {
    connection
        .prepare_cached("SELECT number, epoch, head, created_at FROM room WHERE id = ?1")?
        .query_row([id.as_str()], |found| {
            let room = Room {
                id: id.clone(),
                epoch: row::epoch(found, 1)?,
                head: row::seq(found, 2)?,
                created_at: row::time(found, 3)?,
            };
            Ok((found.get(0)?, room))
        })
        .optional()
}
