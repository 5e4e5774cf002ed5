//! Hints from node to node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chat_core::{
    IdGen, RandomIds,
    port::{BackendError, Broker, Delivery, Hint, Inbox, Retry, Topic},
};
use fred::types::Message;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
    time::MissedTickBehavior,
};
use uuid::Uuid;

use crate::{
    client::{PATIENCE, Script},
    keys::Keys,
    servers::{Arrival, Servers},
};

static WRITES: Script = Script::new(include_str!("lua/writes.lua"));

/// How often the subscribing connection is asked whether it lives, and what failed is tried again.
const CHECK: Duration = Duration::from_secs(1);

/// How many subscriptions are on their way at once after a reconnect.
const RESUBSCRIBE: usize = 128;

/// A [`Broker`] on Redis: one connection that publishes and one that subscribes for a node.
///
/// While the connection is lost, [`Delivery::Away`] is given once a second; when all topics are
/// subscribed again, [`Delivery::Lagged`] once. A topic that can't be subscribed because Redis is
/// away counts as one that is: subscribing to it succeeds, and what was lost until Redis is back is
/// told by [`Delivery::Lagged`].
#[derive(Debug)]
pub struct RedisBroker {
    node: Arc<Node>,
    follow: AbortHandle,
}

#[derive(Debug)]
struct Node {
    id: Uuid,
    keys: Keys,
    publisher: Servers,
    subscriber: Servers,
    wanted: Mutex<Wanted>,
    /// Some wanted topic may not be subscribed.
    doubt: Notify,
    inbox: Inbox,
}

/// The channels to listen to. The truth is here: what the server believes is brought in line.
#[derive(Debug, Default)]
struct Wanted {
    channels: HashMap<String, Wish>,
    /// The number of the connection.
    connection: u64,
}

#[derive(Debug)]
struct Wish {
    topic: Topic,
    /// On which connection the server has confirmed it.
    confirmed: Option<u64>,
}

/// What goes over the wire. The topic is known by the channel.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<H> {
    node: Uuid,
    hint: H,
}

impl RedisBroker {
    /// How many hints a node may leave unread; with one more, all of them become
    /// [`Delivery::Lagged`].
    pub const CAPACITY: usize = Inbox::CAPACITY;

    /// Connects, within about two seconds. Channels begin with `chat:`.
    ///
    /// # Errors
    ///
    /// When the URL is wrong, or Redis can't be reached, doesn't let us in, or doesn't let us listen
    /// and publish.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        Self::connect_with(url, "chat", PATIENCE).await
    }

    /// Connects, with channels that begin with `prefix` and a colon, so that deployments with
    /// different ones can share a Redis, and calls that wait for `patience`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        url: &str,
        prefix: &str,
        patience: Duration,
    ) -> Result<Self, BackendError> {
        let (subscriber, arrivals) =
            Servers::open(url, patience * 2 / 3, "hints from other nodes").await?;
        let (publisher, _) = Servers::open(url, patience, "hints to other nodes").await?;
        let keys = Keys::new(prefix);
        // A missing permission is reported now.
        let probe = keys.probe();
        subscriber.subscribe(&probe).await?;
        subscriber.unsubscribe(&probe).await?;
        publisher.publish(&probe, String::new()).await?;
        let node = Arc::new(Node {
            id: RandomIds.next(),
            keys,
            publisher,
            subscriber,
            wanted: Mutex::default(),
            doubt: Notify::new(),
            inbox: Inbox::default(),
        });
        let follow = tokio::spawn(Arc::clone(&node).follow(arrivals));
        Ok(Self {
            node,
            follow: follow.abort_handle(),
        })
    }
}

impl Drop for RedisBroker {
    fn drop(&mut self) {
        self.follow.abort();
    }
}

#[async_trait]
impl Broker for RedisBroker {
    async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError> {
        let node = self.node.id;
        // It holds nothing that can't be written as JSON.
        let text = serde_json::to_string(&Envelope { node, hint }).unwrap_or_default();
        let channel = self.node.keys.channel(topic);
        self.node.publisher.publish(&channel, text).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        let node = &*self.node;
        let channel = node.keys.channel(topic);
        let Some(connection) = node.wanted().want(&channel, topic) else {
            return Ok(());
        };
        // Also when this future is dropped: then nobody knows whether it was subscribed.
        let doubt = Doubt(Some(&node.doubt));
        match node.subscriber.subscribe(&channel).await {
            Ok(()) => {
                node.wanted().confirm(&channel, connection);
                doubt.dispel();
            }
            Err(error) if error.retry == Retry::No => {
                node.wanted().channels.remove(&channel);
                doubt.dispel();
                return Err(error);
            }
            Err(error) => tracing::debug!(%error, "a topic is subscribed later"),
        }
        Ok(())
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        let node = &*self.node;
        let channel = node.keys.channel(topic);
        if node.wanted().channels.remove(&channel).is_none() {
            return Ok(());
        }
        // From now on what still comes is left unread, so a failure needs no second try.
        if let Err(error) = node.subscriber.unsubscribe(&channel).await {
            tracing::debug!(%error, "a topic is still subscribed");
        }
        if let Some(wish) = node.wanted().channels.get_mut(&channel) {
            // It was wanted again meanwhile, and nobody knows which came first.
            wish.confirmed = None;
            node.doubt.notify_one();
        }
        Ok(())
    }

    async fn next(&self) -> Delivery {
        self.node.inbox.next().await
    }
}

/// Raises the doubt when it is dropped.
struct Doubt<'a>(Option<&'a Notify>);

impl Doubt<'_> {
    fn dispel(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(doubt) = self.0 {
            doubt.notify_one();
        }
    }
}

impl Wanted {
    /// Notes a wish. `None` when it is confirmed, else the connection on which to subscribe.
    fn want(&mut self, channel: &str, topic: &Topic) -> Option<u64> {
        let wish = self
            .channels
            .entry(channel.to_owned())
            .or_insert_with(|| Wish {
                topic: topic.clone(),
                confirmed: None,
            });
        (wish.confirmed != Some(self.connection)).then_some(self.connection)
    }

    fn confirm(&mut self, channel: &str, connection: u64) {
        if let Some(wish) = self.channels.get_mut(channel) {
            wish.confirmed = wish.confirmed.max(Some(connection));
        }
    }
}

impl Node {
    /// Sorts what arrives, and sees to it that what is wanted is subscribed.
    async fn follow(self: Arc<Self>, mut arrivals: mpsc::Receiver<Arrival>) {
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Some topic isn't subscribed; some server gives no sign of life.
        let (mut behind, mut silent) = (false, false);
        loop {
            let mut was_away = silent;
            let mut checked = false;
            tokio::select! {
                arrival = arrivals.recv() => match arrival {
                    Some(Arrival::Message(message)) => {
                        self.receive(&message);
                        continue;
                    }
                    Some(Arrival::Lagged) => {
                        self.inbox.put(Delivery::Lagged);
                        continue;
                    }
                    Some(Arrival::Reconnected) => {
                        self.wanted().connection += 1;
                        behind = true;
                    }
                    None => return,
                },
                () = self.doubt.notified() => {
                    // While Redis is away, the next check is soon enough.
                    let known = std::mem::replace(&mut behind, true) || silent;
                    if known {
                        continue;
                    }
                }
                _ = check.tick() => {
                    // Others of a cluster may be alive, so the rest goes on.
                    silent = !Box::pin(self.is_alive()).await;
                    checked = true;
                }
            }
            if behind {
                was_away = true;
                behind = !self.resubscribe().await;
            }
            if behind || silent {
                if checked {
                    self.inbox.put(Delivery::Away);
                }
            } else if was_away {
                self.inbox.put(Delivery::Lagged);
            }
        }
    }

    /// Whether both connections lead to servers that answer and take writes. One that has become a
    /// replica is left, and until then counts as away.
    async fn is_alive(&self) -> bool {
        let probe = self.keys.probe();
        let both = tokio::try_join!(
            self.subscriber.ping(),
            self.subscriber.writes(&WRITES, probe.clone()),
            self.publisher.writes(&WRITES, probe),
        );
        both.is_ok()
    }

    /// Subscribes what isn't confirmed on this connection; whether all of it is now.
    async fn resubscribe(&self) -> bool {
        let (connection, channels) = {
            let wanted = self.wanted();
            let connection = wanted.connection;
            let missing = wanted
                .channels
                .iter()
                .filter(|(_, wish)| wish.confirmed != Some(connection));
            let channels: Vec<_> = missing.map(|(channel, _)| channel.clone()).collect();
            (connection, channels)
        };
        // One channel a command: those of a cluster lie in different slots.
        let done = stream::iter(channels).map(async |channel| {
            let done = self.subscriber.subscribe(&channel).await;
            done.map(|()| self.wanted().confirm(&channel, connection))
        });
        let done = done.buffer_unordered(RESUBSCRIBE);
        // One that fails keeps no other waiting.
        done.fold(true, async |all, done| all && done.is_ok()).await
    }

    fn receive(&self, message: &Message) {
        let wanted = self.wanted();
        let Some(wish) = wanted.channels.get(&*message.channel) else {
            return;
        };
        let topic = wish.topic.clone();
        drop(wanted);
        let text = message.value.as_bytes().unwrap_or_default();
        match serde_json::from_slice::<Envelope<Hint>>(text) {
            Ok(envelope) if envelope.node == self.id => {}
            Ok(Envelope { hint, .. }) => self.inbox.put(Delivery::Hint { topic, hint }),
            Err(error) => tracing::debug!(%error, "what is no hint is ignored"),
        }
    }

    /// Nothing panics under this lock.
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
