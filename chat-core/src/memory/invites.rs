//! Invitations in memory.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::MemoryStore;
use crate::{
    model::{Invite, InviteId, InviteToken, RoomId},
    port::{BackendError, InviteStore},
};

impl MemoryStore {
    pub(super) fn invitations(&self) -> MutexGuard<'_, BTreeMap<InviteId, Invite>> {
        self.invites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl InviteStore for MemoryStore {
    async fn add_invite(&self, invite: Invite) -> Result<(), BackendError> {
        self.invitations()
            .entry(invite.id)
            .or_insert(invite.in_micros());
        Ok(())
    }

    async fn invite(&self, token: &InviteToken) -> Result<Option<Invite>, BackendError> {
        let all = self.invitations();
        Ok(all.values().find(|invite| invite.token == *token).cloned())
    }

    async fn invites(
        &self,
        room: &RoomId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, BackendError> {
        let all = self.invitations();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = all
            .range((from, Bound::Unbounded))
            .map(|(_, invite)| invite);
        let page = page.filter(|invite| invite.room == *room).take(limit);
        Ok(page.cloned().collect())
    }

    async fn remove_invite(&self, room: &RoomId, id: InviteId) -> Result<bool, BackendError> {
        let mut all = self.invitations();
        let there = all.get(&id).is_some_and(|invite| invite.room == *room);
        if there {
            all.remove(&id);
        }
        Ok(there)
    }

    async fn use_invite(
        &self,
        token: &InviteToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Invite>, BackendError> {
        let mut all = self.invitations();
        let open = |invite: &&mut Invite| invite.token == *token && invite.is_open(now);
        Ok(all.values_mut().find(open).map(|invite| {
            invite.uses_left = invite.uses_left.map(|left| left.saturating_sub(1));
            invite.clone()
        }))
    }

    async fn unuse_invite(&self, id: InviteId) -> Result<(), BackendError> {
        if let Some(left) = self
            .invitations()
            .get_mut(&id)
            .and_then(|it| it.uses_left.as_mut())
        {
            *left += 1;
        }
        Ok(())
    }
}
