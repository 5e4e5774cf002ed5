//! The Redis client, in the form in which the rest of the crate uses it.

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

/// The longest time that a call waits for Redis by default; a call that subscribes waits for two
/// thirds of it. So a request that does both waits for 250 ms, and only the first one does: later
/// calls fail at once, until Redis has answered again.
pub const PATIENCE: Duration = Duration::from_millis(150);

/// The interval at which a Redis that stopped answering is pinged.
const PROBE: Duration = Duration::from_millis(100);

/// The time limit for making a connection, and for an answer before the connection is given up.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(1);

/// The number of messages that may wait until they are forwarded. The client reserves the same
/// capacity for each of nine kinds, about 1 KiB per message, so 65,536 would cost 60 MB per
/// connection.
const MESSAGES: usize = 2_048;

/// A Lua script, which Redis caches under its SHA-1 hash.
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

/// A connection to Redis that reconnects by itself; dropping it closes the connection.
pub(crate) struct Link {
    client: Client,
    /// `true` for a connection to a cluster, where a channel is in the slot of its name.
    sharded: bool,
    patience: Duration,
    silence: Arc<Silence>,
    /// Signals that a write was refused because the server is a replica.
    demoted: Arc<Notify>,
    tasks: [AbortHandle; 4],
}

/// The state of a Redis that did not answer in time, and has not answered a ping since.
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
        // With RESP3 a connection that subscribes can be pinged.
        config.version = RespVersion::RESP3;
        let client = Builder::from_config(config)
            .with_performance_config(|performance| {
                performance.default_command_timeout = patience;
                performance.broadcast_channel_capacity = MESSAGES;
            })
            .with_connection_config(|connection| {
                connection.connection_timeout = CONNECTION_PATIENCE;
                connection.internal_command_timeout = CONNECTION_PATIENCE;
                // A command that is sent a second time could be carried out twice.
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
                // This node of the cluster has not seen the script, or the scripts were flushed.
                // This call also caches it.
                Err(error) if error.details().starts_with("NOSCRIPT") => {
                    self.client.eval(script.lua, again, with).await
                }
                done => done,
            }
        };
        self.bounded(operation, run).await
    }

    /// Publishes a message to all subscribers.
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

    /// Subscribes a channel, and returns once the server has done it. A new connection has no
    /// subscription.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<(), BackendError> {
        let subscribe = async {
            if self.sharded {
                self.client.ssubscribe(channel).await
            } else {
                // The client doesn't wait for the confirmation, but the server answers a later
                // command on the same connection only after it.
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

    /// Reads which master of a cluster has which slots.
    pub(crate) async fn slots(&self) -> Result<Value, BackendError> {
        let command = CustomCommand::new_static("CLUSTER", ClusterHash::FirstKey, false);
        self.bounded("slots", self.client.custom(command, vec!["SLOTS"]))
            .await
    }

    /// Pings the server: a connection without an answer for too long is replaced.
    pub(crate) async fn ping(&self) -> Result<(), BackendError> {
        let ping = async { self.client.ping::<Value>(None).await.map(drop) };
        self.bounded("ping", ping).await
    }

    /// Returns the messages that arrive from now on.
    pub(crate) fn messages(&self) -> Receiver<Message> {
        self.client.message_rx()
    }

    /// Yields the server of each new connection.
    pub(crate) fn reconnects(&self) -> Receiver<Server> {
        self.client.reconnect_rx()
    }

    async fn bounded<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, BackendError> {
        let done = if !self.client.is_connected() {
            // The client would keep the command in a queue until Redis is back.
            Err(Error::new(ErrorKind::Routing, "not connected"))
        } else if self.silence.is.load(Ordering::Relaxed) {
            Err(Error::new(ErrorKind::Routing, "no sign of life"))
        } else {
            let late = |_| Err(Error::new(ErrorKind::Timeout, "no answer in time"));
            let done = timeout(self.patience, call).await.unwrap_or_else(late);
            // The client's own time limit may come first.
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
        // The client's own `Debug` output holds the password.
        f.debug_struct("Link")
            .field("connected", &self.client.is_connected())
            .finish_non_exhaustive()
    }
}

/// Pings a Redis that stopped answering until it answers.
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

/// Returns whether the error shows that the server was the primary and is a replica now. Such a
/// server keeps its connections, while a name or a proxy may lead to the new primary by now.
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

/// The shortest time between two reconnects that leave a replica.
const RENEW: Duration = Duration::from_secs(1);

/// The time that a connection has to last until Redis counts as back. A master of a cluster that is
/// down accepts the login, and refuses every command, again and again.
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
