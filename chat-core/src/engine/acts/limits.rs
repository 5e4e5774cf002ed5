//! Budgets that follow the user to every device and node.

use std::{borrow::Cow, sync::Arc};

use crate::{
    memory::MemoryCache,
    model::UserId,
    port::{Cache, RateCache, RateKey},
    rate::{Decision, RatePolicy},
    wire::Error,
};

#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) cache: Arc<dyn Cache>,
    /// The budgets of this node alone, for while the cache can't be reached.
    pub(crate) local: MemoryCache,
}

impl Limits {
    /// Takes one unit from the user's budget for `action`; without a policy there is no limit.
    pub(crate) async fn charge(
        &self,
        action: impl Into<Cow<'static, str>>,
        user: &UserId,
        policy: Option<&RatePolicy>,
    ) -> Result<(), Error> {
        let Some(policy) = policy else {
            return Ok(());
        };
        let key = RateKey {
            action: action.into(),
            user: user.clone(),
        };
        let decision = match self.cache.acquire(&key, policy).await {
            Ok(decision) => decision,
            Err(_) => self.local.acquire(&key, policy).await?,
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
            Decision::Muted { retry_after } => Err(Error::Muted {
                retry_after: Some(retry_after),
            }),
        }
    }
}
