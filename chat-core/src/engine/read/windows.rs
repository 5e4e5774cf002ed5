//! Keeping the cache's windows: what is appended or read here is written to them in the background.
//!
//! Nothing waits for these writes and nothing depends on them: a window that lacks an entry stands at a
//! position where no reader looks for it.

use std::{collections::HashMap, sync::Arc};

use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    engine::{
        log::follower::Follower,
        state::{
            flights::{Entries, Newest},
            rooms::LiveRoom,
            window_writes::{What, WindowWrites, Write},
        },
        tasks::Task,
    },
    model::{Entry, RoomId},
    port::{BackendError, Cache},
};

/// How many rooms' writes are on their way at once: others wait for the same connection.
const AT_ONCE: usize = 16;

/// How many writes are carried out together.
const BATCH: usize = 1_024;

impl Follower for WindowWrites {
    fn stored(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        self.extend(room, entry);
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

/// Carries out the writes that wait.
#[derive(Debug)]
pub(crate) struct WindowTask {
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) writes: mpsc::Receiver<Write>,
}

/// Runs until the engine stops.
impl Task for WindowTask {
    const NAME: &'static str = "windows";

    async fn run(&mut self) {
        run(&self.cache, &mut self.writes).await;
    }
}

async fn run(cache: &Arc<dyn Cache>, writes: &mut mpsc::Receiver<Write>) {
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
                calls.spawn(waiting.carry_out(Arc::clone(cache)));
            }
            let Some(done) = calls.join_next().await else {
                break;
            };
            away |= done.is_ok_and(|done| done.is_err());
        }
        // A cache that is away gets nothing of this any more, and what waits is not kept for it.
        while away && writes.try_recv().is_ok() {}
    }
}
