//! Presence: leases for the devices of this node, and telling others who came and went.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// Users who came or went since others were told.
#[derive(Debug, Default)]
pub(crate) struct Moved(Mutex<HashSet<UserId>>);

impl Moved {
    fn lock(&self) -> MutexGuard<'_, HashSet<UserId>> {
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
    /// A device has come, and its lease begins.
    pub(crate) async fn arrived(&self, link: &Link) {
        let lease = self.config.presence_lease;
        match self.cache.touch(&link.user, link.session, lease).await {
            Ok(Transition::Same) => {}
            Ok(_) => self.presence_moved(&link.user),
            // A cache may be away; the refresh will make up for it.
            Err(error) => tracing::warn!(%error, "presence is not recorded for now"),
        }
    }

    /// How these users are; offline while the cache can't say.
    pub(crate) async fn presence_as_known(&self, users: &[UserId]) -> Vec<Presence> {
        match self.cache.presence(users).await {
            Ok(presence) => presence,
            Err(error) => {
                tracing::warn!(%error, "it is not known who is online");
                let offline = |user: &UserId| Presence {
                    user: user.clone(),
                    online: false,
                    last_seen: None,
                };
                users.iter().map(offline).collect()
            }
        }
    }

    /// Notes a change, to be told with the next gathering.
    pub(crate) fn presence_moved(&self, user: &UserId) {
        self.presence_moved.lock().insert(user.clone());
    }
}

/// Renews leases, ends those of devices that have gone, and tells what changed.
pub(crate) async fn run(shared: Arc<Shared>, mut departures: mpsc::Receiver<Departure>) {
    let mut refresh = tokio::time::interval(shared.config.presence_refresh);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gather = tokio::time::interval(shared.config.presence_window);
    gather.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: HashMap<UserId, bool> = HashMap::new();
    loop {
        tokio::select! {
            Some(Departure { user, session }) = departures.recv() => {
                match shared.cache.release(&user, session).await {
                    Ok(Transition::Same) => {}
                    Ok(_) => shared.presence_moved(&user),
                    Err(error) => tracing::warn!(%error, "a lease is left to end by itself"),
                }
                relay::ignore(&shared, &user).await;
            }
            _ = refresh.tick() => {
                if let Err(error) = renew(&shared).await {
                    tracing::warn!(%error, "leases are not renewed for now");
                }
            }
            _ = gather.tick() => {
                let moved = std::mem::take(&mut *shared.presence_moved.lock());
                if !moved.is_empty()
                    && let Err(error) = tell(&shared, &mut told, &moved).await
                {
                    tracing::warn!(%error, "changes of presence are told later");
                    for user in &moved {
                        shared.presence_moved(user);
                    }
                }
            }
        }
    }
}

async fn renew(shared: &Shared) -> Result<(), BackendError> {
    const EXPIRED: usize = 1_000;
    for link in shared.hub.links() {
        let lease = shared.config.presence_lease;
        if shared.cache.touch(&link.user, link.session, lease).await? != Transition::Same {
            shared.presence_moved(&link.user);
        }
    }
    loop {
        let expired = shared.cache.take_expired(EXPIRED).await?;
        for user in &expired {
            shared.presence_moved(user);
        }
        if expired.len() < EXPIRED {
            return Ok(());
        }
    }
}

/// Tells those who share a room with each user whose presence is another than was told before.
async fn tell(
    shared: &Shared,
    told: &mut HashMap<UserId, bool>,
    moved: &HashSet<UserId>,
) -> Result<(), BackendError> {
    let users: Vec<UserId> = moved.iter().cloned().collect();
    for presence in shared.cache.presence(&users).await? {
        let online = presence.online;
        if told.get(&presence.user).copied().unwrap_or(false) == online {
            continue;
        }
        tell_peers(shared, &presence).await?;
        if online {
            told.insert(presence.user, true);
        } else {
            told.remove(&presence.user);
        }
    }
    // Also for one who came and went meanwhile: somebody may have asked in between.
    shared
        .presence_changes
        .send_modify(|count| *count = count.wrapping_add(1));
    Ok(())
}

async fn tell_peers(shared: &Shared, presence: &Presence) -> Result<(), BackendError> {
    let user = &presence.user;
    let mut peers: HashSet<UserId> = HashSet::new();
    for membership in shared.store.rooms_of(user, None, ROOMS_TOLD).await? {
        match membership.room.id.peer_of(user) {
            Some(peer) => {
                peers.insert(peer);
            }
            None => {
                if let Some(room) = shared.live_room(&membership.room.id).await? {
                    peers.extend(
                        room.members()
                            .iter()
                            .filter(|member| *member != user)
                            .cloned(),
                    );
                }
            }
        }
    }
    let frame = Frame::from(Event::Presence(presence.clone()));
    for peer in &peers {
        shared.hub.each(peer, |link| link.send(frame.clone()));
    }
    let hint = Hint::Presence { user: user.clone() };
    relay::publish(shared, peers.into_iter().map(Topic).collect(), &hint);
    Ok(())
}
