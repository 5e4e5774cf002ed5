//! Rooms that have grown on other nodes: reading what is new, of several rooms at once, so that a
//! store that is far away holds up neither the next room nor what is appended here.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry as Slot},
    sync::Arc,
};

use tokio::task::{Id, JoinSet};

use super::{Shared, rooms::LiveRoom};
use crate::{
    ids::{RoomId, UserId},
    log::{Entry, Page, Seq},
    port::BackendError,
};

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

/// A room that has been read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) room: Arc<LiveRoom>,
    /// Up to where it was to be published when it was read.
    pub(crate) asked: Seq,
    /// Up to where it is to be published now.
    pub(crate) head: Seq,
    /// `None` if the store could not be read.
    pub(crate) missing: Option<Missing>,
}

/// The rooms that have grown, each once however often it is told.
#[derive(Debug, Default)]
pub(crate) struct Grown {
    /// Up to where each is to be published, while it waits and while it is read.
    heads: HashMap<RoomId, Seq>,
    waiting: VecDeque<Arc<LiveRoom>>,
    reads: JoinSet<Option<Missing>>,
    /// What each of them reads, and up to where it is asked for.
    reading: HashMap<Id, (Arc<LiveRoom>, Seq)>,
}

impl Grown {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The room is to be published up to this number.
    pub(crate) fn add(&mut self, shared: &Arc<Shared>, room: Arc<LiveRoom>, head: Seq) {
        match self.heads.entry(room.id.clone()) {
            Slot::Occupied(mut known) => *known.get_mut() = head.max(*known.get()),
            Slot::Vacant(new) => {
                new.insert(head);
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
            let asked = self.heads.get(&room.id).copied().unwrap_or_default();
            self.reading.insert(task.id(), (room, asked));
        }
    }

    /// Waits for the next room; `None` if there is none.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses nothing.
    pub(crate) async fn next(&mut self, shared: &Arc<Shared>) -> Option<Read> {
        let (id, missing) = match self.reads.join_next_with_id().await? {
            Ok(read) => read,
            Err(error) => (error.id(), None),
        };
        let (room, asked) = self.reading.remove(&id)?;
        let head = self.heads.remove(&room.id)?;
        self.read(shared);
        Some(Read {
            room,
            asked,
            head,
            missing,
        })
    }

    /// Takes out the rooms that are not being read yet.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Arc<LiveRoom>> {
        for room in &self.waiting {
            self.heads.remove(&room.id);
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
