//! The events and answers that come from the server.

use std::time::Duration;

use chat_cli::{ClientEvent, RequestError, clean};
use chat_core::{
    ClientMessageId, EntryBody, Event, HistoryPage, InboxPage, Mark, Notify, Presence, Reply,
    RoomId, RoomNews, Sent,
};
use tokio::time::Instant;

use super::super::{
    happened::{Act, Asked, Opening, Ticket},
    model::{Connection, Focus, Model, Outcome},
    talk::{Item, Older, What},
};
use crate::program::{answers::lines, chats::label};

/// The time after which a member whose client says nothing more types no longer.
const TYPING: Duration = Duration::from_secs(8);

impl Model {
    pub(super) fn event(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::Connected { user, .. } => match self.me() {
                Some(me) if *me != user => {
                    let why = format!("the token is that of {user}, not of {me}");
                    self.outcome = Some(Outcome::Lost(why));
                }
                _ => {
                    self.settings.me = Some(user);
                    self.connected();
                }
            },
            ClientEvent::Disconnected { reason, .. } => {
                self.connection = Connection::Down(reason);
                if let Some(talk) = &mut self.talk {
                    talk.typists.clear();
                }
            }
            ClientEvent::Entry(entry) => self.entry(now, &entry),
            ClientEvent::Skipped { room, .. } | ClientEvent::Reset { room, .. }
                if self.is_open(&room) =>
            {
                self.reload();
            }
            ClientEvent::Event(event) => self.ephemeral(now, event),
            ClientEvent::Ended(error) => self.outcome = Some(Outcome::Lost(error.to_string())),
            _ => {}
        }
    }

    fn connected(&mut self) {
        self.connection = Connection::Up;
        self.ask_inbox();
        self.acts.push(Act::Online);
        if let Some(talk) = &self.talk {
            // Its entries come by themselves, but not who has read them.
            let entries = (!talk.is_loaded()).then_some(0);
            let (room, peer) = (talk.room.clone(), talk.peer.clone());
            self.ask_room(room, peer, entries);
        }
    }

    fn ask_inbox(&mut self) {
        if !self.asks_inbox {
            self.asks_inbox = true;
            self.acts.push(Act::Inbox(None));
        }
    }

    fn entry(&mut self, now: Instant, entry: &std::sync::Arc<chat_core::Entry>) {
        let Some(me) = self.settings.me.clone() else {
            return;
        };
        let leaves = matches!(&entry.body, EntryBody::Left { user, .. } if *user == me);
        let delivered = Act::Mark(entry.room.clone(), Mark::Delivered, entry.seq);
        if leaves {
            self.left(now, entry);
        } else {
            if !self.inbox.entry(&me, entry) {
                self.ask_inbox();
            }
            self.acts.push(delivered);
        }
        if let Some(talk) = self.talk.as_mut().filter(|talk| talk.room == entry.room) {
            talk.entry(&me, entry);
            // One who has come is in the list of members only when it is asked for again.
            if talk.is_loaded() && matches!(entry.body, EntryBody::Joined { .. }) {
                let (room, peer) = (talk.room.clone(), talk.peer.clone());
                self.ask_room(room, peer, None);
            }
        } else if entry.author != me && matches!(entry.body, EntryBody::Message { .. }) {
            self.elsewhere(now, entry);
        }
    }

    /// A message in another room.
    fn elsewhere(&mut self, now: Instant, entry: &chat_core::Entry) {
        let Some(me) = self.me() else { return };
        let author = clean(entry.author.as_str());
        let known = self.inbox.get(&entry.room);
        let quiet = known.is_some_and(|room| {
            room.me.notify != Notify::All
                || room.me.muted_until.is_some_and(|until| until > entry.at)
        });
        if quiet {
            return;
        }
        let note = if entry.room.is_direct() {
            format!("{author} has written to you")
        } else {
            let name = known.map_or_else(|| "a new room".to_owned(), |room| label(me, &room.room));
            format!("{author} has written in {name}")
        };
        self.notice(now, note);
    }

    fn left(&mut self, now: Instant, entry: &chat_core::Entry) {
        let Some(me) = self.me() else { return };
        let room = self.inbox.get(&entry.room);
        let name = room.map_or_else(|| "the room".to_owned(), |room| label(me, &room.room));
        let note = if entry.author == *me {
            format!("you have left {name}")
        } else {
            format!(
                "{} has removed you from {name}",
                clean(entry.author.as_str())
            )
        };
        self.notice(now, note);
        self.closed(&entry.room);
    }

    /// The user is in a room no longer.
    fn closed(&mut self, room: &RoomId) {
        self.inbox.forget(room);
        self.drafts.remove(room);
        if self.is_open(room) {
            self.set_talk(None);
            self.waiting.retain(|(known, _)| known != room);
            self.composer.set("");
            self.composer.edits = None;
            self.focus = Focus::Inbox;
        }
    }

    fn ephemeral(&mut self, now: Instant, event: Event) {
        match event {
            Event::Receipt {
                room, user, now, ..
            } => {
                if Some(&user) == self.me() {
                    self.read_elsewhere(&room, now.read);
                }
                if let Some(talk) = self.talk.as_mut().filter(|talk| talk.room == room)
                    && let Some(member) = talk.member(&user)
                {
                    member.watermarks = member.watermarks.join(now);
                }
            }
            Event::Typing { room, user, active } => {
                if let Some(talk) = self.talk.as_mut().filter(|talk| talk.room == room) {
                    if active {
                        talk.typists.insert(user, now + TYPING);
                    } else {
                        talk.typists.remove(&user);
                    }
                }
            }
            Event::Presence(presence) => self.presence(presence),
            Event::Room {
                why: RoomNews::Removed,
                room,
            } => self.closed(&room.room.id),
            Event::Room { room, why } => {
                // Nobody says whether the other user is online until that changes.
                if why == RoomNews::Added && room.room.id.is_direct() {
                    self.acts.push(Act::Online);
                }
                self.inbox.learn(*room);
                self.recount();
            }
            Event::Me { room, me } => self.inbox.set(&room, me),
            Event::Closed { room } => self.closed(&room),
            Event::Announcement { text, .. } => {
                self.say(&format!("announcement: {}", text.as_str()));
            }
            _ => {}
        }
    }

    /// The user has read a room on another device.
    fn read_elsewhere(&mut self, room: &RoomId, read: chat_core::Seq) {
        let all = self.inbox.get(room).is_some_and(|known| {
            let last = known.last.as_ref();
            last.is_none_or(|last| last.seq <= read) && known.watermarks.read < read
        });
        if all && !self.is_open(room) {
            self.inbox.read(room, read, 0);
        }
    }

    fn presence(&mut self, presence: Presence) {
        if presence.online {
            self.online.insert(presence.user.clone());
        } else {
            self.online.remove(&presence.user);
        }
        if let Some(talk) = &mut self.talk
            && let Some(member) = talk.member(&presence.user)
        {
            member.presence = presence;
        }
    }

    pub(super) fn listed(
        &mut self,
        now: Instant,
        page: Result<InboxPage, RequestError>,
        first: bool,
    ) {
        self.asks_inbox = false;
        match page {
            Ok(page) => {
                let more = page.next.clone();
                self.inbox.take(page, first);
                if let Some(more) = more {
                    self.asks_inbox = true;
                    self.acts.push(Act::Inbox(Some(more)));
                }
                if self.inbox.picked.is_none() {
                    self.inbox.picked = self.inbox.step(None, false).cloned();
                }
                self.recount();
            }
            Err(error) => self.failed(now, &error),
        }
    }

    /// Of the open room it is known here what is unread.
    fn recount(&mut self) {
        if let Some(talk) = self.talk.as_ref().filter(|talk| talk.is_loaded()) {
            let unread = super::unread(talk, self.settings.me.as_ref());
            self.inbox.read(&talk.room, talk.read, unread);
        }
    }

    pub(super) fn opened(
        &mut self,
        now: Instant,
        room: &RoomId,
        result: Result<Box<Opening>, RequestError>,
    ) {
        let Some(me) = self.settings.me.clone() else {
            return;
        };
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.room == *room) else {
            return;
        };
        match result {
            Ok(opening) => {
                let Opening { view, past } = *opening;
                let begins = past.is_some();
                let known = self.inbox.get(room).map(|known| known.watermarks.read);
                let large = view.members.is_empty();
                for member in view.members.iter().filter(|member| member.presence.online) {
                    self.online.insert(member.presence.user.clone());
                }
                talk.open(&me, known.unwrap_or_default(), view, past);
                if large {
                    self.say("the room is large: /members lists its members");
                }
                if begins {
                    self.begin();
                }
            }
            Err(error) => {
                if !talk.is_loaded() && !matches!(error, RequestError::TimedOut) {
                    self.set_talk(None);
                    self.focus = Focus::Inbox;
                }
                self.failed(now, &error);
            }
        }
    }

    /// Shows the beginning of what is unread, or the end.
    fn begin(&mut self) {
        if let Some(first) = self.rows().and_then(|(rows, _)| rows.first_unread()) {
            self.show_item(first, true);
        }
    }

    pub(super) fn earlier(
        &mut self,
        now: Instant,
        room: &RoomId,
        result: Result<HistoryPage, RequestError>,
    ) {
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.room == *room) else {
            return;
        };
        match result {
            Ok(page) => talk.earlier(&page),
            Err(error) => {
                talk.older = Older::Some;
                self.failed(now, &error);
            }
        }
    }

    pub(super) fn replied(
        &mut self,
        now: Instant,
        asked: Asked,
        result: Result<Reply, RequestError>,
    ) {
        let Some(me) = self.settings.me.clone() else {
            return;
        };
        match (asked.join, result) {
            (_, Err(error)) => self.failed(now, &error),
            (Some(name), Ok(Reply::Directory(found))) => self.join(now, &name, &found),
            (_, Ok(reply)) => {
                for line in lines(&me, &asked.command, &reply) {
                    self.say(&line);
                }
                match reply {
                    Reply::Room(view)
                        if !matches!(asked.command, chat_core::Command::ViewRoom(_)) =>
                    {
                        self.enter(view.room.id);
                    }
                    Reply::Inbox(page) => {
                        let names: Vec<_> = page
                            .rooms
                            .iter()
                            .map(|known| label(&me, &known.room))
                            .collect();
                        self.say(&match &names[..] {
                            [] => "there are no such rooms".to_owned(),
                            names => format!("rooms: {}", names.join(", ")),
                        });
                    }
                    Reply::Me(set) => {
                        if let chat_core::Command::SetMe(command) = &asked.command {
                            self.inbox.set(&command.room, set);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    pub(super) fn queued(&mut self, number: Ticket, id: Option<ClientMessageId>) {
        if let Some(item) = self.pending(number)
            && let What::Pending { client_id, .. } = &mut item.what
        {
            *client_id = id;
        }
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        number: Ticket,
        result: Result<Sent, RequestError>,
    ) {
        let Err(error) = result else {
            let done =
                |item: &Item| matches!(item.what, What::Pending { ticket, .. } if ticket == number);
            self.waiting.retain(|(_, item)| !done(item));
            return;
        };
        let why = error.to_string();
        if let Some(item) = self.pending(number)
            && let What::Pending { refused, .. } = &mut item.what
        {
            *refused = Some(why);
        } else {
            self.failed(now, &error);
        }
    }

    /// Says that something was not done.
    fn failed(&mut self, now: Instant, error: &RequestError) {
        let wait = error
            .retry_after()
            .map(|wait| wait.as_millis().div_ceil(1_000));
        let wait = wait.map_or_else(String::new, |wait| format!(" (wait {wait} s)"));
        self.notice(now, format!("refused: {}{wait}", clean(&error.to_string())));
    }

    /// Says something that stays, in the open room if there is one.
    pub(super) fn say(&mut self, text: &str) {
        let at = (self.settings.now)();
        match (&mut self.talk, &self.settings.me) {
            (Some(talk), Some(me)) => talk.push(me, at, What::Note(text.to_owned())),
            _ => self.notes.push(clean(text).into_owned()),
        }
    }
}
