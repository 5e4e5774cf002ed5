//! The view's part for the user's commands, and for the answers to them.

use std::time::Duration;

use chat_cli::RequestError;
use chat_core::{ErrorCode, RoomId, command};
use tokio::time::Instant;

use super::{
    super::{
        command::{Change, Command, HELP, ROOMS_HELP, Rooms, Target, Write},
        happened::{Act, Answered, Outcome, Reader, Why},
        input::Input,
        shown::Shown,
    },
    Connection, View, body,
};

impl View {
    pub(super) fn input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Command(Command::Quit) => self.outcome = Some(Outcome::Left),
            Input::End => self.ending = true,
            Input::Typing => {
                if let Some(here) = self.here.as_ref().filter(|_| self.held.is_empty()) {
                    self.acts.push(Act::Typing(here.room.clone()));
                }
            }
            input if !self.held.is_empty() || self.waits(&input) => self.held.push_back(input),
            input => self.obey(now, input),
        }
    }

    /// True if an input waits: until the rooms are known, until the commands before it are answered, and a
    /// command that the server is asked also until the messages before it are stored. So a script can
    /// create a room, write into it and leave it without a look at the answers.
    pub(super) fn waits(&self, input: &Input) -> bool {
        let asks = matches!(
            input,
            Input::Command(Command::Rooms(
                Rooms::Request(_) | Rooms::Join(_) | Rooms::Readers | Rooms::Chats(_)
            ))
        );
        let is_busy = self.outbox.len() > 0 || self.scene.greeting;
        !self.listed || self.asked > 0 || asks && is_busy && self.connection == Connection::Up
    }

    /// Does what an input says.
    pub(super) fn obey(&mut self, now: Instant, input: Input) {
        match input {
            Input::Command(Command::Write(write)) => self.write(now, write),
            Input::Command(Command::Rooms(command)) => self.command(command),
            Input::Command(Command::More(count)) => self.more(count),
            Input::Command(Command::Help) => {
                for line in HELP.into_iter().chain(ROOMS_HELP) {
                    self.note(line);
                }
            }
            Input::Wrong(why) => self.misunderstood(&why),
            Input::Command(Command::Quit) | Input::End | Input::Typing => {}
        }
    }

    fn command(&mut self, command: Rooms) {
        match command {
            Rooms::Request(request) => {
                match request.command(self.here.as_ref().map(|here| &here.room)) {
                    Ok(command) => {
                        let why = self.why(&command);
                        self.ask_for_user(command, why);
                    }
                    Err(why) => self.misunderstood(&why),
                }
            }
            Rooms::Open(which) => self.open(which),
            Rooms::Join(channel) => self.search(channel),
            Rooms::Readers => self.ask_readers(),
            Rooms::Chats(filter) => self.ask_chats(filter),
            Rooms::MoreChats => self.ask_more_chats(),
        }
    }

    /// The purpose of the answer to a command.
    fn why(&self, command: &chat_core::Command) -> Why {
        match command {
            chat_core::Command::Accept(_) | chat_core::Command::Join(_) => {
                Why::Enter(self.chats.heard_of())
            }
            chat_core::Command::Add(add) if self.is_here(&add.room) => Why::Add(self.scene.shown),
            _ => Why::Answer,
        }
    }

    /// Asks who has read the last own message on the screen.
    fn ask_readers(&mut self) {
        let Some(room) = self.here.as_ref().map(|here| here.room.clone()) else {
            self.misunderstood("no room is open; /open NAME opens one");
            return;
        };
        let Some(Target::Stored(seq)) = self.last_stored(&room) else {
            self.wrong("there is no message of yours on the screen");
            return;
        };
        let readers = command::Readers {
            room,
            seq,
            after: None,
            limit: None,
        };
        self.ask_for_user(readers, Why::Answer);
    }

    /// A line of the input can't be carried out.
    pub(super) fn misunderstood(&mut self, why: &str) {
        if !self.is_person() {
            self.failed += 1;
        }
        self.wrong(why);
    }

    /// Queues a command, once it is known which message it is about. One that has not left yet is
    /// edited and deleted where it waits.
    fn write(&mut self, now: Instant, write: Write) {
        let Some(room) = self.here.as_ref().map(|here| here.room.clone()) else {
            self.misunderstood("no room is open; /open NAME opens one");
            return;
        };
        let Write::Change(Target::Last, change) = write else {
            self.queue(now, &room, write);
            return;
        };
        match (self.outbox.last_message(&room), change) {
            (Some((ticket, _, false)), Change::Edit(text)) => {
                self.wait_note(&text);
                self.outbox.rewrite(ticket, text);
            }
            (Some((ticket, text, false)), Change::Delete) => {
                let note = format!("taken back before it was sent: {text}");
                self.outbox.withdraw(ticket);
                self.note(note);
            }
            (Some((ticket, ..)), change) => {
                self.queue(now, &room, Write::Change(Target::Waiting(ticket), change));
            }
            (None, change) => {
                if let Some(target) = self.last_stored(&room) {
                    self.queue(now, &room, Write::Change(target, change));
                } else {
                    let verb = change.verb();
                    self.wrong(&format!(
                        "there is no message of yours on the screen to {verb}"
                    ));
                }
            }
        }
    }

    /// Queues a command. People see at once that it waits for the connection.
    fn queue(&mut self, now: Instant, room: &RoomId, write: Write) {
        let waits = self.connection != Connection::Up && self.is_person();
        if waits {
            let what = self.describe(&write);
            self.wait_note(&what);
        }
        let known = waits || !self.is_person();
        self.outbox.push(now, room, write, known);
    }

    /// Says that something has no answer yet.
    pub(super) fn wait_note(&mut self, what: &str) {
        if self.connection == Connection::Up {
            self.note(format!("sending ...: {what}"));
        } else {
            self.note(format!("waits for the connection: {what}"));
        }
    }

    /// The last own message on the screen that stays, if it is in the log.
    fn last_stored(&self, room: &RoomId) -> Option<Target> {
        let leaving = |seq| self.outbox.deletes(room, Target::Stored(seq));
        self.scene.messages.last_own(leaving).map(Target::Stored)
    }

    /// The command, for people.
    pub(super) fn describe(&self, write: &Write) -> String {
        match write {
            Write::Send(text) => text.clone(),
            Write::Change(target, change) => change.describe(&self.says(*target)),
        }
    }

    /// The text of a message, as far as it is known.
    fn says(&self, target: Target) -> String {
        let text = match target {
            Target::Stored(seq) => self.scene.messages.text(seq).as_deref().map(str::to_owned),
            Target::Waiting(ticket) => self.outbox.text(ticket).map(str::to_owned),
            Target::Last => None,
        };
        text.unwrap_or_default()
    }

    pub(super) fn answered(&mut self, now: Instant, answered: Answered) {
        let Answered { client_id, result } = answered;
        match result {
            Ok(sent) => {
                let write = self.outbox.stored(sent.seq);
                if self.is_here(&sent.room) {
                    self.scene.stored = self.scene.stored.max(sent.seq);
                    if let Some(Write::Change(Target::Stored(seq), Change::Delete)) = write {
                        self.scene.messages.set_leaving(seq);
                    }
                }
                self.show(Shown::Sent { sent, client_id });
            }
            Err(RequestError::Ended(_)) => {
                self.outbox.refused();
                self.failed += 1;
            }
            Err(error) if self.topic.reader == Reader::Pipe && limited(&error).is_some() => {
                let wait = limited(&error).unwrap_or_default();
                self.outbox.put_off(now + wait);
                let seconds = wait.as_millis().div_ceil(1_000);
                self.note(format!("waits {seconds} s: {error}"));
            }
            Err(error) => {
                self.failed += 1;
                let text = match self.outbox.refused() {
                    Some(Write::Send(text) | Write::Change(_, Change::Edit(text))) => text,
                    Some(Write::Change(target, _)) if !self.is_script() => self.says(target),
                    _ => String::new(),
                };
                self.refused(body(&error), Some(text), client_id);
            }
        }
    }
}

/// The time that the user's limits make a message wait. A person decides whether to wait, and so
/// does a script; lines from a pipe wait.
fn limited(error: &RequestError) -> Option<Duration> {
    match error.code() {
        Some(ErrorCode::RateLimited | ErrorCode::Muted) => error.retry_after(),
        _ => None,
    }
}
