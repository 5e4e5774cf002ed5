//! Publishing: entries go out to the devices of this node, room by room in the order of their numbers.
//!
//! Only the sequencer's task publishes, so that order needs no lock.

use std::sync::Arc;

use super::follower::Followers;
use crate::{
    engine::{
        deliver::{device::Device, hub::Hub},
        state::{rooms::LiveRoom, standings::Standings},
    },
    model::{Effect, Entry, Page, Seq},
    port::Store,
    time::Clock,
    wire::{Event, Frame},
};

#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) followers: Followers,
    pub(crate) standings: Arc<Standings>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How far a room could be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Reached {
    /// As far as it was to be.
    Wanted,
    /// The store does not show all of it. After a fail-over it may not show for a moment what it has.
    Less,
    /// The store could not be read.
    Unreadable,
}

impl Publisher {
    /// Publishes an entry, after those before it that have not been published yet.
    pub(crate) async fn publish(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) -> Reached {
        let mut reached = Reached::Wanted;
        if entry.seq > room.published().next() {
            reached = self.publish_up_to(room, Seq(entry.seq.0 - 1)).await;
        }
        self.publish_if_next(room, entry);
        reached
    }

    /// Publishes what the store has up to `head`, in order.
    pub(crate) async fn publish_up_to(&self, room: &Arc<LiveRoom>, head: Seq) -> Reached {
        const PAGE: usize = 200;
        while room.published() < head {
            let page = Page::After(room.published());
            match self.store.page(&room.id, page, PAGE).await {
                Ok(entries) if entries.is_empty() => return Reached::Less,
                Ok(entries) => {
                    for entry in entries {
                        self.send(room, &entry);
                    }
                }
                Err(_) => return Reached::Unreadable,
            }
        }
        Reached::Wanted
    }

    /// Publishes an entry if it is the next one of its room.
    pub(crate) fn publish_if_next(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        if entry.seq == room.published().next() {
            self.send(room, entry);
        }
    }

    /// Sends an entry to all devices of all members: one frame, encoded once; an edit of
    /// what a member may not read goes to that member without its text.
    fn send(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        room.set_published(entry.seq);
        room.apply(entry);
        let frame = Frame::from(Event::Entry(Arc::clone(entry)));
        // A member who is banned is out already; the end of the membership may be on its way.
        let banned = self.standings.banned_in(room, self.clock.now());
        let mut silent = None;
        let mut devices = 0;
        room.each_reader(|member, first| {
            if banned.contains(member) {
                return;
            }
            let frame = if entry.tells_of_before(first) {
                let of = || Frame::from(Event::Entry(Arc::new(entry.without_text())));
                silent.get_or_insert_with(of)
            } else {
                &frame
            };
            self.hub.each(member, |device| {
                device.send_entry(&room.id, entry.seq, frame);
                devices += 1;
            });
        });
        // A member who has left is sent this as the last entry.
        if let Effect::Dismiss { user } = entry.body.effect() {
            let last = |device: &Device| device.send_entry(&room.id, entry.seq, &frame);
            self.hub.each(user, last);
        }
        for follower in &*self.followers {
            follower.published(room, entry, devices);
        }
    }
}
