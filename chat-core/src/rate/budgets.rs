//! The budgets of many keys, as long as they are in use.

use std::{collections::HashMap, hash::Hash, time::Duration};

use super::{
    policy::RatePolicy,
    state::{Decision, RateState},
};

/// The budgets of many users or addresses, each by its key.
///
/// A budget that is full again is forgotten, so the memory is proportional to the keys in use.
///
/// ```
/// use std::time::Duration;
/// use chat_core::rate::{Budgets, Decision, RatePolicy};
///
/// let once_a_second = RatePolicy::Steady { interval: Duration::from_secs(1), burst: 1 };
/// let (mut budgets, now) = (Budgets::default(), Duration::ZERO);
/// assert_eq!(budgets.decide(&"alice", &once_a_second, now), Decision::Allowed);
/// assert_ne!(budgets.peek(&"alice", &once_a_second, now), Decision::Allowed);
/// assert_eq!(budgets.peek(&"bob", &once_a_second, now), Decision::Allowed);
/// ```
#[derive(Debug)]
pub struct Budgets<K> {
    states: HashMap<K, RateState>,
    /// The number of states at which those that equal the default are forgotten.
    sweep_at: usize,
}

impl<K> Default for Budgets<K> {
    fn default() -> Self {
        Self {
            states: HashMap::new(),
            sweep_at: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Budgets<K> {
    /// With fewer states than this, none is forgotten.
    const KEEP: usize = 1024;

    /// The decision about a request made `now`, which is not taken from the budget.
    pub fn peek(&self, key: &K, policy: &RatePolicy, now: Duration) -> Decision {
        let mut state = self.states.get(key).copied().unwrap_or_default();
        policy.decide(&mut state, now)
    }

    /// Decides one request, made `now`.
    pub fn decide(&mut self, key: &K, policy: &RatePolicy, now: Duration) -> Decision {
        if let Some(state) = self.states.get_mut(key) {
            return policy.decide(state, now);
        }
        self.sweep(now);
        let mut state = RateState::default();
        let decision = policy.decide(&mut state, now);
        self.states.insert(key.clone(), state);
        decision
    }

    /// Forgets the states that equal the default. This happens each time the number of states has
    /// doubled, so a request costs the check of a few states on average, and at most every second
    /// state is forgotten.
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

    const SECOND: Duration = Duration::from_secs(1);
    const KEEP: usize = Budgets::<usize>::KEEP;

    #[test]
    fn budgets_that_are_whole_again_are_forgotten() {
        let (mut budgets, mut now) = (Budgets::default(), Duration::ZERO);
        let policy = RatePolicy::Steady {
            interval: SECOND,
            burst: 1,
        };
        for number in 0..5 * KEEP {
            if number % KEEP == 0 {
                now += SECOND;
            }
            let decision = budgets.decide(&number, &policy, now);
            assert_eq!(decision, Decision::Allowed);
            assert!(budgets.states.len() <= 2 * KEEP);
            let decision = budgets.decide(&number, &policy, now);
            let retry_after = SECOND;
            assert_eq!(decision, Decision::Refused { retry_after });
        }
    }
}
