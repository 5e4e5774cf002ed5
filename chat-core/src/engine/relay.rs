//! Other nodes: telling them what changed here, and following what changed there.
//!
//! Hints may be lost, so nothing rests on them: a node knows for each room of its users what it has
//! published, and reads the store whenever the numbers don't fit, after [`Delivery::Lagged`], and
//! now and then in any case.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use tokio::sync::{Mutex, MutexGuard, mpsc};

use super::{Shared, rooms::LiveRoom, sequencer::Job};
use crate::{
    event::Event,
    frame::Frame,
    ids::UserId,
    log::{EntryBody, Page, Seq},
    port::{BackendError, Broker, Delivery, Hint, Topic},
    receipt::Watermarks,
    room::Room,
};

/// The link to the other nodes.
#[derive(Debug)]
pub(crate) struct Relay {
    broker: Arc<dyn Broker>,
    outbound: mpsc::Sender<Outbound>,
    /// One is held while a user's topic changes, so that a user who comes while the same user goes
    /// is listened to.
    changing: Vec<Mutex<()>>,
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
            hasher: RandomState::new(),
        };
        (relay, waiting)
    }

    async fn changing(&self, user: &UserId) -> MutexGuard<'_, ()> {
        let at = usize::try_from(self.hasher.hash_one(user) % 64).unwrap_or(0);
        self.changing[at].lock().await
    }
}

/// Tells other nodes that a room's log has grown.
pub(crate) fn announce(shared: &Shared, room: &LiveRoom, seq: Seq) {
    if shared.relay.is_some() {
        let hint = Hint::Appended {
            room: room.id.clone(),
            epoch: room.epoch,
            seq,
        };
        tell(shared, room, &hint);
    }
}

/// Tells all other nodes where a member of the room may be.
pub(crate) fn tell(shared: &Shared, room: &LiveRoom, hint: &Hint) {
    if shared.relay.is_some() {
        publish(
            shared,
            room.members().iter().cloned().map(Topic).collect(),
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
            tracing::debug!("a hint for other nodes is dropped");
        }
    }
}

/// Adds a user's session with `add`, once this node listens for the user and knows where their
/// rooms stand, so that every entry from then on reaches the session.
pub(crate) async fn listen<T>(
    shared: &Shared,
    user: &UserId,
    add: impl FnOnce() -> T,
) -> Result<T, BackendError> {
    let Some(relay) = &shared.relay else {
        return Ok(add());
    };
    let _changing = relay.changing(user).await;
    relay.broker.subscribe(&Topic(user.clone())).await?;
    for room in rooms_of(shared, user).await? {
        shared.remember_room(&room, room.head).await?;
    }
    Ok(add())
}

/// Stops listening for a user who has no session here any more.
pub(crate) async fn ignore(shared: &Shared, user: &UserId) {
    let Some(relay) = &shared.relay else { return };
    let _changing = relay.changing(user).await;
    if !shared.hub.has(user)
        && let Err(error) = relay.broker.unsubscribe(&Topic(user.clone())).await
    {
        tracing::warn!(%error, "a topic is still listened to");
    }
}

/// Hands hints to the broker, one after the other.
pub(crate) async fn send(broker: Arc<dyn Broker>, mut waiting: mpsc::Receiver<Outbound>) {
    while let Some(Outbound { topics, hint }) = waiting.recv().await {
        for topic in topics {
            if let Err(error) = broker.publish(&topic, &hint).await {
                tracing::debug!(%error, "a hint for other nodes is lost");
            }
        }
    }
}

/// Follows the hints of other nodes.
pub(crate) async fn receive(
    shared: Arc<Shared>,
    broker: Arc<dyn Broker>,
    jobs: mpsc::WeakSender<Job>,
) {
    let mut check = tokio::time::interval(shared.config.position_check);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            delivery = broker.next() => match delivery {
                Delivery::Hint { topic, hint } => follow(&shared, &jobs, &topic, hint).await,
                Delivery::Lagged => compare(&shared, &jobs).await,
            },
            _ = check.tick() => compare(&shared, &jobs).await,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "other nodes can't be followed for now");
        }
    }
}

/// A hint is believed only as far as the store, or the cache, bears it out.
async fn follow(
    shared: &Shared,
    jobs: &mpsc::WeakSender<Job>,
    topic: &Topic,
    hint: Hint,
) -> Result<(), BackendError> {
    if !shared.hub.has(&topic.0) {
        // A room in use is followed even while its user is just coming.
        if let Hint::Appended { room, seq, .. } = hint
            && let Some(room) = shared.rooms.get(&room)
        {
            catch_up(jobs, room, seq).await;
        }
        return Ok(());
    }
    match hint {
        Hint::Appended { room, seq, .. } => {
            if let Some(room) = shared.live_room(&room).await?
                && room.published() < seq
            {
                catch_up(jobs, room, seq).await;
            }
        }
        Hint::Receipt { room, user, was } => {
            if let Some(live) = shared.live_room(&room).await? {
                let now = shared
                    .store
                    .watermarks(&room, std::slice::from_ref(&user))
                    .await?;
                let now = now.first().copied().unwrap_or_default();
                let was = Watermarks {
                    delivered: was.delivered.min(now.delivered),
                    read: was.read.min(now.read),
                };
                shared.tell_receipt(&live, &user, was, now);
            }
        }
        Hint::Typing { room, user, active } => {
            if let Some(live) = shared.live_room(&room).await?
                && live.members().binary_search(&user).is_ok()
            {
                shared.tell_typing_here(&live, &user, active);
            }
        }
        Hint::Presence { user } => {
            for presence in shared.cache.presence(&[user]).await? {
                let frame = Frame::from(Event::Presence(presence));
                shared.hub.each(&topic.0, |link| link.send(frame.clone()));
            }
            shared
                .presence_changes
                .send_modify(|count| *count = count.wrapping_add(1));
        }
    }
    Ok(())
}

/// From where this node's sessions follow a room that it doesn't know yet.
///
/// With other nodes, the rooms of a user who is here were noted when they came: this one was made,
/// or joined, since, and nothing of it has been published here.
pub(crate) async fn first_position(shared: &Shared, room: &Room) -> Result<Seq, BackendError> {
    if shared.relay.is_none() {
        return Ok(room.head);
    }
    let mut local = shared.load_members(&room.id).await?;
    local.retain(|member| shared.hub.has(member));
    match room.id.pair() {
        _ if local.is_empty() => Ok(room.head),
        Some(_) => Ok(Seq::ZERO),
        None => before_joining(shared, room, local).await,
    }
}

/// The position before the first of these users joined, looked for from the end.
async fn before_joining(
    shared: &Shared,
    room: &Room,
    mut local: Vec<UserId>,
) -> Result<Seq, BackendError> {
    const PAGE: usize = 200;
    let mut at = room.head.next();
    while at > Seq(1) {
        let page = shared.store.page(&room.id, Page::Before(at), PAGE).await?;
        for entry in page.iter().rev() {
            if let EntryBody::Joined { user } = &entry.body {
                local.retain(|member| member != user);
            }
            at = entry.seq;
            if local.is_empty() {
                return Ok(Seq(at.0 - 1));
            }
        }
        if page.is_empty() {
            break;
        }
    }
    Ok(Seq::ZERO)
}

/// Compares what was published here with the heads in the store, for all rooms of local users.
async fn compare(shared: &Shared, jobs: &mpsc::WeakSender<Job>) -> Result<(), BackendError> {
    for user in shared.hub.users() {
        for room in rooms_of(shared, &user).await? {
            let live = shared.use_room(&room).await?;
            if live.published() < room.head {
                catch_up(jobs, live, room.head).await;
            }
        }
    }
    Ok(())
}

async fn rooms_of(shared: &Shared, user: &UserId) -> Result<Vec<Room>, BackendError> {
    const PAGE: usize = 1_000;
    let mut rooms: Vec<Room> = Vec::new();
    loop {
        let after = rooms.last().map(|room| &room.id);
        let page = shared.store.rooms_of(user, after, PAGE).await?;
        let done = page.len() < PAGE;
        rooms.extend(page.into_iter().map(|membership| membership.room));
        if done {
            return Ok(rooms);
        }
    }
}

async fn catch_up(jobs: &mpsc::WeakSender<Job>, room: Arc<LiveRoom>, head: Seq) {
    if let Some(jobs) = jobs.upgrade() {
        jobs.send(Job::CatchUp(room, head)).await.ok();
    }
}
