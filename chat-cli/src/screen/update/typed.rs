//! The text that the user has entered: a message, or one of the commands that line mode has too.

use std::sync::Arc;

use chat_core::{Command, InboxFilter, RoomId, command};
use tokio::time::Instant;

use super::super::{
    happened::{Act, Asked, Write},
    model::{Focus, Model, Outcome, Over},
    talk::What,
};
use crate::program::{
    command::{self as typed, Change, Rooms, Target},
    input::{Input, Syntax, read},
    line::Text,
};

impl Model {
    pub(super) fn entered(&mut self, now: Instant, Text { text, pasted }: Text) {
        if let Some(seq) = self.composer.edits.take() {
            if let Some(room) = self.room().filter(|_| !text.trim().is_empty()) {
                self.write(room, Write::Edit(seq, text));
            }
            return;
        }
        let syntax = if pasted { Syntax::Plain } else { Syntax::Slash };
        match read(&text, syntax) {
            Some(Input::Command(command)) => self.command(now, command),
            Some(Input::Wrong(why)) => {
                self.composer.set(&text);
                self.notice(now, why);
            }
            None | Some(Input::Typing | Input::End) => {}
        }
    }

    fn room(&self) -> Option<RoomId> {
        self.talk.as_ref().map(|talk| talk.room.clone())
    }

    fn command(&mut self, now: Instant, command: typed::Command) {
        match command {
            typed::Command::Quit => self.outcome = Some(Outcome::Left),
            typed::Command::Help => self.over = Some(Over::Help(0)),
            typed::Command::More(_) => self.ask_earlier(),
            typed::Command::Write(typed::Write::Send(text)) => self.send(now, text),
            typed::Command::Write(typed::Write::Change(target, change)) => {
                self.change(now, target, change);
            }
            typed::Command::Rooms(command) => self.about_rooms(now, command),
        }
    }

    fn about_rooms(&mut self, now: Instant, command: Rooms) {
        match command {
            Rooms::Open(which) => self.open(now, which),
            Rooms::Request(request) => match request.command(self.room().as_ref()) {
                Ok(command) => self.ask_for_user(now, command),
                Err(why) => self.notice(now, why),
            },
            Rooms::Readers => self.ask_readers(now),
            Rooms::Join(name) => {
                let query = name.clone();
                let search = command::FindChannels {
                    query,
                    after: None,
                    limit: None,
                };
                self.acts.push(Act::Ask(Box::new(Asked {
                    command: search.into(),
                    join: Some(name),
                })));
            }
            // The list has all but the hidden ones.
            Rooms::Chats(filter) if filter != InboxFilter::All => {
                let inbox = command::Inbox {
                    filter,
                    after: None,
                    limit: None,
                };
                self.ask_for_user(now, inbox.into());
            }
            Rooms::Chats(_) | Rooms::MoreChats => self.focus = Focus::Inbox,
        }
    }

    fn ask_for_user(&mut self, now: Instant, command: Command) {
        if self.is_up() {
            self.ask(command);
        } else {
            self.notice(now, "there is no connection; try again when there is");
        }
    }

    /// Asks who has read the last own message.
    fn ask_readers(&mut self, now: Instant) {
        let talk = self.talk.as_ref().zip(self.me());
        let last = talk.and_then(|(talk, me)| {
            let seq = talk.items[talk.own_before(me, None)?].seq?;
            Some((talk.room.clone(), seq))
        });
        match last {
            Some((room, seq)) => {
                let readers = command::Readers {
                    room,
                    seq,
                    after: None,
                    limit: None,
                };
                self.ask_for_user(now, readers.into());
            }
            None => self.notice(now, "there is no message of yours on the screen"),
        }
    }

    fn send(&mut self, now: Instant, text: String) {
        let (Some(room), Some(me)) = (self.room(), self.settings.me.clone()) else {
            self.composer.set(&text);
            self.notice(now, "no room is open; /open NAME opens one");
            return;
        };
        self.show_end();
        let ticket = self.tickets + 1;
        let at = (self.settings.now)();
        if let Some(talk) = &mut self.talk {
            // One who answers has seen what was new.
            talk.was_read = talk.head;
            let waiting = What::Pending {
                ticket,
                client_id: None,
                text: Arc::from(text.as_str()),
                refused: None,
            };
            talk.push(&me, at, waiting);
        }
        self.write(room, Write::Send(text));
    }

    fn write(&mut self, room: RoomId, write: Write) {
        self.tickets += 1;
        self.acts.push(Act::Write(self.tickets, room, write));
    }

    /// Edits or deletes the last own message.
    fn change(&mut self, now: Instant, target: Target, change: Change) {
        let (Some(talk), Some(me)) = (&mut self.talk, &self.settings.me) else {
            self.notice(now, "no room is open; /open NAME opens one");
            return;
        };
        // Messages that are in no log yet come last.
        if let Some(last) = talk.items.pop_if(|item| item.is_pending()) {
            if last.is_refused() && change == Change::Delete {
                return;
            }
            let why = if last.is_refused() {
                "your last message was not sent; Up in an empty message takes it back"
            } else {
                "your last message is on its way; wait until it is sent"
            };
            talk.items.push(last);
            self.notice(now, why);
            return;
        }
        let seq = match target {
            Target::Stored(seq) => Some(seq),
            Target::Last | Target::Waiting(_) => {
                let last = talk.own_before(me, None);
                last.and_then(|at| talk.items[at].seq)
            }
        };
        let room = talk.room.clone();
        match (seq, change) {
            (Some(seq), Change::Edit(text)) => self.write(room, Write::Edit(seq, text)),
            (Some(seq), Change::Delete) => self.write(room, Write::Delete(seq)),
            (None, change) => {
                let verb = change.verb();
                self.notice(
                    now,
                    format!("there is no message of yours on the screen to {verb}"),
                );
            }
        }
    }

    /// Takes a message of the open room into the composer, to give it another text.
    pub(super) fn edit(&mut self, now: Instant, at: usize) {
        let (Some(talk), Some(me)) = (&self.talk, self.me()) else {
            return;
        };
        let item = &talk.items[at];
        let own = item.author == *me;
        let (Some(seq), Some(text), true) = (item.seq, item.text().cloned(), own) else {
            self.notice(now, "only your own messages can be edited");
            return;
        };
        self.composer.set(&text);
        self.composer.edits = Some(seq);
        self.focus = Focus::Composer;
    }

    /// Takes the selected message back.
    pub(super) fn delete_selected(&mut self) {
        let Some(talk) = &mut self.talk else { return };
        let selected = talk.selected.take();
        if let Some(seq) = selected.and_then(|at| talk.items[at].seq) {
            let room = talk.room.clone();
            self.write(room, Write::Delete(seq));
        }
    }
}
