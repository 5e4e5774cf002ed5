//! Announcing changes of presence to everybody who shares a room with the user.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    engine::{
        deliver::{hub::Hub, notify},
        read::directory::Directory,
        state::{hints::Hints, moved::Moved, rooms::LARGE_ABOVE},
    },
    model::{Presence, RoomId, UserId},
    port::{BackendError, Cache, Hint, Topic},
};

/// The number of rooms of one user whose members are sent a change in one round. Those of further rooms
/// are sent it in the rounds that follow, [`presence_window`](crate::Config::presence_window) apart, so that
/// a user in very many rooms holds up neither the changes of others nor the leases.
const ROOMS: usize = 1_000;

/// A change that is being announced, room by room.
#[derive(Debug, Default)]
struct UnderWay {
    /// The last room whose members have been sent it.
    after: Option<RoomId>,
    /// Whether there has been another change since the first room.
    again: bool,
}

#[derive(Debug)]
pub(crate) struct PresenceChanges {
    cache: Arc<dyn Cache>,
    hub: Arc<Hub>,
    directory: Arc<Directory>,
    hints: Hints,
    moved: Arc<Moved>,
    under_way: Mutex<HashMap<UserId, UnderWay>>,
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
            under_way: Mutex::default(),
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

    fn under_way(&self) -> MutexGuard<'_, HashMap<UserId, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the changes that were noted to everybody who shares a room with their users, in one round:
    /// [`ROOMS`] rooms of each. What is left, or fails, goes on with the next call.
    pub(crate) async fn announce(&self) {
        let moved = self.moved.take();
        let any = !moved.is_empty();
        for (user, was_online) in moved {
            let now = self.now(&user).await;
            match now.map(|now| now.map(|presence| presence.online)) {
                Ok(is_online) if is_online == was_online => {}
                Ok(_) => {
                    let mut under_way = self.under_way();
                    let entry = under_way.entry(user);
                    entry.and_modify(|it| it.again = true).or_default();
                }
                Err(error) => {
                    tracing::debug!(%error, "a change of presence is announced later");
                    self.moved.note(&user, was_online);
                }
            }
        }
        let users: Vec<UserId> = self.under_way().keys().cloned().collect();
        for user in users {
            if let Err(error) = self.announce_round(&user).await {
                tracing::debug!(%error, "a change of presence is announced later");
            }
        }
        if any {
            // Also for a user who came and went meanwhile: another may have asked in between.
            self.online_changed();
            self.hints.publish(vec![Topic::Online], Hint::Online);
        }
    }

    /// Sends the presence of a user to the members of their next rooms.
    async fn announce_round(&self, user: &UserId) -> Result<(), BackendError> {
        let after = self.under_way().get(user).and_then(|it| it.after.clone());
        let users = std::slice::from_ref(user);
        let store = &self.directory.store;
        let rooms = store.rooms_with(users, after.as_ref(), ROOMS).await?;
        let mut peers = self.directory.peers(user, &rooms).await?;
        let blocks = self.directory.blocks.by_users(users, &peers).await?;
        for block in &blocks {
            peers.remove(&block.user);
        }
        // Looked up again: meanwhile another node may have announced something newer.
        if let Some(presence) = self.now(user).await? {
            notify::presence(&self.hub, &peers, presence);
        }
        let topics = peers.into_iter().map(Topic::User).collect();
        self.hints
            .publish(topics, Hint::Presence { user: user.clone() });
        let mut under_way = self.under_way();
        let Some(this) = under_way.get_mut(user) else {
            return Ok(());
        };
        match rooms.last() {
            Some(last) if rooms.len() >= ROOMS => this.after = Some(last.id.clone()),
            _ if this.again => *this = UnderWay::default(),
            _ => drop(under_way.remove(user)),
        }
        Ok(())
    }

    async fn now(&self, user: &UserId) -> Result<Option<Presence>, BackendError> {
        Ok(self.cache.presence(std::slice::from_ref(user)).await?.pop())
    }

    /// Sends the sessions of this node the presence of everybody who shares a room in use with them, since
    /// changes may not have arrived here.
    pub(crate) async fn announce_again(&self) -> Result<(), BackendError> {
        const AT_ONCE: usize = 200;
        let mut peers: HashMap<UserId, HashSet<UserId>> = HashMap::new();
        for room in self.directory.rooms.all() {
            if room.is_large() {
                continue;
            }
            let members = room.members(LARGE_ABOVE).into_iter();
            let (here, elsewhere): (Vec<_>, Vec<_>) = members.partition(|user| self.hub.has(user));
            for peer in elsewhere {
                if !here.is_empty() {
                    let listeners = peers.entry(peer).or_default();
                    listeners.extend(here.iter().cloned());
                }
            }
        }
        let users: Vec<UserId> = peers.keys().cloned().collect();
        for users in users.chunks(AT_ONCE) {
            let listening = users.iter().filter_map(|user| peers.get(user)).flatten();
            let listening: HashSet<&UserId> = listening.collect();
            let blocks = self.directory.blocks.by_users(users, listening).await?;
            for presence in self.cache.presence(users).await? {
                let mut listeners = peers.remove(&presence.user).unwrap_or_default();
                for block in blocks.iter().filter(|block| block.by == presence.user) {
                    if let Some(blocked) = listeners.take(&block.user) {
                        notify::presence(&self.hub, [&blocked], block.presence());
                    }
                }
                notify::presence(&self.hub, &listeners, presence);
            }
        }
        Ok(())
    }
}
