//! Presence: leases, and the transitions that their beginning and their end cause.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::common::*;
use crate::{Presence, SessionId, port::Transition};

fn device(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

async fn touch(cache: &Arc<dyn Cache>, name: &str, number: u128, ttl: Duration) -> Transition {
    let user = user(name);
    cache.touch(&user, device(number), ttl).await.unwrap()
}

async fn release(cache: &Arc<dyn Cache>, name: &str, number: u128) -> Transition {
    let user = user(name);
    cache.release(&user, device(number)).await.unwrap()
}

async fn presence(cache: &Arc<dyn Cache>, name: &str) -> Presence {
    let mut answer = cache.presence(&[user(name)]).await.unwrap();
    assert_eq!(answer.len(), 1, "one answer for one user");
    answer.remove(0)
}

async fn is_online(cache: &Arc<dyn Cache>, name: &str) -> bool {
    let presence = presence(cache, name).await;
    let online = cache.online(1000).await.unwrap();
    assert_eq!(
        presence.online,
        online.contains(&user(name)),
        "`presence` and `online` agree"
    );
    assert!(
        !presence.online || presence.last_seen.is_none(),
        "who is online has no last_seen"
    );
    presence.online
}

async fn last_seen(cache: &Arc<dyn Cache>, name: &str) -> DateTime<Utc> {
    let presence = presence(cache, name).await;
    presence.last_seen.expect("last_seen is set")
}

/// The cache's own wall clock, read from the last-seen time of a user who comes and goes.
async fn wall_clock(cache: &Arc<dyn Cache>) -> DateTime<Utc> {
    touch(cache, "clock", 1, LONG).await;
    release(cache, "clock", 1).await;
    last_seen(cache, "clock").await
}

fn assert_about(found: DateTime<Utc>, expected: DateTime<Utc>) {
    let off = (found - expected).abs();
    let slack = TimeDelta::from_std(UNIT / 2).unwrap();
    assert!(off < slack, "{found} is not about {expected}");
}

pub(super) async fn the_first_lease_brings_a_user_online_and_others_change_nothing(
    h: &dyn CacheHarness,
) {
    let cache = h.cache().await;
    assert!(!is_online(&cache, "alice").await);
    let first = touch(&cache, "alice", 1, LONG).await;
    assert_eq!(first, Transition::BecameOnline);
    assert!(is_online(&cache, "alice").await);
    let other_node = h.cache().await;
    let second = touch(&other_node, "alice", 2, LONG).await;
    assert_eq!(second, Transition::Same, "a second device");
    let renewal = touch(&other_node, "alice", 1, LONG).await;
    assert_eq!(renewal, Transition::Same, "a renewal");
    let bob = touch(&other_node, "bob", 3, LONG).await;
    assert_eq!(bob, Transition::BecameOnline, "another user");
}

pub(super) async fn of_many_devices_at_once_exactly_one_is_the_first(h: &dyn CacheHarness) {
    let mut calls = JoinSet::new();
    for number in 0..CROWD {
        let cache = h.cache().await;
        calls.spawn(async move { touch(&cache, "alice", number, LONG).await });
    }
    let mut changes = calls.join_all().await;
    changes.retain(|change| *change != Transition::Same);
    assert_eq!(changes, [Transition::BecameOnline]);
}

pub(super) async fn a_lease_that_is_not_renewed_ends(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, UNIT * 2).await;
    h.elapse(UNIT).await;
    assert!(is_online(&cache, "alice").await, "before the end");
    h.elapse(UNIT).await;
    assert!(!is_online(&cache, "alice").await, "after the end");
}

pub(super) async fn a_renewed_lease_ends_its_time_after_the_renewal(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, UNIT * 3).await;
    h.elapse(UNIT * 2).await;
    touch(&cache, "alice", 1, UNIT * 3).await;
    touch(&cache, "alice", 1, UNIT * 3).await;
    h.elapse(UNIT * 2).await;
    assert!(is_online(&cache, "alice").await, "renewed");
    h.elapse(UNIT).await;
    assert!(!is_online(&cache, "alice").await, "renewals don't add up");
    touch(&cache, "alice", 1, LONG).await;
    touch(&cache, "alice", 1, UNIT).await;
    h.elapse(UNIT).await;
    assert!(!is_online(&cache, "alice").await, "the newest `ttl` counts");
}

pub(super) async fn who_went_offline_can_come_online_again(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, LONG).await;
    release(&cache, "alice", 1).await;
    let again = touch(&cache, "alice", 1, UNIT).await;
    assert_eq!(again, Transition::BecameOnline, "after a release");
    h.elapse(UNIT).await;
    let again = touch(&cache, "alice", 1, LONG).await;
    assert_eq!(again, Transition::BecameOnline, "after the lease ran out");
    assert!(is_online(&cache, "alice").await);
}

pub(super) async fn the_end_of_the_last_lease_takes_the_user_offline_and_sets_last_seen(
    h: &dyn CacheHarness,
) {
    let cache = h.cache().await;
    let start = wall_clock(&cache).await;
    touch(&cache, "alice", 1, LONG).await;
    h.elapse(UNIT * 2).await;
    let end = release(&cache, "alice", 1).await;
    assert_eq!(end, Transition::BecameOffline);
    assert!(!is_online(&cache, "alice").await);
    let passed = TimeDelta::from_std(UNIT * 2).unwrap();
    assert_about(last_seen(&cache, "alice").await, start + passed);
}

pub(super) async fn a_user_is_online_while_any_lease_lives(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    for number in 1..=3 {
        touch(&cache, "alice", number, LONG).await;
    }
    for number in [1, 3] {
        assert_eq!(release(&cache, "alice", number).await, Transition::Same);
        assert!(is_online(&cache, "alice").await);
    }
    let last = release(&cache, "alice", 2).await;
    assert_eq!(last, Transition::BecameOffline);
    touch(&cache, "bob", 4, UNIT).await;
    touch(&cache, "bob", 5, LONG).await;
    touch(&cache, "bob", 6, UNIT).await;
    h.elapse(UNIT).await;
    assert!(is_online(&cache, "bob").await, "one of three leases lives");
}

pub(super) async fn of_many_devices_that_leave_at_once_exactly_one_is_the_last(
    h: &dyn CacheHarness,
) {
    let mut calls = JoinSet::new();
    for number in 0..CROWD {
        touch(&h.cache().await, "alice", number, LONG).await;
    }
    for number in 0..CROWD {
        let cache = h.cache().await;
        calls.spawn(async move { release(&cache, "alice", number).await });
    }
    let mut changes = calls.join_all().await;
    changes.retain(|change| *change != Transition::Same);
    assert_eq!(changes, [Transition::BecameOffline]);
}

pub(super) async fn a_lease_that_ran_out_keeps_nobody_online(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, UNIT).await;
    touch(&cache, "alice", 2, LONG).await;
    h.elapse(UNIT).await;
    let last = release(&cache, "alice", 2).await;
    assert_eq!(last, Transition::BecameOffline, "the other had run out");
    assert!(!is_online(&cache, "alice").await);
}

pub(super) async fn releasing_what_is_not_there_changes_nothing(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    assert_eq!(release(&cache, "alice", 1).await, Transition::Same);
    touch(&cache, "alice", 1, LONG).await;
    let unknown = release(&cache, "alice", 2).await;
    assert_eq!(unknown, Transition::Same, "an unknown device");
    assert!(is_online(&cache, "alice").await);
    release(&cache, "alice", 1).await;
    let twice = release(&cache, "alice", 1).await;
    assert_eq!(twice, Transition::Same, "a second time");
    touch(&cache, "bob", 3, UNIT).await;
    h.elapse(UNIT).await;
    let late = release(&cache, "bob", 3).await;
    assert_eq!(late, Transition::Same, "after it ran out");
    let expired = cache.take_expired(10).await.unwrap();
    assert_eq!(expired, [user("bob")], "and that is told by take_expired");
}

pub(super) async fn releasing_a_lease_of_somebody_else_changes_nothing(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, LONG).await;
    touch(&cache, "bob", 2, LONG).await;
    assert_eq!(release(&cache, "bob", 1).await, Transition::Same);
    assert!(is_online(&cache, "alice").await);
    assert!(is_online(&cache, "bob").await);
    let own = release(&cache, "alice", 1).await;
    assert_eq!(own, Transition::BecameOffline);
}

pub(super) async fn presence_answers_in_the_order_asked(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, LONG).await;
    touch(&cache, "bob", 2, LONG).await;
    release(&cache, "bob", 2).await;
    let asked = ["zoë", "bob", "alice", "bob"].map(user);
    let answer = cache.presence(&asked).await.unwrap();
    let users: Vec<_> = answer.iter().map(|presence| &presence.user).collect();
    assert_eq!(users, asked.iter().collect::<Vec<_>>());
    let online: Vec<_> = answer.iter().map(|presence| presence.online).collect();
    assert_eq!(online, [false, false, true, false]);
    let seen = answer.iter().map(|presence| presence.last_seen.is_some());
    assert_eq!(seen.collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!(cache.presence(&[]).await.unwrap(), []);
}

pub(super) async fn online_gives_each_user_once_in_ascending_order(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    assert_eq!(cache.online(10).await.unwrap(), []);
    let names = [
        "zoë",
        "bob",
        "Bob",
        "李雷",
        "alice",
        "anna maria",
        "alice|1",
    ];
    for (name, number) in names.iter().zip(1..) {
        touch(&cache, name, number, LONG).await;
        touch(&cache, name, 100 + number, LONG).await;
    }
    touch(&cache, "gone", 50, LONG).await;
    release(&cache, "gone", 50).await;
    let mut expected = names.map(user);
    expected.sort();
    assert_eq!(cache.online(10).await.unwrap(), expected);
}

pub(super) async fn online_gives_at_most_the_limit(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    for (name, number) in ["carol", "alice", "bob"].into_iter().zip(1..) {
        touch(&cache, name, number, LONG).await;
    }
    let first = cache.online(2).await.unwrap();
    assert_eq!(first, ["alice", "bob"].map(user), "the first in order");
    assert_eq!(cache.online(3).await.unwrap().len(), 3);
    assert_eq!(cache.online(0).await.unwrap(), []);
}

pub(super) async fn a_user_whose_last_lease_ran_out_is_given_once(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    assert_eq!(cache.take_expired(10).await.unwrap(), []);
    touch(&cache, "alice", 1, UNIT).await;
    touch(&cache, "alice", 2, UNIT).await;
    assert_eq!(cache.take_expired(10).await.unwrap(), [], "still here");
    h.elapse(UNIT).await;
    assert_eq!(cache.take_expired(10).await.unwrap(), [user("alice")]);
    let again = h.cache().await.take_expired(10).await.unwrap();
    assert_eq!(again, [], "to exactly one caller");
    touch(&cache, "alice", 1, UNIT).await;
    h.elapse(UNIT).await;
    let next = cache.take_expired(10).await.unwrap();
    assert_eq!(next, [user("alice")], "a second time, a second notice");
}

pub(super) async fn many_callers_share_out_those_who_expired(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    for number in 0..CROWD {
        touch(&cache, &format!("user {number}"), number, UNIT).await;
    }
    h.elapse(UNIT).await;
    let mut calls = JoinSet::new();
    for _ in 0..CROWD {
        let cache = h.cache().await;
        calls.spawn(async move { cache.take_expired(4).await.unwrap() });
    }
    let given = calls.join_all().await.concat();
    let users: BTreeSet<_> = given.iter().collect();
    assert_eq!(users.len(), given.len(), "nobody is given twice");
    assert_eq!(given.len(), 50, "nobody is forgotten");
}

pub(super) async fn take_expired_gives_at_most_the_limit_and_the_rest_later(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    let names = ["alice", "bob", "carol"];
    for (name, number) in names.into_iter().zip(1..) {
        touch(&cache, name, number, UNIT).await;
    }
    h.elapse(UNIT).await;
    assert_eq!(cache.take_expired(0).await.unwrap(), []);
    let mut given = cache.take_expired(2).await.unwrap();
    assert_eq!(given.len(), 2);
    given.extend(cache.take_expired(2).await.unwrap());
    given.sort();
    assert_eq!(given, names.map(user));
}

pub(super) async fn who_expired_was_last_seen_at_the_end_of_the_lease(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    let start = wall_clock(&cache).await;
    touch(&cache, "alice", 1, UNIT * 2).await;
    touch(&cache, "alice", 2, UNIT).await;
    h.elapse(UNIT * 5).await;
    assert_eq!(cache.take_expired(10).await.unwrap(), [user("alice")]);
    let lease = TimeDelta::from_std(UNIT * 2).unwrap();
    assert_about(last_seen(&cache, "alice").await, start + lease);
}

pub(super) async fn who_is_back_online_has_not_expired(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, UNIT).await;
    touch(&cache, "bob", 2, UNIT).await;
    h.elapse(UNIT).await;
    touch(&cache, "alice", 3, LONG).await;
    assert_eq!(cache.take_expired(10).await.unwrap(), [user("bob")]);
    assert!(is_online(&cache, "alice").await);
}

pub(super) async fn who_left_or_has_another_device_has_not_expired(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    touch(&cache, "alice", 1, UNIT).await;
    touch(&cache, "alice", 2, LONG).await;
    touch(&cache, "bob", 3, UNIT).await;
    release(&cache, "bob", 3).await;
    h.elapse(UNIT).await;
    assert_eq!(cache.take_expired(10).await.unwrap(), []);
    assert!(is_online(&cache, "alice").await);
}

pub(super) async fn a_forgotten_user_was_never_there(h: &dyn CacheHarness) {
    let cache = h.cache().await;
    for (name, device) in [("alice", 1), ("alice", 2), ("bob", 1), ("carol", 1)] {
        touch(&cache, name, device, LONG).await;
    }
    release(&cache, "bob", 1).await;
    for name in ["alice", "bob", "dave"] {
        cache.forget_user(&user(name)).await.unwrap();
        assert!(!is_online(&cache, name).await, "{name}");
        assert_eq!(presence(&cache, name).await.last_seen, None, "{name}");
    }
    assert!(is_online(&cache, "carol").await, "others stay");
    assert_eq!(cache.online(9).await.unwrap(), [user("carol")]);
    assert_eq!(release(&cache, "alice", 1).await, Transition::Same);
    assert_eq!(
        touch(&cache, "alice", 1, LONG).await,
        Transition::BecameOnline
    );
}
