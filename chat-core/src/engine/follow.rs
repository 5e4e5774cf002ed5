//! Other nodes: following what changed there.
//!
//! A node knows for each room of its users what it has published, and reads the store whenever the
//! numbers don't fit, after [`Delivery::Lagged`], again and again while the broker is away, and now
//! and then in any case.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Shared, grown::CatchUp, rooms::LiveRoom};
use crate::{
    body::Effect,
    event::Event,
    frame::Frame,
    ids::{RoomId, UserId},
    log::{Page, Seq},
    port::{BackendError, Broker, Delivery, Hint, Topic},
    room::Room,
};

/// How soon a failure is made up for.
const RETRY: Duration = Duration::from_secs(1);

/// Follows the hints of other nodes.
pub(crate) async fn run(
    shared: Arc<Shared>,
    broker: Arc<dyn Broker>,
    grown: mpsc::Sender<CatchUp>,
) {
    let mut check = tokio::time::interval(shared.config.position_check);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What a failure kept from being followed is made up for later.
    let mut missed = false;
    let mut again = Instant::now();
    loop {
        let done = tokio::select! {
            delivery = broker.next() => match shared.metrics.heard(delivery) {
                Delivery::Hint { topic, hint } => follow(&shared, &grown, &topic, hint).await,
                Delivery::Lagged => catch_up_on_all(&shared, &grown).await,
                Delivery::Away => compare(&shared, &grown).await,
            },
            () = sleep_until(again), if missed => {
                missed = false;
                catch_up_on_all(&shared, &grown).await
            }
            _ = check.tick() => {
                if let Err(error) = broker.subscribe(&Topic::Online).await {
                    tracing::debug!(%error, "who is online elsewhere is not heard for now");
                }
                compare(&shared, &grown).await
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "other nodes can't be followed for now");
            missed = true;
            again = Instant::now() + RETRY;
        }
    }
}

/// A hint is believed only as far as the store, or the cache, bears it out.
async fn follow(
    shared: &Shared,
    grown: &mpsc::Sender<CatchUp>,
    topic: &Topic,
    hint: Hint,
) -> Result<(), BackendError> {
    let listener = match topic {
        Topic::User(user) if shared.hub.has(user) => Some(user),
        _ => None,
    };
    match (hint, listener) {
        (Hint::Online, _) => shared.online_changed(),
        (Hint::Appended { room, seq, .. }, Some(_)) => {
            if let Some(room) = shared.live_room(&room).await?
                && room.published() < seq
            {
                catch_up(grown, room, seq).await;
            }
        }
        // A room in use is followed even while its user is just coming.
        (Hint::Appended { room, seq, .. }, None) => {
            if let Some(room) = shared.rooms.get(&room) {
                catch_up(grown, room, seq).await;
            }
        }
        (Hint::Receipt { room, user, was }, Some(listener)) => {
            if let Some(live) = shared.live_room(&room).await?
                && told_for_all(shared, &live, listener, &user)
            {
                let now = shared
                    .store
                    .watermarks(&room, std::slice::from_ref(&user))
                    .await;
                let now = shared.stored(now)?.first().copied().unwrap_or_default();
                shared.tell_receipt(&live, &user, was.meet(now), now);
            }
        }
        (Hint::Typing { room, user, active }, Some(listener)) => {
            if let Some(live) = shared.live_room(&room).await?
                && told_for_all(shared, &live, listener, &user)
            {
                shared.tell_typing_here(&live, &user, active);
            }
        }
        (Hint::Presence { user }, Some(listener)) => {
            for presence in shared.cached(shared.cache.presence(&[user]).await)? {
                let frame = Frame::from(Event::Presence(presence));
                shared.hub.each(listener, |link| link.send(frame.clone()));
            }
        }
        (_, None) => {}
    }
    Ok(())
}

/// Whether a hint of what `user` does is the one to follow: each member's topic carries it, and all
/// members here are told at once. Who is no member does nothing in the room.
fn told_for_all(shared: &Shared, room: &LiveRoom, listener: &UserId, user: &UserId) -> bool {
    let members = room.members();
    let first = members.iter().find(|member| shared.hub.has(member));
    first == Some(listener) && members.binary_search(user).is_ok()
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
            if let Effect::Admit { user } = entry.body.effect() {
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

/// Makes up for hints of all kinds.
async fn catch_up_on_all(
    shared: &Shared,
    grown: &mpsc::Sender<CatchUp>,
) -> Result<(), BackendError> {
    // What was shared may be forgotten, and who came or went meanwhile was not told.
    shared.leases_in_doubt.store(true, Ordering::Relaxed);
    shared.online_changed();
    compare(shared, grown).await?;
    shared.tell_receipts_again().await?;
    shared.tell_presence_again().await
}

/// Compares what was published here with the heads in the store, for all rooms of local users.
async fn compare(shared: &Shared, grown: &mpsc::Sender<CatchUp>) -> Result<(), BackendError> {
    const USERS: usize = 500;
    // A room whose last local member was removed elsewhere is in nobody's list any more.
    let mut unlisted = shared.rooms.groups_with(|member| shared.hub.has(member));
    for users in shared.hub.users().chunks(USERS) {
        let mut pages = Pages::new(shared, users);
        while let Some(rooms) = pages.next().await? {
            for room in rooms {
                unlisted.remove(&room.id);
                let live = shared.use_room(&room).await?;
                if live.published() < room.head {
                    catch_up(grown, live, room.head).await;
                }
            }
        }
    }
    for (id, live) in unlisted {
        let room = shared.stored(shared.store.room(&id).await)?;
        if let Some(room) = room
            && live.published() < room.head
        {
            catch_up(grown, live, room.head).await;
        }
    }
    Ok(())
}

/// The rooms of some users, page by page.
pub(crate) struct Pages<'a> {
    shared: &'a Shared,
    users: &'a [UserId],
    last: Option<RoomId>,
    done: bool,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(shared: &'a Shared, users: &'a [UserId]) -> Self {
        Self {
            shared,
            users,
            last: None,
            done: false,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Room>>, BackendError> {
        const PAGE: usize = 1_000;
        if self.done {
            return Ok(None);
        }
        let (store, after) = (&self.shared.store, self.last.as_ref());
        let rooms = store.rooms_with(self.users, after, PAGE).await;
        let rooms = self.shared.stored(rooms)?;
        self.done = rooms.len() < PAGE;
        self.last = rooms.last().map(|room| room.id.clone());
        Ok(Some(rooms))
    }
}

async fn catch_up(grown: &mpsc::Sender<CatchUp>, room: Arc<LiveRoom>, head: Seq) {
    let waiter = None;
    grown.send(CatchUp { room, head, waiter }).await.ok();
}
