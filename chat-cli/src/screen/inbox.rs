//! The user's rooms: their order, what is unread in them, and which is picked. No input or output.

use std::sync::Arc;

use chat_core::{
    Entry, EntryBody, InboxPage, InboxPlace, InboxRoom, Me, RoomId, Seq, UNREAD_CAP, UserId,
};

use crate::program::chats::label;

/// The rooms that are known.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Pinned rooms first, then the one with the newest message.
    pub(crate) rooms: Vec<InboxRoom>,
    /// The place at which the next page of the list begins.
    pub(crate) next: Option<InboxPlace>,
    /// The room that a key would open.
    pub(crate) picked: Option<RoomId>,
    /// True if the list has come.
    pub(crate) is_loaded: bool,
}

impl Inbox {
    /// Takes a page of the list; the first one begins it anew.
    pub(crate) fn take(&mut self, page: InboxPage, first: bool) {
        if first {
            self.rooms.clear();
            self.is_loaded = true;
        }
        for room in page.rooms {
            self.rooms.retain(|known| known.room.id != room.room.id);
            self.rooms.push(room);
        }
        self.next = page.next;
        self.sort();
    }

    /// Takes one room; one that is hidden is not listed.
    pub(crate) fn learn(&mut self, room: InboxRoom) {
        self.rooms.retain(|known| known.room.id != room.room.id);
        self.rooms.extend(Some(room).filter(|room| !room.me.hidden));
        self.sort();
    }

    pub(crate) fn forget(&mut self, room: &RoomId) {
        self.rooms.retain(|known| known.room.id != *room);
    }

    pub(crate) fn get(&self, room: &RoomId) -> Option<&InboxRoom> {
        self.rooms.iter().find(|known| known.room.id == *room)
    }

    fn change(&mut self, room: &RoomId, change: impl FnOnce(&mut InboxRoom)) {
        let mut rooms = self.rooms.iter_mut();
        if let Some(known) = rooms.find(|known| known.room.id == *room) {
            change(known);
            self.sort();
        }
    }

    /// The user has the room set so.
    pub(crate) fn set(&mut self, room: &RoomId, me: Me) {
        self.change(room, |known| known.me = me);
        if me.hidden {
            self.forget(room);
        }
    }

    /// The user has read everything up to there, and so this number of messages is left.
    pub(crate) fn read(&mut self, room: &RoomId, seq: Seq, unread: u64) {
        self.change(room, |known| {
            known.watermarks.read = known.watermarks.read.max(seq);
            known.unread = unread;
            known.mentions = known.mentions.min(unread);
        });
    }

    /// Takes an entry; `false` if its room is not known.
    pub(crate) fn entry(&mut self, me: &UserId, entry: &Arc<Entry>) -> bool {
        let known = self.get(&entry.room).is_some();
        self.change(&entry.room, |known| match &entry.body {
            EntryBody::Message { .. } if entry.seq > known.room.head => {
                known.room.head = entry.seq;
                known.active_at = entry.at;
                known.last = Some(Arc::clone(entry));
                known.me.hidden = false;
                if entry.author != *me {
                    known.unread = (known.unread + 1).min(UNREAD_CAP);
                }
            }
            EntryBody::Room(change) => known.room.details = known.room.details.changed(change),
            _ => {}
        });
        known
    }

    /// The room before or after the one that is picked, or after `here`.
    pub(crate) fn step(&self, from: Option<&RoomId>, back: bool) -> Option<&RoomId> {
        let last = self.rooms.len().checked_sub(1)?;
        let at = from.and_then(|room| self.rooms.iter().position(|known| known.room.id == *room));
        let at = match (at, back) {
            (None, false) => 0,
            (None, true) => last,
            (Some(at), false) => (at + 1).min(last),
            (Some(at), true) => at.saturating_sub(1),
        };
        Some(&self.rooms[at].room.id)
    }

    /// The first room in which something is unread.
    pub(crate) fn unread(&self) -> Option<&RoomId> {
        let mut rooms = self.rooms.iter();
        rooms
            .find(|known| known.unread > 0)
            .map(|known| &known.room.id)
    }

    /// All rooms whose names hold the text, in upper or lower case; those that begin with it come first.
    pub(crate) fn search(&self, me: &UserId, text: &str) -> Vec<RoomId> {
        let folded = text.to_lowercase();
        let labels = self.rooms.iter().map(|known| {
            let label = label(me, &known.room).to_lowercase();
            (label.find(&folded), &known.room.id)
        });
        let mut found: Vec<_> = labels
            .filter_map(|(at, room)| Some((at? != 0, room.clone())))
            .collect();
        found.sort_by_key(|(inside, _)| *inside);
        found.into_iter().map(|(_, room)| room).collect()
    }

    fn sort(&mut self) {
        self.rooms.sort_by(|a, b| {
            let by_pin = b.me.pinned.cmp(&a.me.pinned);
            let by_time = b.active_at.cmp(&a.active_at);
            by_pin.then(by_time).then_with(|| a.room.id.cmp(&b.room.id))
        });
    }
}
