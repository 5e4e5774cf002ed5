//! A cluster whose cached windows go astray, and whose store keeps the log as it stood after each append.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chat_core::{
    Actor, Cursor, Entry, Epoch, NewEntry, Page, RoomId, Seq,
    port::{AppendError, Appended, BackendError, HistoryCache, LogStore},
    testing::{Fault, Hooks, Method},
};

use crate::{cluster, common::direct};

pub(crate) type Cluster = cluster::Cluster<Logs, Astray>;

pub(crate) fn cluster(windows: Windows) -> Cluster {
    let cluster = Cluster::new(Logs::default(), Astray::default());
    cluster.set(windows);
    cluster
}

pub(crate) fn room() -> RoomId {
    direct("alice", "bob")
}

/// Keeps the log as it stands after each append.
#[derive(Debug, Default)]
pub(crate) struct Logs(pub(crate) Mutex<Vec<Vec<Arc<Entry>>>>);

#[async_trait]
impl Hooks for Logs {
    async fn append(
        &self,
        inner: &dyn LogStore,
        batch: Vec<NewEntry>,
    ) -> Vec<Result<Appended, AppendError>> {
        let answers = inner.append(batch).await;
        let log = inner
            .page(&room(), Page::After(Seq::ZERO), usize::MAX)
            .await;
        self.0.lock().unwrap().push(log.unwrap());
        answers
    }
}

/// What happens to windows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Windows {
    #[default]
    Good,
    /// Writes are lost.
    Lost,
    /// Writes wait until [`Cluster::arrive`].
    Held,
    /// Nothing answers.
    Away,
    /// Reads give entries that are no part of the room's log.
    Forged,
}

/// A cache whose windows go astray.
#[derive(Debug, Default)]
pub(crate) struct Astray {
    windows: Mutex<Windows>,
    held: Mutex<Vec<Write>>,
    /// How many windows were found.
    hits: Mutex<usize>,
}

#[derive(Debug)]
enum Write {
    Fill(RoomId, Cursor, Vec<Arc<Entry>>),
    Extend(RoomId, Epoch, Vec<Arc<Entry>>),
}

impl Write {
    async fn carry_out(self, cache: &dyn HistoryCache) -> Result<(), BackendError> {
        match self {
            Self::Fill(room, at, newest) => cache.fill(&room, at, &newest).await,
            Self::Extend(room, epoch, entries) => cache.extend(&room, epoch, &entries).await,
        }
    }
}

impl Astray {
    fn windows(&self) -> Windows {
        *self.windows.lock().unwrap()
    }

    async fn write(&self, cache: &dyn HistoryCache, write: Write) -> Result<(), BackendError> {
        match self.windows() {
            Windows::Lost => Ok(()),
            Windows::Held => {
                self.held.lock().unwrap().push(write);
                Ok(())
            }
            _ => write.carry_out(cache).await,
        }
    }
}

#[async_trait]
impl Hooks for Astray {
    async fn window(
        &self,
        inner: &dyn HistoryCache,
        room: &RoomId,
        at: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Vec<Arc<Entry>>>, BackendError> {
        let mut found = inner.window(room, at, range).await?;
        if let Some(found) = &mut found {
            let mut hits = self.hits.lock().unwrap();
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
        inner: &dyn HistoryCache,
        room: &RoomId,
        at: Cursor,
        newest: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let write = Write::Fill(room.clone(), at, newest.to_vec());
        self.write(inner, write).await
    }

    async fn extend(
        &self,
        inner: &dyn HistoryCache,
        room: &RoomId,
        epoch: Epoch,
        entries: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let write = Write::Extend(room.clone(), epoch, entries.to_vec());
        self.write(inner, write).await
    }
}

impl Cluster {
    pub(crate) fn set(&self, windows: Windows) {
        *self.cache.hooks.windows.lock().unwrap() = windows;
        let fault = match windows {
            Windows::Away => Fault::AWAY,
            _ => Fault::Pass,
        };
        let methods = [Method::WINDOW, Method::FILL, Method::EXTEND];
        self.cache.script.always(methods, fault);
    }

    /// Lets one of the held writes arrive, whichever, if there is any.
    pub(crate) async fn arrive(&self, which: usize) {
        let write = {
            let mut held = self.cache.hooks.held.lock().unwrap();
            let which = which.checked_rem(held.len());
            which.map(|which| held.remove(which))
        };
        if let Some(write) = write {
            write.carry_out(&self.cache.inner).await.unwrap();
        }
    }

    pub(crate) fn yield_in_the_store(&self, faults: impl IntoIterator<Item = Fault>) {
        let methods = [Method::APPEND, Method::PAGE, Method::ROOM];
        self.store.script.always(methods, faults);
    }

    pub(crate) fn yield_in_the_cache(&self, faults: impl IntoIterator<Item = Fault>) {
        let methods = [Method::WINDOW, Method::FILL, Method::EXTEND];
        self.cache.script.always(methods, faults);
    }

    pub(crate) fn hits(&self) -> usize {
        *self.cache.hooks.hits.lock().unwrap()
    }

    /// How often pages, and heads, are read from the store by what `call` does.
    pub(crate) async fn reads<T>(&self, call: impl Future<Output = T>) -> (T, usize, usize) {
        let script = &self.store.script;
        let count = || (script.calls(Method::PAGE), script.calls(Method::ROOM));
        let before = count();
        let done = call.await;
        let after = count();
        (done, after.0 - before.0, after.1 - before.1)
    }

    pub(crate) async fn assert_reads_are_right(&self, reader: &Actor, what: &str) {
        for (page, limit) in [
            (Page::Newest, 5),
            (Page::Newest, 200),
            (Page::After(Seq(1)), 3),
            (Page::Before(Seq(4)), 2),
            (Page::Around(Seq(3)), 3),
        ] {
            let right = self.store.inner.page(&room(), page, limit).await;
            let found = reader.history(&room(), page, Some(limit)).await;
            assert_eq!(found.unwrap().entries, right.unwrap(), "{what}: {page:?}");
        }
    }
}
