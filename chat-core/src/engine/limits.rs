//! Budgets that follow the user.

use super::Shared;
use crate::{
    error::Error,
    ids::UserId,
    port::{RateCache, RateKey},
    rate::{Decision, RatePolicy},
};

impl Shared {
    /// Takes one unit from the user's budget for `action`; without a policy there is no limit.
    pub(crate) async fn charge(
        &self,
        action: &'static str,
        user: &UserId,
        policy: Option<&RatePolicy>,
    ) -> Result<(), Error> {
        let Some(policy) = policy else {
            return Ok(());
        };
        let key = RateKey {
            action,
            user: user.clone(),
        };
        let decision = match self.cached(self.cache.acquire(&key, policy).await) {
            Ok(decision) => decision,
            Err(_) => self.local_limits.acquire(&key, policy).await?,
        };
        match decision {
            Decision::Allowed => Ok(()),
            Decision::Refused { retry_after } => Err(Error::RateLimited {
                retry_after,
                muted_for: None,
            }),
            Decision::MutedNow { retry_after } => Err(Error::RateLimited {
                retry_after,
                muted_for: Some(retry_after),
            }),
            Decision::Muted { retry_after } => Err(Error::Muted { retry_after }),
        }
    }
}
