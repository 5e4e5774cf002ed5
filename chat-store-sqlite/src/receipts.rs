//! Receipts: the watermarks of each member.

use async_trait::async_trait;
use chat_core::{
    Mark, Member, ReceiptTimes, RoomId, Seq, UserId, Watermarks,
    port::{BackendError, Change, ReceiptStore},
};
use chrono::{DateTime, Utc};
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
        if room.is_direct() {
            let mut moved = self.sql.prepare_cached(
                "INSERT INTO receipt_time (room, user, mark, upto, at) \
                 VALUES (?1, ?2, ?3, ?4, CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
            )?;
            for (mark, from, to) in [
                (DELIVERED, from.delivered, to.delivered),
                (READ, from.read, to.read),
            ] {
                if from < to {
                    moved.execute((number, user.as_str(), mark, row::number(to)))?;
                }
            }
        }
        Ok(Change::Moved { from, to })
    }
}

/// The numbers of the marks in the table `receipt_time`.
const DELIVERED: i64 = 0;
const READ: i64 = 1;

/// The time of a user's first receipt that passed an entry, in the room with this number.
fn passed(
    connection: &Connection,
    room: i64,
    user: &UserId,
    mark: i64,
    seq: Seq,
) -> rusqlite::Result<Option<DateTime<Utc>>> {
    connection
        .prepare_cached(
            "SELECT at FROM receipt_time WHERE room = ?1 AND user = ?2 AND mark = ?3 \
             AND upto >= ?4 ORDER BY upto LIMIT 1",
        )?
        .query_row((room, user.as_str(), mark, row::number(seq)), |found| {
            row::time(found, 0)
        })
        .optional()
}

/// The watermarks of a user in the room with this number.
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

    async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let (room, after) = (room.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            let after = after.as_ref().map_or("", UserId::as_str);
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    row::member_columns!(),
                    " FROM member JOIN room ON room.id = member.room \
                     LEFT JOIN receipt ON receipt.room = room.number AND receipt.user = member.user \
                     WHERE member.room = ?1 AND member.user > ?2 AND ifnull(receipt.read, 0) >= ?3 \
                     ORDER BY member.user LIMIT ?4"
                ))?
                .query_map(
                    (
                        room.as_str(),
                        after,
                        row::number(seq),
                        row::at_most(limit),
                    ),
                    row::member,
                )?
                .collect()
        };
        self.readers.read("readers", query).await
    }

    async fn receipt_times(
        &self,
        room: &RoomId,
        user: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, BackendError> {
        let (room, user, seqs) = (room.clone(), user.clone(), seqs.to_vec());
        let query = move |snapshot: &Connection| {
            let Some((number, _)) = stored_room(snapshot, &room)? else {
                return Ok(vec![ReceiptTimes::default(); seqs.len()]);
            };
            let times = |seq: &Seq| {
                Ok(ReceiptTimes {
                    delivered: passed(snapshot, number, &user, DELIVERED, *seq)?,
                    read: passed(snapshot, number, &user, READ, *seq)?,
                })
            };
            seqs.iter().map(times).collect()
        };
        self.readers.read("receipt_times", query).await
    }
}
