//! Laws that hold for every policy.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::*;

const UNIT: Duration = Duration::from_millis(1);

fn policy() -> impl Strategy<Value = RatePolicy> {
    let window =
        (1..6_u32, 1..40_u32, 0..20_u32).prop_map(|(limit, window, mute)| RatePolicy::Window {
            limit,
            window: UNIT * window,
            mute: UNIT * mute,
        });
    let steady = (1..20_u32, 1..6_u32).prop_map(|(interval, burst)| RatePolicy::Steady {
        interval: UNIT * interval,
        burst,
    });
    prop_oneof![window, steady]
}

/// Times of requests, in order; several may be equal.
fn moments() -> impl Strategy<Value = Vec<Duration>> {
    vec(
        prop_oneof![3 => Just(0), 2 => 0..4_u32, 1 => 0..50_u32],
        1..120,
    )
    .prop_map(|steps| {
        let times = steps.into_iter().scan(Duration::ZERO, |now, step| {
            *now += UNIT * step;
            Some(*now)
        });
        times.collect()
    })
}

fn decide_all(policy: RatePolicy, moments: &[Duration]) -> (RateState, Vec<Decision>) {
    let mut state = RateState::default();
    let decisions = moments.iter().map(|at| policy.decide(&mut state, *at));
    let decisions = decisions.collect();
    (state, decisions)
}

fn allowed(policy: RatePolicy, moments: &[Duration]) -> Vec<Duration> {
    let (_, decisions) = decide_all(policy, moments);
    let both = moments.iter().zip(decisions);
    let allowed = both.filter(|(_, decision)| *decision == Decision::Allowed);
    allowed.map(|(at, _)| *at).collect()
}

proptest! {
    #[test]
    fn a_refusal_holds_until_just_before_retry_after_and_ends_exactly_at_it(
        policy in policy(), moments in moments()
    ) {
        let mut state = RateState::default();
        for now in moments {
            if let Some(wait) = policy.decide(&mut state, now).retry_after() {
                prop_assert!(wait > Duration::ZERO);
                // Every whole unit, and the last moment of all. Each request meets the same state,
                // so that a refusal that costs something is detected too.
                let mut early = UNIT;
                while early < wait {
                    let again = policy.decide(&mut state, now + early).retry_after();
                    prop_assert_eq!(again, Some(wait.saturating_sub(early)));
                    early += UNIT;
                }
                let instant = Duration::from_nanos(1);
                let last = policy.decide(&mut state, now + wait.saturating_sub(instant)).retry_after();
                prop_assert_eq!(last, Some(instant));
                prop_assert_eq!(policy.decide(&mut state, now + wait), Decision::Allowed);
                break;
            }
        }
    }

    #[test]
    fn refusals_change_nothing_for_later_requests(policy in policy(), moments in moments()) {
        let (_, decisions) = decide_all(policy, &moments);
        // The one request too many that begins a mute is part of the rule; other refused ones may
        // be left out.
        let costs = |decision: &Decision| {
            matches!(decision, Decision::Allowed | Decision::MutedNow { .. })
        };
        let fewer = moments.iter().zip(&decisions).filter(|(_, decision)| costs(decision));
        let (fewer, expected): (Vec<_>, Vec<_>) = fewer.map(|(at, one)| (*at, *one)).unzip();
        prop_assert_eq!(decide_all(policy, &fewer).1, expected);
    }

    #[test]
    fn a_window_never_allows_more_than_its_limit(
        limit in 1..6_u32, window in 1..40_u32, mute in 0..20_u32, moments in moments()
    ) {
        let (window, mute) = (UNIT * window, UNIT * mute);
        let policy = RatePolicy::Window { limit, window, mute };
        let (mut end, mut used, mut silent_until) = (Duration::ZERO, 0, Duration::ZERO);
        for (now, decision) in moments.iter().zip(decide_all(policy, &moments).1) {
            match decision {
                Decision::Allowed => {
                    prop_assert!(*now >= silent_until);
                    if *now >= end {
                        (end, used) = (*now + window, 0);
                    }
                    used += 1;
                    prop_assert!(used <= limit);
                }
                Decision::MutedNow { .. } => {
                    prop_assert_eq!(used, limit);
                    silent_until = *now + mute;
                    end = silent_until;
                }
                Decision::Refused { .. } | Decision::Muted { .. } => {}
            }
        }
    }

    #[test]
    fn a_steady_budget_never_allows_more_than_its_burst_and_its_rate(
        interval in 1..20_u32, burst in 1..6_u32, moments in moments()
    ) {
        let policy = RatePolicy::Steady { interval: UNIT * interval, burst };
        let allowed = allowed(policy, &moments);
        for (first, from) in allowed.iter().enumerate() {
            for (last, to) in allowed.iter().enumerate().skip(first) {
                let steady = to.saturating_sub(*from).as_nanos() / (UNIT * interval).as_nanos();
                prop_assert!((last - first + 1) as u128 <= u128::from(burst) + steady);
            }
        }
    }

    #[test]
    fn a_state_is_as_good_as_none_from_its_end_on_and_not_before(
        policy in policy(), moments in moments(), later in moments
    ()) {
        let (state, _) = decide_all(policy, &moments);
        let after = |since: Duration| later.iter().map(move |wait| since + *wait);
        let (mut kept, mut none) = (state, RateState::default());
        for now in after(state.until()) {
            prop_assert_eq!(policy.decide(&mut kept, now), policy.decide(&mut none, now));
        }
        let now = state.until().saturating_sub(Duration::from_nanos(1));
        prop_assume!(moments.last().is_some_and(|last| *last <= now));
        let (mut kept, mut none) = (state, RateState::default());
        // More requests than any policy here allows at once show whether two states differ.
        let many = |state: &mut RateState| (0..8).map(|_| policy.decide(state, now)).collect::<Vec<_>>();
        prop_assert_ne!(many(&mut kept), many(&mut none));
    }

    #[test]
    fn no_policy_and_no_moment_overflows(
        secs in vec(any::<u64>(), 1..8), limit in any::<u32>(), length in any::<u64>()
    ) {
        let mut moments: Vec<_> = secs.into_iter().map(Duration::from_secs).collect();
        moments.sort();
        let length = Duration::from_secs(length);
        decide_all(RatePolicy::Window { limit, window: length, mute: length }, &moments);
        decide_all(RatePolicy::Steady { interval: length, burst: limit }, &moments);
    }
}

#[test]
fn a_state_of_another_kind_of_policy_counts_as_none() {
    let window = RatePolicy::Window {
        limit: 1,
        window: UNIT * 9,
        mute: UNIT * 9,
    };
    let steady = RatePolicy::Steady {
        interval: UNIT * 9,
        burst: 1,
    };
    for (before, after) in [(window, steady), (steady, window)] {
        let mut state = decide_all(before, &[UNIT; 2]).0;
        assert_eq!(after.decide(&mut state, UNIT), Decision::Allowed);
        assert_ne!(after.decide(&mut state, UNIT), Decision::Allowed);
    }
}
