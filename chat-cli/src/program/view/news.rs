//! The view's part for news: of members and settings of the open room, and of all other rooms.

use std::sync::Arc;

use chat_cli::clean;
use chat_core::{Entry, EntryBody, Event, Mark, RoomId, RoomKind, RoomNews, UserId};

use super::{
    super::{happened::Act, shown::Shown},
    View,
};

impl View {
    /// Takes note of what an entry of the open room changes; `true` when it ends the user's membership.
    pub(super) fn changes(&mut self, entry: &Entry) -> bool {
        match &entry.body {
            EntryBody::Joined { user, .. } if *user != self.topic.me => {
                self.scene.readers.joined(user.clone(), entry.seq);
            }
            EntryBody::Left { user, .. } if *user != self.topic.me => {
                self.scene.readers.left(user);
                self.scene.typists.remove(user);
            }
            EntryBody::Left { .. } => {
                self.close_for_good();
                return true;
            }
            EntryBody::Room(change) => self.chats.changed(&entry.room, change),
            _ => {}
        }
        false
    }

    /// An entry in another room: it has arrived, but nobody sees it here.
    pub(super) fn elsewhere(&mut self, entry: Arc<Entry>) {
        let mark = Act::Mark(entry.room.clone(), Mark::Delivered, entry.seq);
        self.acts.push(mark);
        let me = &self.topic.me;
        let is_known = self.chats.label(&entry.room).is_some();
        if let Some(host) = self.arrivals.entry(me, &entry, is_known) {
            self.welcome(&entry.room, &host);
        }
        let me = &self.topic.me;
        let author = clean(entry.author.as_str()).into_owned();
        let label = self.chats.label(&entry.room).unwrap_or("another room");
        let note = match &entry.body {
            EntryBody::Message { .. } if entry.author == *me || !self.chats.is_news(&entry) => None,
            EntryBody::Message { .. } if entry.room.is_direct() => {
                Some(format!("{author} has written to you"))
            }
            EntryBody::Message { .. } => Some(format!("{author} has written in {label}")),
            EntryBody::Left { user, .. } if user == me => {
                // The user has left it here, if it is not known any more.
                let known = self.chats.label(&entry.room).is_some();
                let note = if entry.author == *me {
                    format!("you have left {label}")
                } else {
                    format!("{author} has removed you from {label}")
                };
                self.chats.forget(&entry.room);
                known.then_some(note)
            }
            EntryBody::Room(change) => {
                self.chats.changed(&entry.room, change);
                None
            }
            _ => None,
        };
        if let Some(note) = note.filter(|_| self.is_person()) {
            self.note(note);
        }
        if self.is_bot() {
            self.show(Shown::Entry {
                kind: RoomKind::default(),
                entry,
                past: false,
                state: None,
                was: None,
            });
        }
    }

    /// A room has come or gone, or is set in another way.
    pub(super) fn news(&mut self, event: Event) {
        match &event {
            Event::Room {
                why: RoomNews::Added,
                room,
            } => {
                self.chats.learn(&self.topic.me, room);
                let id = &room.room.id;
                if !self.is_here(id)
                    && let Some(host) = self.arrivals.added(&room.room)
                {
                    self.welcome(id, &host);
                }
            }
            Event::Room {
                why: RoomNews::Removed,
                room,
            } if !self.is_here(&room.room.id) => self.chats.forget(&room.room.id),
            Event::Room {
                why: RoomNews::Changed,
                room,
            } => self.chats.learn(&self.topic.me, room),
            Event::Me { room, me } => self.chats.set(room, *me),
            Event::Closed { room } if self.is_here(room) => self.close_for_good(),
            _ => {}
        }
        if self.is_bot() {
            self.show(Shown::News(Box::new(event)));
        }
    }

    /// Says who has let the user into a group or channel.
    fn welcome(&mut self, room: &RoomId, host: &UserId) {
        if *host != self.topic.me && !room.is_direct() && self.is_person() {
            let label = self.chats.label(room).unwrap_or("a room").to_owned();
            self.note(format!(
                "{host} has added you to {label}; /open {label} enters it"
            ));
        }
    }

    /// Shows how far the last own message has got in a group.
    pub(super) fn settle_readers(&mut self) {
        let messages = &self.scene.messages;
        let settled = self
            .scene
            .readers
            .settle(|upto| messages.last_own_upto(upto));
        if let Some((seq, state)) = settled
            && let Some(text) = self.scene.messages.text(seq)
        {
            let text = text.to_string();
            self.show(Shown::State { state, text });
        }
    }
}
