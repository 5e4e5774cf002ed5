//! Rooms that have grown on other nodes: reading what this node lacks, of several rooms at once, so that
//! a store that is far away holds up neither the next room nor what is appended here.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry as Slot},
    convert::Infallible,
    sync::Arc,
};

use tokio::{
    sync::mpsc,
    task::{Id, JoinSet},
};

use super::{healing::Healing, publish::Publisher};
use crate::{
    engine::{read::directory::Directory, state::rooms::LiveRoom},
    model::{Entry, Member, Page, Room, RoomId, Seq, UserId},
    port::BackendError,
};

/// How many rooms may wait to be noted; callers with more wait.
const WAITING: usize = 1_024;

/// How many rooms are read at once: each takes a connection of the store.
const AT_ONCE: usize = 16;

/// The entries of a room that this node lacks.
#[derive(Debug)]
enum Missing {
    /// These entries, at most a page.
    Entries(Vec<Arc<Entry>>),
    /// Nothing to deliver: none of the current members, listed here, is connected to this node.
    Nothing(Box<Room>, Vec<Member>),
}

/// Held by a caller that waits for a room, and dropped by the sequencer when it need not wait any more.
pub(crate) type Waiter = mpsc::Sender<Infallible>;

/// Another node has appended: the room is to be published up to this number.
#[derive(Debug)]
pub(crate) struct CatchUp {
    pub(crate) room: Arc<LiveRoom>,
    pub(crate) head: Seq,
    pub(crate) waiter: Option<Waiter>,
}

/// The way to the sequencer for rooms that lag behind.
#[derive(Debug, Clone)]
pub(crate) struct CatchUps(mpsc::Sender<CatchUp>);

impl CatchUps {
    pub(crate) fn queue() -> (Self, mpsc::Receiver<CatchUp>) {
        let (sender, waiting) = mpsc::channel(WAITING);
        (Self(sender), waiting)
    }

    /// Has a room published up to `head`; waits only while too many rooms wait.
    pub(crate) async fn catch_up(&self, room: Arc<LiveRoom>, head: Seq) {
        let waiter = None;
        self.0.send(CatchUp { room, head, waiter }).await.ok();
    }

    /// Has rooms published up to their heads, and waits until each of them is, or can't be read.
    pub(crate) async fn catch_up_and_wait(&self, rooms: Vec<(Arc<LiveRoom>, Seq)>) {
        let (waiter, mut caught_up) = mpsc::channel(1);
        for (room, head) in rooms {
            let waiter = Some(waiter.clone());
            self.0.send(CatchUp { room, head, waiter }).await.ok();
        }
        drop(waiter);
        caught_up.recv().await;
    }
}

/// The position up to which a room is to be published.
#[derive(Debug)]
struct Wanted {
    head: Seq,
    /// The callers that wait until the room has reached this number, or can't be read.
    waiters: Vec<(Seq, Waiter)>,
}

/// A room that has been read.
#[derive(Debug)]
pub(crate) struct Read {
    room: Arc<LiveRoom>,
    /// The position up to which it was to be published when it was read.
    asked: Seq,
    /// What is wanted now.
    wanted: Wanted,
    /// `None` if the store could not be read.
    missing: Option<Missing>,
}

/// The rooms that lag behind, each once however many hints there were.
#[derive(Debug)]
pub(crate) struct Lagging {
    pub(crate) directory: Arc<Directory>,
    hints: mpsc::Receiver<CatchUp>,
    /// Each room, while it waits and while it is read.
    wanted: HashMap<RoomId, Wanted>,
    waiting: VecDeque<Arc<LiveRoom>>,
    reads: JoinSet<Option<Missing>>,
    /// The room that each task reads, and the position that it is read for.
    reading: HashMap<Id, (Arc<LiveRoom>, Seq)>,
}

impl Lagging {
    pub(crate) fn new(directory: Arc<Directory>, hints: mpsc::Receiver<CatchUp>) -> Self {
        Self {
            directory,
            hints,
            wanted: HashMap::new(),
            waiting: VecDeque::new(),
            reads: JoinSet::new(),
            reading: HashMap::new(),
        }
    }

    fn note(&mut self, CatchUp { room, head, waiter }: CatchUp) {
        if room.published() < head {
            let waiters = waiter.into_iter().map(|it| (head, it)).collect();
            self.add(room, Wanted { head, waiters });
        }
    }

    fn add(&mut self, room: Arc<LiveRoom>, wanted: Wanted) {
        match self.wanted.entry(room.id.clone()) {
            Slot::Occupied(mut known) => {
                let known = known.get_mut();
                known.head = known.head.max(wanted.head);
                known.waiters.extend(wanted.waiters);
            }
            Slot::Vacant(new) => {
                new.insert(wanted);
                self.waiting.push_back(room);
                self.read();
            }
        }
    }

    /// Begins to read rooms that wait.
    fn read(&mut self) {
        while self.reads.len() < AT_ONCE
            && let Some(room) = self.waiting.pop_front()
        {
            let (directory, reading) = (Arc::clone(&self.directory), Arc::clone(&room));
            let asked = self.wanted.get(&room.id).map(|it| it.head);
            let asked = asked.unwrap_or_default();
            let task = self
                .reads
                .spawn(async move { missing(&directory, &reading, asked).await.ok() });
            self.reading.insert(task.id(), (room, asked));
        }
    }

    /// Waits for the next room that has been read; `None` if there will be none.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Read> {
        let read = loop {
            tokio::select! {
                Some(hint) = self.hints.recv() => self.note(hint),
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
        self.read();
        Some(Read {
            room,
            asked,
            wanted,
            missing,
        })
    }

    /// Publishes what was read of a room. What was appended here meanwhile may have gone further.
    pub(crate) fn publish(&mut self, read: Read, publisher: &Publisher, healing: &mut Healing) {
        let Read {
            room,
            asked,
            mut wanted,
            missing,
        } = read;
        let before = room.published();
        match missing {
            Some(Missing::Nothing(found, members)) => {
                if before < found.head {
                    room.skip_to(&found, &members);
                }
            }
            Some(Missing::Entries(entries)) => {
                for entry in &entries {
                    publisher.publish_if_next(&room, entry);
                }
                // After a fail-over a store may not show for a moment what it has.
                if room.published() == before && before < asked {
                    return healing.doubt(room);
                }
            }
            None => {
                // A store that hangs is not asked for each room.
                healing.doubt(room);
                return self.drain().for_each(|room| healing.doubt(room));
            }
        }
        let reached = room.published();
        if reached < wanted.head {
            wanted.waiters.retain(|(upto, _)| reached < *upto);
            self.add(room, wanted);
        }
    }

    /// Takes out the rooms that are not being read yet.
    fn drain(&mut self) -> impl Iterator<Item = Arc<LiveRoom>> {
        for room in &self.waiting {
            self.wanted.remove(&room.id);
        }
        std::mem::take(&mut self.waiting).into_iter()
    }
}

/// Reads what comes after what was published.
async fn missing(
    directory: &Directory,
    room: &LiveRoom,
    head: Seq,
) -> Result<Missing, BackendError> {
    const PAGE: usize = 200;
    let is_here = |user: &UserId| directory.hub.has(user);
    let behind = head.0.saturating_sub(room.published().0);
    // For a few entries it is cheaper to read them than all members of a large room.
    if behind > u64::try_from(PAGE).unwrap_or(u64::MAX) && !room.has_member(is_here) {
        // The room is read first: members who join after that are in what is read next.
        let found = directory.store.room(&room.id).await?;
        let members = directory.members(&room.id).await?;
        // Else somebody has joined who is here.
        if let Some(found) = found
            && !members.iter().any(|member| is_here(&member.user))
        {
            return Ok(Missing::Nothing(Box::new(found), members));
        }
    }
    let page = Page::After(room.published());
    let entries = directory.store.page(&room.id, page, PAGE).await?;
    Ok(Missing::Entries(entries))
}
