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

/// Users who came or went since others were told, and whether they were online before that.
#[derive(Debug, Default)]
pub(crate) struct Moved(Mutex<HashMap<UserId, bool>>);

impl Moved {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, bool>> {
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
    pub(crate) fn presence_moved(&self, user: &UserId, was_online: bool) {
        let mut moved = self.presence_moved.lock();
        moved.entry(user.clone()).or_insert(was_online);
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
                if !moved.is_empty()
                    && let Err(error) = tell(&shared, &moved).await
                {
                    tracing::debug!(%error, "changes of presence are told later");
                    for (user, was_online) in moved {
                        shared.presence_moved(&user, was_online);
                    }
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

/// Tells those who share a room with each user who is not as before.
async fn tell(shared: &Shared, moved: &HashMap<UserId, bool>) -> Result<(), BackendError> {
    let users: Vec<UserId> = moved.keys().cloned().collect();
    for presence in shared.cached(shared.cache.presence(&users).await)? {
        if moved.get(&presence.user) != Some(&presence.online) {
            tell_peers(shared, &presence).await?;
        }
    }
    // Also for one who came and went meanwhile: somebody may have asked in between.
    shared.online_changed();
    relay::publish(shared, vec![Topic::Online], &Hint::Online);
    Ok(())
}

async fn tell_peers(shared: &Shared, presence: &Presence) -> Result<(), BackendError> {
    let user = &presence.user;
    let mut peers: HashSet<UserId> = HashSet::new();
    let rooms = shared
        .store
        .rooms_with(std::slice::from_ref(user), None, ROOMS_TOLD)
        .await;
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
    let frame = Frame::from(Event::Presence(presence.clone()));
    for peer in &peers {
        shared.hub.each(peer, |link| link.send(frame.clone()));
    }
    let hint = Hint::Presence { user: user.clone() };
    let topics = peers.into_iter().map(Topic::User).collect();
    relay::publish(shared, topics, &hint);
    Ok(())
}
