//! The Redis client: all that the rest of the crate knows of it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chat_core::port::BackendError;
use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::{ClientLike, EventInterface, LuaInterface, PubsubInterface},
    types::{
        Builder, ClusterHash, CustomCommand, FromValue, Message, RespVersion, Value,
        config::{Config, ReconnectPolicy, Server, TcpConfig, UnresponsiveConfig},
    },
};
use tokio::{
    sync::{
        Notify,
        broadcast::{Receiver, error::RecvError},
    },
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::error::classify;

/// The longest that a call waits for Redis by default; a call that subscribes waits for
/// two thirds of it. So a request that does both waits for 250 ms, and only the first one: what
/// comes after it fails at once, until Redis has shown that it lives.
pub const PATIENCE: Duration = Duration::from_millis(150);

/// How often a Redis that fell silent is asked for a sign of life.
const PROBE: Duration = Duration::from_millis(100);

/// How long a connection may take, and how long it may owe an answer before it is given up.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(1);

/// How many messages may wait until they are forwarded. The client has room for as many of nine
/// kinds, about 1 KiB each time, so 65,536 would cost 60 MB a connection.
const MESSAGES: usize = 2_048;

/// A Lua script, which Redis keeps and knows by its SHA.
pub(crate) struct Script {
    lua: &'static str,
    sha: OnceLock<String>,
}

impl Script {
    pub(crate) const fn new(lua: &'static str) -> Self {
        Self {
            lua,
            sha: OnceLock::new(),
        }
    }
}

/// A connection to Redis that comes back by itself; it is closed when this is dropped.
pub(crate) struct Link {
    client: Client,
    /// One of a cluster, where a channel is in the slot of its name.
    sharded: bool,
    patience: Duration,
    silence: Arc<Silence>,
    /// A write was refused because the server is a replica.
    demoted: Arc<Notify>,
    tasks: [AbortHandle; 4],
}

/// Whether Redis owed an answer for too long, and has given no sign of life since.
#[derive(Default)]
struct Silence {
    is: AtomicBool,
    fell: Notify,
}

impl Link {
    /// Connects to one server. The log names the connection `what` when it is lost or back.
    pub(crate) async fn open(
        mut config: Config,
        sharded: bool,
        patience: Duration,
        what: &'static str,
    ) -> Result<Self, BackendError> {
        let failed = |error: Error| classify(&error, "connect");
        // With RESP3 a connection that subscribes can be asked whether it is alive.
        config.version = RespVersion::RESP3;
        let client = Builder::from_config(config)
            .with_performance_config(|performance| {
                performance.default_command_timeout = patience;
                performance.broadcast_channel_capacity = MESSAGES;
            })
            .with_connection_config(|connection| {
                connection.connection_timeout = CONNECTION_PATIENCE;
                connection.internal_command_timeout = CONNECTION_PATIENCE;
                // Sent again, a command could be carried out twice.
                connection.max_command_attempts = 1;
                connection.unresponsive = UnresponsiveConfig {
                    max_timeout: Some(CONNECTION_PATIENCE.max(patience)),
                    interval: CONNECTION_PATIENCE / 4,
                };
                connection.tcp = TcpConfig {
                    nodelay: Some(true),
                    ..TcpConfig::default()
                };
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 50, 1000, 2))
            .build()
            .map_err(failed)?;
        let connection = client.init().await.map_err(failed)?;
        let watch = tokio::spawn(watch(client.error_rx(), client.reconnect_rx(), what));
        let silence = Arc::new(Silence::default());
        let probe = tokio::spawn(probe(client.clone(), Arc::clone(&silence)));
        let demoted = Arc::new(Notify::new());
        let renew = tokio::spawn(renew(client.clone(), Arc::clone(&demoted), what));
        Ok(Self {
            client,
            sharded,
            patience,
            silence,
            demoted,
            tasks: [
                connection.abort_handle(),
                watch.abort_handle(),
                probe.abort_handle(),
                renew.abort_handle(),
            ],
        })
    }

    /// Runs a script.
    pub(crate) async fn run<T: FromValue>(
        &self,
        operation: &'static str,
        script: &Script,
        keys: Vec<String>,
        arguments: Vec<Value>,
    ) -> Result<T, BackendError> {
        let run = async {
            let sha = if let Some(sha) = script.sha.get() {
                sha.clone()
            } else {
                let sha: String = self.client.script_load(script.lua).await?;
                script.sha.get_or_init(|| sha).clone()
            };
            let (again, with) = (keys.clone(), arguments.clone());
            match self.client.evalsha(sha, keys, arguments).await {
                // Another node of the cluster, or the scripts were flushed. This also keeps it.
                Err(error) if error.details().starts_with("NOSCRIPT") => {
                    self.client.eval(script.lua, again, with).await
                }
                done => done,
            }
        };
        self.bounded(operation, run).await
    }

    /// Tells all who are subscribed.
    pub(crate) async fn publish(&self, channel: &str, text: String) -> Result<(), BackendError> {
        let publish = async {
            if self.sharded {
                self.client.spublish(channel, text).await
            } else {
                self.client.publish(channel, text).await
            }
        };
        self.bounded("publish", publish).await
    }

    /// Returns once the server has done it. A new connection knows of no subscription.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<(), BackendError> {
        let subscribe = async {
            if self.sharded {
                self.client.ssubscribe(channel).await
            } else {
                // The client doesn't wait for the confirmation, but what is asked after it on the
                // same connection is answered after it.
                self.client.subscribe(channel).await?;
                self.client.ping::<Value>(None).await.map(drop)
            }
        };
        self.bounded("subscribe", subscribe).await
    }

    pub(crate) async fn unsubscribe(&self, channel: &str) -> Result<(), BackendError> {
        let unsubscribe = async {
            if self.sharded {
                self.client.sunsubscribe(channel).await
            } else {
                self.client.unsubscribe(channel).await
            }
        };
        self.bounded("unsubscribe", unsubscribe).await
    }

    /// Which masters of a cluster have which slots.
    pub(crate) async fn slots(&self) -> Result<Value, BackendError> {
        let command = CustomCommand::new_static("CLUSTER", ClusterHash::FirstKey, false);
        self.bounded("slots", self.client.custom(command, vec!["SLOTS"]))
            .await
    }

    /// Asks for a sign of life: a connection that owes an answer for too long is replaced.
    pub(crate) async fn ping(&self) -> Result<(), BackendError> {
        let ping = async { self.client.ping::<Value>(None).await.map(drop) };
        self.bounded("ping", ping).await
    }

    /// What arrives from now on.
    pub(crate) fn messages(&self) -> Receiver<Message> {
        self.client.message_rx()
    }

    /// Yields whenever there is a new connection.
    pub(crate) fn reconnects(&self) -> Receiver<Server> {
        self.client.reconnect_rx()
    }

    async fn bounded<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, BackendError> {
        let done = if !self.client.is_connected() {
            // The client would keep the command, and wait for Redis to come back.
            Err(Error::new(ErrorKind::Routing, "not connected"))
        } else if self.silence.is.load(Ordering::Relaxed) {
            Err(Error::new(ErrorKind::Routing, "no sign of life"))
        } else {
            let late = |_| Err(Error::new(ErrorKind::Timeout, "no answer in time"));
            let done = timeout(self.patience, call).await.unwrap_or_else(late);
            // The client may have noticed first.
            if matches!(&done, Err(error) if *error.kind() == ErrorKind::Timeout) {
                self.silence.is.store(true, Ordering::Relaxed);
                self.silence.fell.notify_one();
            }
            if matches!(&done, Err(error) if is_demoted(error)) {
                self.demoted.notify_one();
            }
            done
        };
        done.map_err(|error| classify(&error, operation))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own text holds the password.
        f.debug_struct("Link")
            .field("connected", &self.client.is_connected())
            .finish_non_exhaustive()
    }
}

/// Asks a Redis that fell silent until it answers.
async fn probe(client: Client, silence: Arc<Silence>) {
    loop {
        silence.fell.notified().await;
        while silence.is.load(Ordering::Relaxed) {
            let answer = timeout(CONNECTION_PATIENCE, client.ping::<Value>(None)).await;
            if matches!(answer, Ok(Ok(_))) {
                silence.is.store(false, Ordering::Relaxed);
            } else {
                sleep(PROBE).await;
            }
        }
    }
}

/// Whether the server was the primary and is a replica now. It keeps its connections, while a name or
/// a proxy may lead to the new primary by now.
fn is_demoted(error: &Error) -> bool {
    let word = error.details().split_whitespace().next();
    matches!(word, Some("READONLY" | "MASTERDOWN"))
}

/// Makes a new connection when the server has become a replica, once a second at most.
async fn renew(client: Client, demoted: Arc<Notify>, what: &'static str) {
    loop {
        demoted.notified().await;
        tracing::warn!("redis is a replica now, so a new connection is made: {what}");
        if let Err(error) = client.force_reconnection().await {
            tracing::debug!(%error, "no new connection");
        }
        sleep(RENEW).await;
    }
}

/// The shortest time between two new connections that a replica is given up for.
const RENEW: Duration = Duration::from_secs(1);

/// For how long a connection has to last until Redis counts as back. A master of a cluster that is
/// down lets us in, and refuses what it is asked, again and again.
const LASTS: Duration = Duration::from_secs(1);

/// Logs one line when the connection is lost, and one when it is back.
async fn watch(
    mut errors: Receiver<(Error, Option<Server>)>,
    mut reconnects: Receiver<Server>,
    what: &'static str,
) {
    let mut away = false;
    let mut back = None;
    loop {
        tokio::select! {
            error = errors.recv() => match error {
                Ok((error, _)) => {
                    back = None;
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!(%error, "redis is away: {what}");
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            server = reconnects.recv() => match server {
                Err(RecvError::Closed) => return,
                _ => back = Some(Instant::now() + LASTS),
            },
            () = sleep_until(back.unwrap_or_else(Instant::now)), if away && back.is_some() => {
                away = false;
                tracing::info!("redis is back: {what}");
            }
        }
    }
}
