//! The limit on failed logins per address.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chat_core::rate::{Budgets, RatePolicy};
use tokio::time::Instant;

/// Five failed logins at once, and one more every 12 s.
const POLICY: RatePolicy = RatePolicy::Steady {
    interval: Duration::from_secs(12),
    burst: 5,
};

/// The budget of failed logins of each address.
#[derive(Debug)]
pub(crate) struct Failures {
    budgets: Mutex<Budgets<IpAddr>>,
    since: Instant,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            budgets: Mutex::default(),
            since: Instant::now(),
        }
    }
}

impl Failures {
    /// The time that an address has to wait after too many failed logins; `None` while it may try.
    pub(crate) fn wait(&self, address: IpAddr) -> Option<Duration> {
        let budgets = self.budgets();
        let decision = budgets.peek(&address, &POLICY, self.since.elapsed());
        decision.retry_after()
    }

    /// Takes a failed login from the budget of the address.
    pub(crate) fn note(&self, address: IpAddr) {
        let now = self.since.elapsed();
        self.budgets().decide(&address, &POLICY, now);
    }

    fn budgets(&self) -> MutexGuard<'_, Budgets<IpAddr>> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_waits_after_five_failed_logins_and_no_other_does() {
        let (failures, [one, other]) = (
            Failures::default(),
            [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from),
        );
        for _ in 0..5 {
            assert_eq!(failures.wait(one), None);
            failures.note(one);
        }
        let wait = failures.wait(one).unwrap();
        assert_eq!(
            (wait, failures.wait(other)),
            (Duration::from_secs(12), None)
        );
        tokio::time::advance(wait).await;
        assert_eq!(failures.wait(one), None);
    }
}
