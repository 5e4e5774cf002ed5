//! The engine: one use case a file.

mod actor;
mod backlog;
mod builder;
mod config;
mod follow;
mod grown;
mod handle;
mod history;
mod limits;
mod metrics;
mod outage;
mod presence;
mod reading;
mod receipts;
mod relay;
mod resume;
mod rooms;
mod send;
mod sequencer;
mod session;
mod typing;
mod windows;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::metrics::Metrics;
pub use self::{
    actor::Actor,
    builder::{BuildError, ChatEngineBuilder},
    config::Config,
    send::{NewBody, Responder},
    session::{Connect, LocalSession, Session},
};
use self::{
    backlog::Backlog,
    grown::{CatchUp, TOLD},
    outage::Outage,
    presence::{Departure, Moved},
    relay::{Outbound, Relay},
    rooms::Rooms,
    sequencer::Job,
    typing::Typists,
    windows::{Windows, Write},
};
use crate::{
    error::{CloseReason, Error},
    hub::Hub,
    ids::{RoomId, UserId},
    memory::MemoryCache,
    moderation::Chain,
    port::{BackendError, Broker, Cache, Store, Transport},
    room::Room,
    time::{Clock, IdGen},
};

/// What all parts of an engine share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cache: Arc<dyn Cache>,
    /// Limits while the cache can't be reached.
    pub(crate) local_limits: MemoryCache,
    pub(crate) relay: Option<Relay>,
    /// With other nodes only.
    pub(crate) windows: Option<Windows>,
    pub(crate) moderation: Chain,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hub: Hub,
    pub(crate) rooms: Rooms,
    pub(crate) typists: Typists,
    pub(crate) backlog: Backlog,
    pub(crate) store_outage: Outage,
    pub(crate) cache_outage: Outage,
    pub(crate) presence_moved: Moved,
    /// The cache may lack a lease, or have one that is to end.
    pub(crate) leases_in_doubt: AtomicBool,
    pub(crate) presence_changes: watch::Sender<u64>,
    draining: AtomicBool,
}

impl Shared {
    /// Passes on what the store answered, and logs when it goes or is back.
    pub(crate) fn stored<T>(&self, answer: Result<T, BackendError>) -> Result<T, BackendError> {
        self.store_outage
            .note(self.clock.monotonic(), answer.as_ref().err());
        answer
    }

    /// Passes on what the cache answered, and logs when it goes or is back.
    pub(crate) fn cached<T>(&self, answer: Result<T, BackendError>) -> Result<T, BackendError> {
        self.cache_outage
            .note(self.clock.monotonic(), answer.as_ref().err());
        answer
    }
}

/// What the backends say when they are asked for a sign of life.
#[derive(Debug)]
pub struct Health {
    /// Without the store, nothing can be sent or read.
    pub store: Result<(), BackendError>,
    /// Without the cache, limits are the node's own and nobody knows who is online.
    pub cache: Result<(), BackendError>,
}

/// The chat engine; clones are cheap and share everything.
///
/// Its background tasks stop when the last clone, [`Actor`] and [`Session`] is gone.
///
/// ```
/// use chat_core::{ChatEngine, Event, UserId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = ChatEngine::builder().build()?;
/// let alice = engine.connect(UserId::new("alice")?).await?;
/// let bob = engine.connect(UserId::new("bob")?).await?;
///
/// let room = alice.open(bob.user()).await?.room.id;
/// alice.send(&room, "hello").await?;
///
/// let entry = loop {
///     match bob.next_event().await {
///         Some(Event::Entry(entry)) => break entry,
///         _ => continue,
///     }
/// };
/// assert_eq!((entry.seq.0, entry.author.as_str()), (1, "alice"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ChatEngine {
    pub(crate) shared: Arc<Shared>,
    sequencer: mpsc::Sender<Job>,
    grown: mpsc::Sender<CatchUp>,
    departures: mpsc::Sender<Departure>,
    _stop: Arc<DropGuard>,
}

impl ChatEngine {
    /// Begins to put an engine together.
    pub fn builder() -> ChatEngineBuilder {
        ChatEngineBuilder::default()
    }

    /// Starts the background tasks on the current runtime.
    fn start(
        shared: Arc<Shared>,
        relay: Option<(Arc<dyn Broker>, mpsc::Receiver<Outbound>)>,
        writes: Option<mpsc::Receiver<Write>>,
    ) -> Self {
        let stop = CancellationToken::new();
        let (sequencer, jobs) = mpsc::channel(shared.config.append_queue);
        let (departures, departed) = mpsc::channel(65_536);
        let (grown, told) = mpsc::channel(TOLD);
        tokio::spawn(sequencer::run(Arc::clone(&shared), jobs, told));
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(presence::run(Arc::clone(&shared), departed)),
        );
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(typing::run(Arc::clone(&shared))),
        );
        if let Some((broker, outbound)) = relay {
            let metrics = Arc::clone(&shared.metrics);
            let sending = relay::send(Arc::clone(&broker), outbound, metrics);
            tokio::spawn(stop.clone().run_until_cancelled_owned(sending));
            let receiving = follow::run(Arc::clone(&shared), broker, grown.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(receiving));
        }
        if let Some(writes) = writes {
            let keeping = windows::run(Arc::clone(&shared), writes);
            tokio::spawn(stop.clone().run_until_cancelled_owned(keeping));
        }
        Self {
            shared,
            sequencer,
            grown,
            departures,
            _stop: Arc::new(stop.drop_guard()),
        }
    }

    /// Connects a device in this process: commands go in, [`next_event`](LocalSession::next_event)
    /// gives what happens.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`], [`Error::ShuttingDown`], or a backend's failure.
    pub async fn connect(&self, user: UserId) -> Result<LocalSession, Error> {
        let outbox = self.outbox();
        let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
        let session = self.connect_with(Connect::new(user), transport).await?;
        Ok(LocalSession::new(session, outbox))
    }

    /// Everything that `user` may do, without a connection.
    pub fn actor(&self, user: UserId) -> Actor {
        Actor {
            engine: self.clone(),
            user,
        }
    }

    /// Makes a group room with its first members; the room that has this id already stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] for the id of a direct room, or a backend's failure.
    pub async fn create_group(&self, id: RoomId, members: Vec<UserId>) -> Result<Room, Error> {
        if id.pair().is_some() {
            return Err(crate::ids::InvalidId::NotAPair.into());
        }
        let room = self.shared.create_room(id, members).await?;
        self.shared.store.room(&room.id).await?.ok_or(Error::NoRoom)
    }

    /// Who is online, each once, in ascending order; at most 10,000.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn online(&self) -> Result<Vec<UserId>, Error> {
        const MAX: usize = 10_000;
        Ok(self.shared.cached(self.shared.cache.online(MAX).await)?)
    }

    /// Asks the store and the cache for a sign of life.
    pub async fn health(&self) -> Health {
        let Shared { store, cache, .. } = &*self.shared;
        // Any question will do.
        let nobody: Vec<UserId> = UserId::new("nobody").into_iter().collect();
        let rooms = store.rooms_with(&nobody, None, 1);
        let (store, cache) = tokio::join!(rooms, cache.presence(&nobody));
        Health {
            store: self.shared.stored(store).map(drop),
            cache: self.shared.cached(cache).map(drop),
        }
    }

    /// A counter that moves when somebody came online or went, at most once in
    /// [`presence_window`](Config::presence_window).
    pub fn presence_changes(&self) -> watch::Receiver<u64> {
        self.shared.presence_changes.subscribe()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Stops: refuses new sessions, closes all with [`CloseReason::Shutdown`], spread out so that
    /// they don't all come back at once, and waits until what was accepted is stored.
    ///
    /// Returns when all sessions are gone, or after `within` and a second.
    pub async fn drain(&self, within: Duration) {
        /// How fast connections are closed: 1,000 a second, which is 10,000 in 10 s.
        const BETWEEN: Duration = Duration::from_millis(1);
        const FLUSH: Duration = Duration::from_secs(1);
        self.shared.draining.store(true, Ordering::Release);
        let closing = async {
            let links = self.shared.hub.links();
            let many = u32::try_from(links.len()).unwrap_or(u32::MAX).max(1);
            let between = BETWEEN.min(within / 2 / many);
            for link in links {
                link.close(CloseReason::Shutdown);
                tokio::time::sleep(between).await;
            }
            while !self.shared.hub.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let flushing = async {
            let (flushed, done) = oneshot::channel();
            if self.sequencer.send(Job::Flush(flushed)).await.is_ok() {
                done.await.ok();
            }
        };
        let deadline = tokio::time::Instant::now() + within;
        if tokio::time::timeout_at(deadline, closing).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        // Also when the connections took all the time, what is queued gets a moment.
        let deadline = deadline.max(tokio::time::Instant::now() + FLUSH);
        if tokio::time::timeout_at(deadline, flushing).await.is_err() {
            tracing::warn!("the store did not take in time what was accepted");
        }
    }

    fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire)
    }
}
