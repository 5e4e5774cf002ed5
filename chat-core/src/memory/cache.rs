//! Presence and budgets of one process, and the time for all that it caches.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::windows::Windows;
use crate::{
    model::{Presence, SessionId, UserId},
    port::{BackendError, PresenceCache, RateCache, RateKey, Transition},
    rate::{Decision, RatePolicy, RateState},
    time::{Clock, SystemClock},
};

/// A [`Cache`](crate::port::Cache) in memory.
///
/// What it holds is bounded by the users who are active: it remembers when up to
/// [`MemoryCache::LAST_SEEN`] users left, no budget that is whole, and the newest entries of up to
/// [`MemoryCache::ROOMS`] rooms, at most 256 KiB of each.
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
    pub(super) clock: Arc<dyn Clock>,
    people: Arc<Mutex<People>>,
    budgets: Arc<Mutex<Budgets>>,
    pub(super) windows: Arc<Mutex<Windows>>,
}

impl MemoryCache {
    /// Of how many users it is remembered when they were last seen; of more, those who left most
    /// recently.
    pub const LAST_SEEN: usize = 100_000;

    /// Of how many rooms it keeps the newest entries; of more, those used most recently.
    pub const ROOMS: usize = 1_024;

    /// An empty cache that reads the time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            people: Arc::new(Mutex::new(People::remembering(Self::LAST_SEEN))),
            budgets: Arc::default(),
            windows: Arc::default(),
        }
    }

    /// Forgets everything, as a cache may at any time.
    pub fn forget(&self) {
        *lock(&self.people) = People::remembering(Self::LAST_SEEN);
        *lock(&self.budgets) = Budgets::default();
        *lock(&self.windows) = Windows::default();
    }

    /// Everybody as they are now, with the time.
    fn people(&self) -> (MutexGuard<'_, People>, Duration, DateTime<Utc>) {
        let mut people = lock(&self.people);
        // Read under the lock, so that time doesn't go back from one call to the next.
        let (now, wall) = (self.clock.monotonic(), self.clock.now());
        people.settle(now, wall);
        (people, now, wall)
    }
}

impl Default for MemoryCache {
    /// On the machine's clock.
    fn default() -> Self {
        Self::new(Arc::new(SystemClock::default()))
    }
}

/// Nothing panics under these locks, and if it did, each value would still be whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who is here, and who was. Between [`People::settle`] and the end of a call, exactly the users
/// with a live lease are in `here`.
#[derive(Debug, Default)]
struct People {
    /// When each device's lease ends.
    here: BTreeMap<UserId, BTreeMap<SessionId, Duration>>,
    /// When the last lease of each user in `here` ends.
    ends: BTreeSet<(Duration, UserId)>,
    last_seen: HashMap<UserId, DateTime<Utc>>,
    /// The users in `last_seen`, oldest first.
    by_age: BTreeSet<(DateTime<Utc>, UserId)>,
    /// Those in `last_seen` whose last lease ran out, and nobody has been told yet.
    expired: BTreeSet<UserId>,
    /// The longest that `last_seen` may be.
    max_last_seen: usize,
}

impl People {
    fn remembering(max_last_seen: usize) -> Self {
        Self {
            max_last_seen,
            ..Self::default()
        }
    }

    /// Sends those away whose last lease has ended.
    fn settle(&mut self, now: Duration, wall: DateTime<Utc>) {
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((end, user)) = self.ends.pop_first() else {
                return;
            };
            self.here.remove(&user);
            let ago = TimeDelta::from_std(now.saturating_sub(end)).unwrap_or(TimeDelta::MAX);
            let left = wall.checked_sub_signed(ago).unwrap_or(wall);
            self.expired.insert(user.clone());
            self.leave(user, left);
        }
    }

    fn leave(&mut self, user: UserId, at: DateTime<Utc>) {
        self.by_age.insert((at, user.clone()));
        self.last_seen.insert(user, at);
        if self.last_seen.len() > self.max_last_seen
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.last_seen.remove(&oldest);
            self.expired.remove(&oldest);
        }
    }

    /// Gives or takes a lease.
    fn set_lease(
        &mut self,
        user: &UserId,
        session: SessionId,
        until: Option<Duration>,
        now: Duration,
        wall: DateTime<Utc>,
    ) -> Transition {
        let mut leases = self.here.remove(user).unwrap_or_default();
        let before = leases.values().max().copied();
        if let Some(end) = before {
            self.ends.remove(&(end, user.clone()));
        }
        leases.retain(|_, until| *until > now);
        match until {
            Some(until) => leases.insert(session, until),
            None => leases.remove(&session),
        };
        let after = leases.values().max().copied();
        if let Some(end) = after {
            self.ends.insert((end, user.clone()));
            self.here.insert(user.clone(), leases);
        }
        match (before, after) {
            (None, Some(_)) => {
                self.expired.remove(user);
                if let Some(left) = self.last_seen.remove(user) {
                    self.by_age.remove(&(left, user.clone()));
                }
                Transition::BecameOnline
            }
            (Some(_), None) => {
                self.leave(user.clone(), wall);
                Transition::BecameOffline
            }
            _ => Transition::Same,
        }
    }
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

    async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        let (mut people, ..) = self.people();
        let next = std::iter::from_fn(|| people.expired.pop_first());
        Ok(next.take(limit).collect())
    }
}

#[derive(Debug, Default)]
struct Budgets {
    states: HashMap<RateKey, RateState>,
    /// At how many states to forget those that say nothing.
    sweep_at: usize,
}

impl Budgets {
    /// Below this many states nothing is forgotten.
    const KEEP: usize = 1024;

    /// Forgets what says nothing. It happens each time the number has doubled, so a request pays
    /// for a few states on average, and at most every second state is one to forget.
    fn sweep(&mut self, now: Duration) {
        if self.states.len() >= self.sweep_at.max(Self::KEEP) {
            self.states.retain(|_, state| state.until() > now);
            self.states.shrink_to(2 * self.states.len());
            self.sweep_at = 2 * self.states.len();
        }
    }
}

#[async_trait]
impl RateCache for MemoryCache {
    async fn acquire(&self, key: &RateKey, policy: &RatePolicy) -> Result<Decision, BackendError> {
        let mut budgets = lock(&self.budgets);
        let now = self.clock.monotonic();
        if let Some(state) = budgets.states.get_mut(key) {
            return Ok(policy.decide(state, now));
        }
        budgets.sweep(now);
        let mut state = RateState::default();
        let decision = policy.decide(&mut state, now);
        budgets.states.insert(key.clone(), state);
        Ok(decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn cache() -> (Arc<ManualClock>, MemoryCache) {
        let clock = Arc::new(ManualClock::default());
        let cache = MemoryCache::new(Arc::<ManualClock>::clone(&clock));
        (clock, cache)
    }

    fn user(number: usize) -> UserId {
        UserId::new(format!("user {number:06}")).unwrap()
    }

    #[tokio::test]
    async fn budgets_that_are_whole_again_are_forgotten() {
        let (clock, cache) = cache();
        let policy = RatePolicy::Steady {
            interval: SECOND,
            burst: 1,
        };
        for number in 0..5 * Budgets::KEEP {
            if number % Budgets::KEEP == 0 {
                clock.advance(SECOND);
            }
            let user = user(number);
            let key = RateKey {
                action: "send",
                user,
            };
            let decision = cache.acquire(&key, &policy).await.unwrap();
            assert_eq!(decision, Decision::Allowed);
            assert!(lock(&cache.budgets).states.len() <= 2 * Budgets::KEEP);
            let decision = cache.acquire(&key, &policy).await.unwrap();
            let retry_after = SECOND;
            assert_eq!(decision, Decision::Refused { retry_after });
        }
    }

    #[test]
    fn of_too_many_who_left_the_oldest_are_forgotten() {
        let mut people = People::remembering(2);
        let (session, start) = (SessionId(uuid::Uuid::nil()), DateTime::UNIX_EPOCH);
        for number in 1..=3 {
            let end = SECOND * u32::try_from(number).unwrap();
            people.set_lease(&user(number), session, Some(end), Duration::ZERO, start);
        }
        people.settle(SECOND * 2, start + SECOND * 2);
        assert_eq!(people.last_seen.get(&user(1)), Some(&(start + SECOND)));
        people.settle(SECOND * 9, start + SECOND * 9);
        assert_eq!(people.last_seen.get(&user(1)), None);
        assert_eq!(people.last_seen.get(&user(2)), Some(&(start + SECOND * 2)));
        let kept = [people.last_seen.len(), people.by_age.len()];
        assert_eq!(kept, [2; 2]);
        assert_eq!(people.expired, BTreeSet::from([user(2), user(3)]));
        assert!(people.here.is_empty() && people.ends.is_empty());
    }
}
