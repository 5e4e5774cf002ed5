//! The limits on requests: of each client address, and of each user who has logged in.

use std::{
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chat_core::{
    Error, UserId,
    rate::{Budgets, RatePolicy},
};
use tokio::time::Instant;

use super::{connections::network, peer::Address};
use crate::config::{Rate, Settings};

/// The budgets of addresses and users.
#[derive(Debug)]
pub(crate) struct Requests {
    addresses: Limited<IpAddr>,
    users: Limited<UserId>,
}

#[derive(Debug)]
struct Limited<K> {
    /// `None` without a limit.
    policy: Option<RatePolicy>,
    budgets: Mutex<Budgets<K>>,
    since: Instant,
}

impl Requests {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            addresses: Limited::new(settings.requests_per_ip),
            users: Limited::new(settings.requests_per_user),
        }
    }

    /// Takes a request from the budget of its client's address. Where that is not known there is no limit.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] when the budget is used up.
    pub(super) fn of_address(&self, Address(client): Address) -> Result<(), Error> {
        client.map_or(Ok(()), |client| self.addresses.take(&network(client)))
    }

    /// Takes a request from the budget of its user.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] when the budget is used up.
    pub(crate) fn of_user(&self, user: &UserId) -> Result<(), Error> {
        self.users.take(user)
    }
}

impl<K: Clone + Eq + Hash> Limited<K> {
    /// With this rate, and twice as many at once.
    fn new(rate: Option<Rate>) -> Self {
        Self {
            policy: rate.map(|rate| RatePolicy::Steady {
                interval: rate.per / rate.count,
                burst: rate.count.saturating_mul(2),
            }),
            budgets: Mutex::default(),
            since: Instant::now(),
        }
    }

    fn take(&self, key: &K) -> Result<(), Error> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let decision = budgets.decide(key, policy, self.since.elapsed());
        drop(budgets);
        decision
            .retry_after()
            .map_or(Ok(()), |retry_after: Duration| {
                Err(Error::RateLimited {
                    retry_after,
                    muted_for: None,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_has_twice_its_rate_at_once_and_then_its_rate() {
        let settings = Settings::with(&[("requests-per-ip", "10/1s")]).unwrap();
        let requests = Requests::new(&settings);
        let [one, other] = [1, 2].map(|last| Address(Some([10, 0, 0, last].into())));
        let served = || (0..50).filter(|_| requests.of_address(one).is_ok()).count();
        assert_eq!(served(), 20);
        assert!(requests.of_address(other).is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(served(), 10);
        let off = Requests::new(&Settings::with(&[("requests-per-ip", "off")]).unwrap());
        assert!((0..1_000).all(|_| off.of_address(one).is_ok()));
        assert!((0..1_000).all(|_| requests.of_address(Address(None)).is_ok()));
    }
}
