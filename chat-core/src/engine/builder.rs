//! The builder of an engine.

use std::{sync::Arc, time::Duration};

use super::config::Config;
use crate::{
    moderation::Link,
    port::{Broker, Cache, Moderator, Policy, Store, panics::caught},
    time::{Clock, IdGen},
};

/// The reason why an engine can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no tokio runtime to run on.
    #[error("build the engine inside a tokio runtime")]
    NoRuntime,
    /// The tokio runtime has no timers.
    #[error("the tokio runtime has no timers: build it with enable_time or enable_all")]
    NoTimers,
    /// A setting makes no sense.
    #[error("{setting} must be {must}")]
    Setting {
        /// The field of [`Config`].
        setting: &'static str,
        /// The condition that it has to meet.
        must: &'static str,
    },
}

/// Puts an engine together; every part that isn't given is the in-memory one.
#[derive(Debug, Default)]
pub struct ChatEngineBuilder {
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) cache: Option<Arc<dyn Cache>>,
    pub(super) broker: Option<Arc<dyn Broker>>,
    pub(super) moderation: Vec<Link>,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) ids: Option<Arc<dyn IdGen>>,
    pub(super) policy: Option<Arc<dyn Policy>>,
    pub(super) config: Config,
}

impl ChatEngineBuilder {
    /// Sets the store, which keeps everything. Default: in memory, gone with the process.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets the cache, which keeps presence, limits, and with other nodes the newest entries of rooms. Default:
    /// in this process.
    #[must_use]
    pub fn cache(mut self, cache: impl Cache) -> Self {
        self.cache = Some(Arc::new(cache));
        self
    }

    /// The link to the other nodes on the same store. Default: there are none.
    #[must_use]
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = Some(Arc::new(broker));
        self
    }

    /// Adds a moderator after those added before; if it fails, the text is refused.
    #[must_use]
    pub fn moderator(self, moderator: impl Moderator) -> Self {
        self.moderation(Link::new(moderator))
    }

    /// Adds a moderator with its own time-out, and what to do when it fails.
    #[must_use]
    pub fn moderation(mut self, link: Link) -> Self {
        self.moderation.push(link);
        self
    }

    /// Sets rules beside the permission table, which may only refuse. Default: none.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Sets the clock. Default: the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the source of ids. Default: `UUIDv7`.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn IdGen>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// The settings.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Checks that an engine can be built from this, here.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        // There is no other way to ask.
        caught(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| BuildError::NoTimers)?;
        check(&self.config)
    }
}

fn check(config: &Config) -> Result<(), BuildError> {
    let positive = [
        ("text_chars", config.text_chars),
        ("text_bytes", config.text_bytes),
        ("room_members", config.room_members),
        ("outbox.frames", config.outbox.frames),
        ("outbox.bytes", config.outbox.bytes),
        ("sessions_per_user", config.sessions_per_user),
        ("history_page", config.history_page),
        ("history_max", config.history_max),
        ("append_queue", config.append_queue),
    ];
    if let Some((setting, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
        return Err(BuildError::Setting {
            setting,
            must: "at least 1",
        });
    }
    let ticks = [
        ("typing_expiry", config.typing_expiry),
        ("presence_refresh", config.presence_refresh),
        ("presence_window", config.presence_window),
        ("position_check", config.position_check),
    ];
    if let Some((setting, _)) = ticks.into_iter().find(|(_, value)| value.is_zero()) {
        return Err(BuildError::Setting {
            setting,
            must: "longer than nothing",
        });
    }
    if config.presence_lease < config.presence_refresh * 2 {
        return Err(BuildError::Setting {
            setting: "presence_lease",
            must: "at least twice presence_refresh",
        });
    }
    Ok(())
}
