//! The users who are or were online in one process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    model::{SessionId, UserId},
    port::Transition,
};

/// The online users, and those who were online before. Between [`People::settle`] and the end of a
/// call, exactly the users with a live lease are in `here`.
#[derive(Debug, Default)]
pub(super) struct People {
    /// The end of each device's lease.
    pub(super) here: BTreeMap<UserId, BTreeMap<SessionId, Duration>>,
    /// The end of the last lease of each user in `here`.
    ends: BTreeSet<(Duration, UserId)>,
    pub(super) last_seen: HashMap<UserId, DateTime<Utc>>,
    /// The users in `last_seen`, oldest first.
    by_age: BTreeSet<(DateTime<Utc>, UserId)>,
    /// The users in `last_seen` whose last lease ran out and has not been reported yet.
    pub(super) expired: BTreeSet<UserId>,
    /// The maximum length of `last_seen`.
    max_last_seen: usize,
}

impl People {
    pub(super) fn remembering(max_last_seen: usize) -> Self {
        Self {
            max_last_seen,
            ..Self::default()
        }
    }

    /// Moves the users whose last lease has ended from `here` to `last_seen`.
    pub(super) fn settle(&mut self, now: Duration, wall: DateTime<Utc>) {
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

    /// Forgets a user.
    pub(super) fn forget(&mut self, user: &UserId) {
        let leases = self.here.remove(user).unwrap_or_default();
        if let Some(end) = leases.into_values().max() {
            self.ends.remove(&(end, user.clone()));
        }
        if let Some(left) = self.last_seen.remove(user) {
            self.by_age.remove(&(left, user.clone()));
        }
        self.expired.remove(user);
    }

    /// Sets a lease; ends it if `until` is `None`.
    pub(super) fn set_lease(
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn user(number: usize) -> UserId {
        UserId::new(format!("user {number:06}")).unwrap()
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
