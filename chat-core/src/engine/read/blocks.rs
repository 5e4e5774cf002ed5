//! Blocks, as everything that is sent beside the logs has to ask for them.
//!
//! Each receipt and each notice of typing asks, so the users whom somebody has blocked are remembered: without
//! other nodes until this one changes them, else for [`REMEMBERED`], within which another node's change is
//! noticed. Presence asks the store, because a change of it that is sent wrongly is not corrected soon.

use std::{
    collections::{HashMap, HashSet},
    slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    engine::state::{rooms::LiveRoom, standings::Standings},
    model::{Block, Presence, UserId},
    port::{BackendError, Store},
    time::Clock,
};

/// For how long a list is remembered where other nodes may change it.
const REMEMBERED: Duration = Duration::from_millis(500);

/// The number of users whose lists are remembered; beyond that all are forgotten.
const USERS: usize = 100_000;

/// Users to whom something is not sent.
pub(crate) type Quiet = Arc<HashSet<UserId>>;

#[derive(Debug)]
pub(crate) struct Blocks {
    store: Arc<dyn Store>,
    standings: Arc<Standings>,
    clock: Arc<dyn Clock>,
    has_nodes: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By user, those whom they have blocked, and since when that is known.
    lists: HashMap<UserId, (Duration, Quiet)>,
    /// Grows with each change by this node: a list that was read before is not remembered.
    changes: u64,
}

impl Blocks {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        standings: Arc<Standings>,
        clock: Arc<dyn Clock>,
        has_nodes: bool,
    ) -> Self {
        Self {
            store,
            standings,
            clock,
            has_nodes,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The users who are not sent the typing and the receipts of a user in a room: whom the user has blocked, in a
    /// direct room also a peer who has blocked the user, and members who are banned from the room, whose membership
    /// is about to end.
    pub(crate) async fn quiet(
        &self,
        room: &LiveRoom,
        user: &UserId,
    ) -> Result<Quiet, BackendError> {
        let mut quiet = self.blocked_by(user).await?;
        if let Some(peer) = room.id.peer_of(user)
            && !quiet.contains(&peer)
        {
            let blocks = self.blocked_by(&peer).await?.contains(user);
            return Ok(Arc::new(blocks.then_some(peer).into_iter().collect()));
        }
        let banned = self.standings.banned_in(room, self.clock.now());
        if !banned.is_empty() {
            Arc::make_mut(&mut quiet).extend(banned);
        }
        Ok(quiet)
    }

    /// The users whom a user has blocked.
    async fn blocked_by(&self, user: &UserId) -> Result<Quiet, BackendError> {
        let now = self.clock.monotonic();
        let changes = {
            let known = self.known();
            if let Some((since, list)) = known.lists.get(user)
                && (!self.has_nodes || now < *since + REMEMBERED)
            {
                return Ok(Arc::clone(list));
            }
            known.changes
        };
        let list = Arc::new(self.read(user).await?);
        let mut known = self.known();
        if known.changes == changes {
            if known.lists.len() >= USERS {
                known.lists.clear();
            }
            known.lists.insert(user.clone(), (now, Arc::clone(&list)));
        }
        Ok(list)
    }

    async fn read(&self, user: &UserId) -> Result<HashSet<UserId>, BackendError> {
        const PAGE: usize = 1_000;
        let mut blocked = HashSet::new();
        let mut last = None;
        loop {
            let page = self.store.blocks_by(user, last.as_ref(), PAGE).await?;
            let done = page.len() < PAGE;
            last = page.last().map(|block| block.user.clone());
            blocked.extend(page.into_iter().map(|block| block.user));
            if done {
                return Ok(blocked);
            }
        }
    }

    /// Notes that a user has changed whom they block.
    pub(crate) fn forget(&self, user: &UserId) {
        let mut known = self.known();
        known.lists.remove(user);
        known.changes += 1;
    }

    /// True if one of two users has blocked the other, by the store.
    pub(crate) async fn are_between(
        &self,
        one: &UserId,
        other: &UserId,
    ) -> Result<bool, BackendError> {
        let both = [one.clone(), other.clone()];
        Ok(!self.store.blocks_of(&both, &both).await?.is_empty())
    }

    /// The blocks of a user by any of these, by the store.
    pub(crate) async fn of(
        &self,
        user: &UserId,
        by: &[UserId],
    ) -> Result<Vec<Block>, BackendError> {
        match by {
            [] => Ok(Vec::new()),
            [only] if only == user => Ok(Vec::new()),
            _ => self.store.blocks_of(slice::from_ref(user), by).await,
        }
    }

    /// The blocks of any of these users by any of `by`, by the store.
    pub(crate) async fn by_users(
        &self,
        by: &[UserId],
        users: impl IntoIterator<Item = &UserId>,
    ) -> Result<Vec<Block>, BackendError> {
        let users: Vec<UserId> = users.into_iter().cloned().collect();
        if users.is_empty() {
            return Ok(Vec::new());
        }
        self.store.blocks_of(&users, by).await
    }

    /// Shows users who have blocked the `viewer` as the viewer sees them.
    pub(crate) async fn apply(
        &self,
        viewer: &UserId,
        presence: &mut [Presence],
    ) -> Result<(), BackendError> {
        let users: Vec<UserId> = presence.iter().map(|one| one.user.clone()).collect();
        for block in self.of(viewer, &users).await? {
            for one in presence.iter_mut().filter(|one| one.user == block.by) {
                *one = block.presence();
            }
        }
        Ok(())
    }
}
