//! Announcing changes of presence to everybody who shares a room with the user.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tokio::sync::watch;

use crate::{
    engine::{
        deliver::{hub::Hub, notify},
        read::directory::Directory,
        state::{hints::Hints, moved::Moved},
    },
    model::{Presence, UserId},
    port::{BackendError, Cache, Hint, Topic},
};

/// The number of rooms of a user whose members are sent a change.
const ROOMS: usize = 1_000;

#[derive(Debug)]
pub(crate) struct PresenceChanges {
    cache: Arc<dyn Cache>,
    hub: Arc<Hub>,
    directory: Arc<Directory>,
    hints: Hints,
    moved: Arc<Moved>,
    online: watch::Sender<u64>,
}

impl PresenceChanges {
    pub(crate) fn new(
        cache: Arc<dyn Cache>,
        directory: Arc<Directory>,
        hints: Hints,
        moved: Arc<Moved>,
    ) -> Self {
        Self {
            cache,
            hub: Arc::clone(&directory.hub),
            directory,
            hints,
            moved,
            online: watch::Sender::new(0),
        }
    }

    /// A counter that moves when the online list changed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.online.subscribe()
    }

    /// Notes that the online list changed.
    pub(crate) fn online_changed(&self) {
        self.online
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Sends the changes that were noted to everybody who shares a room with their users; those that fail
    /// are sent with the next call.
    pub(crate) async fn announce(&self) {
        let moved = self.moved.take();
        if moved.is_empty() {
            return;
        }
        for (user, was_online) in moved {
            if let Err(error) = self.announce_one(&user, was_online).await {
                tracing::debug!(%error, "a change of presence is announced later");
                self.moved.note(&user, was_online);
            }
        }
        // Also for a user who came and went meanwhile: another may have asked in between.
        self.online_changed();
        self.hints.publish(vec![Topic::Online], Hint::Online);
    }

    async fn announce_one(
        &self,
        user: &UserId,
        was_online: Option<bool>,
    ) -> Result<(), BackendError> {
        if self.now(user).await?.map(|presence| presence.online) == was_online {
            return Ok(());
        }
        let peers = self.peers(user).await?;
        // Looked up again: meanwhile another node may have announced something newer.
        if let Some(presence) = self.now(user).await? {
            notify::presence(&self.hub, &peers, presence);
        }
        let topics = peers.into_iter().map(Topic::User).collect();
        let user = user.clone();
        self.hints.publish(topics, Hint::Presence { user });
        Ok(())
    }

    async fn now(&self, user: &UserId) -> Result<Option<Presence>, BackendError> {
        Ok(self.cache.presence(std::slice::from_ref(user)).await?.pop())
    }

    /// The users who share a room with a user.
    async fn peers(&self, user: &UserId) -> Result<HashSet<UserId>, BackendError> {
        let mut peers = HashSet::new();
        let users = std::slice::from_ref(user);
        for room in self.directory.store.rooms_with(users, None, ROOMS).await? {
            match room.id.peer_of(user) {
                Some(peer) => drop(peers.insert(peer)),
                None => {
                    if let Some(room) = self.directory.room(&room.id).await? {
                        let members = room.members();
                        peers.extend(members.iter().filter(|it| *it != user).cloned());
                    }
                }
            }
        }
        Ok(peers)
    }

    /// Sends the sessions of this node the presence of everybody who shares a room in use with them, since
    /// changes may not have arrived here.
    pub(crate) async fn announce_again(&self) -> Result<(), BackendError> {
        /// Of a larger room, the first members.
        const MEMBERS: usize = 200;
        const AT_ONCE: usize = 200;
        let mut peers: HashMap<UserId, HashSet<UserId>> = HashMap::new();
        for room in self.directory.rooms.all() {
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
            for presence in self.cache.presence(users).await? {
                let listeners = peers.remove(&presence.user).unwrap_or_default();
                notify::presence(&self.hub, &listeners, presence);
            }
        }
        Ok(())
    }
}
