//! Budgets of requests.

use std::time::Duration;

use async_trait::async_trait;
use chat_core::{
    port::{BackendError, BackendErrorKind, RateCache, RateKey, Retry},
    rate::{Decision, RatePolicy},
};
use fred::types::Value;

use crate::{
    cache::{RedisCache, micros},
    client::Script,
    error::BACKEND,
};

static ACQUIRE: Script = Script::new(include_str!("lua/acquire.lua"));

impl RedisCache {
    /// Spends from a budget that no user has, so that a missing permission to write is reported at start.
    pub(crate) async fn probe(&self) -> Result<(), BackendError> {
        let (keys, no_time) = (vec![self.keys.probe()], Value::from(""));
        let arguments = vec!["steady".into(), 1.into(), 1.into(), 0.into(), no_time];
        let run = self.servers.run("connect", &ACQUIRE, keys, arguments);
        run.await.map(|(_, _): (u8, u64)| ())
    }

    /// Decides on a request made at `now`, or by the server's clock.
    async fn acquire_at(
        &self,
        key: &RateKey,
        policy: &RatePolicy,
        now: Option<Duration>,
    ) -> Result<Decision, BackendError> {
        let (kind, units, length, mute) = match *policy {
            RatePolicy::Window {
                limit,
                window,
                mute,
            } => ("window", limit, window, mute),
            RatePolicy::Steady { interval, burst } => ("steady", burst, interval, Duration::ZERO),
        };
        let keys = vec![self.keys.budget(&key.action, &key.user)];
        let arguments = vec![
            kind.into(),
            units.max(1).into(),
            micros(length).into(),
            micros(mute).into(),
            now.map_or_else(|| Value::from(""), |now| micros(now).into()),
        ];
        let run = self.servers.run("acquire", &ACQUIRE, keys, arguments);
        let (decision, wait): (u8, u64) = run.await?;
        let retry_after = Duration::from_micros(wait);
        match decision {
            0 => Ok(Decision::Allowed),
            1 => Ok(Decision::Refused { retry_after }),
            2 => Ok(Decision::MutedNow { retry_after }),
            3 => Ok(Decision::Muted { retry_after }),
            _ => {
                let (kind, retry) = (BackendErrorKind::Corrupt, Retry::No);
                Err(BackendError::new(
                    BACKEND,
                    kind,
                    retry,
                    "acquire",
                    "no such decision",
                ))
            }
        }
    }
}

#[async_trait]
impl RateCache for RedisCache {
    async fn acquire(&self, key: &RateKey, policy: &RatePolicy) -> Result<Decision, BackendError> {
        self.acquire_at(key, policy, None).await
    }
}

#[cfg(test)]
mod tests {
    use chat_core::{IdGen as _, RandomIds, UserId, rate::RateState};
    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, TestRunner},
    };

    use super::*;

    /// Budgets expire by the server's clock, so they must be far longer than a case takes.
    const UNIT: Duration = Duration::from_secs(10);

    fn policy() -> impl Strategy<Value = RatePolicy> {
        let window =
            (0..6_u32, 1..40_u32, 0..20_u32).prop_map(|(limit, window, mute)| RatePolicy::Window {
                limit,
                window: UNIT * window,
                mute: UNIT * mute,
            });
        let steady = (1..20_u32, 0..6_u32).prop_map(|(interval, burst)| RatePolicy::Steady {
            interval: UNIT * interval,
            burst,
        });
        prop_oneof![window, steady]
    }

    #[test]
    fn the_script_decides_as_the_policy_does() {
        let Some(url) = chat_core::testing::service("REDIS_URL") else {
            return;
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connect = RedisCache::connect_with(&url, "test", Duration::from_secs(10));
        let cache = runtime.block_on(connect).unwrap();
        let step = prop_oneof![3 => Just(0), 2 => 0..4_u32, 1 => 0..50_u32];
        // The policy changes once during the schedule.
        let schedule = (policy(), policy(), 0..60_usize, vec(step, 1..60));
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            ..Config::with_cases(64)
        });
        let law = |(before, after, change, steps): (_, _, _, Vec<u32>)| {
            let user = UserId::new(RandomIds.next().to_string()).unwrap();
            let action = "send".into();
            let (key, mut state, mut now) = (RateKey { action, user }, RateState::default(), UNIT);
            for (at, step) in steps.into_iter().enumerate() {
                now += UNIT / 10 * step;
                let policy: &RatePolicy = if at < change { &before } else { &after };
                let found = runtime.block_on(cache.acquire_at(&key, policy, Some(now)));
                let expected = policy.decide(&mut state, now);
                prop_assert_eq!(found.unwrap(), expected, "request {} at {:?}", at, now);
            }
            Ok(())
        };
        runner.run(&schedule, law).unwrap();
    }
}
