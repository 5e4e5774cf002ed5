//! The parts of an engine, put together. Each part has what it needs of the others; only acts see all of
//! them, and each takes those that it needs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;

use super::{
    acts::{access::Access, review::Review},
    config::Config,
    deliver::{hub::Hub, news::News, typing::Typing},
    log::queue::AppendQueue,
    metrics::Metrics,
    nodes::{listen::Listening, policy::Policy},
    presence::{
        changes::PresenceChanges,
        leases::{Departure, Leases},
    },
    read::{directory::Directory, shared_reads::SharedReads},
    state::hints::Hints,
    tasks::Tasks,
    watched::Watched,
};
use crate::{
    port::{Cache, Store},
    time::{Clock, IdGen},
};

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
    pub(crate) metrics: Arc<Metrics>,
    /// The same store as `watched_store`, as the port that acts call.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) watched_store: Arc<Watched<dyn Store>>,
    /// The same cache as `watched_cache`, as the port that acts call.
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) watched_cache: Arc<Watched<dyn Cache>>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) reads: SharedReads,
    pub(crate) access: Access,
    pub(crate) review: Review,
    pub(crate) queue: AppendQueue,
    pub(crate) typing: Arc<Typing>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) presence: Arc<PresenceChanges>,
    pub(crate) departures: mpsc::Sender<Departure>,
    pub(crate) hints: Hints,
    pub(crate) news: News,
    pub(crate) policy: Arc<Policy>,
    /// With other nodes only.
    pub(crate) listening: Option<Arc<Listening>>,
    /// The background tasks, which stop when the parts are dropped.
    pub(crate) tasks: Tasks,
    pub(super) draining: AtomicBool,
}

impl Parts {
    /// Whether the engine takes no more sessions.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Takes no more sessions from now on.
    pub(crate) fn begin_to_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
