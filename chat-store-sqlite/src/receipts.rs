//! How far each member has got.

use async_trait::async_trait;
use chat_core::{
    Mark, RoomId, Seq, UserId, Watermarks,
    port::{BackendError, Change, ReceiptStore},
};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    row,
    store::SqliteStore,
    transaction::{Transaction, stored_room},
};

impl Transaction<'_> {
    fn advance(
        &mut self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> rusqlite::Result<Change<Watermarks>> {
        let Some(open) = self.rooms.open(&self.sql, room)? else {
            return Ok(Change::Unchanged(Watermarks::default()));
        };
        let (number, head) = (open.number, open.room.head);
        let from = watermarks(&self.sql, number, user)?;
        let to = from.advanced(mark, upto, head);
        if from == to {
            return Ok(Change::Unchanged(from));
        }
        self.sql
            .prepare_cached(
                "REPLACE INTO receipt (room, user, delivered, read) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((
                number,
                user.as_str(),
                row::number(to.delivered),
                row::number(to.read),
            ))?;
        Ok(Change::Moved { from, to })
    }
}

/// How far a user has got in the room of this number.
fn watermarks(connection: &Connection, room: i64, user: &UserId) -> rusqlite::Result<Watermarks> {
    let found = connection
        .prepare_cached("SELECT delivered, read FROM receipt WHERE room = ?1 AND user = ?2")?
        .query_row((room, user.as_str()), |found| {
            Ok(Watermarks {
                delivered: row::seq(found, 0)?,
                read: row::seq(found, 1)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

#[async_trait]
impl ReceiptStore for SqliteStore {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        let (room, user) = (room.clone(), user.clone());
        let work =
            move |transaction: &mut Transaction<'_>| transaction.advance(&room, &user, mark, upto);
        self.writer.submit("advance", 1, work).await
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        let (room, users) = (room.clone(), users.to_vec());
        let query = move |snapshot: &Connection| {
            let Some((number, _)) = stored_room(snapshot, &room)? else {
                return Ok(vec![Watermarks::default(); users.len()]);
            };
            users
                .iter()
                .map(|user| watermarks(snapshot, number, user))
                .collect()
        };
        self.readers.read("watermarks", query).await
    }
}
