//! Budgets: the number of allowed requests, and the time of the next one.

use super::common::*;
use crate::{
    port::RateKey,
    rate::{Decision, RatePolicy},
};

/// Three requests, and then a mute that is shorter than the window.
const WINDOW: RatePolicy = RatePolicy::Window {
    limit: 3,
    window: Duration::from_mins(10),
    mute: Duration::from_secs(2),
};
/// Three requests at once, and one more every two seconds.
const STEADY: RatePolicy = RatePolicy::Steady {
    interval: Duration::from_secs(2),
    burst: 3,
};

fn key(action: &'static str, name: &str) -> RateKey {
    RateKey {
        action: action.into(),
        user: user(name),
    }
}

async fn send(cache: &Arc<dyn Cache>, name: &str, policy: &RatePolicy) -> Decision {
    let key = key("send", name);
    cache.acquire(&key, policy).await.unwrap()
}

/// Uses up three units, and returns the `retry_after` of the next request.
async fn exhaust(cache: &Arc<dyn Cache>, name: &str, policy: &RatePolicy) -> Duration {
    for number in 1..=3 {
        let decision = send(cache, name, policy).await;
        assert_eq!(decision, Decision::Allowed, "request {number} of 3");
    }
    let decision = send(cache, name, policy).await;
    match (policy, decision) {
        (RatePolicy::Window { .. }, Decision::MutedNow { retry_after })
        | (RatePolicy::Steady { .. }, Decision::Refused { retry_after }) => retry_after,
        _ => panic!("one too many was {decision:?}"),
    }
}

pub(super) async fn a_window_allows_its_limit_and_then_mutes(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    let wait = exhaust(&cache, "alice", &WINDOW).await;
    assert_eq!(wait, Duration::from_secs(2), "the mute");
    h.elapse(UNIT).await;
    match send(&cache, "alice", &WINDOW).await {
        Decision::Muted { retry_after } => {
            assert!(retry_after <= wait.saturating_sub(UNIT), "{retry_after:?}");
            h.elapse(retry_after).await;
        }
        other => panic!("while muted: {other:?}"),
    }
    exhaust(&cache, "alice", &WINDOW).await; // The end of the mute begins a new window.
}

pub(super) async fn a_window_that_is_over_begins_anew(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    let policy = RatePolicy::Window {
        limit: 3,
        window: UNIT * 3,
        mute: LONG,
    };
    for _ in 0..2 {
        for _ in 0..3 {
            let decision = send(&cache, "alice", &policy).await;
            assert_eq!(decision, Decision::Allowed);
            h.elapse(UNIT).await;
        }
    }
}

pub(super) async fn a_steady_budget_allows_its_burst_and_then_its_rate(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    let wait = exhaust(&cache, "alice", &STEADY).await;
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    h.elapse(wait).await;
    assert_eq!(send(&cache, "alice", &STEADY).await, Decision::Allowed);
    let next = send(&cache, "alice", &STEADY).await;
    assert!(
        matches!(next, Decision::Refused { .. }),
        "one a time: {next:?}"
    );
}

pub(super) async fn of_many_requests_at_once_only_the_budget_is_allowed(h: &dyn CacheHarness) {
    for (name, policy) in [("alice", WINDOW), ("bob", STEADY)] {
        let mut calls = JoinSet::new();
        for _ in 0..CROWD {
            let cache = h.cache().await;
            calls.spawn(async move { send(&cache, name, &policy).await });
        }
        let decisions = calls.join_all().await;
        let count = |is: fn(&Decision) -> bool| decisions.iter().filter(|one| is(one)).count();
        let allowed = count(|decision| *decision == Decision::Allowed);
        assert_eq!(allowed, 3, "of 3 units, {policy:?}");
        let mutes = count(|decision| matches!(decision, Decision::MutedNow { .. }));
        let expected = usize::from(policy == WINDOW);
        assert_eq!(mutes, expected, "one request begins the mute");
    }
}

pub(super) async fn a_refusal_costs_nothing(h: &dyn CacheHarness) {
    for (name, policy) in [("alice", WINDOW), ("bob", STEADY)] {
        let cache = h.cache().await;
        let wait = exhaust(&cache, name, &policy).await;
        for elapsed in [wait / 4, wait / 4, Duration::ZERO] {
            h.elapse(elapsed).await;
            let again = send(&cache, name, &policy).await;
            assert_ne!(again, Decision::Allowed, "too early, {policy:?}");
        }
        h.elapse(wait.saturating_sub(wait / 4 * 2)).await;
        let decision = send(&cache, name, &policy).await;
        assert_eq!(decision, Decision::Allowed, "as was promised, {policy:?}");
    }
}

pub(super) async fn budgets_of_different_keys_do_not_touch_each_other(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    for (name, other, policy) in [("alice", "bob", WINDOW), ("carol", "dave", STEADY)] {
        exhaust(&cache, name, &policy).await;
        exhaust(&cache, other, &policy).await;
        let typing = cache.acquire(&key("typing", name), &policy).await;
        assert_eq!(typing.unwrap(), Decision::Allowed, "another action");
    }
}
