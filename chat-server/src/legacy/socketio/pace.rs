//! The limit on a client's packets.

use chat_core::rate::{Decision, RatePolicy, RateState};
use tokio::time::Instant;

/// The packets that a client may send, where each KiB of one counts as one more.
pub(super) struct Pace {
    policy: RatePolicy,
    spent: RateState,
    since: Instant,
}

impl Pace {
    pub(super) fn new(policy: RatePolicy) -> Self {
        Self {
            policy,
            spent: RateState::default(),
            since: Instant::now(),
        }
    }

    /// Counts a packet of this many bytes; false if it is one too many.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.since);
        (0..=bytes >> 10).all(|_| self.policy.decide(&mut self.spent, now) == Decision::Allowed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_packet_counts_as_one_and_each_kib_of_it_as_one_more() {
        let interval = Duration::from_millis(20);
        let mut pace = Pace::new(RatePolicy::Steady { interval, burst: 5 });
        let now = pace.since;
        assert!(pace.spend(1_023, now));
        assert!(pace.spend(3 << 10, now));
        assert!(!pace.spend(0, now));
        assert!(pace.spend(0, now + interval));
        assert!(!pace.spend(0, now + interval));
    }
}
