//! The generic cell rate algorithm, in the form of ITU-T Recommendation I.371 (its "virtual
//! scheduling algorithm"). Its only state is the theoretical arrival time of the next request; a
//! request may come before that time by at most the burst tolerance.

use std::time::Duration;

use super::state::{Decision, Phase, RateState};

pub(super) fn decide(
    interval: Duration,
    burst: u32,
    state: &mut RateState,
    now: Duration,
) -> Decision {
    // Another policy, or a clock that was put back, may have left a later time in the state.
    let latest = now.saturating_add(interval.saturating_mul(burst.max(1)));
    state.until = state.until.min(latest);
    let arrival = match state.phase {
        Phase::Steady => state.until.max(now),
        _ => now,
    };
    let tolerance = interval.saturating_mul(burst.saturating_sub(1));
    let retry_after = arrival.saturating_sub(tolerance).saturating_sub(now);
    if retry_after.is_zero() {
        *state = RateState {
            phase: Phase::Steady,
            until: arrival.saturating_add(interval),
        };
        Decision::Allowed
    } else {
        Decision::Refused { retry_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_the_steady_rate_and_rest_restores_the_burst() {
        let mut state = RateState::default();
        let second = Duration::from_secs(1);
        let mut ask =
            |tenths: u32| decide(second, 3, &mut state, second / 10 * tenths).retry_after();
        assert_eq!([ask(0), ask(0), ask(0)], [None; 3]);
        assert_eq!(ask(0), Some(second));
        assert_eq!(ask(9), Some(second / 10));
        assert_eq!(ask(10), None);
        assert_eq!(ask(10), Some(second));
        assert_eq!([ask(100), ask(100), ask(100)], [None; 3]);
        assert_eq!(ask(100), Some(second));
    }

    #[test]
    fn no_wait_is_longer_than_the_interval_also_of_a_state_that_another_policy_left() {
        let second = Duration::from_secs(1);
        let (phase, until) = (Phase::Steady, second * 3_610);
        let mut state = RateState { phase, until };
        let mut ask = |at: u32| decide(second * 4, 3, &mut state, second * at).retry_after();
        assert_eq!(
            [ask(10), ask(13), ask(14)],
            [Some(second * 4), Some(second), None]
        );
    }
}
