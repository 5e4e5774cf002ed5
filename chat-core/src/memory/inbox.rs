//! Inboxes in memory.

use std::{cmp::Reverse, sync::Arc};

use async_trait::async_trait;

use super::{
    MemoryStore,
    store::{Log, Seat},
};
use crate::{
    model::{InboxFilter, InboxPlace, InboxRoom, Me, MeChange, RoomId, Seq, UserId},
    port::{BackendError, InboxStore},
};

impl Log {
    /// A member's own settings for the room.
    fn me(&self, seat: &Seat) -> Me {
        let newest = self.last_message.unwrap_or(Seq::ZERO);
        let hidden = seat.hidden_at.is_some_and(|at| at >= newest);
        Me { hidden, ..seat.me }
    }

    fn inbox_room(&self, user: &UserId) -> Option<InboxRoom> {
        let seat = self.members.get(user)?;
        let newest = self.last_message.and_then(|seq| {
            let index = usize::try_from(seq.0).ok()?.checked_sub(1)?;
            self.entries.get(index)
        });
        let first = self.first_of(seat);
        Some(InboxRoom {
            room: self.room.clone(),
            me: self.me(seat),
            watermarks: self.watermarks(user),
            last: newest.filter(|entry| entry.seq >= first).map(Arc::clone),
            active_at: newest.map_or(self.room.created_at, |entry| entry.at),
            unread: self.unread(user, seat),
            mentions: 0,
        })
    }
}

/// True if a room is among those that a filter lets through.
fn passes(filter: InboxFilter, room: &InboxRoom) -> bool {
    match filter {
        InboxFilter::All => !room.me.hidden,
        InboxFilter::Unread => !room.me.hidden && room.unread > 0,
        InboxFilter::Mentions => !room.me.hidden && room.mentions > 0,
        InboxFilter::Pinned => !room.me.hidden && room.me.pinned,
        InboxFilter::Hidden => room.me.hidden,
    }
}

fn order(place: &InboxPlace) -> impl Ord + use<> {
    (Reverse(place.active_at), place.room.clone())
}

#[async_trait]
impl InboxStore for MemoryStore {
    async fn inbox(
        &self,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> Result<Vec<InboxRoom>, BackendError> {
        let rooms = self.lock();
        let logs = rooms.of.get(user).into_iter().flatten();
        let logs = logs.filter_map(|id| rooms.all.get(id));
        let after = after.map(order);
        let mut found: Vec<InboxRoom> = logs
            .filter_map(|log| log.inbox_room(user))
            .filter(|room| passes(filter, room))
            .filter(|room| {
                after
                    .as_ref()
                    .is_none_or(|after| order(&room.place()) > *after)
            })
            .collect();
        found.sort_by_cached_key(|room| order(&room.place()));
        found.truncate(limit);
        Ok(found)
    }

    async fn inbox_room(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<InboxRoom>, BackendError> {
        let rooms = self.lock();
        Ok(rooms.all.get(room).and_then(|log| log.inbox_room(user)))
    }

    async fn hidden_by(&self, room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError> {
        let rooms = self.lock();
        let members = rooms.all.get(room).map(|log| &log.members);
        let members = members.into_iter().flatten();
        Ok(members
            .filter_map(|(user, seat)| Some((user.clone(), seat.hidden_at?)))
            .collect())
    }

    async fn set_me(
        &self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> Result<Option<Me>, BackendError> {
        let mut rooms = self.lock();
        let Some(log) = rooms.all.get_mut(room) else {
            return Ok(None);
        };
        let head = log.room.head;
        let Some(seat) = log.members.get_mut(user) else {
            return Ok(None);
        };
        let MeChange {
            notify,
            pinned,
            hidden,
            muted_until,
        } = change;
        seat.me.notify = notify.unwrap_or(seat.me.notify);
        seat.me.pinned = pinned.unwrap_or(seat.me.pinned);
        seat.me.muted_until = muted_until.unwrap_or(seat.me.muted_until);
        match hidden {
            Some(true) => seat.hidden_at = Some(head),
            Some(false) => seat.hidden_at = None,
            None => {}
        }
        let seat = seat.clone();
        Ok(Some(log.me(&seat)))
    }
}
