//! The cache: shared state that expires.

use std::time::Duration;

use chat_core::port::BackendError;
use uuid::Uuid;

use crate::{client::PATIENCE, keys::Keys, servers::Servers};

/// A [`Cache`](chat_core::port::Cache) on Redis.
///
/// Each operation is one Lua script, so it is atomic, and it goes by the server's clock, so the
/// clocks of the nodes don't matter. A user's presence lies in one of 16 buckets, each in one slot
/// of a cluster: at no moment do two keys disagree about a user.
///
/// When Redis loses data, users come online again with the next renewal of their lease, and budgets
/// begin anew. For about 100,000 users it remembers when they were last seen.
///
/// For each room that is read it keeps the newest entries, up to 200 and 512 KiB, until they have
/// not been used for an hour.
#[derive(Debug)]
pub struct RedisCache {
    pub(crate) servers: Servers,
    pub(crate) keys: Keys,
    /// The store whose entries the windows hold.
    pub(crate) store: Option<Uuid>,
}

impl RedisCache {
    /// Connects, within about a second. Keys begin with `chat:`.
    ///
    /// # Errors
    ///
    /// When the URL is wrong, or Redis can't be reached, refuses the login, or doesn't allow this
    /// user to write.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        Self::connect_with(url, "chat", PATIENCE).await
    }

    /// Connects, with keys that begin with `prefix` and a colon, so that deployments with different
    /// prefixes can share one Redis, and calls that wait for `patience`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        url: &str,
        prefix: &str,
        patience: Duration,
    ) -> Result<Self, BackendError> {
        let (servers, _) =
            Servers::open(url, patience, "presence, rate limits and history").await?;
        let cache = Self {
            servers,
            keys: Keys::new(prefix),
            store: None,
        };
        cache.probe().await?;
        Ok(cache)
    }

    /// Labels the windows of recent history with the id of the store that their entries are from. A
    /// copy of a database has the same rooms with the same epochs, so without it two servers on the
    /// original and on the copy would show each other's entries if they shared a Redis.
    #[must_use]
    pub fn of_store(self, store: Uuid) -> Self {
        let store = Some(store);
        Self { store, ..self }
    }
}

/// Converts a duration to the microseconds that the scripts count in. A fraction counts as a whole
/// one, so nothing is allowed too early; beyond 30 years all durations are the same, so sums of
/// them stay exact in Lua.
pub(crate) fn micros(time: Duration) -> i64 {
    const MAX: i64 = 1_000_000_000_000_000;
    i64::try_from(time.as_nanos().div_ceil(1000)).map_or(MAX, |micros| micros.min(MAX))
}
