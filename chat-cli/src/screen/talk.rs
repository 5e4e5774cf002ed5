//! The open room: its entries as far as they are loaded, its members, and which part is shown. No input or
//! output.

use std::{collections::BTreeMap, sync::Arc};

use chat_core::{
    ClientMessageId, Effect, Entry, EntryBody, HistoryPage, MemberView, Room, RoomId, RoomKind,
    RoomView, Seq, UserId,
};
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::happened::Ticket;
use crate::program::sentences::sentence;

/// Items that are kept; the oldest are forgotten, and can be loaded again.
const KEPT: usize = 5_000;

/// One thing in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) author: UserId,
    pub(crate) at: DateTime<Utc>,
    /// The number of the entry; absent for what is in no log.
    pub(crate) seq: Option<Seq>,
    pub(crate) what: What,
}

/// The content of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Message {
        text: Arc<str>,
        edited: bool,
    },
    Deleted,
    /// The act of the author, as a sentence after the author's name.
    Event(String),
    /// A text of the program, such as the answer to a command.
    Note(String),
    /// An own message that is not in the log yet.
    Pending {
        ticket: Ticket,
        client_id: Option<ClientMessageId>,
        text: Arc<str>,
        /// The reason why it was refused.
        refused: Option<String>,
    },
}

/// The state of the entries before the first one that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Older {
    Some,
    Asked,
    None,
}

/// The lowest row that is shown: a row of an item, both counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) item: usize,
    pub(crate) row: usize,
}

/// The open room.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) room: RoomId,
    pub(crate) peer: Option<UserId>,
    /// The room as the server has it, once it has said so.
    pub(crate) about: Option<Room>,
    /// At most 100; empty for a larger room.
    pub(crate) members: Vec<MemberView>,
    pub(crate) items: Vec<Item>,
    pub(crate) older: Older,
    /// The number of the newest entry that has come.
    pub(crate) head: Seq,
    /// The last entry that the user has read, now and when the room was opened.
    pub(crate) read: Seq,
    pub(crate) was_read: Seq,
    /// The members who are typing, each until then.
    pub(crate) typists: BTreeMap<UserId, Instant>,
    /// The lowest row that is shown; the last one of all without it.
    pub(crate) place: Option<Place>,
    /// The message that a key would act on.
    pub(crate) selected: Option<usize>,
    /// Messages that came below what is shown.
    pub(crate) below: usize,
    /// Entries that came before the past did.
    early: Vec<Arc<Entry>>,
}

impl Talk {
    pub(crate) fn new(room: RoomId, peer: Option<UserId>) -> Self {
        Self {
            room,
            peer,
            about: None,
            members: Vec::new(),
            items: Vec::new(),
            older: Older::Asked,
            head: Seq::ZERO,
            read: Seq::ZERO,
            was_read: Seq::ZERO,
            typists: BTreeMap::new(),
            place: None,
            selected: None,
            below: 0,
            early: Vec::new(),
        }
    }

    /// True if the past has come.
    pub(crate) fn is_loaded(&self) -> bool {
        self.about.is_some()
    }

    /// Takes the room as the server has it, and its newest entries if they were asked for.
    pub(crate) fn open(
        &mut self,
        me: &UserId,
        read: Seq,
        view: RoomView,
        past: Option<HistoryPage>,
    ) {
        let own = |member: &&MemberView| member.presence.user == *me;
        let known = view.members.iter().find(own);
        let read = known.map_or(read, |member| member.watermarks.read);
        self.members = view.members;
        let kind = view.room.kind;
        self.about = Some(view.room);
        self.read = self.read.max(read);
        if let Some(page) = past {
            self.was_read = read;
            self.older = older(&page);
            let early = std::mem::take(&mut self.early);
            for entry in page.entries.iter().chain(&early) {
                self.add(me, entry, kind);
            }
        }
    }

    /// Takes an entry; `true` if it is a message of another user that is new.
    pub(crate) fn entry(&mut self, me: &UserId, entry: &Arc<Entry>) -> bool {
        let Some(about) = &self.about else {
            self.early.push(Arc::clone(entry));
            return false;
        };
        let kind = about.kind;
        self.typists.remove(&entry.author);
        let new = self.add(me, entry, kind);
        self.change_members(entry);
        new
    }

    fn add(&mut self, me: &UserId, entry: &Arc<Entry>, kind: RoomKind) -> bool {
        if entry.seq <= self.head {
            return false;
        }
        self.head = entry.seq;
        match entry.body.effect() {
            Effect::Replace { target, text } => self.replace(target, Some(text)),
            Effect::Erase { target } => self.replace(target, None),
            Effect::None
            | Effect::Admit { .. }
            | Effect::Assign { .. }
            | Effect::Dismiss { .. }
            | Effect::Describe { .. } => {}
        }
        let Some(item) = item(entry, kind) else {
            return false;
        };
        let is_message = matches!(item.what, What::Message { .. });
        self.items.retain(|item| !item.is_pending_as(entry));
        let at = self.items.iter().position(Item::is_pending);
        self.items.insert(at.unwrap_or(self.items.len()), item);
        if self.place.is_some() && is_message {
            self.below += 1;
        }
        if self.place.is_none() && self.selected.is_none() && self.items.len() > KEPT {
            self.items.drain(..self.items.len() - KEPT);
            self.older = Older::Some;
        }
        is_message && entry.author != *me
    }

    /// Gives a message another text, or none any more.
    fn replace(&mut self, target: Seq, new: Option<&Arc<str>>) {
        let mut items = self.items.iter_mut();
        if let Some(item) = items.find(|item| item.seq == Some(target)) {
            item.what = match new {
                Some(text) => What::Message {
                    text: Arc::clone(text),
                    edited: true,
                },
                None => What::Deleted,
            };
        }
    }

    /// Takes earlier entries.
    pub(crate) fn earlier(&mut self, page: &HistoryPage) {
        self.older = older(page);
        let kind = self
            .about
            .as_ref()
            .map_or_else(Default::default, |room| room.kind);
        let first = self.items.iter().find_map(|item| item.seq);
        let before = page.entries.iter();
        let before = before.filter(|entry| first.is_none_or(|first| entry.seq < first));
        let items: Vec<Item> = before.filter_map(|entry| item(entry, kind)).collect();
        let count = items.len();
        self.items.splice(..0, items);
        if let Some(place) = &mut self.place {
            place.item += count;
        }
        self.selected = self.selected.map(|at| at + count);
    }

    /// The number before which earlier entries are asked for, if there are any and none are on their way.
    pub(crate) fn ask_earlier(&mut self) -> Option<Seq> {
        let first = self.items.iter().find_map(|item| item.seq)?;
        let ask = self.is_loaded() && self.older == Older::Some;
        ask.then(|| {
            self.older = Older::Asked;
            first
        })
    }

    /// Puts something that is in no log at the end.
    pub(crate) fn push(&mut self, author: &UserId, at: DateTime<Utc>, what: What) {
        let author = author.clone();
        self.items.push(Item {
            author,
            at,
            seq: None,
            what,
        });
    }

    /// The own message before `before`, or the last one.
    pub(crate) fn own_before(&self, me: &UserId, before: Option<usize>) -> Option<usize> {
        let end = before.unwrap_or(self.items.len());
        self.items[..end]
            .iter()
            .rposition(|item| item.author == *me && matches!(item.what, What::Message { .. }))
    }

    /// Moves the selection to the next message before or after it that can be selected.
    pub(crate) fn select(&mut self, up: bool) {
        let is_message = |at: &usize| matches!(self.items[*at].what, What::Message { .. });
        let next = if up {
            let end = self.selected.unwrap_or(self.items.len());
            (0..end).rev().find(is_message)
        } else {
            let start = self.selected.map_or(self.items.len(), |at| at + 1);
            (start..self.items.len()).find(is_message)
        };
        self.selected = if up { next.or(self.selected) } else { next };
    }

    fn change_members(&mut self, entry: &Entry) {
        match entry.body.effect().membership() {
            Some((user, None)) => {
                self.members.retain(|member| member.presence.user != *user);
                self.typists.remove(user);
            }
            Some((user, Some(role))) => {
                let mut members = self.members.iter_mut();
                if let Some(member) = members.find(|member| member.presence.user == *user) {
                    member.role = role;
                }
            }
            None => {}
        }
        if let (EntryBody::Room(change), Some(about)) = (&entry.body, &mut self.about) {
            about.details = about.details.changed(change);
        }
    }

    /// The member of this name.
    pub(crate) fn member(&mut self, user: &UserId) -> Option<&mut MemberView> {
        let mut members = self.members.iter_mut();
        members.find(|member| member.presence.user == *user)
    }
}

impl Item {
    /// True if this is an own message that is in no log yet.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.what, What::Pending { .. })
    }

    /// True if this is the message that has become the entry.
    fn is_pending_as(&self, entry: &Entry) -> bool {
        matches!(&self.what, What::Pending { client_id: Some(id), .. } if *id == entry.client_id)
    }

    /// True if this is an own message that the server did not take.
    pub(crate) fn is_refused(&self) -> bool {
        let refused = |what: &What| {
            matches!(
                what,
                What::Pending {
                    refused: Some(_),
                    ..
                }
            )
        };
        refused(&self.what)
    }

    /// The text of a message that is in the log.
    pub(crate) fn text(&self) -> Option<&Arc<str>> {
        match &self.what {
            What::Message { text, .. } => Some(text),
            _ => None,
        }
    }
}

fn older(page: &HistoryPage) -> Older {
    if page.older { Older::Some } else { Older::None }
}

/// The entry as people see it; `None` for one that only changes others.
fn item(entry: &Entry, kind: RoomKind) -> Option<Item> {
    let what = match &entry.body {
        EntryBody::Message { text, edited_at } => What::Message {
            text: Arc::clone(text),
            edited: edited_at.is_some(),
        },
        EntryBody::Deleted => What::Deleted,
        EntryBody::Edit { .. } | EntryBody::Delete { .. } => return None,
        _ => What::Event(sentence(entry, None, kind)?),
    };
    Some(Item {
        author: entry.author.clone(),
        at: entry.at,
        seq: Some(entry.seq),
        what,
    })
}
