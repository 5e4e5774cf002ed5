//! Deleting rooms and erasing users. Each is one transaction; one on a room of a million entries takes seconds,
//! in which nothing else is stored.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{
    Entry, EntryKind, Epoch, RoomId, Seq, UserId,
    port::{BackendError, ErasureStore},
};
use rusqlite::{Connection, named_params};

use crate::{
    row::{self, at_most, entry_columns},
    store::SqliteStore,
    transaction::{Transaction, stored_room},
};

const MESSAGE: i64 = EntryKind::Message.number();
const EDIT: i64 = EntryKind::Edit.number();
const DELETED: i64 = EntryKind::Deleted.number();

impl Transaction<'_> {
    fn delete_room(&mut self, id: &RoomId, epoch: Epoch) -> rusqlite::Result<bool> {
        let Some(open) = self.rooms.open(&self.sql, id)? else {
            return Ok(false);
        };
        if open.room.epoch != epoch {
            return Ok(false);
        }
        let number = open.number;
        self.rooms.remove(id);
        for table in ["entry", "receipt", "receipt_time"] {
            let delete = format!("DELETE FROM {table} WHERE room = ?1");
            self.sql.prepare_cached(&delete)?.execute([number])?;
        }
        for table in ["member", "invite"] {
            let delete = format!("DELETE FROM {table} WHERE room = ?1");
            self.sql.prepare_cached(&delete)?.execute([id.as_str()])?;
        }
        let mut delete = self
            .sql
            .prepare_cached("DELETE FROM room WHERE number = ?1")?;
        delete.execute([number]).map(|rows| rows > 0)
    }

    fn erase_in(&mut self, id: &RoomId, user: &UserId, name: &UserId) -> rusqlite::Result<()> {
        let Some(open) = self.rooms.open(&self.sql, id)? else {
            return Ok(());
        };
        let number = open.number;
        open.room.created_by = open.room.created_by.take().filter(|maker| maker != user);
        // All columns on the right are as they were before.
        self.sql
            .prepare_cached(
                "UPDATE entry SET author = :name, client_id = lower(hex(id)), \
                 kind = iif(kind IN (:message, :edit), :deleted, kind), \
                 text = iif(kind IN (:message, :edit), NULL, text), \
                 target = iif(kind IN (:message, :edit), NULL, target), edited_at = NULL \
                 WHERE room = :room AND author = :user",
            )?
            .execute(named_params! {
                ":room": number,
                ":user": user.as_str(),
                ":name": name.as_str(),
                ":message": MESSAGE,
                ":edit": EDIT,
                ":deleted": DELETED,
            })?;
        let (user, id) = (user.as_str(), id.as_str());
        self.sql
            .prepare_cached("UPDATE entry SET member = ?3 WHERE room = ?1 AND member = ?2")?
            .execute((number, user, name.as_str()))?;
        for table in ["receipt", "receipt_time"] {
            let delete = format!("DELETE FROM {table} WHERE room = ?1 AND user = ?2");
            self.sql.prepare_cached(&delete)?.execute((number, user))?;
        }
        self.sql
            .prepare_cached("DELETE FROM invite WHERE room = ?1 AND author = ?2")?
            .execute((id, user))?;
        self.sql
            .prepare_cached("UPDATE room SET created_by = NULL WHERE id = ?1 AND created_by = ?2")?
            .execute((id, user))
            .map(drop)
    }

    fn erase_user(&mut self, user: &UserId, name: &UserId) -> rusqlite::Result<()> {
        for delete in [
            "DELETE FROM look WHERE user = ?1",
            "DELETE FROM block WHERE by = ?1 OR user = ?1",
        ] {
            self.sql.prepare_cached(delete)?.execute([user.as_str()])?;
        }
        self.rooms.forget_blocks();
        self.rename(user, name)
    }
}

#[async_trait]
impl ErasureStore for SqliteStore {
    async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> Result<bool, BackendError> {
        let room = room.clone();
        let work = move |transaction: &mut Transaction<'_>| transaction.delete_room(&room, epoch);
        self.writer.submit("delete_room", 1, work).await
    }

    async fn rooms_about(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomId>, BackendError> {
        let (user, after) = (user.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            // There is no index of the users whom entries are about, and this is rare.
            snapshot
                .prepare_cached(
                    "SELECT id FROM room WHERE id > :after AND (created_by = :user \
                     OR EXISTS (SELECT 1 FROM member WHERE member.user = :user AND member.room = id) \
                     OR EXISTS (SELECT 1 FROM receipt WHERE receipt.room = number AND user = :user) \
                     OR EXISTS (SELECT 1 FROM invite WHERE invite.room = room.id AND author = :user) \
                     OR EXISTS (SELECT 1 FROM entry WHERE entry.room = number AND author = :user) \
                     OR EXISTS (SELECT 1 FROM entry WHERE entry.room = number AND member = :user)) \
                     ORDER BY id LIMIT :limit",
                )?
                .query_map(
                    named_params! {
                        ":user": user.as_str(),
                        ":after": after.as_ref().map_or("", RoomId::as_str),
                        ":limit": at_most(limit),
                    },
                    |found| row::id(found, 0),
                )?
                .collect()
        };
        self.readers.read("rooms_about", query).await
    }

    async fn entries_about(
        &self,
        room: &RoomId,
        user: &UserId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        let (room, user) = (room.clone(), user.clone());
        let query = move |snapshot: &Connection| {
            let Some((number, _)) = stored_room(snapshot, &room)? else {
                return Ok(Vec::new());
            };
            let about = (number, user.as_str(), row::number(after), at_most(limit));
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    entry_columns!(),
                    " FROM entry WHERE room = ?1 AND (author = ?2 OR member = ?2) AND seq > ?3 \
                     ORDER BY seq LIMIT ?4"
                ))?
                .query_map(about, |found| row::entry(found, &room).map(Arc::new))?
                .collect()
        };
        self.readers.read("entries_about", query).await
    }

    async fn erase_in(
        &self,
        room: &RoomId,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError> {
        let (room, user, name) = (room.clone(), user.clone(), name.clone());
        let work =
            move |transaction: &mut Transaction<'_>| transaction.erase_in(&room, &user, &name);
        self.writer.submit("erase_in", 1, work).await
    }

    async fn erase_user(&self, user: &UserId, name: &UserId) -> Result<(), BackendError> {
        let (user, name) = (user.clone(), name.clone());
        let work = move |transaction: &mut Transaction<'_>| transaction.erase_user(&user, &name);
        self.writer.submit("erase_user", 1, work).await
    }
}
