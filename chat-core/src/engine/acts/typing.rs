//! Typing: the other members are notified now and then while a user types, and when it ends.

use std::{sync::Arc, time::Duration};

use super::{
    access::IfAbsent,
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{
        deliver::{hub::Hub, notify},
        log::follower::Follower,
        parts::Parts,
        state::{hints::Hints, rooms::LiveRoom, typists::Typists},
    },
    model::{Entry, EntryBody, RoomId, UserId},
    port::Hint,
    time::Clock,
    wire::{Done, Error, command},
};

/// The users who are typing, and the way to those who see it.
#[derive(Debug)]
pub(crate) struct Typing {
    pub(crate) typists: Typists,
    pub(crate) hub: Arc<Hub>,
    pub(crate) hints: Hints,
    pub(crate) clock: Arc<dyn Clock>,
    /// How often the other members are notified while a user types.
    pub(crate) throttle: Duration,
    /// When typing that isn't renewed ends.
    pub(crate) expiry: Duration,
}

impl Typing {
    fn notify(&self, room: &LiveRoom, user: &UserId, active: bool) {
        notify::typing(&self.hub, room, user, active);
        self.hints.to_members(room, || Hint::Typing {
            room: room.id.clone(),
            user: user.clone(),
            active,
        });
    }

    /// Ends typing that was not renewed; runs until the engine stops.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut tick = tokio::time::interval(self.expiry / 12);
        loop {
            tick.tick().await;
            for (room, user) in self.typists.take_expired(self.clock.monotonic()) {
                self.notify(&room, &user, false);
            }
        }
    }
}

/// A message is the end of typing it.
impl Follower for Arc<Typing> {
    fn published(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>, _: usize) {
        if matches!(entry.body, EntryBody::Message { .. })
            && self.typists.end(&room.id, &entry.author)
        {
            self.notify(room, &entry.author, false);
        }
    }
}

impl Actor {
    /// Says that the user is typing; to be repeated while it lasts.
    ///
    /// The other members are notified at most once in
    /// [`typing_throttle`](crate::Config::typing_throttle), and of the end
    /// [`typing_expiry`](crate::Config::typing_expiry) after the last call, or with the message.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn typing(&self, room: &RoomId) -> Result<(), Error> {
        let Parts { access, typing, .. } = &*self.parts;
        let room = access.enter(&self.user, room, IfAbsent::Refuse).await?;
        let now = typing.clock.monotonic();
        let Typing {
            throttle, expiry, ..
        } = **typing;
        if typing
            .typists
            .begin_or_renew(&room, &self.user, now, throttle, now + expiry)
        {
            typing.notify(&room, &self.user, true);
        }
        Ok(())
    }
}

impl Act for command::Typing {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.typing(&self.room).await.map(|()| Done {}));
    }
}
