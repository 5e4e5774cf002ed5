//! What the view makes of the user's wishes, and of the answers to them.

use std::time::Duration;

use chat_cli::RequestError;
use chat_core::ErrorCode;
use tokio::time::Instant;

use super::{
    super::{
        happened::{Act, Answered, Outcome, Reader},
        input::Input,
        outbox::{Target, Wish},
        shown::Shown,
    },
    Connection, View, body,
};

const HELP: [&str; 7] = [
    "/who          who is online",
    "/more         earlier messages",
    "/edit TEXT    gives your last message another text, also while it waits",
    "/delete       takes your last message back, also while it waits",
    "/quit         leaves, as do Ctrl+C and Ctrl+D",
    "//TEXT        sends /TEXT",
    "Pasted text is a message, also when it begins with a slash.",
];

impl View {
    pub(super) fn input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Say(text) => self.send(now, Wish::Say(text)),
            Input::Edit(Some(seq), text) => {
                self.send(now, Wish::Edit(Target::Stored(seq), text));
            }
            Input::Edit(None, text) => self.edit_last(now, text),
            Input::Delete(Some(seq)) => self.send(now, Wish::Delete(Target::Stored(seq))),
            Input::Delete(None) => self.delete_last(now),
            Input::More(count) => self.more(count),
            Input::Who => self.acts.push(Act::AskOnline),
            Input::Help => {
                for line in HELP {
                    self.note(line);
                }
            }
            Input::Typing => self.acts.push(Act::Typing),
            Input::Wrong(why) => {
                if !self.is_person() {
                    self.failed += 1;
                }
                self.wrong(&why);
            }
            Input::End => self.ending = true,
            Input::Quit => self.outcome = Some(Outcome::Left),
        }
    }

    /// Queues something. People see at once that it waits for the connection.
    fn send(&mut self, now: Instant, wish: Wish) {
        let waits = self.connection != Connection::Up && self.is_person();
        if waits {
            let what = self.describe(&wish);
            self.wait_note(&what);
        }
        self.outbox.push(now, wish, waits || !self.is_person());
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
    fn last_stored(&self) -> Option<Target> {
        let leaving = |seq| self.outbox.deletes(Target::Stored(seq));
        self.messages.last_own(leaving).map(Target::Stored)
    }

    fn edit_last(&mut self, now: Instant, text: String) {
        match self.outbox.last_message() {
            Some((ticket, _, false)) => {
                self.wait_note(&text);
                self.outbox.rewrite(ticket, text);
            }
            Some((ticket, _, true)) => self.send(now, Wish::Edit(Target::Waiting(ticket), text)),
            None => match self.last_stored() {
                Some(target) => self.send(now, Wish::Edit(target, text)),
                None => self.wrong("there is no message of yours on the screen to edit"),
            },
        }
    }

    fn delete_last(&mut self, now: Instant) {
        match self.outbox.last_message() {
            Some((ticket, text, false)) => {
                let note = format!("taken back before it was sent: {text}");
                self.outbox.withdraw(ticket);
                self.note(note);
            }
            Some((ticket, _, true)) => self.send(now, Wish::Delete(Target::Waiting(ticket))),
            None => match self.last_stored() {
                Some(target) => self.send(now, Wish::Delete(target)),
                None => self.wrong("there is no message of yours on the screen to take back"),
            },
        }
    }

    /// The question, for people.
    pub(super) fn describe(&self, wish: &Wish) -> String {
        match wish {
            Wish::Say(text) => text.clone(),
            Wish::Edit(target, text) => format!("{text} (instead of: {})", self.says(*target)),
            Wish::Delete(target) => format!("taking back: {}", self.says(*target)),
        }
    }

    /// The text of a message, as far as it is known.
    fn says(&self, target: Target) -> String {
        let text = match target {
            Target::Stored(seq) => self.messages.text(seq).as_deref().map(str::to_owned),
            Target::Waiting(ticket) => self.outbox.text(ticket).map(str::to_owned),
        };
        text.unwrap_or_default()
    }

    pub(super) fn answered(&mut self, now: Instant, answered: Answered) {
        let Answered { client_id, result } = answered;
        match result {
            Ok(sent) => {
                self.stored = self.stored.max(sent.seq);
                if let Some(Wish::Delete(Target::Stored(seq))) = self.outbox.stored(sent.seq) {
                    self.messages.set_leaving(seq);
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
                    Some(Wish::Say(text) | Wish::Edit(_, text)) => text,
                    Some(Wish::Delete(target)) if !self.is_script() => self.says(target),
                    _ => String::new(),
                };
                self.refused(body(&error), Some(text), client_id);
            }
        }
    }
}

/// How long the user's limits make a message wait. A person decides whether to wait, and so does a
/// script; lines from a pipe wait.
fn limited(error: &RequestError) -> Option<Duration> {
    match error.code() {
        Some(ErrorCode::RateLimited | ErrorCode::Muted) => error.retry_after(),
        _ => None,
    }
}
