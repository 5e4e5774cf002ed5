//! News of the inbox: a user's devices are sent the room that the user has become a member of, with what the
//! inbox shows of it, and the room that the user has left.
//!
//! The entry that says so comes by itself. A client that has never seen the room could do nothing with it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::hub::Hub;
use crate::{
    engine::{log::follower::Follower, state::rooms::LiveRoom, tasks::Task},
    model::{Effect, Entry, InboxRoom, Me, RoomId, UserId, Watermarks},
    port::{BackendError, Store},
    wire::{Event, Frame, RoomNews},
};

/// The number of news that may wait; more are dropped, and clients see the entry alone.
const WAITING: usize = 4_096;

/// The way to the task that sends news.
#[derive(Debug, Clone)]
pub(crate) struct News {
    queue: mpsc::Sender<Item>,
    hub: Arc<Hub>,
}

#[derive(Debug)]
struct Item {
    room: RoomId,
    user: UserId,
    why: RoomNews,
}

/// Reads what the inbox shows, and sends it to the devices of this node.
#[derive(Debug)]
pub(crate) struct NewsTask {
    waiting: mpsc::Receiver<Item>,
    hub: Arc<Hub>,
    store: Arc<dyn Store>,
}

impl News {
    /// The way in, and the task, which ends with the last way in.
    pub(crate) fn new(hub: &Arc<Hub>, store: &Arc<dyn Store>) -> (Self, NewsTask) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let (hub, store) = (Arc::clone(hub), Arc::clone(store));
        let news = Self {
            queue,
            hub: Arc::clone(&hub),
        };
        let task = NewsTask {
            waiting,
            hub,
            store,
        };
        (news, task)
    }

    /// Notes news of a user, if the user is here.
    pub(crate) fn note(&self, room: &RoomId, user: &UserId, why: RoomNews) {
        if !self.hub.has(user) {
            return;
        }
        let (room, user) = (room.clone(), user.clone());
        if self.queue.try_send(Item { room, user, why }).is_err() {
            tracing::debug!("news of an inbox are dropped");
        }
    }
}

impl Follower for News {
    fn published(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>, _: usize) {
        match entry.body.effect() {
            Effect::Admit { user, .. } => self.note(&room.id, user, RoomNews::Added),
            Effect::Dismiss { user } => self.note(&room.id, user, RoomNews::Removed),
            _ => {}
        }
    }
}

/// Runs until the engine stops.
impl Task for NewsTask {
    const NAME: &'static str = "news";

    async fn run(&mut self) {
        while let Some(item) = self.waiting.recv().await {
            match self.read(&item).await {
                Ok(Some(room)) => {
                    let (why, room) = (item.why, Box::new(room));
                    let frame = Frame::from(Event::Room { why, room });
                    self.hub
                        .each(&item.user, |device| device.send(frame.clone()));
                }
                // The membership has changed again, which is news of its own.
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "news of an inbox are left out"),
            }
        }
    }
}

impl NewsTask {
    async fn read(&self, item: &Item) -> Result<Option<InboxRoom>, BackendError> {
        let Item { room, user, why } = item;
        let mine = self.store.inbox_room(room, user).await?;
        if *why == RoomNews::Added || mine.is_some() {
            return Ok(mine.filter(|_| *why == RoomNews::Added));
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
