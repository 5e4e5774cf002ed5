//! The failed logins of each address: their limit, and their number for the record.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chat_core::rate::{Budgets, RatePolicy};
use tokio::time::Instant;

/// Five failed logins at once, and one more every 12 s.
pub(crate) const POLICY: RatePolicy = RatePolicy::Steady {
    interval: Duration::from_secs(12),
    burst: 5,
};

/// How many addresses are counted by themselves until the numbers are taken.
const COUNTED: usize = 1_000;

/// How many addresses, those with the largest numbers, are given by themselves.
const GIVEN: usize = 10;

/// The budget of failed logins of each address, and how many there were since the numbers were taken.
#[derive(Debug)]
pub(crate) struct Failures {
    budgets: Mutex<Budgets<IpAddr>>,
    counts: Mutex<HashMap<Option<IpAddr>, u64>>,
    since: Instant,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            budgets: Mutex::default(),
            counts: Mutex::default(),
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

    /// Counts failed logins of an address; without one, those of all addresses that are not known.
    pub(crate) fn count(&self, address: Option<IpAddr>, number: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = counts.len() >= COUNTED && !counts.contains_key(&address);
        let address = address.filter(|_| !is_full);
        let count = counts.entry(address).or_default();
        *count = count.saturating_add(number);
    }

    /// Takes the numbers: those of at most ten addresses, and the rest in one.
    pub(crate) fn take(&self) -> Vec<(Option<IpAddr>, u64)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = counts.remove(&None).unwrap_or(0);
        let mut taken: Vec<_> = counts.drain().collect();
        drop(counts);
        taken.sort_unstable_by_key(|(address, count)| (Reverse(*count), *address));
        for (_, count) in taken.drain(taken.len().min(GIVEN)..) {
            rest = rest.saturating_add(count);
        }
        taken.extend((rest > 0).then_some((None, rest)));
        taken
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

    #[test]
    fn the_addresses_with_the_most_failed_logins_are_given_and_the_rest_in_one() {
        let failures = Failures::default();
        for last in 1..=12 {
            failures.count(Some([10, 0, 0, last].into()), u64::from(last));
        }
        failures.count(None, 5);
        let taken = failures.take();
        assert_eq!(taken.len(), 11);
        assert_eq!(taken[0], (Some([10, 0, 0, 12].into()), 12));
        assert_eq!(taken[10], (None, 1 + 2 + 5));
        assert_eq!(failures.take(), []);
    }
}
