//! The state of the screen. No input or output: [`update`](super::update) changes it, and
//! [`render`](super::render) shows it.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use chat_core::{RoomId, UserId};
use chrono::{DateTime, NaiveDateTime, Utc};
use tokio::time::Instant;

use super::{
    composer::Composer,
    happened::{Act, Ticket},
    inbox::Inbox,
    talk::{Item, Talk, What},
    theme::Theme,
};

/// The time for which a passing note stays.
const NOTE: Duration = Duration::from_secs(6);

/// The user, the server, the look and the clocks of the screen.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The user, if that is known before the server says so.
    pub(crate) me: Option<UserId>,
    /// The server's address, as people wrote it.
    pub(crate) server: String,
    pub(crate) theme: Theme,
    /// True if the terminal understands links (OSC 8).
    pub(crate) links: bool,
    /// The time on the user's clock.
    pub(crate) clock: fn(DateTime<Utc>) -> NaiveDateTime,
    /// The time now.
    pub(crate) now: fn() -> DateTime<Utc>,
}

/// The part of the screen that keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    Inbox,
    Messages,
    Composer,
}

/// The part that lies over the screen.
#[derive(Debug)]
pub(crate) enum Over {
    /// The keys and commands, from this row on.
    Help(usize),
    /// The search for a room: what is typed, and which of those found is picked.
    Rooms(Composer, usize),
    /// The search in what is loaded of the open room.
    Find(Composer),
    /// The question whether the selected message is to be taken back.
    Delete,
}

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Not yet.
    New,
    Up,
    /// None any more, for this reason.
    Down(String),
}

/// The state of the screen.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) settings: Settings,
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    pub(crate) connection: Connection,
    pub(crate) inbox: Inbox,
    pub(crate) online: BTreeSet<UserId>,
    pub(crate) talk: Option<Talk>,
    pub(crate) composer: Composer,
    /// The texts that were begun in other rooms.
    pub(crate) drafts: HashMap<RoomId, String>,
    pub(crate) focus: Focus,
    pub(crate) over: Option<Over>,
    /// The text that is searched for in the open room.
    pub(crate) find: String,
    pub(crate) members: Members,
    /// True if the user sees the terminal, as far as it says so.
    pub(crate) is_seen: bool,
    /// Own messages of rooms that are not open, which are in no log yet.
    pub(crate) waiting: Vec<(RoomId, Item)>,
    /// A note that passes.
    pub(crate) note: Option<(String, Instant)>,
    /// The texts that the program has shown without an open room.
    pub(crate) notes: Vec<String>,
    pub(super) tickets: Ticket,
    pub(super) acts: Vec<Act>,
    pub(super) outcome: Option<Outcome>,
    /// True if the inbox was asked for and has not come.
    pub(super) asks_inbox: bool,
}

/// The choice to show the members or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    /// Shown if there is room for them.
    Auto,
    Shown,
    Hidden,
}

/// The end of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The user has left.
    Left,
    /// With this number of messages, edits and deletions not sent.
    Unsent(usize),
    /// The server is gone, for this reason.
    Lost(String),
}

impl Model {
    pub(crate) fn new(settings: Settings, size: (u16, u16)) -> Self {
        Self {
            settings,
            size,
            connection: Connection::New,
            inbox: Inbox::default(),
            online: BTreeSet::new(),
            talk: None,
            composer: Composer::default(),
            drafts: HashMap::new(),
            focus: Focus::Inbox,
            over: None,
            find: String::new(),
            members: Members::Auto,
            is_seen: true,
            waiting: Vec::new(),
            note: None,
            notes: Vec::new(),
            tickets: 0,
            acts: Vec::new(),
            outcome: None,
            asks_inbox: false,
        }
    }

    pub(crate) fn me(&self) -> Option<&UserId> {
        self.settings.me.as_ref()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.connection == Connection::Up
    }

    /// The end of the program, once it has come.
    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    /// The time at which the model is to be called again.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        let typists = self.talk.iter().flat_map(|talk| talk.typists.values());
        let note = self.note.iter().map(|(_, until)| until);
        typists.chain(note).min().copied()
    }

    /// True if this is the open room.
    pub(crate) fn is_open(&self, room: &RoomId) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.room == *room)
    }

    /// Another room is open from now on, or none. What waits to be sent stays with its room.
    pub(super) fn set_talk(&mut self, talk: Option<Talk>) {
        let before = std::mem::replace(&mut self.talk, talk);
        if let Some(talk) = before {
            let pending = talk.items.into_iter().filter(Item::is_pending);
            self.waiting
                .extend(pending.map(|item| (talk.room.clone(), item)));
        }
        if let Some(talk) = &mut self.talk {
            let here = |(room, _): &mut (RoomId, Item)| *room == talk.room;
            let items = self.waiting.extract_if(.., here);
            talk.items.extend(items.map(|(_, item)| item));
        }
    }

    /// The own message that waits under this number.
    pub(super) fn pending(&mut self, number: Ticket) -> Option<&mut Item> {
        let open = self.talk.iter_mut().flat_map(|talk| &mut talk.items);
        let mut items = open.chain(self.waiting.iter_mut().map(|(_, item)| item));
        items.find(|item| matches!(&item.what, What::Pending { ticket, .. } if *ticket == number))
    }

    /// Shows a line for a moment.
    pub(super) fn notice(&mut self, now: Instant, text: impl Into<String>) {
        self.note = Some((text.into(), now + NOTE));
    }

    /// The messages of all rooms that are unread.
    pub(crate) fn unread(&self) -> u64 {
        self.inbox.rooms.iter().map(|room| room.unread).sum()
    }
}
