//! Presence: the users who are online, and when the others were last seen.

use std::{iter::zip, time::Duration};

use async_trait::async_trait;
use chat_core::{
    Presence, SessionId, UserId,
    port::{BackendError, BackendErrorKind, PresenceCache, Retry, Transition},
};
use chrono::DateTime;
use fred::types::Value;
use futures_util::future::try_join_all;

use crate::{
    cache::{RedisCache, micros},
    client::Script,
    error::BACKEND,
    keys::{BUCKETS, Keys},
};

static TOUCH: Script = Script::new(include_str!("lua/touch.lua"));
static RELEASE: Script = Script::new(include_str!("lua/release.lua"));
static PRESENCE: Script = Script::new(include_str!("lua/presence.lua"));
static ONLINE: Script = Script::new(include_str!("lua/online.lua"));
static FORGET: Script = Script::new(include_str!("lua/forget.lua"));
static TAKE_EXPIRED: Script = Script::new(include_str!("lua/take_expired.lua"));

/// The number of users that a bucket remembers as last seen: 100,000 in all, as in the memory
/// cache.
const SEEN: i64 = 100_000 / BUCKETS as i64;

/// The number of users that a script takes at once; it blocks all other commands while it runs.
const TAKEN_AT_ONCE: usize = 1000;

impl RedisCache {
    /// Returns the three keys that a change of a user's presence writes.
    fn of(&self, user: &UserId) -> Vec<String> {
        let bucket = Keys::bucket(user);
        let leases = self.keys.leases(user);
        vec![leases, self.keys.ends(bucket), self.keys.seen(bucket)]
    }
}

#[async_trait]
impl PresenceCache for RedisCache {
    async fn touch(
        &self,
        user: &UserId,
        session: SessionId,
        ttl: Duration,
    ) -> Result<Transition, BackendError> {
        let session = session.0.to_string();
        let arguments = vec![user.as_str().into(), session.into(), micros(ttl).into()];
        let mut keys = self.of(user);
        keys.push(self.keys.longest(Keys::bucket(user)));
        let came: bool = self.servers.run("touch", &TOUCH, keys, arguments).await?;
        Ok(if came {
            Transition::BecameOnline
        } else {
            Transition::Same
        })
    }

    async fn release(&self, user: &UserId, session: SessionId) -> Result<Transition, BackendError> {
        let session = session.0.to_string();
        let arguments = vec![user.as_str().into(), session.into(), SEEN.into()];
        let keys = self.of(user);
        let went: bool = self
            .servers
            .run("release", &RELEASE, keys, arguments)
            .await?;
        Ok(if went {
            Transition::BecameOffline
        } else {
            Transition::Same
        })
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError> {
        // One script asks for all users of one bucket.
        let mut buckets = vec![Vec::new(); BUCKETS.into()];
        for (at, user) in users.iter().enumerate() {
            buckets[usize::from(Keys::bucket(user))].push(at);
        }
        let asked = zip(0..BUCKETS, &buckets).filter(|(_, places)| !places.is_empty());
        let answers = asked.map(async |(bucket, places)| {
            let keys = vec![self.keys.ends(bucket), self.keys.seen(bucket)];
            let names = places.iter().map(|at| users[*at].as_str().into());
            let run = self
                .servers
                .run("presence", &PRESENCE, keys, names.collect());
            let times: Vec<i64> = run.await?;
            Ok::<_, BackendError>(zip(places, times))
        });
        let answers = try_join_all(answers).await;
        let answers = answers.map_err(BackendError::of_a_read)?;
        let mut times = vec![0; users.len()];
        for (at, time) in answers.into_iter().flatten() {
            times[*at] = time;
        }
        let presence = zip(users, times).map(|(user, time)| Presence {
            user: user.clone(),
            online: time < 0,
            last_seen: (time > 0)
                .then(|| DateTime::from_timestamp_micros(time))
                .flatten(),
        });
        Ok(presence.collect())
    }

    async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        let buckets = (0..BUCKETS).map(async |bucket| {
            let keys = vec![self.keys.ends(bucket)];
            let names = self
                .servers
                .run("online", &ONLINE, keys, Vec::new())
                .await?;
            user_ids("online", names)
        });
        let users = try_join_all(buckets).await;
        let mut users = users.map_err(BackendError::of_a_read)?.concat();
        users.sort_unstable();
        users.truncate(limit);
        Ok(users)
    }

    async fn forget_user(&self, user: &UserId) -> Result<(), BackendError> {
        let (keys, arguments) = (self.of(user), vec![user.as_str().into()]);
        let run = self.servers.run("forget_user", &FORGET, keys, arguments);
        let _: bool = run.await?;
        Ok(())
    }

    async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        let (mut users, mut failed) = (Vec::new(), None);
        for bucket in 0..BUCKETS {
            let wanted = limit.saturating_sub(users.len()).min(TAKEN_AT_ONCE);
            if wanted == 0 {
                break;
            }
            let keys = vec![
                self.keys.ends(bucket),
                self.keys.seen(bucket),
                self.keys.longest(bucket),
            ];
            let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
            let arguments: Vec<Value> = vec![wanted.into(), SEEN.into()];
            let run = self
                .servers
                .run("take_expired", &TAKE_EXPIRED, keys, arguments);
            match run.await {
                Ok(names) => users.extend(user_ids("take_expired", names)?),
                // One master of a cluster may be away, and the users on the others expire all the
                // same.
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            // The users taken already are given to no other node.
            Some(error) if users.is_empty() => Err(error),
            _ => Ok(users),
        }
    }
}

fn user_ids(operation: &'static str, names: Vec<String>) -> Result<Vec<UserId>, BackendError> {
    let users = names.into_iter().map(UserId::new);
    let damaged = |error| {
        BackendError::new(
            BACKEND,
            BackendErrorKind::Corrupt,
            Retry::No,
            operation,
            error,
        )
    };
    users.collect::<Result<_, _>>().map_err(damaged)
}
