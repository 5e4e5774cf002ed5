//! The cache in memory: presence, budgets and windows of one process, on one clock.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{people::People, windows::Windows};
use crate::{
    model::{Cursor, Entry, Epoch, Presence, RoomId, Seq, SessionId, UserId},
    port::{BackendError, HistoryCache, PresenceCache, RateCache, RateKey, Transition},
    rate::{Budgets, Decision, RatePolicy},
    time::{Clock, SystemClock},
};

/// A [`Cache`](crate::port::Cache) in memory.
///
/// Its size is bounded by the number of active users: it keeps the time at which up to
/// [`MemoryCache::LAST_SEEN`] users left, only those budgets that are partly used, and the newest
/// entries of up to [`MemoryCache::ROOMS`] rooms, at most 256 KiB per room.
///
/// ```
/// use std::time::Duration;
/// use chat_core::{SessionId, UserId, memory::MemoryCache, port::{PresenceCache, Transition}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = MemoryCache::default();
/// let (alice, phone) = (UserId::new("alice")?, SessionId(uuid::Uuid::from_u128(1)));
/// let came = cache.touch(&alice, phone, Duration::from_secs(45)).await?;
/// assert_eq!(came, Transition::BecameOnline);
/// assert_eq!(cache.online(10).await?, [alice]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    people: Arc<Mutex<People>>,
    budgets: Arc<Mutex<Budgets<RateKey>>>,
    windows: Arc<Mutex<Windows>>,
}

impl MemoryCache {
    /// The number of users whose last-seen time is kept; beyond it, those who left most recently
    /// are kept.
    pub const LAST_SEEN: usize = 100_000;

    /// The number of rooms whose newest entries are kept; beyond it, those used most recently are
    /// kept.
    pub const ROOMS: usize = Windows::ROOMS;

    /// An empty cache that reads the time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            people: Arc::new(Mutex::new(People::remembering(Self::LAST_SEEN))),
            budgets: Arc::default(),
            windows: Arc::default(),
        }
    }

    /// Forgets everything, as any cache may at any time.
    pub fn forget(&self) {
        *lock(&self.people) = People::remembering(Self::LAST_SEEN);
        *lock(&self.budgets) = Budgets::default();
        *lock(&self.windows) = Windows::default();
    }

    /// The presence of all users as of now, and the current time.
    fn people(&self) -> (MutexGuard<'_, People>, Duration, DateTime<Utc>) {
        let mut people = lock(&self.people);
        // The clock is read under the lock, so that time doesn't go back from one call to the next.
        let (now, wall) = (self.clock.monotonic(), self.clock.now());
        people.settle(now, wall);
        (people, now, wall)
    }
}

impl Default for MemoryCache {
    /// An empty cache on the machine's clock.
    fn default() -> Self {
        Self::new(Arc::new(SystemClock::default()))
    }
}

/// No code panics while it holds these locks, and if it did, each value would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl PresenceCache for MemoryCache {
    async fn touch(
        &self,
        user: &UserId,
        session: SessionId,
        ttl: Duration,
    ) -> Result<Transition, BackendError> {
        let (mut people, now, wall) = self.people();
        let until = now.saturating_add(ttl);
        Ok(people.set_lease(user, session, Some(until), now, wall))
    }

    async fn release(&self, user: &UserId, session: SessionId) -> Result<Transition, BackendError> {
        let (mut people, now, wall) = self.people();
        Ok(people.set_lease(user, session, None, now, wall))
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError> {
        let (people, ..) = self.people();
        let presence = users.iter().map(|user| Presence {
            user: user.clone(),
            online: people.here.contains_key(user),
            last_seen: people.last_seen.get(user).copied(),
        });
        Ok(presence.collect())
    }

    async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        let (people, ..) = self.people();
        Ok(people.here.keys().take(limit).cloned().collect())
    }

    async fn forget_user(&self, user: &UserId) -> Result<(), BackendError> {
        let (mut people, ..) = self.people();
        people.forget(user);
        Ok(())
    }

    async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        let (mut people, ..) = self.people();
        let next = std::iter::from_fn(|| people.expired.pop_first());
        Ok(next.take(limit).collect())
    }
}

#[async_trait]
impl RateCache for MemoryCache {
    async fn acquire(&self, key: &RateKey, policy: &RatePolicy) -> Result<Decision, BackendError> {
        let mut budgets = lock(&self.budgets);
        Ok(budgets.decide(key, policy, self.clock.monotonic()))
    }
}

#[async_trait]
impl HistoryCache for MemoryCache {
    async fn window(
        &self,
        room: &RoomId,
        at: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Vec<Arc<Entry>>>, BackendError> {
        let now = self.clock.monotonic();
        Ok(lock(&self.windows).get(room, at, &range, now))
    }

    async fn forget_room(&self, room: &RoomId) -> Result<(), BackendError> {
        lock(&self.windows).forget(room);
        Ok(())
    }

    async fn fill(
        &self,
        room: &RoomId,
        at: Cursor,
        newest: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let now = self.clock.monotonic();
        lock(&self.windows).fill(room, at, newest, now);
        Ok(())
    }

    async fn extend(
        &self,
        room: &RoomId,
        epoch: Epoch,
        entries: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let (mut windows, now) = (lock(&self.windows), self.clock.monotonic());
        for entry in entries {
            let seq = entry.seq;
            windows.extend(room, Cursor { epoch, seq }, entry, now);
        }
        Ok(())
    }
}
