//! A window with a mute: the old server's rule.

use std::time::Duration;

use super::state::{Decision, Phase, RateState};

pub(super) fn decide(
    limit: u32,
    window: Duration,
    mute: Duration,
    state: &mut RateState,
    now: Duration,
) -> Decision {
    // Another policy, or a clock that was put back, may have left a longer time in the state.
    let longest = match state.phase {
        Phase::Muted => mute,
        _ => window,
    };
    state.until = state.until.min(now.saturating_add(longest));
    let running = now < state.until;
    let (used, until) = match state.phase {
        Phase::Muted if running => {
            let retry_after = state.until.saturating_sub(now);
            return Decision::Muted { retry_after };
        }
        Phase::Window(used) if running => (used, state.until),
        _ => (0, now.saturating_add(window)),
    };
    if used < limit.max(1) {
        let phase = Phase::Window(used.saturating_add(1));
        *state = RateState { phase, until };
        Decision::Allowed
    } else if mute.is_zero() {
        let retry_after = until.saturating_sub(now);
        Decision::Refused { retry_after }
    } else {
        *state = RateState {
            phase: Phase::Muted,
            until: now.saturating_add(mute),
        };
        Decision::MutedNow { retry_after: mute }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ask(state: &mut RateState, mute: u32, at: u32) -> Decision {
        decide(2, SECOND * 60, SECOND * mute, state, SECOND * at)
    }

    #[test]
    fn one_too_many_mutes_and_the_end_of_the_mute_begins_a_new_window() {
        let mut state = RateState::default();
        assert_eq!(ask(&mut state, 5, 10), Decision::Allowed);
        assert_eq!(ask(&mut state, 5, 20), Decision::Allowed);
        let retry_after = SECOND * 5;
        assert_eq!(
            ask(&mut state, 5, 30),
            Decision::MutedNow { retry_after },
            "the third within 60 s"
        );
        let retry_after = SECOND;
        assert_eq!(ask(&mut state, 5, 34), Decision::Muted { retry_after });
        assert_eq!(ask(&mut state, 5, 35), Decision::Allowed);
        assert_eq!(ask(&mut state, 5, 94), Decision::Allowed);
        let retry_after = SECOND * 5;
        assert_eq!(
            ask(&mut state, 5, 94),
            Decision::MutedNow { retry_after },
            "the window that began with the mute's end is still on"
        );
    }

    #[test]
    fn no_wait_is_longer_than_the_policy_says_also_of_a_state_that_another_one_left() {
        for (phase, mute, expected) in [
            (
                Phase::Muted,
                5,
                Decision::Muted {
                    retry_after: SECOND * 5,
                },
            ),
            (
                Phase::Window(2),
                0,
                Decision::Refused {
                    retry_after: SECOND * 60,
                },
            ),
        ] {
            let until = SECOND * 3_610;
            let mut state = RateState { phase, until };
            assert_eq!(ask(&mut state, mute, 10), expected);
            // The wait goes on, and doesn't begin anew.
            let wait = ask(&mut state, mute, 13).retry_after().unwrap();
            assert_eq!(wait + SECOND * 3, expected.retry_after().unwrap());
        }
    }

    #[test]
    fn a_window_begins_with_its_first_and_ends_after_its_length() {
        let mut state = RateState::default();
        assert_eq!(ask(&mut state, 5, 10), Decision::Allowed);
        assert_eq!(ask(&mut state, 5, 69), Decision::Allowed);
        assert_eq!(ask(&mut state, 5, 70), Decision::Allowed);
        assert_eq!(ask(&mut state, 5, 70), Decision::Allowed);
    }

    #[test]
    fn without_a_mute_one_too_many_waits_for_the_end_of_the_window() {
        let mut state = RateState::default();
        assert_eq!(ask(&mut state, 0, 10), Decision::Allowed);
        assert_eq!(ask(&mut state, 0, 20), Decision::Allowed);
        let retry_after = SECOND * 40;
        assert_eq!(ask(&mut state, 0, 30), Decision::Refused { retry_after });
        assert_eq!(ask(&mut state, 0, 70), Decision::Allowed);
    }
}
