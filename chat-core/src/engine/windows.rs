//! Keeping the cache's windows: what is appended or read here goes to them, behind everybody's back.
//!
//! Nothing waits for it and nothing rests on it: a window that lacks an entry stands where nobody
//! looks for it.

use std::{collections::HashMap, sync::Arc};

use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Shared,
    reading::{Entries, Newest},
    rooms::LiveRoom,
};
use crate::{
    ids::RoomId,
    log::Entry,
    port::{BackendError, Cache},
};

/// How many writes may wait; more are dropped.
const WAITING: usize = 4_096;

/// How many rooms' writes are on their way at once: others wait for the same connection.
const AT_ONCE: usize = 16;

/// How many are carried out together.
const BATCH: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Write {
    room: Arc<LiveRoom>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// It has been appended.
    Extend(Arc<Entry>),
    /// They have been read. Until they are in the cache, readers find them here.
    Fill(Arc<Newest>, Entries),
}

/// The way to the cache.
#[derive(Debug, Clone)]
pub(crate) struct Windows(mpsc::Sender<Write>);

impl Windows {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Write>) {
        let (writes, waiting) = mpsc::channel(WAITING);
        (Self(writes), waiting)
    }

    pub(crate) fn extend(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        self.write(Arc::clone(room), What::Extend(Arc::clone(entry)));
    }

    pub(crate) fn fill(&self, room: Arc<LiveRoom>, newest: Arc<Newest>, entries: Entries) {
        self.write(room, What::Fill(newest, entries));
    }

    fn write(&self, room: Arc<LiveRoom>, what: What) {
        if self.0.try_send(Write { room, what }).is_err() {
            tracing::debug!("a window falls behind");
        }
    }
}

/// What waits for one room.
#[derive(Debug)]
struct Waiting {
    room: Arc<LiveRoom>,
    fill: Option<(Arc<Newest>, Entries)>,
    appended: Vec<Arc<Entry>>,
}

impl Waiting {
    async fn carry_out(self, cache: Arc<dyn Cache>) -> Result<(), BackendError> {
        let Self { room, fill, .. } = self;
        // What was read may lack what was appended, not the other way round.
        if let Some((newest, entries)) = fill {
            cache.fill(&room.id, newest.at, &entries).await?;
        }
        if !self.appended.is_empty() {
            let extended = cache.extend(&room.id, room.epoch, &self.appended);
            extended.await?;
        }
        Ok(())
    }
}

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>, mut writes: mpsc::Receiver<Write>) {
    let mut batch = Vec::new();
    while writes.recv_many(&mut batch, BATCH).await > 0 {
        let mut rooms: HashMap<RoomId, Waiting> = HashMap::new();
        for Write { room, what } in batch.drain(..) {
            let waiting = rooms.entry(room.id.clone()).or_insert_with(|| Waiting {
                room,
                fill: None,
                appended: Vec::new(),
            });
            match what {
                What::Extend(entry) => waiting.appended.push(entry),
                What::Fill(newest, entries) => waiting.fill = Some((newest, entries)),
            }
        }
        let mut calls = JoinSet::new();
        let mut rooms = rooms.into_values();
        let mut away = false;
        loop {
            let free = AT_ONCE - calls.len();
            for waiting in rooms.by_ref().take(free) {
                calls.spawn(waiting.carry_out(Arc::clone(&shared.cache)));
            }
            let Some(done) = calls.join_next().await else {
                break;
            };
            away |= done.is_ok_and(|done| shared.cached(done).is_err());
        }
        // A cache that is away gets nothing of this any more, and what waits is not kept for it.
        while away && writes.try_recv().is_ok() {}
    }
}
