//! Deleting rooms and erasing users in memory.

use std::{
    collections::BTreeSet,
    ops::Bound,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;

use super::{MemoryStore, store::Log};
use crate::{
    model::{Entry, Epoch, Invite, RoomId, Seq, UserId},
    port::{BackendError, ErasureStore},
};

impl Log {
    fn has_something_of(&self, user: &UserId) -> bool {
        self.members.contains_key(user)
            || self.room.created_by.as_ref() == Some(user)
            || self.has_receipt_of(user)
            || self.entries.iter().any(|entry| entry.is_about(user))
    }
}

#[async_trait]
impl ErasureStore for MemoryStore {
    async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> Result<bool, BackendError> {
        let mut rooms = self.lock();
        if rooms
            .all
            .get(room)
            .is_none_or(|log| log.room.epoch != epoch)
        {
            return Ok(false);
        }
        rooms.all.remove(room);
        for of in rooms.of.values_mut() {
            of.remove(room);
        }
        drop(rooms);
        self.invitations().retain(|_, invite| invite.room != *room);
        Ok(true)
    }

    async fn rooms_about(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomId>, BackendError> {
        let mut found: BTreeSet<RoomId> = {
            let rooms = self.lock();
            let logs = rooms.all.values().filter(|log| log.has_something_of(user));
            logs.map(|log| log.room.id.clone()).collect()
        };
        let invites = self.invitations();
        let theirs = invites.values().filter(|invite| invite.by == *user);
        found.extend(theirs.map(|invite| invite.room.clone()));
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = found.range::<RoomId, _>((from, Bound::Unbounded));
        Ok(page.take(limit).cloned().collect())
    }

    async fn entries_about(
        &self,
        room: &RoomId,
        user: &UserId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        let rooms = self.lock();
        let entries = rooms.all.get(room).map(|log| &log.entries);
        let entries = entries.into_iter().flatten();
        let such = entries.filter(|entry| entry.seq > after && entry.is_about(user));
        Ok(such.take(limit).cloned().collect())
    }

    async fn erase_in(
        &self,
        room: &RoomId,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError> {
        if let Some(log) = self.lock().all.get_mut(room) {
            log.erase(user, name);
        }
        let theirs = |invite: &Invite| invite.room == *room && invite.by == *user;
        self.invitations().retain(|_, invite| !theirs(invite));
        Ok(())
    }

    async fn erase_user(&self, user: &UserId, name: &UserId) -> Result<(), BackendError> {
        self.lock().blocks.forget(user);
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|_, holder| holder != user);
        drop(looks);
        self.decisions().rename(user, name);
        Ok(())
    }
}
