//! The view's part for the state of a room that is asked for when the room is opened, and after each
//! connect.

use chat_cli::RequestError;
use chat_core::{RoomView, UserId};
use tokio::time::Instant;

use super::{
    super::{
        answers::title,
        happened::{Act, Greeting, Topic},
        shown::Shown,
    },
    Connection, View, body,
};

impl View {
    pub(super) fn greet(&mut self) {
        let Some(here) = self.here.clone() else {
            return;
        };
        self.scene.greeting = true;
        let last = (!self.scene.greeted).then_some(self.topic.last);
        let read = self.chats.read(&here.room);
        self.acts.push(Act::Greet(here, last, read));
    }

    pub(super) fn greeted(&mut self, now: Instant, greeting: Greeting) {
        let Greeting { view, online, past } = greeting;
        let member = |user: &UserId| {
            let mut members = view.members.iter();
            members
                .find(|member| member.presence.user == *user)
                .cloned()
        };
        let peer = self.peer().and_then(member);
        let before = self.chats.read(&view.room.id);
        let read = member(&self.topic.me).map_or(before, |me| me.watermarks.read);
        self.scene.greeting = false;
        let first = !std::mem::replace(&mut self.scene.greeted, true);
        self.chats.view(&self.topic.me, &view.room, view.me);
        if let Some(peer) = &peer
            && !self.is_script()
        {
            self.scene.messages.raise(now, peer.watermarks);
        }
        if self.peer().is_none() {
            let others = view.members.iter();
            let others = others.filter(|member| member.presence.user != self.topic.me);
            let read = others.map(|other| (other.presence.user.clone(), other.watermarks.read));
            self.scene.readers.begin(read);
        }
        self.show_room(view, &online, first);
        if let Some(page) = past {
            let Topic { me, last, .. } = &self.topic;
            let (entries, unseen) = self.scene.past.begin(page, *last, me, read);
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
                self.entry(&entry, true);
            }
            self.scene.messages.caught_up();
            if let Some(count) = self.scene.more.take() {
                self.more(Some(count));
            }
        }
        if let Some(mut peer) = peer {
            if online.contains(&peer.presence.user) {
                // This was asked a moment later, when the other may have come.
                peer.presence.online = true;
                peer.presence.last_seen = None;
            }
            let (user, away) = (peer.presence.user.clone(), !peer.presence.online);
            self.presence(now, peer.presence);
            if first && away {
                self.alike(&user, &online);
            }
        }
    }

    /// Shows that the room is open, or connected again.
    fn show_room(&mut self, view: RoomView, online: &[UserId], first: bool) {
        let here = self.here.clone();
        if first && here != self.topic.start {
            let title = title(&self.topic.me, &view);
            self.note(title);
            if self.is_script() {
                self.show(Shown::Opened(Box::new(view)));
            }
        } else if first || self.is_script() {
            self.show(Shown::Connected {
                user: self.topic.me.clone(),
                peer: here.and_then(|here| here.peer),
                room: Some(view.room.id),
                online: Some(online.to_vec()),
            });
        } else {
            self.note("connected again");
        }
    }

    pub(super) fn not_greeted(&mut self, error: &RequestError) {
        self.scene.greeting = false;
        match error {
            RequestError::TimedOut if self.connection == Connection::Up => self.greet(),
            // Without a connection the greeting is asked for again after the next connect.
            RequestError::TimedOut | RequestError::Ended(_) => {}
            error => {
                self.scene.greeted = true;
                self.refused(body(error), None, None);
                if self.here != self.topic.start {
                    self.close();
                }
            }
        }
    }

    /// Names differ by case, and people don't always know.
    fn alike(&mut self, peer: &UserId, online: &[UserId]) {
        let me = &self.topic.me;
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
}
