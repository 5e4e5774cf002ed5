//! Who is typing where: told to the others now and then, ended by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Actor, Shared, relay, rooms::IfAbsent, rooms::LiveRoom};
use crate::{
    error::Error,
    event::Event,
    frame::Frame,
    ids::{RoomId, UserId},
    port::Hint,
};

/// Everybody who is typing now.
#[derive(Debug, Default)]
pub(crate) struct Typists(Mutex<HashMap<(RoomId, UserId), Typist>>);

#[derive(Debug)]
struct Typist {
    room: Arc<LiveRoom>,
    told: Duration,
    expires: Duration,
}

impl Typists {
    fn lock(&self) -> MutexGuard<'_, HashMap<(RoomId, UserId), Typist>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actor {
    /// Says that the user is typing; to be said again while it lasts.
    ///
    /// Others are told at most once in [`typing_throttle`](crate::Config::typing_throttle), and
    /// that it ended [`typing_expiry`](crate::Config::typing_expiry) after the last call, or with
    /// the message.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn typing(&self, room: &RoomId) -> Result<(), Error> {
        let shared = &self.engine.shared;
        let room = shared.enter(&self.user, room, IfAbsent::Refuse).await?;
        let now = shared.clock.monotonic();
        let expires = now + shared.config.typing_expiry;
        {
            let mut typists = shared.typists.lock();
            let known = typists.get_mut(&(room.id.clone(), self.user.clone()));
            if let Some(typist) = known {
                typist.expires = expires;
                if now < typist.told + shared.config.typing_throttle {
                    return Ok(());
                }
                typist.told = now;
            } else {
                let typist = Typist {
                    room: Arc::clone(&room),
                    told: now,
                    expires,
                };
                typists.insert((room.id.clone(), self.user.clone()), typist);
            }
        }
        shared.tell_typing(&room, &self.user, true);
        Ok(())
    }
}

impl Shared {
    /// A message is the end of typing it.
    pub(crate) fn stop_typing(&self, room: &LiveRoom, user: &UserId) {
        let mut typists = self.typists.lock();
        if typists.is_empty() || typists.remove(&(room.id.clone(), user.clone())).is_none() {
            return;
        }
        drop(typists);
        self.tell_typing(room, user, false);
    }

    fn tell_typing(&self, room: &LiveRoom, user: &UserId, active: bool) {
        self.tell_typing_here(room, user, active);
        let hint = Hint::Typing {
            room: room.id.clone(),
            user: user.clone(),
            active,
        };
        relay::tell(self, room, &hint);
    }

    pub(crate) fn tell_typing_here(&self, room: &LiveRoom, user: &UserId, active: bool) {
        let event = Event::Typing {
            room: room.id.clone(),
            user: user.clone(),
            active,
        };
        let frame = Frame::from(event);
        for member in room.members().iter().filter(|member| *member != user) {
            self.hub.each(member, |link| link.send(frame.clone()));
        }
    }
}

/// Ends typing that was not renewed.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(shared.config.typing_expiry / 12);
    loop {
        tick.tick().await;
        let now = shared.clock.monotonic();
        let expired: Vec<_> = shared
            .typists
            .lock()
            .extract_if(|_, typist| typist.expires <= now)
            .collect();
        for ((_, user), typist) in expired {
            shared.tell_typing(&typist.room, &user, false);
        }
    }
}
