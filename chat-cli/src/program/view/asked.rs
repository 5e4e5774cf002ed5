//! The view's part for the user's commands, and for the answers to them.

use std::time::Duration;

use chat_cli::RequestError;
use chat_core::ErrorCode;
use tokio::time::Instant;

use super::{
    super::{
        command::{Change, Command, HELP, Target, Write},
        happened::{Act, Answered, Outcome, Reader},
        input::Input,
        shown::Shown,
    },
    Connection, View, body,
};

impl View {
    pub(super) fn input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Command(Command::Write(write)) => self.write(now, write),
            Input::Command(Command::Ask(question)) => {
                self.asking += 1;
                self.acts.push(Act::Ask(question));
            }
            Input::Command(Command::More(count)) => self.more(count),
            Input::Command(Command::Help) => {
                for line in HELP {
                    self.note(line);
                }
            }
            Input::Command(Command::Quit) => self.outcome = Some(Outcome::Left),
            Input::Typing => self.acts.push(Act::Typing),
            Input::Wrong(why) => {
                if !self.is_person() {
                    self.failed += 1;
                }
                self.wrong(&why);
            }
            Input::End => self.ending = true,
        }
    }

    /// Shows the answer to a question.
    pub(super) fn told(&mut self, answer: Result<Shown, RequestError>) {
        self.asking = self.asking.saturating_sub(1);
        match answer {
            Ok(shown) => self.show(shown),
            Err(error) if self.is_script() => {
                self.failed += 1;
                self.refused(body(&error), None, None);
            }
            Err(error) => self.note(error.to_string()),
        }
    }

    /// Queues a command, once it is known which message it is about. One that has not left yet is
    /// edited and deleted where it waits.
    fn write(&mut self, now: Instant, write: Write) {
        let Write::Change(Target::Last, change) = write else {
            self.queue(now, write);
            return;
        };
        match (self.outbox.last_message(), change) {
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
                self.queue(now, Write::Change(Target::Waiting(ticket), change));
            }
            (None, change) => {
                if let Some(target) = self.last_stored() {
                    self.queue(now, Write::Change(target, change));
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
    fn queue(&mut self, now: Instant, write: Write) {
        let waits = self.connection != Connection::Up && self.is_person();
        if waits {
            let what = self.describe(&write);
            self.wait_note(&what);
        }
        self.outbox.push(now, write, waits || !self.is_person());
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
            Target::Stored(seq) => self.messages.text(seq).as_deref().map(str::to_owned),
            Target::Waiting(ticket) => self.outbox.text(ticket).map(str::to_owned),
            Target::Last => None,
        };
        text.unwrap_or_default()
    }

    pub(super) fn answered(&mut self, now: Instant, answered: Answered) {
        let Answered { client_id, result } = answered;
        match result {
            Ok(sent) => {
                self.stored = self.stored.max(sent.seq);
                if let Some(Write::Change(Target::Stored(seq), Change::Delete)) =
                    self.outbox.stored(sent.seq)
                {
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
