//! Presence: leases for the devices of this node, and telling others who came and went.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{Shared, relay};
use crate::{
    event::Event,
    frame::Frame,
    hub::Link,
    ids::{SessionId, UserId},
    port::{BackendError, Hint, Topic, Transition},
    presence::Presence,
};

/// Users who came or went since others were told, and whether they were online before that: not
/// known of one who did both, for other nodes may have told others of it in between.
#[derive(Debug, Default)]
pub(crate) struct Moved(Mutex<HashMap<UserId, Option<bool>>>);

impl Moved {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Option<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device that has gone.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
}

/// To how many rooms' members a change is told.
const ROOMS_TOLD: usize = 1_000;

impl Shared {
    /// Gives a device its lease, or renews it; if the cache is away, it is tried again soon.
    pub(crate) async fn touch(&self, link: &Link) {
        let lease = self.lease();
        let touched = self.cache.touch(&link.user, link.session, lease).await;
        match self.cached(touched) {
            Ok(Transition::BecameOnline) => self.presence_moved(&link.user, false),
            Ok(_) => {}
            Err(_) => self.leases_in_doubt.store(true, Ordering::Relaxed),
        }
    }

    /// What the cache is asked for: the rest is for noticing its end and telling it.
    fn lease(&self) -> Duration {
        self.config.presence_lease * 9 / 10
    }

    /// How these users are. While the cache can't say, those are online who are connected here.
    pub(crate) async fn presence_as_known(&self, users: &[UserId]) -> Vec<Presence> {
        let known = self.cached(self.cache.presence(users).await);
        known.unwrap_or_else(|_| {
            let as_seen_here = |user: &UserId| Presence {
                user: user.clone(),
                online: self.hub.has(user),
                last_seen: None,
            };
            users.iter().map(as_seen_here).collect()
        })
    }

    /// Notes a change, to be told with the next gathering.
    fn presence_moved(&self, user: &UserId, was_online: impl Into<Option<bool>>) {
        let was_online = was_online.into();
        let mut moved = self.presence_moved.lock();
        let was = moved.entry(user.clone()).or_insert(was_online);
        if *was != was_online {
            *was = None;
        }
    }

    /// The list of who is online is another.
    pub(crate) fn online_changed(&self) {
        self.presence_changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// How many departures wait until the cache is back; of more, the leases end by themselves.
const UNRELEASED: usize = 65_536;

/// Renews leases, ends those of devices that have gone, and tells what changed.
pub(crate) async fn run(shared: Arc<Shared>, mut departures: mpsc::Receiver<Departure>) {
    let every = |time| {
        let mut interval = tokio::time::interval(time);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    };
    let mut refresh = every(shared.config.presence_refresh);
    let mut expire = every(shared.config.presence_lease / 30);
    let mut gather = every(shared.config.presence_window);
    let mut unreleased = Vec::new();
    loop {
        tokio::select! {
            Some(departure) = departures.recv() => {
                relay::ignore(&shared, &departure.user).await;
                if !release(&shared, &departure).await && unreleased.len() < UNRELEASED {
                    unreleased.push(departure);
                }
            }
            _ = refresh.tick() => renew(&shared).await,
            _ = expire.tick() => {
                if shared.leases_in_doubt.swap(false, Ordering::Relaxed) {
                    renew(&shared).await;
                    for departure in std::mem::take(&mut unreleased) {
                        if !release(&shared, &departure).await {
                            unreleased.push(departure);
                        }
                    }
                }
                // Whoever isn't taken now is taken later.
                take_expired(&shared).await.ok();
            }
            _ = gather.tick() => {
                let moved = std::mem::take(&mut *shared.presence_moved.lock());
                if !moved.is_empty() {
                    tell(&shared, moved).await;
                }
            }
        }
    }
}

/// Ends the lease of a device that has gone; whether the cache has done so.
async fn release(shared: &Shared, Departure { user, session }: &Departure) -> bool {
    let released = shared.cache.release(user, *session).await;
    match shared.cached(released) {
        Ok(Transition::BecameOffline) => shared.presence_moved(user, true),
        // The cache may have forgotten, and nobody else knows that the user has gone.
        Ok(_) if !shared.hub.has(user) => shared.presence_moved(user, true),
        Ok(_) => {}
        Err(_) => {
            shared.leases_in_doubt.store(true, Ordering::Relaxed);
            return false;
        }
    }
    true
}

async fn renew(shared: &Shared) {
    for link in shared.hub.links() {
        shared.touch(&link).await;
    }
}

async fn take_expired(shared: &Shared) -> Result<(), BackendError> {
    const EXPIRED: usize = 1_000;
    loop {
        let expired = shared.cached(shared.cache.take_expired(EXPIRED).await)?;
        for user in &expired {
            shared.presence_moved(user, true);
        }
        if expired.len() < EXPIRED {
            return Ok(());
        }
    }
}

/// Tells those who share a room with each user who is not as before. Who can't be told of now is told
/// of later.
async fn tell(shared: &Shared, moved: HashMap<UserId, Option<bool>>) {
    for (user, was_online) in moved {
        if let Err(error) = tell_of(shared, &user, was_online).await {
            tracing::debug!(%error, "a change of presence is told later");
            shared.presence_moved(&user, was_online);
        }
    }
    // Also for one who came and went meanwhile: somebody may have asked in between.
    shared.online_changed();
    relay::publish(shared, vec![Topic::Online], &Hint::Online);
}

async fn tell_of(
    shared: &Shared,
    user: &UserId,
    was_online: Option<bool>,
) -> Result<(), BackendError> {
    let now = async || {
        let known = shared.cache.presence(std::slice::from_ref(user)).await;
        Ok(shared.cached(known)?.pop())
    };
    if now().await?.map(|presence| presence.online) == was_online {
        return Ok(());
    }
    let peers = peers(shared, user).await?;
    // Looked up again: meanwhile another node may have told something newer.
    if let Some(presence) = now().await? {
        let frame = Frame::from(Event::Presence(presence));
        for peer in &peers {
            shared.hub.each(peer, |link| link.send(frame.clone()));
        }
    }
    let hint = Hint::Presence { user: user.clone() };
    let topics = peers.into_iter().map(Topic::User).collect();
    relay::publish(shared, topics, &hint);
    Ok(())
}

impl Shared {
    /// Tells the sessions of this node how those are who share a room in use with them, for who came
    /// or went may not have been heard.
    pub(crate) async fn tell_presence_again(&self) -> Result<(), BackendError> {
        /// Of a larger room, the first members.
        const MEMBERS: usize = 200;
        const AT_ONCE: usize = 200;
        let mut peers: HashMap<UserId, HashSet<UserId>> = HashMap::new();
        for room in self.rooms.all() {
            let members = room.members();
            let members = &members[..members.len().min(MEMBERS)];
            let (here, elsewhere): (Vec<_>, Vec<_>) =
                members.iter().partition(|member| self.hub.has(member));
            for peer in elsewhere {
                if !here.is_empty() {
                    let listeners = peers.entry(peer.clone()).or_default();
                    listeners.extend(here.iter().copied().cloned());
                }
            }
        }
        let users: Vec<UserId> = peers.keys().cloned().collect();
        for users in users.chunks(AT_ONCE) {
            for presence in self.cached(self.cache.presence(users).await)? {
                let listeners = peers.remove(&presence.user).unwrap_or_default();
                let frame = Frame::from(Event::Presence(presence));
                for listener in &listeners {
                    self.hub.each(listener, |link| link.send(frame.clone()));
                }
            }
        }
        Ok(())
    }
}

/// Those who share a room with a user.
async fn peers(shared: &Shared, user: &UserId) -> Result<HashSet<UserId>, BackendError> {
    let mut peers = HashSet::new();
    let users = std::slice::from_ref(user);
    let rooms = shared.store.rooms_with(users, None, ROOMS_TOLD).await;
    for room in shared.stored(rooms)? {
        match room.id.peer_of(user) {
            Some(peer) => drop(peers.insert(peer)),
            None => {
                if let Some(room) = shared.live_room(&room.id).await? {
                    let members = room.members();
                    peers.extend(members.iter().filter(|it| *it != user).cloned());
                }
            }
        }
    }
    Ok(peers)
}
