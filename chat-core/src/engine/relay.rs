//! Other nodes: listening for the users who are here, and telling what changed here.
//!
//! Hints may be lost, and nothing rests on them; how a node makes up for it stands in `follow`.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Metrics, Shared, follow::Pages, grown::CatchUp, rooms::LiveRoom};
use crate::{
    body::Effect,
    ids::UserId,
    log::Entry,
    port::{BackendError, Broker, Hint, Topic},
};

/// The link to the other nodes.
#[derive(Debug)]
pub(crate) struct Relay {
    broker: Arc<dyn Broker>,
    outbound: mpsc::Sender<Outbound>,
    /// One is held while a user's topic changes, so that a user who comes while the same user goes
    /// is listened to.
    changing: Vec<Mutex<()>>,
    /// Users who are listened to and have no session yet, and how often.
    coming: std::sync::Mutex<HashMap<UserId, usize>>,
    hasher: RandomState,
}

#[derive(Debug)]
pub(crate) struct Outbound {
    topics: Vec<Topic>,
    hint: Hint,
}

impl Relay {
    /// How many hints may wait for the broker; more are dropped, and the others read the store.
    const OUTBOUND: usize = 65_536;

    pub(crate) fn new(broker: Arc<dyn Broker>) -> (Self, mpsc::Receiver<Outbound>) {
        let (outbound, waiting) = mpsc::channel(Self::OUTBOUND);
        let relay = Self {
            broker,
            outbound,
            changing: (0..64).map(|_| Mutex::default()).collect(),
            coming: std::sync::Mutex::default(),
            hasher: RandomState::new(),
        };
        (relay, waiting)
    }

    /// How many hints wait to be handed to the broker for the first time.
    pub(crate) fn waiting(&self) -> usize {
        self.outbound.max_capacity() - self.outbound.capacity()
    }

    async fn changing(&self, user: &UserId) -> MutexGuard<'_, ()> {
        let at = usize::try_from(self.hasher.hash_one(user) % 64).unwrap_or(0);
        self.changing[at].lock().await
    }

    fn coming(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, usize>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who is listened to while their session is being made.
struct Coming<'a> {
    relay: &'a Relay,
    user: &'a UserId,
}

impl<'a> Coming<'a> {
    fn new(relay: &'a Relay, user: &'a UserId) -> Self {
        *relay.coming().entry(user.clone()).or_default() += 1;
        Self { relay, user }
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut coming = self.relay.coming();
        if let Some(count) = coming.get_mut(self.user) {
            *count -= 1;
            if *count == 0 {
                coming.remove(self.user);
            }
        }
    }
}

/// Tells other nodes that a room's log has grown up to what was published here.
pub(crate) fn announce_head(shared: &Shared, room: &LiveRoom) {
    let hint = Hint::Appended {
        room: room.id.clone(),
        epoch: room.epoch,
        seq: room.published(),
    };
    tell(shared, room, &hint);
}

/// Tells other nodes that a room's log has grown by this entry.
pub(crate) fn announce(shared: &Shared, room: &LiveRoom, entry: &Entry) {
    if shared.relay.is_none() {
        return;
    }
    let hint = Hint::Appended {
        room: room.id.clone(),
        epoch: room.epoch,
        seq: entry.seq,
    };
    tell(shared, room, &hint);
    // Who left is no member any more, and has to learn it.
    if let Effect::Dismiss { user } = entry.body.effect() {
        publish(shared, vec![Topic::User(user.clone())], &hint);
    }
}

/// Tells all other nodes where a member of the room may be.
pub(crate) fn tell(shared: &Shared, room: &LiveRoom, hint: &Hint) {
    if shared.relay.is_some() {
        publish(
            shared,
            room.members().iter().cloned().map(Topic::User).collect(),
            hint,
        );
    }
}

/// Tells all other nodes that listen to one of these topics.
pub(crate) fn publish(shared: &Shared, topics: Vec<Topic>, hint: &Hint) {
    if let Some(relay) = &shared.relay {
        let outbound = Outbound {
            topics,
            hint: hint.clone(),
        };
        if relay.outbound.try_send(outbound).is_err() {
            shared.metrics.hints_dropped.add(1);
            tracing::debug!("a hint for other nodes is dropped");
        }
    }
}

/// Adds a user's session with `add`, once this node listens for the user and has published what
/// their rooms hold, so that every entry from then on reaches the session, and none before.
pub(crate) async fn listen<T>(
    shared: &Shared,
    grown: &mpsc::Sender<CatchUp>,
    user: &UserId,
    add: impl FnOnce() -> T,
) -> Result<T, BackendError> {
    let Some(relay) = &shared.relay else {
        return Ok(add());
    };
    let coming = Coming::new(relay, user);
    let prepared = async {
        {
            let _changing = relay.changing(user).await;
            let topic = Topic::User(user.clone());
            relay.broker.subscribe(&topic).await?;
        }
        prepare(shared, grown, user).await
    };
    match prepared.await {
        Ok(()) => Ok(add()),
        Err(error) => {
            drop(coming);
            ignore(shared, user).await;
            Err(error)
        }
    }
}

/// Brings this node up to date with a user's rooms.
async fn prepare(
    shared: &Shared,
    grown: &mpsc::Sender<CatchUp>,
    user: &UserId,
) -> Result<(), BackendError> {
    let mut behind = Vec::new();
    // Groups that the user was in when somebody last listened here, and may have had to leave since.
    let mut unlisted = if shared.hub.has(user) {
        HashMap::new()
    } else {
        shared.rooms.groups_with(|member| member == user)
    };
    let mut pages = Pages::new(shared, std::slice::from_ref(user));
    while let Some(rooms) = pages.next().await? {
        for room in rooms {
            unlisted.remove(&room.id);
            let live = shared.remember_room(&room, room.head).await?;
            behind.push((live, room.head));
        }
    }
    for (id, live) in unlisted {
        if let Some(room) = shared.stored(shared.store.room(&id).await)? {
            behind.push((live, room.head));
        }
    }
    // Those that were used here before, for somebody else or for nobody's session.
    behind.retain(|(live, head)| live.published() < *head);
    let (waiter, mut caught_up) = mpsc::channel(1);
    for (room, head) in behind {
        let waiter = Some(waiter.clone());
        grown.send(CatchUp { room, head, waiter }).await.ok();
    }
    drop(waiter);
    caught_up.recv().await;
    Ok(())
}

/// Stops listening for a user who has no session here any more.
pub(crate) async fn ignore(shared: &Shared, user: &UserId) {
    let Some(relay) = &shared.relay else { return };
    let _changing = relay.changing(user).await;
    if !shared.hub.has(user)
        && !relay.coming().contains_key(user)
        && let Err(error) = relay.broker.unsubscribe(&Topic::User(user.clone())).await
    {
        tracing::debug!(%error, "a topic is still listened to");
    }
}

/// Hands hints to the broker. What it doesn't take is kept until it does: the nodes that it reaches
/// don't know that they miss something.
pub(crate) async fn send(
    broker: Arc<dyn Broker>,
    mut waiting: mpsc::Receiver<Outbound>,
    metrics: Arc<Metrics>,
) {
    const AT_ONCE: usize = 1_024;
    const RETRY: Duration = Duration::from_millis(500);
    let mut outbound = Vec::new();
    let mut unsent: Vec<(Topic, Hint)> = Vec::new();
    let mut again = Instant::now();
    loop {
        let mut hints = tokio::select! {
            count = waiting.recv_many(&mut outbound, AT_ONCE) => {
                if count == 0 {
                    return;
                }
                let hints = outbound.drain(..).flat_map(|Outbound { topics, hint }| {
                    let hints = topics.into_iter().map(move |topic| (topic, hint.clone()));
                    hints.collect::<Vec<_>>()
                });
                hints.collect()
            }
            () = sleep_until(again), if !unsent.is_empty() => std::mem::take(&mut unsent),
        };
        leave_out_the_outdated(&mut hints);
        let count = hints.len();
        let refused = hand_over(&broker, hints).await;
        metrics.hints_sent.add(count - refused.len());
        metrics.hints_failed.add(refused.len());
        if !refused.is_empty() {
            again = Instant::now() + RETRY;
        }
        let kept = |(_, hint): &(Topic, Hint)| !matches!(hint, Hint::Typing { .. });
        unsent.extend(refused.into_iter().filter(kept));
        if unsent.len() >= 2 * Relay::OUTBOUND {
            leave_out_the_outdated(&mut unsent);
            let excess = unsent.len().saturating_sub(Relay::OUTBOUND);
            metrics.hints_dropped.add(excess);
            unsent.drain(..excess);
        }
        metrics.hints_unsent.set(unsent.len());
    }
}

/// Publishes what is for one topic in its order, and several topics at once, so that nobody waits for
/// as many round trips as there are topics. Gives what the broker did not take.
async fn hand_over(broker: &Arc<dyn Broker>, hints: Vec<(Topic, Hint)>) -> Vec<(Topic, Hint)> {
    const TOPICS: usize = 64;
    let mut topics: HashMap<Topic, Vec<Hint>> = HashMap::new();
    for (topic, hint) in hints {
        topics.entry(topic).or_default().push(hint);
    }
    let mut topics = topics.into_iter();
    let mut refused = Vec::new();
    let mut calls = JoinSet::new();
    loop {
        for (topic, hints) in topics.by_ref().take(TOPICS - calls.len()) {
            calls.spawn(publish_all(Arc::clone(broker), topic, hints));
        }
        match calls.join_next().await {
            Some(Ok(more)) => refused.extend(more),
            // A call that panicked is one hint less for a topic; others make up for it.
            Some(Err(_)) => {}
            None => return refused,
        }
    }
}

async fn publish_all(
    broker: Arc<dyn Broker>,
    topic: Topic,
    hints: Vec<Hint>,
) -> Vec<(Topic, Hint)> {
    let mut refused = Vec::new();
    for hint in hints {
        if let Err(error) = broker.publish(&topic, &hint).await {
            tracing::debug!(%error, "a hint for other nodes waits");
            refused.push((topic.clone(), hint));
        }
    }
    refused
}

/// Of a room that grew more than once, the last hint says it all; of other things that are told
/// again, the first one.
fn leave_out_the_outdated(hints: &mut Vec<(Topic, Hint)>) {
    let mut grown = HashSet::new();
    let newest = |(topic, hint): &(Topic, Hint)| match hint {
        Hint::Appended { room, .. } => grown.insert((topic.clone(), room.clone())),
        _ => true,
    };
    let mut keep: Vec<bool> = hints.iter().rev().map(newest).collect();
    let mut told = HashSet::new();
    hints.retain(|(topic, hint)| {
        let what = match hint {
            Hint::Receipt { room, user, .. } => Some((Some(room.clone()), Some(user.clone()))),
            Hint::Presence { user } => Some((None, Some(user.clone()))),
            Hint::Online => Some((None, None)),
            Hint::Appended { .. } | Hint::Typing { .. } => None,
        };
        let first = what.is_none_or(|what| told.insert((topic.clone(), what)));
        keep.pop().unwrap_or(true) && first
    });
}
