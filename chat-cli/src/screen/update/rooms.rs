//! The choice of the open room.

use chat_core::{Command, Directory, RoomId, UserId, command};
use tokio::time::Instant;

use super::super::{
    happened::{Act, Asked},
    model::{Focus, Model},
    talk::Talk,
};
use crate::program::{chats::label, command::Which};

/// Entries that are loaded when a room is opened; more where more are unread.
const ENTRIES: usize = 60;

/// Entries that a server gives at once.
const MOST: usize = 200;

impl Model {
    /// Opens a room, and keeps what was begun in the one before.
    pub(super) fn enter(&mut self, room: RoomId) {
        self.focus = Focus::Composer;
        self.inbox.picked = Some(room.clone());
        if self.is_open(&room) {
            return;
        }
        let Some(me) = self.settings.me.clone() else {
            return;
        };
        if let Some(talk) = &self.talk {
            let draft = self.composer.text().to_owned();
            if self.composer.edits.is_some() || draft.trim().is_empty() {
                self.drafts.remove(&talk.room);
            } else {
                self.drafts.insert(talk.room.clone(), draft);
            }
        }
        self.composer.edits = None;
        let draft = self.drafts.get(&room).cloned();
        self.composer.set(&draft.unwrap_or_default());
        self.find.clear();
        let unread = self.inbox.get(&room).map_or(0, |known| known.unread);
        let unread = usize::try_from(unread).unwrap_or(MOST);
        let peer = room.peer_of(&me);
        self.set_talk(Some(Talk::new(room.clone(), peer.clone())));
        if self.is_up() {
            self.ask_room(room, peer, Some(unread.clamp(ENTRIES, MOST)));
        }
    }

    pub(super) fn ask_room(&mut self, room: RoomId, peer: Option<UserId>, entries: Option<usize>) {
        let entries = entries.map(|entries| entries.max(ENTRIES));
        self.acts.push(Act::Open {
            room,
            peer,
            entries,
        });
    }

    /// Loads the open room anew: its log has a gap, or began again.
    pub(super) fn reload(&mut self) {
        if let Some(talk) = &self.talk {
            let (room, peer) = (talk.room.clone(), talk.peer.clone());
            self.set_talk(Some(Talk::new(room.clone(), peer.clone())));
            self.ask_room(room, peer, Some(ENTRIES));
        }
    }

    /// Opens the room that somebody has named.
    pub(super) fn open(&mut self, now: Instant, which: Which) {
        let Some(me) = self.settings.me.clone() else {
            return;
        };
        let room = match which {
            Which::Room(room) => Ok(room),
            Which::User(user) => RoomId::direct(&me, &user).map_err(|error| error.to_string()),
            Which::Name(name) => match self.called(&me, &name) {
                Some(room) => Ok(room),
                None => UserId::new(&name)
                    .and_then(|user| RoomId::direct(&me, &user))
                    .map_err(|error| error.to_string()),
            },
        };
        match room {
            Ok(room) => self.enter(room),
            Err(why) => self.notice(now, why),
        }
    }

    /// The room that is called so, has this id, or stands at this place in the list.
    fn called(&self, me: &UserId, name: &str) -> Option<RoomId> {
        let folded = name.to_lowercase();
        let rooms = || self.inbox.rooms.iter().map(|known| &known.room);
        let exactly = rooms().find(|room| label(me, room) == name || room.id.as_str() == name);
        let alike = || rooms().find(|room| label(me, room).to_lowercase() == folded);
        let place = || {
            name.parse()
                .ok()
                .and_then(|place: usize| place.checked_sub(1))
        };
        let placed = || rooms().nth(place()?);
        let room = exactly.or_else(alike).or_else(placed);
        room.map(|room| room.id.clone())
    }

    /// Joins the channel of this name that was found.
    pub(super) fn join(&mut self, now: Instant, name: &str, found: &Directory) {
        let folded = name.to_lowercase();
        let rooms = found.rooms.iter();
        let ids: Vec<_> = rooms
            .filter(|room| room.details.name.folded() == folded)
            .map(|room| room.id.clone())
            .collect();
        match (&ids[..], RoomId::new(name)) {
            ([one], _) => self.ask(command::Join { room: one.clone() }),
            ([], Ok(room)) => self.ask(command::Join { room }),
            ([], Err(_)) => self.notice(now, format!("no channel is called {name}")),
            _ => self.notice(
                now,
                format!("several channels are called {name}: /find {name} shows their ids"),
            ),
        }
    }

    pub(super) fn ask(&mut self, command: impl Into<Command>) {
        let command = command.into();
        self.acts.push(Act::Ask(Box::new(Asked {
            command,
            join: None,
        })));
    }
}
