//! The view's part for events and answers of the server.

use std::{sync::Arc, time::Duration};

use chat_cli::ClientEvent;
use chat_core::{Effect, Entry, EntryBody, Event, Mark, Presence, Seq, UserId};
use chrono::{DateTime, Local, Utc};
use tokio::time::Instant;

use super::{
    super::{
        happened::{Act, Outcome},
        messages::Messages,
        past::{More, Past},
        sentences::several,
        shown::{Shown, Status, presence_line},
    },
    Connection, View,
};

/// A wait for the next attempt to connect that is worth a line of its own.
const LONG: Duration = Duration::from_secs(5);

/// Entries that one `/more` shows.
pub(super) const MORE: usize = 50;

impl View {
    pub(super) fn event(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::Connected { user, .. } if user != self.topic.me => {
                let why = format!("the token is that of {user}, not of {}", self.topic.me);
                self.outcome = Some(Outcome::Lost(why));
            }
            ClientEvent::Connected { .. } => {
                self.connection = Connection::Up;
                if self.here.is_some() {
                    self.greet();
                }
                self.ask_rooms();
                self.status(Status::Nothing);
            }
            ClientEvent::Disconnected { reason, retry_in } => {
                self.disconnected(now, reason, retry_in);
            }
            ClientEvent::Entry(entry) if self.is_here(&entry.room) => self.entry(&entry, false),
            ClientEvent::Entry(entry) => self.elsewhere(entry),
            ClientEvent::Skipped { room, from, to } if self.is_here(&room) => {
                self.scene.past.skip(from, to);
                self.show(Shown::Skipped { from, to });
            }
            ClientEvent::Reset { room, epoch } if self.is_here(&room) => {
                self.scene.shown = Seq::ZERO;
                self.scene.messages = Messages::default();
                self.scene.past = Past::default();
                self.show(Shown::Reset { epoch });
            }
            ClientEvent::Event(event) => self.ephemeral(now, event),
            ClientEvent::Ended(error) => self.outcome = Some(Outcome::Lost(error.to_string())),
            _ => {}
        }
    }

    fn disconnected(&mut self, now: Instant, reason: String, retry_in: Duration) {
        let (since, shown) = match &self.connection {
            Connection::Up => (now, false),
            Connection::Down { since, why } => (*since, why.is_some()),
        };
        let why = Some(reason.clone());
        self.connection = Connection::Down { since, why };
        self.chats.whole = false;
        self.scene.typists.clear();
        self.status(Status::Offline);
        if !shown || self.is_script() {
            let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            self.show(Shown::Disconnected {
                reason,
                retry_in_ms,
            });
        } else if retry_in >= LONG {
            let wait = retry_in.as_secs();
            self.note(format!("still not connected, next attempt in {wait} s"));
        }
    }

    /// An event that is no entry, and may be missed.
    fn ephemeral(&mut self, now: Instant, event: Event) {
        match event {
            Event::Receipt {
                room,
                user,
                now: marks,
                ..
            } if self.is_here(&room) => {
                if self.peer() == Some(&user) && !self.is_script() {
                    self.scene.messages.raise(now, marks);
                } else if self.peer().is_none() && user != self.topic.me && !self.is_script() {
                    self.scene.readers.raise(now, user.clone(), marks.read);
                }
                self.show(Shown::Receipt { room, user, marks });
            }
            Event::Typing { room, user, active } if self.is_here(&room) => {
                self.typing(user.clone(), active);
                self.show(Shown::Typing { room, user, active });
            }
            Event::Presence(presence) if self.peer() == Some(&presence.user) => {
                self.presence(now, presence);
            }
            Event::Presence(presence) if self.is_bot() => self.show(Shown::Presence(presence)),
            event @ (Event::Room { .. } | Event::Me { .. } | Event::Closed { .. }) => {
                self.news(event);
            }
            Event::Announcement { text, .. } => {
                self.note(format!("announcement: {}", text.as_str()));
            }
            // A client that renews its login hears nothing of it.
            Event::Expiring { .. } if self.is_person() => {
                self.note("your token ends soon, and the connection with it");
            }
            _ => {}
        }
    }

    /// A member types, or has stopped.
    fn typing(&mut self, user: UserId, active: bool) {
        let typists = &mut self.scene.typists;
        if active {
            typists.insert(user);
        } else {
            typists.remove(&user);
        }
        let are = if typists.len() > 1 { "are" } else { "is" };
        let status = if typists.is_empty() {
            Status::Nothing
        } else {
            Status::Typing(format!("{} {are} typing...", several(&*typists)))
        };
        self.status(status);
    }

    /// The other user of a direct room.
    pub(super) fn peer(&self) -> Option<&UserId> {
        self.here.as_ref().and_then(|here| here.peer.as_ref())
    }

    pub(super) fn presence(&mut self, now: Instant, presence: Presence) {
        let shown = if self.is_script() {
            self.scene.peer.show(presence)
        } else {
            self.scene.peer.changed(now, presence)
        };
        if let Some(presence) = shown {
            self.show_presence(presence);
        }
    }

    pub(super) fn show_presence(&mut self, presence: Presence) {
        if self.is_script() {
            self.show(Shown::Presence(presence));
        } else {
            self.note(presence_line(&presence));
        }
    }

    pub(super) fn entry(&mut self, entry: &Arc<Entry>, past: bool) {
        if entry.seq <= self.scene.shown {
            return;
        }
        self.scene.shown = entry.seq;
        if entry.author != self.topic.me && !past {
            self.typing(entry.author.clone(), false);
        }
        self.show_entry(Arc::clone(entry), past);
        if past || !self.changes(entry) {
            self.mark();
        }
    }

    /// Everything up to the end of the screen has arrived, and is read unless something before it
    /// was never shown.
    fn mark(&mut self) {
        let Some(here) = &self.here else { return };
        let (room, seq) = (here.room.clone(), self.scene.shown);
        let mark = if self.scene.past.is_seen() {
            self.chats.raise(&room, seq);
            Mark::Read
        } else {
            Mark::Delivered
        };
        self.acts.push(Act::Mark(room, mark, seq));
    }

    fn show_entry(&mut self, entry: Arc<Entry>, past: bool) {
        let own = entry.author == self.topic.me;
        if let EntryBody::Joined { user, .. } = &entry.body
            && past
        {
            self.scene.readers.had_joined(user, entry.seq);
        }
        let mut state = None;
        if let EntryBody::Message { text, .. } = &entry.body {
            state = self.scene.messages.add(entry.seq, Arc::clone(text), own);
            if own && self.peer().is_none() {
                state = Some(self.scene.readers.state(entry.seq));
            }
        }
        let was = match entry.body.effect() {
            // The text of a message in the past is the one it has now.
            Effect::Replace { .. } | Effect::Erase { .. } if past && !self.is_script() => return,
            Effect::Replace { target, text } => self.scene.messages.edited(target, text),
            Effect::Erase { target } => self.scene.messages.deleted(target),
            Effect::None
            | Effect::Admit { .. }
            | Effect::Assign { .. }
            | Effect::Dismiss { .. }
            | Effect::Describe { .. } => {
                let target = entry.body.flatten().target;
                target.and_then(|target| self.scene.messages.text(target))
            }
        };
        self.day(entry.at);
        self.show(Shown::Entry {
            kind: self.chats.kind(&entry.room),
            entry,
            past,
            state,
            was,
        });
    }

    pub(super) fn more(&mut self, count: Option<usize>) {
        let count = count.unwrap_or(MORE);
        let Some(here) = &self.here else {
            self.misunderstood("no room is open; /open NAME opens one");
            return;
        };
        if !self.scene.greeted {
            self.scene.more = Some(count);
            return;
        }
        match self.scene.past.more(count) {
            More::Entries(entries) => self.earlier(entries),
            More::Ask(before) => {
                self.acts
                    .push(Act::AskEarlier(here.room.clone(), before, count));
            }
            More::Nothing => self.note("there are no earlier messages"),
        }
    }

    /// Shows entries that stand before those on the screen.
    pub(super) fn earlier(&mut self, entries: Vec<Arc<Entry>>) {
        self.note("earlier messages:");
        for entry in entries {
            self.show_entry(entry, true);
        }
        self.note("end of the earlier messages");
        self.scene.day = None;
        self.mark();
    }

    fn day(&mut self, at: DateTime<Utc>) {
        let day = at.with_timezone(&Local).date_naive();
        if self.scene.day.replace(day) != Some(day) && !self.is_script() {
            self.show(Shown::Day(at));
        }
    }
}
