//! Who is connected to this node: user -> sessions.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::CloseReason,
    event::{Event, Outgoing},
    frame::Frame,
    ids::{RoomId, SessionId, UserId},
    log::Seq,
    port::{Transport, TrySendError},
};

/// A session as the fan-out sees it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    transport: Arc<dyn Transport>,
    /// Rooms that are being caught up, or were.
    catching_up: Mutex<HashMap<RoomId, CatchUp>>,
}

/// How a room that is resumed stands with the live entries.
#[derive(Debug)]
enum CatchUp {
    /// They have to wait.
    Waiting(Vec<Frame>),
    /// Up to this one they have been sent: the store had them before they were published.
    Past(Seq),
}

/// How many live entries of a room may wait for its catch-up.
const WAITING_MAX: usize = 1_024;

impl Link {
    pub(crate) fn new(session: SessionId, user: UserId, transport: Arc<dyn Transport>) -> Self {
        Self {
            session,
            user,
            transport,
            catching_up: Mutex::default(),
        }
    }

    fn catching_up(&self) -> MutexGuard<'_, HashMap<RoomId, CatchUp>> {
        self.catching_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends anything but a room's entries.
    pub(crate) fn send(&self, frame: Frame) {
        let ephemeral = frame.is_ephemeral();
        match self.transport.try_send(frame) {
            Ok(()) | Err(TrySendError::Closed) => {}
            Err(TrySendError::Full) if ephemeral => {}
            Err(TrySendError::Full) => {
                tracing::info!(user = %self.user, session = %self.session, "closing a slow consumer");
                self.close(CloseReason::Slow);
            }
        }
    }

    /// Sends an entry, or keeps it until its room is caught up.
    pub(crate) fn send_entry(&self, room: &RoomId, seq: Seq, frame: &Frame) {
        // The lock is held while sending, so that an entry can't overtake the end of a catch-up.
        let mut catching_up = self.catching_up();
        match catching_up.get_mut(room) {
            None => self.send(frame.clone()),
            Some(CatchUp::Past(at)) if seq <= *at => {}
            Some(CatchUp::Past(_)) => {
                catching_up.remove(room);
                self.send(frame.clone());
            }
            Some(CatchUp::Waiting(frames)) if frames.len() < WAITING_MAX => {
                frames.push(frame.clone());
            }
            Some(CatchUp::Waiting(_)) => self.close(CloseReason::Slow),
        }
    }

    /// From now on live entries of this room wait; those that wait already stay.
    pub(crate) fn begin_catch_up(&self, room: &RoomId) {
        let mut catching_up = self.catching_up();
        if !matches!(catching_up.get(room), Some(CatchUp::Waiting(_))) {
            catching_up.insert(room.clone(), CatchUp::Waiting(Vec::new()));
        }
    }

    /// Sends what was missed, up to `reached`, then what waited, then `last`; gives the position.
    pub(crate) fn end_catch_up(
        &self,
        room: &RoomId,
        missed: impl IntoIterator<Item = Frame>,
        reached: Seq,
        last: impl FnOnce(Seq) -> Option<Frame>,
    ) -> Seq {
        let mut catching_up = self.catching_up();
        for frame in missed {
            self.send(frame);
        }
        let mut at = reached;
        let waiting = match catching_up.remove(room) {
            Some(CatchUp::Waiting(frames)) => frames,
            Some(CatchUp::Past(_)) | None => Vec::new(),
        };
        for frame in waiting {
            if let Outgoing::Event(Event::Entry(entry)) = frame.outgoing()
                && entry.seq > at
            {
                at = entry.seq;
                self.send(frame);
            }
        }
        catching_up.insert(room.clone(), CatchUp::Past(at));
        if let Some(frame) = last(at) {
            self.send(frame);
        }
        at
    }

    /// Gives up a catch-up that has not ended when the guard is dropped.
    pub(crate) fn abandon_unless_ended<'a>(&'a self, room: &'a RoomId) -> Unfinished<'a> {
        Unfinished { link: self, room }
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        self.transport.close(reason);
    }
}

/// A catch-up that may be dropped half-way, with the future that carries it out.
#[must_use]
pub(crate) struct Unfinished<'a> {
    link: &'a Link,
    room: &'a RoomId,
}

impl Drop for Unfinished<'_> {
    /// What waits is sent as if the catch-up had never begun.
    fn drop(&mut self) {
        let mut catching_up = self.link.catching_up();
        if let Some(CatchUp::Waiting(frames)) = catching_up.get_mut(self.room) {
            for frame in std::mem::take(frames) {
                self.link.send(frame);
            }
            catching_up.remove(self.room);
        }
    }
}

/// All links of this node.
#[derive(Debug)]
pub(crate) struct Hub {
    shards: Vec<Mutex<HashMap<UserId, Vec<Arc<Link>>>>>,
    hasher: RandomState,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            shards: (0..64).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Hub {
    fn shard(&self, user: &UserId) -> MutexGuard<'_, HashMap<UserId, Vec<Arc<Link>>>> {
        let bits = usize::try_from(self.hasher.hash_one(user) % 64).unwrap_or(0);
        self.shards[bits]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a link unless its user has `max` already; `first` is sent to it before anything else.
    pub(crate) fn add(&self, link: Arc<Link>, max: usize, first: Option<Frame>) -> bool {
        let mut shard = self.shard(&link.user);
        let links = shard.entry(link.user.clone()).or_default();
        if links.len() >= max {
            return false;
        }
        if let Some(frame) = first {
            link.send(frame);
        }
        links.push(link);
        true
    }

    pub(crate) fn remove(&self, link: &Link) {
        let mut shard = self.shard(&link.user);
        if let Some(links) = shard.get_mut(&link.user) {
            links.retain(|other| other.session != link.session);
            if links.is_empty() {
                shard.remove(&link.user);
            }
        }
    }

    pub(crate) fn has(&self, user: &UserId) -> bool {
        self.shard(user).contains_key(user)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_empty()
        })
    }

    /// Calls `visit` for each link of a user.
    pub(crate) fn each(&self, user: &UserId, mut visit: impl FnMut(&Link)) {
        if let Some(links) = self.shard(user).get(user) {
            for link in links {
                visit(link);
            }
        }
    }

    pub(crate) fn user_count(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// All users who have a link at this moment.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.keys().cloned().collect::<Vec<_>>()
            })
            .collect()
    }

    /// All links at this moment.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.values().flatten().cloned().collect::<Vec<_>>()
            })
            .collect()
    }
}
