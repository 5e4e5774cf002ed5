//! Typing as the other members see it: they are notified now and then while a user types, and when it ends.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{hub::Hub, notify};
use crate::{
    engine::{
        log::follower::Follower,
        state::{hints::Hints, rooms::LiveRoom, typists::Typists},
        tasks::Task,
    },
    model::{Entry, EntryBody, UserId},
    port::Hint,
    time::Clock,
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
    /// Notes that a user is typing, and notifies the other members, but those in `quiet`, unless they were
    /// notified lately.
    pub(crate) fn begin_or_renew(
        &self,
        room: &Arc<LiveRoom>,
        user: &UserId,
        quiet: &Arc<HashSet<UserId>>,
    ) {
        let now = self.clock.monotonic();
        let expires = now + self.expiry;
        let typists = &self.typists;
        if typists.begin_or_renew(room, user, quiet, now, self.throttle, expires) {
            self.notify(room, user, true, quiet);
        }
    }

    fn notify(&self, room: &LiveRoom, user: &UserId, active: bool, quiet: &HashSet<UserId>) {
        notify::typing(&self.hub, room, user, active, quiet);
        self.hints.to_members(room, || Hint::Typing {
            room: room.id.clone(),
            user: user.clone(),
            active,
        });
    }
}

/// Ends typing that was not renewed; runs until the engine stops.
impl Task for Arc<Typing> {
    const NAME: &'static str = "typing";

    async fn run(&mut self) {
        let mut tick = tokio::time::interval(self.expiry / 12);
        loop {
            tick.tick().await;
            for (room, user, quiet) in self.typists.take_expired(self.clock.monotonic()) {
                self.notify(&room, &user, false, &quiet);
            }
        }
    }
}

/// A message is the end of typing it.
impl Follower for Arc<Typing> {
    fn published(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>, _: usize) {
        if matches!(entry.body, EntryBody::Message { .. })
            && let Some(quiet) = self.typists.end(&room.id, &entry.author)
        {
            self.notify(room, &entry.author, false, &quiet);
        }
    }
}
