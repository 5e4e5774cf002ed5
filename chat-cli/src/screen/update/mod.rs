//! Changes the model: what has happened goes in, what is to be done comes out. No input or output.
//!
//! `heard` handles what comes from the server, `keys` and `mouse` what the user does, `typed` what the user
//! has entered, and `rooms` which room is open.

mod heard;
mod keys;
mod mouse;
mod over;
mod rooms;
mod typed;

pub(crate) use keys::HELP;

use chat_core::Mark;
use tokio::time::Instant;

use super::{
    happened::{Act, Happened},
    layout::Layout,
    model::{Focus, Model},
    rows::Rows,
    talk::{Older, Talk},
};

impl Model {
    /// Takes one thing that has happened, and gives what is to be done, in order.
    pub(crate) fn update(&mut self, now: Instant, happened: Happened) -> Vec<Act> {
        match happened {
            Happened::Client(event) => self.event(now, event),
            Happened::Key(key) => self.key(now, key),
            Happened::Mouse(mouse) => self.mouse(mouse),
            Happened::Paste(text) => self.paste(&text),
            Happened::Resized(columns, rows) => self.size = (columns, rows),
            Happened::Focus(is_seen) => self.is_seen = is_seen,
            Happened::Inbox { first, page } => self.listed(now, page, first),
            Happened::Online(users) => self.online = users.into_iter().collect(),
            Happened::Opened(room, result) => self.opened(now, &room, result),
            Happened::Earlier(room, result) => self.earlier(now, &room, result),
            Happened::Replied(asked, result) => self.replied(now, *asked, result),
            Happened::Queued(ticket, client_id) => self.queued(ticket, client_id),
            Happened::Answered(ticket, result) => self.answered(now, ticket, result),
            Happened::Alarm => self.alarmed(now),
        }
        if self.focus == Focus::Messages && self.talk.is_none() {
            self.focus = Focus::Inbox;
        }
        self.see();
        std::mem::take(&mut self.acts)
    }

    fn alarmed(&mut self, now: Instant) {
        if let Some(talk) = &mut self.talk {
            talk.typists.retain(|_, until| *until > now);
        }
        self.note.take_if(|(_, until)| *until <= now);
    }

    /// The open room as rows, and the height of the part that shows them.
    pub(crate) fn rows(&self) -> Option<(Rows<'_>, usize)> {
        let area = Layout::of(self).messages;
        let look = (usize::from(area.width), self.find.as_str(), self.is_up());
        let rows = Rows::new(self.talk.as_ref()?, self.me()?, &self.settings, look);
        Some((rows, area.height.into()))
    }

    /// Moves what is shown of the open room; asks for what is before it at its beginning.
    fn scroll(&mut self, up: bool, count: usize) {
        let Some((rows, height)) = self.rows() else {
            return;
        };
        let (place, begins) = rows.scrolled(up, count, height);
        if let Some(talk) = &mut self.talk {
            talk.place = place;
            if place.is_none() && !up {
                talk.below = 0;
            }
        }
        if begins {
            self.ask_earlier();
        }
    }

    fn ask_earlier(&mut self) {
        if let Some(talk) = &mut self.talk
            && let Some(before) = talk.ask_earlier()
        {
            self.acts.push(Act::Earlier(talk.room.clone(), before));
        }
    }

    /// Shows the end of the open room. Everything in it counts as read.
    fn show_end(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.place = None;
            talk.selected = None;
            talk.below = 0;
            let head = talk.head;
            self.read(head);
        }
    }

    /// Shows an item of the open room.
    fn show_item(&mut self, item: usize, top: bool) {
        let Some((rows, height)) = self.rows() else {
            return;
        };
        let place = rows.to_item(item, height, top);
        if let Some(talk) = &mut self.talk {
            talk.place = place;
        }
    }

    /// Marks as read the entries that are seen without a gap after those read before.
    fn see(&mut self) {
        let Some((rows, height)) = self.rows().filter(|_| self.is_seen && self.is_up()) else {
            return;
        };
        let (_, Some((first, last))) = rows.shown(height) else {
            return;
        };
        let Some(talk) = self.talk.as_ref().filter(|talk| talk.is_loaded()) else {
            return;
        };
        let before = talk.items[..first].iter().rev().find_map(|item| item.seq);
        let before = match (before, talk.older) {
            (Some(seq), _) => seq,
            (None, Older::None) => talk.read,
            (None, _) => {
                let first = talk.items.iter().find_map(|item| item.seq);
                chat_core::Seq(first.unwrap_or_default().0.saturating_sub(1))
            }
        };
        let seen = if talk.place.is_none() {
            talk.head
        } else {
            let mut seen = talk.items[..=last].iter().rev();
            seen.find_map(|item| item.seq).unwrap_or_default()
        };
        if before <= talk.read {
            self.read(seen);
        }
    }

    /// The user has read the open room up to there.
    fn read(&mut self, seq: chat_core::Seq) {
        let Some(talk) = self.talk.as_mut().filter(|talk| seq > talk.read) else {
            return;
        };
        talk.read = seq;
        let left = unread(talk, self.settings.me.as_ref());
        self.inbox.read(&talk.room, seq, left);
        self.acts
            .push(Act::Mark(talk.room.clone(), Mark::Read, seq));
    }
}

/// The messages of others after what was read.
fn unread(talk: &Talk, me: Option<&chat_core::UserId>) -> u64 {
    let messages = talk.items.iter().filter(|item| {
        Some(&item.author) != me
            && item.text().is_some()
            && item.seq.is_some_and(|seq| seq > talk.read)
    });
    messages.count() as u64
}
