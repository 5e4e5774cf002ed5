//! The users who are typing now.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::rooms::LiveRoom;
use crate::model::{RoomId, UserId};

/// Everybody who is typing now, by room.
#[derive(Debug, Default)]
pub(crate) struct Typists(Mutex<HashMap<(RoomId, UserId), Typist>>);

#[derive(Debug)]
struct Typist {
    room: Arc<LiveRoom>,
    /// When the members of the room were last notified.
    notified: Duration,
    expires: Duration,
    /// Members who were not sent it, and are not sent its end.
    quiet: Arc<HashSet<UserId>>,
}

impl Typists {
    fn lock(&self) -> MutexGuard<'_, HashMap<(RoomId, UserId), Typist>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a user types until `expires`; whether the members are to be notified, which is at most
    /// once in `throttle`. Those in `quiet` never are.
    pub(crate) fn begin_or_renew(
        &self,
        room: &Arc<LiveRoom>,
        user: &UserId,
        quiet: &Arc<HashSet<UserId>>,
        now: Duration,
        throttle: Duration,
        expires: Duration,
    ) -> bool {
        let mut typists = self.lock();
        let typist = typists
            .entry((room.id.clone(), user.clone()))
            .or_insert_with(|| Typist {
                room: Arc::clone(room),
                notified: Duration::ZERO,
                expires: Duration::ZERO,
                quiet: Arc::clone(quiet),
            });
        let renewed = typist.expires > Duration::ZERO;
        typist.expires = expires;
        if renewed && now < typist.notified + throttle {
            return false;
        }
        typist.notified = now;
        true
    }

    /// Ends a user's typing, if there is any; the members who were not sent it.
    pub(crate) fn end(&self, room: &RoomId, user: &UserId) -> Option<Arc<HashSet<UserId>>> {
        let mut typists = self.lock();
        // Nearly always nobody types, and then the key is not worth making.
        if typists.is_empty() {
            return None;
        }
        let ended = typists.remove(&(room.clone(), user.clone()));
        ended.map(|typist| typist.quiet)
    }

    /// Takes out those whose typing was not renewed.
    pub(crate) fn take_expired(
        &self,
        now: Duration,
    ) -> Vec<(Arc<LiveRoom>, UserId, Arc<HashSet<UserId>>)> {
        self.lock()
            .extract_if(|_, typist| typist.expires <= now)
            .map(|((_, user), typist)| (typist.room, user, typist.quiet))
            .collect()
    }
}
