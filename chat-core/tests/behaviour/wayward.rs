//! A cache whose windows go astray.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chat_core::{
    Cursor, Entry, Epoch, Presence, RoomId, Seq, SessionId, UserId,
    memory::MemoryCache,
    port::{BackendError, HistoryCache, PresenceCache, RateCache, RateKey, Transition},
    rate::{Decision, RatePolicy},
};

use crate::trouble::{Pauses, away};

/// What becomes of windows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Windows {
    #[default]
    Good,
    /// What is written is lost.
    Lost,
    /// What is written waits until [`Wayward::arrive`].
    Held,
    /// Nothing answers.
    Away,
    /// What is read is no part of the room's log.
    Forged,
}

#[derive(Debug)]
enum Write {
    Fill(RoomId, Cursor, Vec<Arc<Entry>>),
    Extend(RoomId, Epoch, Vec<Arc<Entry>>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Wayward(pub(crate) Arc<Inner>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) good: MemoryCache,
    windows: Mutex<Windows>,
    held: Mutex<Vec<Write>>,
    pub(crate) pauses: Pauses,
    /// Windows that were given.
    pub(crate) hits: Mutex<usize>,
}

impl Wayward {
    pub(crate) fn with(windows: Windows) -> Self {
        let cache = Self::default();
        cache.set(windows);
        cache
    }

    pub(crate) fn set(&self, windows: Windows) {
        *self.0.windows.lock().unwrap() = windows;
    }

    fn windows(&self) -> Windows {
        *self.0.windows.lock().unwrap()
    }

    pub(crate) fn hits(&self) -> usize {
        *self.0.hits.lock().unwrap()
    }

    /// Lets one of the held writes arrive, whichever, if there is any.
    pub(crate) async fn arrive(&self, which: usize) {
        let write = {
            let mut held = self.0.held.lock().unwrap();
            let which = which.checked_rem(held.len());
            which.map(|which| held.remove(which))
        };
        if let Some(write) = write {
            self.carry_out(write).await.unwrap();
        }
    }

    async fn write(&self, write: Write) -> Result<(), BackendError> {
        self.0.pauses.pause().await;
        match self.windows() {
            Windows::Good | Windows::Forged => self.carry_out(write).await,
            Windows::Lost => Ok(()),
            Windows::Held => {
                self.0.held.lock().unwrap().push(write);
                Ok(())
            }
            Windows::Away => Err(away()),
        }
    }

    async fn carry_out(&self, write: Write) -> Result<(), BackendError> {
        match write {
            Write::Fill(room, at, newest) => self.0.good.fill(&room, at, &newest).await,
            Write::Extend(room, epoch, entries) => self.0.good.extend(&room, epoch, &entries).await,
        }
    }
}

#[async_trait]
impl HistoryCache for Wayward {
    async fn window(
        &self,
        room: &RoomId,
        at: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Vec<Arc<Entry>>>, BackendError> {
        self.0.pauses.pause().await;
        if self.windows() == Windows::Away {
            return Err(away());
        }
        let mut found = self.0.good.window(room, at, range).await?;
        self.0.pauses.pause().await;
        if let Some(found) = &mut found {
            let mut hits = self.0.hits.lock().unwrap();
            *hits += 1;
            if self.windows() == Windows::Forged {
                match *hits % 5 {
                    0 => found.clear(),
                    1 => drop(found.remove(0)),
                    2 => found.insert(0, Arc::clone(&found[0])),
                    3 => Arc::make_mut(&mut found[0]).room = RoomId::group("other").unwrap(),
                    _ => Arc::make_mut(&mut found[0]).seq = Seq(1_000),
                }
            }
        }
        Ok(found)
    }

    async fn fill(
        &self,
        room: &RoomId,
        at: Cursor,
        newest: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let write = Write::Fill(room.clone(), at, newest.to_vec());
        self.write(write).await
    }

    async fn extend(
        &self,
        room: &RoomId,
        epoch: Epoch,
        entries: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let write = Write::Extend(room.clone(), epoch, entries.to_vec());
        self.write(write).await
    }
}

#[async_trait]
impl PresenceCache for Wayward {
    async fn touch(
        &self,
        user: &UserId,
        session: SessionId,
        ttl: Duration,
    ) -> Result<Transition, BackendError> {
        self.0.good.touch(user, session, ttl).await
    }

    async fn release(&self, user: &UserId, session: SessionId) -> Result<Transition, BackendError> {
        self.0.good.release(user, session).await
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError> {
        self.0.good.presence(users).await
    }

    async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        self.0.good.online(limit).await
    }

    async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        self.0.good.take_expired(limit).await
    }
}

#[async_trait]
impl RateCache for Wayward {
    async fn acquire(&self, key: &RateKey, policy: &RatePolicy) -> Result<Decision, BackendError> {
        self.0.good.acquire(key, policy).await
    }
}
