//! A single Redis, or the masters of a cluster with one link to each.
//!
//! The driver's own support for clusters isn't used: there, one master that is away stops the calls
//! to all others, and a subscription whose slot has moved is never made again.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use chat_core::port::{BackendError, BackendErrorKind, Retry};
use fred::{
    error::Error,
    types::{
        FromValue, Message, Value,
        config::{Config, Server, ServerConfig},
    },
    util::redis_keyslot,
};
use futures_util::future::join_all;
use tokio::{
    sync::{
        Notify,
        broadcast::{Receiver, error::RecvError},
        mpsc,
    },
    task::AbortHandle,
    time::MissedTickBehavior,
};

use crate::{
    client::{Link, Script},
    error::BACKEND,
    url,
};

/// The interval at which a cluster is asked which master has which slots; a call that is sent to
/// the wrong master triggers the query at once.
const REFRESH: Duration = Duration::from_secs(1);

/// The number of arrivals that may wait to be handled; more wait in the driver.
const ARRIVALS: usize = 1024;

/// An event or a message that arrives from a server.
pub(crate) enum Arrival {
    Message(Message),
    /// There is a new connection, or a slot has moved: subscriptions may be gone.
    Reconnected,
    /// Messages were lost.
    Lagged,
}

/// The servers that hold the keys and channels; each call goes to the master that has the slot.
pub(crate) struct Servers {
    shared: Arc<Shared>,
    keep: Option<AbortHandle>,
}

struct Shared {
    config: Config,
    patience: Duration,
    what: &'static str,
    arrivals: mpsc::Sender<Arrival>,
    masters: RwLock<Masters>,
    /// Signals that a call was sent to the wrong master.
    stale: Notify,
}

#[derive(Default)]
struct Masters {
    links: HashMap<Server, Arc<Link>>,
    slots: Vec<Range>,
}

#[derive(PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    master: Server,
}

impl Servers {
    /// Connects. The log names the connection `what` when it is lost or back.
    pub(crate) async fn open(
        address: &str,
        patience: Duration,
        what: &'static str,
    ) -> Result<(Self, mpsc::Receiver<Arrival>), BackendError> {
        let (arrivals, arrived) = mpsc::channel(ARRIVALS);
        let shared = Arc::new(Shared {
            config: url::read(address)?,
            patience,
            what,
            arrivals,
            masters: RwLock::default(),
            stale: Notify::new(),
        });
        shared.refresh().await?;
        let clustered = shared.config.server.is_clustered();
        if !clustered && shared.is_in_a_cluster().await {
            return Err(unusable(
                "it belongs to a cluster; the URL must begin with redis-cluster://",
            ));
        }
        let keep = clustered.then(|| tokio::spawn(Arc::clone(&shared).keep()).abort_handle());
        Ok((Self { shared, keep }, arrived))
    }

    /// Runs a script on keys of one slot.
    pub(crate) async fn run<T: FromValue>(
        &self,
        operation: &'static str,
        script: &Script,
        keys: Vec<String>,
        arguments: Vec<Value>,
    ) -> Result<T, BackendError> {
        let key = keys.first().map_or("", String::as_str);
        let link = self.of(key, operation)?;
        self.noted(link.run(operation, script, keys, arguments).await)
    }

    /// Publishes a message to all subscribers.
    pub(crate) async fn publish(&self, channel: &str, text: String) -> Result<(), BackendError> {
        let link = self.of(channel, "publish")?;
        self.noted(link.publish(channel, text).await)
    }

    /// Subscribes a channel, and returns once the server has done it. A new connection has no
    /// subscription.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<(), BackendError> {
        let link = self.of(channel, "subscribe")?;
        self.noted(link.subscribe(channel).await)
    }

    pub(crate) async fn unsubscribe(&self, channel: &str) -> Result<(), BackendError> {
        let link = self.of(channel, "unsubscribe")?;
        self.noted(link.unsubscribe(channel).await)
    }

    /// Checks that the server takes writes, as far as this user's permissions show it. A replica
    /// would let us publish to its own subscribers only. For a cluster its table of slots shows it.
    pub(crate) async fn writes(&self, script: &Script, key: String) -> Result<(), BackendError> {
        if self.shared.config.server.is_clustered() {
            return Ok(());
        }
        let run = self.run::<Value>("connect", script, vec![key], Vec::new());
        match run.await {
            Err(error) if error.kind == BackendErrorKind::Unauthorized => Ok(()),
            done => done.map(drop),
        }
    }

    /// Pings each server: a connection without an answer for too long is replaced.
    pub(crate) async fn ping(&self) -> Result<(), BackendError> {
        let links: Vec<_> = self.shared.masters().links.values().cloned().collect();
        let answers = join_all(links.iter().map(|link| link.ping())).await;
        answers.into_iter().collect()
    }

    fn of(&self, key: &str, operation: &'static str) -> Result<Arc<Link>, BackendError> {
        let slot = redis_keyslot(key.as_bytes());
        let masters = self.shared.masters();
        let mut slots = masters.slots.iter();
        let range = slots.find(|range| (range.first..=range.last).contains(&slot));
        let link = range.and_then(|range| masters.links.get(&range.master));
        link.cloned().ok_or_else(|| {
            let (kind, retry) = (BackendErrorKind::Unavailable, Retry::Safe);
            BackendError::new(BACKEND, kind, retry, operation, "no master has the slot")
        })
    }

    fn noted<T>(&self, done: Result<T, BackendError>) -> Result<T, BackendError> {
        if let Err(BackendError {
            source: Some(source),
            ..
        }) = &done
            && let Some(error) = source.downcast_ref::<Error>()
            && error.details().starts_with("MOVED")
        {
            self.shared.stale.notify_one();
        }
        done
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(keep) = &self.keep {
            keep.abort();
        }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = &self.shared.masters().links;
        f.debug_list().entries(links.values()).finish()
    }
}

impl Shared {
    /// Keeps the table of slots and the links up to date.
    async fn keep(self: Arc<Self>) {
        let mut time = tokio::time::interval(REFRESH);
        time.set_missed_tick_behavior(MissedTickBehavior::Delay);
        time.tick().await;
        loop {
            tokio::select! {
                _ = time.tick() => {}
                () = self.stale.notified() => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::trace!(%error, "no master tells of the slots");
            }
        }
    }

    /// Reads which master has which slots, and opens links to new masters; fails when there is no
    /// link at all.
    async fn refresh(&self) -> Result<(), BackendError> {
        let slots = self.slots().await?;
        let masters: HashSet<_> = slots.iter().map(|range| &range.master).collect();
        let mut links = self.masters().links.clone();
        links.retain(|master, _| masters.contains(master));
        let (known, mut failed) = (links.len(), None);
        let missing = masters.into_iter().filter(|it| !links.contains_key(it));
        let opened = missing.map(async |master| (master.clone(), self.link(master).await));
        for (master, link) in join_all(opened.collect::<Vec<_>>()).await {
            match link {
                Ok(link) => drop(links.insert(master, Arc::new(link))),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed.filter(|_| links.is_empty()) {
            return Err(error);
        }
        let changed = {
            let new = links.len() > known;
            let mut masters = self.masters.write().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *masters, Masters { links, slots });
            !before.slots.is_empty() && (new || before.slots != masters.slots)
        };
        if changed {
            // The receiver of arrivals may be gone.
            let _ = self.arrivals.send(Arrival::Reconnected).await;
        }
        Ok(())
    }

    async fn is_in_a_cluster(&self) -> bool {
        let links: Vec<_> = self.masters().links.values().cloned().collect();
        let answers = join_all(links.iter().map(|link| link.slots())).await;
        answers.iter().any(Result::is_ok)
    }

    async fn slots(&self) -> Result<Vec<Range>, BackendError> {
        let seeds = self.config.server.hosts();
        if !self.config.server.is_clustered() {
            let all = seeds.into_iter().map(|master| Range {
                first: 0,
                last: u16::MAX,
                master,
            });
            return Ok(all.collect());
        }
        let links = self.masters().links.clone();
        let mut failed = None;
        for (server, link) in links {
            match link.slots().await {
                Ok(answer) => return ranges(answer, &server),
                Err(error) => failed = Some(error),
            }
        }
        for seed in seeds {
            match async { self.link(&seed).await?.slots().await }.await {
                Ok(answer) => return ranges(answer, &seed),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| unusable("the URL names no server")))
    }

    async fn link(&self, server: &Server) -> Result<Link, BackendError> {
        let sharded = self.config.server.is_clustered();
        let mut config = self.config.clone();
        config.server = ServerConfig::Centralized {
            server: server.clone(),
        };
        let link = Link::open(config, sharded, self.patience, self.what).await?;
        let (messages, reconnects) = (link.messages(), link.reconnects());
        // The task ends with the link.
        tokio::spawn(forward(messages, reconnects, self.arrivals.clone()));
        Ok(link)
    }

    /// Nothing panics under this lock.
    fn masters(&self) -> RwLockReadGuard<'_, Masters> {
        self.masters.read().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn forward(
    mut messages: Receiver<Message>,
    mut reconnects: Receiver<Server>,
    arrivals: mpsc::Sender<Arrival>,
) {
    loop {
        let arrival = tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => Arrival::Message(message),
                Err(RecvError::Lagged(_)) => Arrival::Lagged,
                Err(RecvError::Closed) => return,
            },
            connection = reconnects.recv() => match connection {
                Err(RecvError::Closed) => return,
                _ => Arrival::Reconnected,
            },
        };
        if arrivals.send(arrival).await.is_err() {
            return;
        }
    }
}

/// Reads the answer to `CLUSTER SLOTS`: `[[first, last, [host, port, ...], replica, ...], ...]`. A
/// server that doesn't know its own name leaves it out; then it is the one that was `asked`.
fn ranges(answer: Value, asked: &Server) -> Result<Vec<Range>, BackendError> {
    let range = |range: Value| {
        let mut parts = range.into_array().into_iter();
        let mut number = || u16::try_from(parts.next()?.as_u64()?).ok();
        let (first, last) = (number()?, number()?);
        let mut master = parts.next()?.into_array().into_iter();
        let host = master.next()?.as_string().filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| asked.host.to_string());
        let port = u16::try_from(master.next()?.as_u64()?).ok()?;
        Some(Range {
            first,
            last,
            master: Server::new(host, port),
        })
    };
    let ranges: Option<Vec<_>> = answer.into_array().into_iter().map(range).collect();
    let ranges = ranges.filter(|ranges| !ranges.is_empty());
    ranges.ok_or_else(|| unusable("the cluster names no master for any slot"))
}

fn unusable(what: &'static str) -> BackendError {
    let (kind, retry) = (BackendErrorKind::Misconfigured, Retry::No);
    BackendError::new(BACKEND, kind, retry, "connect", what)
}
