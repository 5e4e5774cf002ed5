//! The view's part for events and answers of the server.

use std::{sync::Arc, time::Duration};

use chat_cli::{ClientEvent, RequestError};
use chat_core::{Effect, Entry, EntryBody, Event, Mark, Presence, Seq, UserId};
use chrono::{DateTime, Local, Utc};
use tokio::time::Instant;

use super::{
    super::{
        happened::{Act, Greeting, Outcome, Topic},
        messages::Messages,
        past::{More, Past},
        shown::{Shown, Status, presence_line},
    },
    Connection, View, body,
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
                self.greet();
                self.status(Status::Nothing);
            }
            ClientEvent::Disconnected { reason, retry_in } => {
                self.disconnected(now, reason, retry_in);
            }
            ClientEvent::Entry(entry) if entry.room == self.topic.room => self.entry(entry, false),
            ClientEvent::Entry(entry) => self.elsewhere(&entry),
            ClientEvent::Skipped { room, from, to } if room == self.topic.room => {
                self.past.skip(from, to);
                self.show(Shown::Skipped { from, to });
            }
            ClientEvent::Reset { room, epoch } if room == self.topic.room => {
                self.shown = Seq::ZERO;
                self.messages = Messages::default();
                self.past = Past::default();
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

    /// A message in another room: it has arrived, but nobody sees it here.
    fn elsewhere(&mut self, entry: &Entry) {
        let mark = Act::Mark(entry.room.clone(), Mark::Delivered, entry.seq);
        self.acts.push(mark);
        let is_message = matches!(entry.body, EntryBody::Message { .. });
        if is_message && entry.author != self.topic.me && self.is_person() {
            self.note(format!("{} has written to you", entry.author));
        }
    }

    fn ephemeral(&mut self, now: Instant, event: Event) {
        match event {
            Event::Receipt {
                room,
                user,
                now: marks,
                ..
            } if room == self.topic.room => {
                if user == self.topic.peer && !self.is_script() {
                    self.messages.raise(now, marks);
                }
                self.show(Shown::Receipt { room, user, marks });
            }
            Event::Typing { room, user, active } if room == self.topic.room => {
                self.status(if active {
                    Status::Typing
                } else {
                    Status::Nothing
                });
                self.show(Shown::Typing { room, user, active });
            }
            Event::Presence(presence) if presence.user == self.topic.peer => {
                self.presence(now, presence);
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

    fn presence(&mut self, now: Instant, presence: Presence) {
        let shown = if self.is_script() {
            self.peer.show(presence)
        } else {
            self.peer.changed(now, presence)
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

    fn greet(&mut self) {
        self.greeting = true;
        let last = (!self.greeted).then_some(self.topic.last);
        self.acts.push(Act::Greet(last));
    }

    pub(super) fn greeted(&mut self, now: Instant, greeting: Greeting) {
        let Greeting { view, online, past } = greeting;
        let member = |user: &UserId| {
            let mut members = view.members.iter();
            members
                .find(|member| member.presence.user == *user)
                .cloned()
        };
        let peer = member(&self.topic.peer);
        let read = member(&self.topic.me).map_or(Seq::ZERO, |me| me.watermarks.read);
        self.greeting = false;
        let first = !std::mem::replace(&mut self.greeted, true);
        if let Some(peer) = &peer
            && !self.is_script()
        {
            self.messages.raise(now, peer.watermarks);
        }
        if first || self.is_script() {
            self.show(Shown::Connected {
                user: self.topic.me.clone(),
                peer: self.topic.peer.clone(),
                room: self.topic.room.clone(),
                online: online.clone(),
            });
        } else {
            self.note("connected again");
        }
        if let Some(page) = past {
            let Topic { me, last, .. } = &self.topic;
            let (entries, unseen) = self.past.begin(page, *last, me, read);
            if let Some(unseen) = unseen {
                let more_than = if unseen.more { "more than " } else { "" };
                let how = if self.is_person() {
                    ", /more shows them"
                } else {
                    ", not shown"
                };
                let count = unseen.count;
                self.note(format!("{more_than}{count} earlier unread messages{how}"));
            }
            for entry in entries {
                self.entry(entry, true);
            }
            self.messages.caught_up();
            if let Some(count) = self.more.take() {
                self.more(Some(count));
            }
        }
        if let Some(mut peer) = peer {
            if online.contains(&self.topic.peer) {
                // This was asked a moment later, when the other may have come.
                peer.presence.online = true;
                peer.presence.last_seen = None;
            }
            let away = !peer.presence.online;
            self.presence(now, peer.presence);
            if first && away {
                self.alike(&online);
            }
        }
    }

    pub(super) fn not_greeted(&mut self, error: &RequestError) {
        self.greeting = false;
        match error {
            RequestError::TimedOut if self.connection == Connection::Up => self.greet(),
            // Without a connection the greeting is asked for again after the next connect.
            RequestError::TimedOut | RequestError::Ended(_) => {}
            error => {
                self.greeted = true;
                self.refused(body(error), None, None);
            }
        }
    }

    /// Names differ by case, and people don't always know.
    fn alike(&mut self, online: &[UserId]) {
        let Topic { me, peer, .. } = &self.topic;
        let folded = peer.as_str().to_lowercase();
        let notes: Vec<String> = online
            .iter()
            .filter(|user| *user != peer && *user != me && user.as_str().to_lowercase() == folded)
            .map(|user| format!("but {user} is online, and is somebody else than {peer}"))
            .collect();
        for note in notes {
            self.note(note);
        }
    }

    fn entry(&mut self, entry: Arc<Entry>, past: bool) {
        if entry.seq <= self.shown {
            return;
        }
        self.shown = entry.seq;
        if entry.author != self.topic.me && !past {
            self.status(Status::Nothing);
        }
        self.show_entry(entry, past);
        self.mark();
    }

    /// Everything up to the end of the screen has arrived, and is read unless something before it
    /// was never shown.
    fn mark(&mut self) {
        let mark = if self.past.is_seen() {
            Mark::Read
        } else {
            Mark::Delivered
        };
        let room = self.topic.room.clone();
        self.acts.push(Act::Mark(room, mark, self.shown));
    }

    fn show_entry(&mut self, entry: Arc<Entry>, past: bool) {
        let own = entry.author == self.topic.me;
        let mut state = None;
        if let EntryBody::Message { text, .. } = &entry.body {
            state = self.messages.add(entry.seq, Arc::clone(text), own);
        }
        let was = match entry.body.effect() {
            // The text of a message in the past is the one it has now.
            Effect::Replace { .. } | Effect::Erase { .. } if past && !self.is_script() => return,
            Effect::Replace { target, text } => self.messages.edited(target, text),
            Effect::Erase { target } => self.messages.deleted(target),
            Effect::None
            | Effect::Admit { .. }
            | Effect::Assign { .. }
            | Effect::Dismiss { .. } => {
                let target = entry.body.flatten().target;
                target.and_then(|target| self.messages.text(target))
            }
        };
        self.day(entry.at);
        self.show(Shown::Entry {
            entry,
            past,
            state,
            was,
        });
    }

    pub(super) fn more(&mut self, count: Option<usize>) {
        let count = count.unwrap_or(MORE);
        if !self.greeted {
            self.more = Some(count);
            return;
        }
        match self.past.more(count) {
            More::Entries(entries) => self.earlier(entries),
            More::Ask(before) => self.acts.push(Act::AskEarlier(before, count)),
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
        self.day = None;
        self.mark();
    }

    fn day(&mut self, at: DateTime<Utc>) {
        let day = at.with_timezone(&Local).date_naive();
        if self.day.replace(day) != Some(day) && !self.is_script() {
            self.show(Shown::Day(at));
        }
    }
}
