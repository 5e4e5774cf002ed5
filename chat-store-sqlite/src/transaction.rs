//! One transaction of the writer, and the rooms that it changes.

use std::collections::{HashMap, hash_map::Entry as Slot};

use chat_core::{Room, RoomId, Seq, UserId};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::row;

/// A room as the jobs so far left it. Its head is written after all jobs of the transaction.
#[derive(Debug)]
pub(crate) struct OpenRoom {
    pub(crate) number: i64,
    pub(crate) room: Room,
    /// True if one of the two users of a direct room has blocked the other; `None` until that was looked for.
    pub(crate) blocked: Option<bool>,
    /// The newest message, if the jobs of the transaction appended one.
    pub(crate) last_message: Option<(Seq, DateTime<Utc>)>,
    stored_head: Seq,
}

/// The highest number of cached rooms at the start of a transaction.
const ROOMS: usize = 1_024;

/// The cache of the rooms that recently got entries. Only the writer changes the file, so between
/// transactions they equal what is stored; after a failed transaction they don't, and the cache
/// must be cleared.
#[derive(Debug, Default)]
pub(crate) struct OpenRooms(HashMap<RoomId, OpenRoom>);

impl OpenRooms {
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    /// Forgets a room that is deleted.
    pub(crate) fn remove(&mut self, id: &RoomId) {
        self.0.remove(id);
    }

    /// Has it looked for again whether there are blocks.
    pub(crate) fn forget_blocks(&mut self) {
        for open in self.0.values_mut() {
            open.blocked = None;
        }
    }

    /// Has it looked for again whether there is a block between these users.
    pub(crate) fn forget_block(&mut self, one: &UserId, other: &UserId) {
        let room = RoomId::direct(one, other).ok();
        if let Some(open) = room.and_then(|room| self.0.get_mut(&room)) {
            open.blocked = None;
        }
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
                blocked: None,
                stored_head: room.head,
                last_message: None,
                room,
            })
        }))
    }
}

/// The state that the jobs of a transaction work on. An error that a job returns rolls back all of
/// them, so a failure that concerns only one job is part of its result.
pub(crate) struct Transaction<'a> {
    pub(crate) sql: rusqlite::Transaction<'a>,
    pub(crate) rooms: &'a mut OpenRooms,
}

impl<'a> Transaction<'a> {
    pub(crate) fn begin(
        connection: &'a mut Connection,
        rooms: &'a mut OpenRooms,
    ) -> rusqlite::Result<Self> {
        if rooms.0.len() > ROOMS {
            rooms.forget();
        }
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Self { sql, rooms })
    }

    /// Returns the transaction to commit. Writes each head once, however many entries a room got.
    pub(crate) fn finish(self) -> rusqlite::Result<rusqlite::Transaction<'a>> {
        {
            let mut update = self.sql.prepare_cached(
                "UPDATE room SET head = ?2, last_seq = ifnull(?3, last_seq), \
                 active_at = ifnull(?4, active_at) WHERE number = ?1",
            )?;
            for open in self.rooms.0.values_mut() {
                if open.room.head != open.stored_head {
                    let (seq, at) = open.last_message.take().unzip();
                    let at = at.map(|at| at.timestamp_micros());
                    let head = row::number(open.room.head);
                    update.execute((open.number, head, seq.map(row::number), at))?;
                    open.stored_head = open.room.head;
                }
            }
        }
        Ok(self.sql)
    }
}

/// Reads a room and its number as committed.
pub(crate) fn stored_room(
    connection: &Connection,
    id: &RoomId,
) -> rusqlite::Result<Option<(i64, Room)>> {
    connection
        .prepare_cached(concat!(
            "SELECT ",
            row::room_columns!(),
            ", room.number FROM room WHERE id = ?1"
        ))?
        .query_row([id.as_str()], |found| {
            Ok((found.get(8)?, row::room(found)?))
        })
        .optional()
}
