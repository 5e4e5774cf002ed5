//! Rooms that have grown on other nodes: reading what is new, of several rooms at once, so that a
//! store that is far away holds up neither the next room nor what is appended here.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry as Slot},
    convert::Infallible,
    sync::Arc,
};

use tokio::{
    sync::mpsc,
    task::{Id, JoinSet},
};

use super::{Shared, rooms::LiveRoom};
use crate::{
    ids::{RoomId, UserId},
    log::{Entry, Page, Seq},
    port::BackendError,
};

/// How many rooms may wait to be taken note of; who tells of more waits.
pub(crate) const TOLD: usize = 1_024;

/// How many rooms are read at once: each takes a connection of the store.
const AT_ONCE: usize = 16;

/// What a room of this node lacks.
#[derive(Debug)]
pub(crate) enum Missing {
    /// At most a page.
    Entries(Vec<Arc<Entry>>),
    /// Nothing, for none of these, its members now, is here.
    Nothing(Vec<UserId>),
}

/// Held for somebody who waits for a room, and dropped when they need not wait any more.
pub(crate) type Waiter = mpsc::Sender<Infallible>;

/// Another node has appended: the room is to be published up to this number.
#[derive(Debug)]
pub(crate) struct CatchUp {
    pub(crate) room: Arc<LiveRoom>,
    pub(crate) head: Seq,
    pub(crate) waiter: Option<Waiter>,
}

/// Up to where a room is to be published.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) head: Seq,
    /// Who waits until it has got how far, or can't be read.
    pub(crate) waiters: Vec<(Seq, Waiter)>,
}

/// A room that has been read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) room: Arc<LiveRoom>,
    /// Up to where it was to be published when it was read.
    pub(crate) asked: Seq,
    /// What is wanted now.
    pub(crate) wanted: Wanted,
    /// `None` if the store could not be read.
    pub(crate) missing: Option<Missing>,
}

/// The rooms that have grown, each once however often it is told.
#[derive(Debug)]
pub(crate) struct Grown {
    told: mpsc::Receiver<CatchUp>,
    /// Each, while it waits and while it is read.
    wanted: HashMap<RoomId, Wanted>,
    waiting: VecDeque<Arc<LiveRoom>>,
    reads: JoinSet<Option<Missing>>,
    /// What each of them reads, and up to where it is asked for.
    reading: HashMap<Id, (Arc<LiveRoom>, Seq)>,
}

impl Grown {
    pub(crate) fn new(told: mpsc::Receiver<CatchUp>) -> Self {
        Self {
            told,
            wanted: HashMap::new(),
            waiting: VecDeque::new(),
            reads: JoinSet::new(),
            reading: HashMap::new(),
        }
    }

    fn hear(&mut self, shared: &Arc<Shared>, told: CatchUp) {
        let CatchUp { room, head, waiter } = told;
        if room.published() < head {
            let waiters = waiter.into_iter().map(|it| (head, it)).collect();
            self.add(shared, room, Wanted { head, waiters });
        }
    }

    pub(crate) fn add(&mut self, shared: &Arc<Shared>, room: Arc<LiveRoom>, wanted: Wanted) {
        match self.wanted.entry(room.id.clone()) {
            Slot::Occupied(mut known) => {
                let known = known.get_mut();
                known.head = known.head.max(wanted.head);
                known.waiters.extend(wanted.waiters);
            }
            Slot::Vacant(new) => {
                new.insert(wanted);
                self.waiting.push_back(room);
                self.read(shared);
            }
        }
    }

    fn read(&mut self, shared: &Arc<Shared>) {
        while self.reads.len() < AT_ONCE
            && let Some(room) = self.waiting.pop_front()
        {
            let reading = missing(Arc::clone(shared), Arc::clone(&room));
            let task = self.reads.spawn(async { reading.await.ok() });
            let asked = self.wanted.get(&room.id).map(|it| it.head);
            let asked = asked.unwrap_or_default();
            self.reading.insert(task.id(), (room, asked));
        }
    }

    /// Waits for the next room that has been read; `None` if there will be none.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses nothing.
    pub(crate) async fn next(&mut self, shared: &Arc<Shared>) -> Option<Read> {
        let read = loop {
            tokio::select! {
                Some(told) = self.told.recv() => self.hear(shared, told),
                Some(read) = self.reads.join_next_with_id() => break read,
                else => return None,
            }
        };
        let (id, missing) = match read {
            Ok(read) => read,
            Err(error) => (error.id(), None),
        };
        let (room, asked) = self.reading.remove(&id)?;
        let wanted = self.wanted.remove(&room.id)?;
        self.read(shared);
        Some(Read {
            room,
            asked,
            wanted,
            missing,
        })
    }

    /// Takes out the rooms that are not being read yet.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Arc<LiveRoom>> {
        for room in &self.waiting {
            self.wanted.remove(&room.id);
        }
        std::mem::take(&mut self.waiting).into_iter()
    }
}

/// Reads what comes after what was published.
async fn missing(shared: Arc<Shared>, room: Arc<LiveRoom>) -> Result<Missing, BackendError> {
    const PAGE: usize = 200;
    let here = |members: &[UserId]| members.iter().any(|it| shared.hub.has(it));
    if !here(&room.members()) {
        let members = shared.load_members(&room.id).await?;
        // Else somebody has joined who is here.
        if !here(&members) {
            return Ok(Missing::Nothing(members));
        }
    }
    let page = Page::After(room.published());
    let entries = shared.store.page(&room.id, page, PAGE).await;
    shared.stored(entries).map(Missing::Entries)
}
