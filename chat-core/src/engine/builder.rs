//! Putting an engine together.

use std::sync::{Arc, atomic::AtomicBool};

use tokio::sync::watch;

use super::{
    ChatEngine, Config, Shared, backlog::Backlog, outage::Outage, presence::Moved, relay::Relay,
    rooms::Rooms, typing::Typists, windows::Windows,
};
use crate::{
    hub::Hub,
    memory::{MemoryCache, MemoryStore},
    moderation::{Chain, Link},
    port::{Broker, Cache, Moderator, Store},
    time::{Clock, IdGen, RandomIds, SystemClock},
};

/// Why an engine can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no tokio runtime to run on.
    #[error("build the engine inside a tokio runtime")]
    NoRuntime,
    /// A setting makes no sense.
    #[error("{setting} must be {must}")]
    Setting {
        /// The field of [`Config`].
        setting: &'static str,
        /// What it has to be.
        must: &'static str,
    },
}

/// Puts an engine together; every part that isn't given is the in-memory one.
#[derive(Debug, Default)]
pub struct ChatEngineBuilder {
    store: Option<Arc<dyn Store>>,
    cache: Option<Arc<dyn Cache>>,
    broker: Option<Arc<dyn Broker>>,
    moderation: Vec<Link>,
    clock: Option<Arc<dyn Clock>>,
    ids: Option<Arc<dyn IdGen>>,
    config: Config,
}

impl ChatEngineBuilder {
    /// Where everything is kept. Default: in memory, gone with the process.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Where presence and limits are kept, and with other nodes the newest entries of rooms. Default:
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

    /// Where the time comes from. Default: the machine.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where ids come from. Default: `UUIDv7`.
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

    /// Starts the engine on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that makes no sense.
    pub fn build(self) -> Result<ChatEngine, BuildError> {
        tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        check(&self.config)?;
        let clock = self
            .clock
            .unwrap_or_else(|| Arc::new(SystemClock::default()));
        let (relay, outbound) = match self.broker {
            Some(broker) => {
                let (relay, outbound) = Relay::new(Arc::clone(&broker));
                (Some(relay), Some((broker, outbound)))
            }
            None => (None, None),
        };
        let (windows, writes) = relay.as_ref().map(|_| Windows::new()).unzip();
        let shared = Shared {
            store: self
                .store
                .unwrap_or_else(|| Arc::new(MemoryStore::default())),
            cache: self
                .cache
                .unwrap_or_else(|| Arc::new(MemoryCache::new(Arc::clone(&clock)))),
            local_limits: MemoryCache::new(Arc::clone(&clock)),
            relay,
            windows,
            moderation: Chain::new(self.moderation),
            clock,
            ids: self.ids.unwrap_or_else(|| Arc::new(RandomIds)),
            config: self.config,
            metrics: Arc::default(),
            hub: Hub::default(),
            rooms: Rooms::default(),
            typists: Typists::default(),
            backlog: Backlog::default(),
            store_outage: Outage::new("the store fails; what it can't take is refused"),
            cache_outage: Outage::new(
                "the cache fails; limits are this node's own, and nobody knows who is online",
            ),
            presence_moved: Moved::default(),
            leases_in_doubt: AtomicBool::new(false),
            presence_changes: watch::Sender::new(0),
            draining: AtomicBool::new(false),
        };
        Ok(ChatEngine::start(Arc::new(shared), outbound, writes))
    }
}

fn check(config: &Config) -> Result<(), BuildError> {
    let positive = [
        ("text_chars", config.text_chars),
        ("text_bytes", config.text_bytes),
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
