//! The log of decisions.

use super::common::*;
use crate::{Decision, Ends, NewDecision, Reason, Ruling, Scope, TokenId, Version, Via};

/// A decision by `root` with a new client id.
fn decision(what: Ruling) -> NewDecision {
    let number = unique();
    NewDecision {
        at: time(number),
        by: user("root"),
        via: Via::Admin,
        address: None,
        reason: Reason::default(),
        client_id: client_id(&format!("d{number}")),
        what,
    }
}

fn ban(name: &str, until: Option<u64>) -> Ruling {
    Ruling::Ban {
        user: user(name),
        scope: Scope::Server,
        until: until.map(time),
    }
}

fn revoke(jti: &str, until: u64) -> Ruling {
    Ruling::RevokeToken {
        jti: TokenId::new(jti).expect("a valid token id"),
        until: time(until),
    }
}

fn lift(version: u64) -> Ruling {
    Ruling::Lift {
        version: Version(version),
    }
}

/// Stores these rulings one after the other.
async fn decide(h: &dyn StoreHarness, rulings: impl IntoIterator<Item = Ruling>) -> Vec<Decision> {
    let mut all = Vec::new();
    for what in rulings {
        let decided = h.store().decide(decision(what)).await;
        all.push(decided.expect("the decision is stored"));
    }
    all
}

async fn log(h: &dyn StoreHarness) -> Vec<Decision> {
    let all = h.store().decisions(Version::ZERO, 1_000).await;
    all.expect("the decisions are read")
}

fn versions(decisions: &[Decision]) -> Vec<u64> {
    let versions = decisions.iter().map(|decision| decision.version.0);
    versions.collect()
}

/// The versions of the decisions in force after this place.
async fn in_force(h: &dyn StoreHarness, after: Ends, limit: usize) -> Vec<u64> {
    let found = h.store().in_force(after, limit).await;
    versions(&found.expect("the decisions in force are read"))
}

pub(super) async fn versions_are_1_2_3(h: &dyn StoreHarness) {
    let store = h.store();
    let newest = async || store.newest_decision().await.expect("the version is read");
    assert_eq!(newest().await, Version::ZERO, "there is none at first");
    assert_eq!(log(h).await, [], "the log is empty at first");
    let bans = ["alice", "bob", "carol"].map(|name| ban(name, None));
    let decided = decide(h, bans).await;
    assert_eq!(versions(&decided), [1, 2, 3], "versions are 1, 2, 3");
    assert_eq!(log(h).await, decided, "the log has what was answered");
    assert_eq!(newest().await, Version(3), "and its newest version");
}

pub(super) async fn versions_have_no_gap_under_many_callers_at_once(h: &dyn StoreHarness) {
    let call = |number: usize| {
        let store = h.store();
        let new = decision(ban(&format!("user{number}"), None));
        async move { store.decide(new).await.expect("the decision is stored") }
    };
    let mut decided = at_once((0..16).map(call)).await;
    decided.sort_by_key(|decision| decision.version);
    let expected: Vec<u64> = (1..=16).collect();
    assert_eq!(
        versions(&decided),
        expected,
        "each has a version of its own"
    );
    assert_eq!(log(h).await, decided, "the log has what was answered");
}

pub(super) async fn a_decision_of_every_kind_is_kept_as_it_was_given(h: &dyn StoreHarness) {
    let mut expected = Vec::new();
    for (version, what) in (1..).zip(Ruling::examples(&user("Ünal"))) {
        let new = NewDecision {
            via: Via::Rest,
            address: Some("2001:db8::7".parse().expect("an address")),
            reason: Reason::new("spam, \"again\" 李雷 🦀").expect("a valid reason"),
            ..decision(what)
        };
        let decided = h.store().decide(new.clone()).await;
        let as_given = new.in_micros().numbered(Version(version));
        assert_eq!(
            decided.expect("the decision is stored"),
            as_given,
            "it is answered as it was given"
        );
        expected.push(as_given);
    }
    assert_eq!(log(h).await, expected, "it is read as it was given");
}

pub(super) async fn a_repeated_decision_answers_with_the_first(h: &dyn StoreHarness) {
    let store = h.store();
    let first = decision(ban("alice", None));
    let decided = store.decide(first.clone()).await.unwrap();
    let again = NewDecision {
        at: time(unique()),
        what: ban("bob", Some(7)),
        ..first.clone()
    };
    let repeated = store.decide(again).await.unwrap();
    assert_eq!(repeated, decided, "the answer is the first decision");
    assert_eq!(log(h).await, [decided], "nothing else is stored");
    let by_another = NewDecision {
        by: user("Root"),
        ..first.clone()
    };
    let another = store.decide(by_another).await.unwrap();
    assert_eq!(
        another.version,
        Version(2),
        "a client id belongs to one user"
    );
    let id = first.client_id.as_str().to_uppercase();
    let upper = NewDecision {
        client_id: client_id(&id),
        ..first
    };
    let upper = store.decide(upper).await.unwrap();
    assert_eq!(
        upper.version,
        Version(3),
        "client ids are told apart to the letter"
    );
}

pub(super) async fn repetitions_at_once_are_stored_once(h: &dyn StoreHarness) {
    for round in 1..=4 {
        let new = decision(ban("alice", None));
        let call = |_| {
            let (store, new) = (h.store(), new.clone());
            async move { store.decide(new).await.expect("the decision is stored") }
        };
        let decided = at_once((0..8).map(call)).await;
        assert!(
            decided.iter().all(|it| it.version == Version(round)),
            "all have the same answer: {decided:?}"
        );
    }
    assert_eq!(versions(&log(h).await), [1, 2, 3, 4], "each is stored once");
}

pub(super) async fn decisions_come_in_pages(h: &dyn StoreHarness) {
    let decided = decide(h, (0..5).map(|n| ban(&format!("user{n}"), None))).await;
    for after in 0..=6 {
        let rest = decided.get(after..).unwrap_or_default();
        let after = Version(u64::try_from(after).expect("a number"));
        for limit in [0, 1, 4, 5, 6, usize::MAX] {
            let page = h.store().decisions(after, limit).await.unwrap();
            let expected = &rest[..limit.min(rest.len())];
            assert_eq!(page, expected, "at most {limit} after {after}");
        }
    }
}

pub(super) async fn in_force_are_decisions_until_their_end(h: &dyn StoreHarness) {
    let [bob, carol] = ["bob", "carol"].map(user);
    let (scope, until) = (Scope::Server, Some(time(300)));
    let rulings = [
        ban("alice", None),
        revoke("t1", 100),
        Ruling::Kick { user: bob.clone() },
        Ruling::Mute {
            user: carol,
            scope,
            until,
        },
        Ruling::RevokeUser {
            user: bob,
            issued_before: time(900),
            until: time(200),
        },
    ];
    decide(h, rulings).await;
    for (moment, expected) in [
        (0, vec![2, 5, 4, 1]),
        (99, vec![2, 5, 4, 1]),
        (100, vec![5, 4, 1]),
        (200, vec![4, 1]),
        (299, vec![4, 1]),
        (1_000_000_000, vec![1]),
    ] {
        let found = in_force(h, Ends::after(time(moment)), 100).await;
        assert_eq!(found, expected, "in force at {moment}, by their ends");
    }
}

pub(super) async fn what_a_later_decision_lifts_is_not_in_force(h: &dyn StoreHarness) {
    let rulings = [
        // There is no such decision yet, and the one that gets this version later is not meant.
        lift(3),
        ban("alice", None),
        ban("bob", None),
        revoke("t1", 100),
        lift(2),
        lift(4),
        lift(4),
        lift(5),
    ];
    decide(h, rulings).await;
    let found = in_force(h, Ends::after(time(0)), 100).await;
    assert_eq!(found, [3], "what is lifted ends before its time");
}

pub(super) async fn decisions_in_force_come_in_pages(h: &dyn StoreHarness) {
    let ends = [50, 10, 30, 30, 30, 20, 60];
    let decided = decide(h, ends.map(|end| revoke("t1", end))).await;
    decide(h, [lift(2), lift(4)]).await;
    let mut expected: Vec<&Decision> = decided
        .iter()
        .filter(|decision| ![2, 4].contains(&decision.version.0))
        .collect();
    expected.sort_by_key(|decision| Ends::of(decision));
    for limit in [1, 2, 3, 10] {
        let (mut found, mut after) = (Vec::new(), Ends::after(time(0)));
        loop {
            let page = h.store().in_force(after, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit, "at most {limit}");
            after = Ends::of(last).expect("it is in force until an end");
            found.extend(page);
        }
        assert!(found.iter().eq(expected.iter().copied()), "{found:?}");
    }
    let none = h.store().in_force(Ends::after(time(0)), 0).await.unwrap();
    assert_eq!(none, [], "none if none is wanted");
}

pub(super) async fn decisions_are_there_after_a_restart(h: &dyn StoreHarness) {
    let new = decision(ban("alice", None));
    h.store().decide(new.clone()).await.unwrap();
    decide(h, [ban("bob", None), lift(2), revoke("t1", 100)]).await;
    let before = log(h).await;
    if h.reopen().await {
        assert_eq!(log(h).await, before, "all decisions are there");
        let found = in_force(h, Ends::after(time(0)), 10).await;
        assert_eq!(found, [4, 1], "those in force are");
        let again = h.store().decide(new).await.unwrap();
        assert_eq!(again, before[0], "a repetition is known");
        let next = decide(h, [lift(1)]).await;
        assert_eq!(versions(&next), [5], "versions go on");
    }
}

pub(super) async fn a_decision_that_was_answered_is_there_after_a_crash(h: &dyn StoreHarness) {
    let decided = decide(h, (0..3).map(|n| ban(&format!("user{n}"), None))).await;
    if h.crash().await {
        assert_eq!(log(h).await, decided, "what was answered is there");
    }
}

pub(super) async fn old_decisions_are_forgotten_unless_in_force(h: &dyn StoreHarness) {
    let store = h.store();
    let at = |at, what| NewDecision {
        at: time(at),
        ..decision(what)
    };
    let kick = |name: &str| Ruling::Kick { user: user(name) };
    for new in [
        at(10, ban("alice", None)),
        at(11, ban("bob", Some(50))),
        at(12, ban("carol", None)),
        at(13, lift(3)),
        at(14, kick("dave")),
        at(15, ban("erin", Some(90))),
        // The clocks of nodes differ.
        at(30, ban("frank", None)),
        at(16, lift(7)),
        at(20, kick("dave")),
        at(17, kick("dave")),
    ] {
        store.decide(new).await.expect("it is stored");
    }
    let before = log(h).await;
    let forget = async |before, now| {
        let forgotten = store.forget_decisions(time(before), time(now)).await;
        forgotten.expect("they are removed");
    };
    forget(10, 60).await;
    assert_eq!(log(h).await, before, "none is so old");
    for _ in 0..2 {
        forget(20, 60).await;
        let stays = [1, 6, 7, 8, 9, 10];
        let left = before.iter().filter(|it| stays.contains(&it.version.0));
        assert_eq!(log(h).await, left.cloned().collect::<Vec<_>>());
        let ends = Ends::after(time(60));
        assert_eq!(in_force(h, ends, 9).await, [6, 1], "as before");
        let newest = store.newest_decision().await.expect("it is read");
        assert_eq!(newest, Version(10));
    }
    forget(1_000, 1_000).await;
    assert_eq!(versions(&log(h).await), [1, 10], "the newest stays");
    let next = store.decide(decision(kick("bob"))).await;
    assert_eq!(next.expect("it is stored").version, Version(11));
}
