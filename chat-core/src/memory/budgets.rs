//! Budgets of one process.

use std::{collections::HashMap, time::Duration};

use crate::{
    port::RateKey,
    rate::{Decision, RatePolicy, RateState},
};

#[derive(Debug, Default)]
pub(super) struct Budgets {
    states: HashMap<RateKey, RateState>,
    /// At how many states to forget those that say nothing.
    sweep_at: usize,
}

impl Budgets {
    /// Below this many states nothing is forgotten.
    const KEEP: usize = 1024;

    /// Decides one request, made `now`.
    pub(super) fn decide(&mut self, key: &RateKey, policy: &RatePolicy, now: Duration) -> Decision {
        if let Some(state) = self.states.get_mut(key) {
            return policy.decide(state, now);
        }
        self.sweep(now);
        let mut state = RateState::default();
        let decision = policy.decide(&mut state, now);
        self.states.insert(key.clone(), state);
        decision
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn budgets_that_are_whole_again_are_forgotten() {
        let (mut budgets, mut now) = (Budgets::default(), Duration::ZERO);
        let policy = RatePolicy::Steady {
            interval: SECOND,
            burst: 1,
        };
        for number in 0..5 * Budgets::KEEP {
            if number % Budgets::KEEP == 0 {
                now += SECOND;
            }
            let user = UserId::new(format!("user {number:06}")).unwrap();
            let key = RateKey {
                action: "send",
                user,
            };
            let decision = budgets.decide(&key, &policy, now);
            assert_eq!(decision, Decision::Allowed);
            assert!(budgets.states.len() <= 2 * Budgets::KEEP);
            let decision = budgets.decide(&key, &policy, now);
            let retry_after = SECOND;
            assert_eq!(decision, Decision::Refused { retry_after });
        }
    }
}
