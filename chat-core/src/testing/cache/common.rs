//! Items that the cases of a cache share: the harness and its times.

pub(super) use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub(super) use tokio::task::JoinSet;

pub(super) use crate::{UserId, port::Cache};

/// An empty cache, and control over its time.
#[async_trait]
pub trait CacheHarness: Send + Sync {
    /// A link to the one cache; each call may return the link of a different node.
    async fn cache(&self) -> Arc<dyn Cache>;

    /// Lets this much time pass, by moving the clock or by sleeping. A case lets a few seconds pass
    /// in all.
    async fn elapse(&self, time: Duration);
}

/// Long enough for a few calls to a slow cache, and short enough to sleep through.
pub(super) const UNIT: Duration = Duration::from_millis(500);
/// A lease that doesn't end during a case.
pub(super) const LONG: Duration = Duration::from_hours(1);
/// The number of concurrent calls.
pub(super) const CROWD: u128 = 50;

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}
