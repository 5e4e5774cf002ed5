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

/// The interval at which the subscribing connection is checked, and failed subscriptions are tried
/// again.
const CHECK: Duration = Duration::from_secs(1);

/// The number of subscriptions that are made concurrently after a reconnect.
const RESUBSCRIBE: usize = 128;

/// A [`Broker`] on Redis: a node has one connection that publishes and one that subscribes.
///
/// While the connection is lost, the broker delivers [`Delivery::Away`] once a second; when all
/// topics are subscribed again, it delivers [`Delivery::Lagged`] once. Subscribing to a topic
/// succeeds even while Redis is away; [`Delivery::Lagged`] then reports the hints that were lost
/// until Redis is back.
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
    /// Signals that some wanted topic may not be subscribed.
    doubt: Notify,
    inbox: Inbox,
}

/// The wanted channels. This table decides: the subscriptions on the server are made to match it.
#[derive(Debug, Default)]
struct Wanted {
    channels: HashMap<String, Wish>,
    /// The number of the current connection.
    connection: u64,
}

#[derive(Debug)]
struct Wish {
    topic: Topic,
    /// The connection on which the server has confirmed the subscription.
    confirmed: Option<u64>,
}

/// The message on the wire. The channel gives the topic.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<H> {
    node: Uuid,
    hint: H,
}

impl RedisBroker {
    /// The number of hints that a node may leave unread; with one more, all of them become
    /// [`Delivery::Lagged`].
    pub const CAPACITY: usize = Inbox::CAPACITY;

    /// Connects, within about two seconds. Channels begin with `chat:`.
    ///
    /// # Errors
    ///
    /// When the URL is wrong, or Redis can't be reached, refuses the login, or doesn't allow this
    /// user to subscribe and publish.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        Self::connect_with(url, "chat", PATIENCE).await
    }

    /// Connects, with channels that begin with `prefix` and a colon, so that deployments with
    /// different prefixes can share one Redis, and calls that wait for `patience`.
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
        // A missing permission is reported at the start.
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
        // Every value in it can be written as JSON.
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
        // The doubt is raised also when this future is dropped: then it is unknown whether the
        // server has subscribed the channel.
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
        // Messages that still arrive are ignored from now on, so a failure needs no second try.
        if let Err(error) = node.subscriber.unsubscribe(&channel).await {
            tracing::debug!(%error, "a topic is still subscribed");
        }
        if let Some(wish) = node.wanted().channels.get_mut(&channel) {
            // The topic was wanted again meanwhile, and the order of the two commands on the server
            // is unknown.
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
    /// Records that a topic is wanted. Returns `None` when it is already confirmed, else the
    /// connection on which to subscribe.
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
    /// Delivers the arriving messages, and keeps the wanted topics subscribed.
    async fn follow(self: Arc<Self>, mut arrivals: mpsc::Receiver<Arrival>) {
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // `behind`: some topic isn't subscribed. `silent`: some server does not answer a ping.
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
                    // Other servers of a cluster may be alive, so the loop continues.
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

    /// Returns whether both connections lead to servers that answer and take writes. A server that
    /// has become a replica is left, and until then counts as away.
    async fn is_alive(&self) -> bool {
        let probe = self.keys.probe();
        let both = tokio::try_join!(
            self.subscriber.ping(),
            self.subscriber.writes(&WRITES, probe.clone()),
            self.publisher.writes(&WRITES, probe),
        );
        both.is_ok()
    }

    /// Subscribes the topics that aren't confirmed on this connection; returns whether all of them
    /// are now.
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
        // Each command names one channel: the channels of a cluster lie in different slots.
        let done = stream::iter(channels).map(async |channel| {
            let done = self.subscriber.subscribe(&channel).await;
            done.map(|()| self.wanted().confirm(&channel, connection))
        });
        let done = done.buffer_unordered(RESUBSCRIBE);
        // A subscription that fails delays no other.
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
