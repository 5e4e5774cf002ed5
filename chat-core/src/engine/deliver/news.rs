//! News of the inbox: a user's devices are sent a room, with what the inbox shows of it, when the user becomes a
//! member or is one no longer, and when that changes otherwise than by an entry that the user is sent.
//!
//! The entry that says so comes by itself. A client that has never seen the room could do nothing with it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::hub::Hub;
use crate::{
    engine::{log::follower::Follower, state::rooms::LiveRoom, tasks::Task},
    model::{Effect, Entry, EntryBody, InboxRoom, Me, RoomId, Seq, SessionId, UserId, Watermarks},
    port::{BackendError, Store},
    wire::{Event, Frame, RoomNews},
};

/// The number of news that may wait; more are dropped, and clients see the entry alone.
const WAITING: usize = 4_096;

/// The time for which receipts of a user in one room are gathered, so that a burst of them is one event.
const GATHERED: Duration = Duration::from_secs(1);

/// The way to the task that sends news.
#[derive(Debug, Clone)]
pub(crate) struct News {
    queue: mpsc::Sender<Item>,
    hub: Arc<Hub>,
}

#[derive(Debug)]
enum Item {
    /// Something has become of a room in a user's inbox.
    Room {
        room: RoomId,
        user: UserId,
        why: RoomNews,
    },
    /// A user has read a room, by this session.
    Read {
        room: RoomId,
        user: UserId,
        by: Option<SessionId>,
    },
    /// A message in a room that members may have hidden.
    Message { room: Arc<LiveRoom>, seq: Seq },
}

/// Reads what the inbox shows, and sends it to the devices of this node.
#[derive(Debug)]
pub(crate) struct NewsTask {
    waiting: mpsc::Receiver<Item>,
    hub: Arc<Hub>,
    store: Arc<dyn Store>,
    /// The rooms that users have read lately, each with the session by which it was read, if it was one.
    reads: HashMap<(RoomId, UserId), Option<SessionId>>,
    /// The time at which the other devices of these users are sent it.
    due: Instant,
}

impl News {
    /// The way in, and the task, which ends with the last way in.
    pub(crate) fn new(hub: &Arc<Hub>, store: &Arc<dyn Store>) -> (Self, NewsTask) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let news = Self {
            queue,
            hub: Arc::clone(hub),
        };
        let task = NewsTask {
            waiting,
            hub: Arc::clone(hub),
            store: Arc::clone(store),
            reads: HashMap::new(),
            due: Instant::now(),
        };
        (news, task)
    }

    /// Notes news of a user, if the user is here.
    pub(crate) fn note(&self, room: &RoomId, user: &UserId, why: RoomNews) {
        if self.hub.has(user) {
            let (room, user) = (room.clone(), user.clone());
            self.queue(Item::Room { room, user, why });
        }
    }

    /// Notes that a user has read a room by this session, if another device of the user is here.
    pub(crate) fn read(&self, room: &RoomId, user: &UserId, by: Option<SessionId>) {
        let mut others = false;
        self.hub
            .each(user, |device| others |= Some(device.session) != by);
        if others {
            let (room, user) = (room.clone(), user.clone());
            self.queue(Item::Read { room, user, by });
        }
    }

    fn queue(&self, item: Item) {
        if self.queue.try_send(item).is_err() {
            tracing::debug!("news of an inbox are dropped");
        }
    }
}

impl Follower for News {
    fn published(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>, devices: usize) {
        match entry.body.effect() {
            Effect::Admit { user, .. } => self.note(&room.id, user, RoomNews::Added),
            Effect::Dismiss { user } => self.note(&room.id, user, RoomNews::Removed),
            _ => {}
        }
        let is_message = matches!(entry.body, EntryBody::Message { .. });
        if is_message && devices > 0 && !room.hidden.by_nobody() {
            let (room, seq) = (Arc::clone(room), entry.seq);
            self.queue(Item::Message { room, seq });
        }
    }
}

/// Runs until the engine stops.
impl Task for NewsTask {
    const NAME: &'static str = "news";

    async fn run(&mut self) {
        loop {
            let item = tokio::select! {
                item = self.waiting.recv() => item,
                () = sleep_until(self.due), if !self.reads.is_empty() => {
                    for ((room, user), by) in std::mem::take(&mut self.reads) {
                        self.send(&room, &user, RoomNews::Changed, by).await;
                    }
                    continue;
                }
            };
            match item {
                Some(Item::Room { room, user, why }) => self.send(&room, &user, why, None).await,
                Some(Item::Read { room, user, by }) => self.gather(room, user, by),
                Some(Item::Message { room, seq }) => self.bring_back(&room, seq).await,
                None => return,
            }
        }
    }
}

impl NewsTask {
    fn gather(&mut self, room: RoomId, user: UserId, by: Option<SessionId>) {
        if self.reads.is_empty() {
            self.due = Instant::now() + GATHERED;
        }
        let one = self.reads.entry((room, user));
        // What two devices have read is news to both.
        one.and_modify(|other| *other = other.filter(|_| *other == by))
            .or_insert(by);
    }

    /// Sends a room to the members for whom this message has brought it back.
    async fn bring_back(&self, room: &LiveRoom, message: Seq) {
        let returned = match room.hidden.returned_by(message) {
            Ok(returned) => returned,
            Err(asked) => match self.store.hidden_by(&room.id).await {
                Ok(members) => {
                    room.hidden.learn(asked, members);
                    room.hidden.returned_by(message).unwrap_or_default()
                }
                Err(error) => return tracing::debug!(%error, "news of an inbox are left out"),
            },
        };
        for user in returned.iter().filter(|user| self.hub.has(user)) {
            self.send(&room.id, user, RoomNews::Changed, None).await;
        }
    }

    /// Sends a room to all devices of a user but the one of this session.
    async fn send(&self, room: &RoomId, user: &UserId, why: RoomNews, but: Option<SessionId>) {
        match self.shown(room, user, why).await {
            Ok(Some(room)) => {
                let room = Box::new(room);
                let frame = Frame::from(Event::Room { why, room });
                self.hub.each(user, |device| {
                    if Some(device.session) != but {
                        device.send(frame.clone());
                    }
                });
            }
            // The membership has changed again, which is news of its own.
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "news of an inbox are left out"),
        }
    }

    async fn shown(
        &self,
        room: &RoomId,
        user: &UserId,
        why: RoomNews,
    ) -> Result<Option<InboxRoom>, BackendError> {
        let mine = self.store.inbox_room(room, user).await?;
        if why != RoomNews::Removed || mine.is_some() {
            return Ok(mine.filter(|_| why != RoomNews::Removed));
        }
        let room = self.store.room(room).await?;
        Ok(room.map(|room| InboxRoom {
            active_at: room.created_at,
            room,
            me: Me::default(),
            watermarks: Watermarks::default(),
            last: None,
            unread: 0,
            mentions: 0,
        }))
    }
}
