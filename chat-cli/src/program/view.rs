//! The conversation as a state machine: what has happened goes in, what is to be done comes out.
//! No input or output.

use std::{sync::Arc, time::Duration};

use chat_cli::{ClientEvent, RequestError};
use chat_core::{
    ClientMessageId, Entry, EntryBody, ErrorBody, Event, HistoryPage, Mark, Presence, RoomId,
    RoomView, Sent, Seq, UserId,
};
use chrono::{DateTime, Local, NaiveDate, Utc};
use tokio::time::Instant;

use super::{
    input::Input,
    peer::Peer,
    receipts::Receipts,
    shown::{Shown, Status, presence_line},
};

/// Messages that may wait for their answer before no more input is read.
const WAITING: usize = 500;

/// A wait for the next attempt to connect that is worth a line of its own.
const LONG: Duration = Duration::from_secs(5);

const HELP: [&str; 5] = [
    "/who          who is online",
    "/edit TEXT    gives your last message another text",
    "/delete       takes your last message back",
    "/quit         leaves, as do Ctrl+C and Ctrl+D",
    "//TEXT        sends /TEXT",
];

/// How the program ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In order.
    Left,
    /// With this number of messages not sent.
    Unsent(usize),
    /// The server is gone, for this reason.
    Lost(String),
}

/// Who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A person, on a terminal.
    Person,
    /// A pipe or a file, for people.
    Pipe,
    /// A script, by `--json`.
    Script,
}

/// What a conversation is about.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) me: UserId,
    pub(crate) peer: UserId,
    pub(crate) room: RoomId,
    pub(crate) reader: Reader,
    /// The number of past entries to show.
    pub(crate) last: usize,
    /// How long to go on without a connection.
    pub(crate) patience: Option<Duration>,
    /// Whether to go on after the end of the input.
    pub(crate) follow: bool,
}

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum Happened {
    Client(ClientEvent),
    Input(Input),
    Greeted(Result<Box<Greeting>, RequestError>),
    Online(Result<Vec<UserId>, RequestError>),
    Answered(Answered),
    /// The time of [`View::alarm`] has come.
    Alarm,
}

/// What the server says after each connect.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) view: RoomView,
    pub(crate) online: Vec<UserId>,
    /// Only the first time; after that the client catches up by itself.
    pub(crate) past: Option<HistoryPage>,
}

/// The answer to a message, an edit or a deletion.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) text: String,
    pub(crate) client_id: Option<ClientMessageId>,
    pub(crate) result: Result<Sent, RequestError>,
}

/// Something to do.
#[derive(Debug)]
pub(crate) enum Act {
    Show(Shown),
    Status(Status),
    /// Ask for a [`Greeting`], with this number of past entries if any.
    Greet(Option<usize>),
    AskOnline,
    Send(String),
    Edit(Seq, String),
    Delete(Seq),
    Mark(RoomId, Mark, Seq),
    Typing,
}

/// The state of the conversation.
#[derive(Debug)]
pub(crate) struct View {
    topic: Topic,
    /// Messages without an answer, and those that were not sent.
    waiting: usize,
    failed: usize,
    /// Whether a greeting came, and whether one is awaited.
    greeted: bool,
    greeting: bool,
    connection: Connection,
    ending: bool,
    outcome: Option<Outcome>,
    /// The last entry shown, and the last one of one's own that is stored.
    shown: Seq,
    stored: Seq,
    day: Option<NaiveDate>,
    receipts: Receipts,
    peer: Peer,
    acts: Vec<Act>,
}

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Up,
    /// None since then; whether that has been shown.
    Down {
        since: Instant,
        shown: bool,
    },
}

impl View {
    pub(crate) fn new(topic: Topic, now: Instant) -> Self {
        Self {
            topic,
            waiting: 0,
            failed: 0,
            greeted: false,
            greeting: false,
            connection: Connection::Down {
                since: now,
                shown: false,
            },
            ending: false,
            outcome: None,
            shown: Seq::ZERO,
            stored: Seq::ZERO,
            day: None,
            receipts: Receipts::default(),
            peer: Peer::default(),
            acts: Vec::new(),
        }
    }

    /// Takes one thing that has happened, and gives what is to be done, in order.
    pub(crate) fn step(&mut self, now: Instant, happened: Happened) -> Vec<Act> {
        match happened {
            Happened::Client(event) => self.event(now, event),
            Happened::Input(input) => self.input(input),
            Happened::Greeted(Ok(greeting)) => self.greeted(now, *greeting),
            Happened::Greeted(Err(error)) => self.not_greeted(&error),
            Happened::Online(Ok(online)) => {
                let names: Vec<&str> = online.iter().map(UserId::as_str).collect();
                self.note(format!("online: {}", names.join(", ")));
            }
            Happened::Online(Err(error)) => self.note(error.to_string()),
            Happened::Answered(answered) => self.answered(answered),
            Happened::Alarm => self.alarmed(now),
        }
        std::mem::take(&mut self.acts)
    }

    /// How the conversation ended, once it has.
    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        let settled = self.receipts.alarm().is_none();
        let quiet = self.waiting == 0 && self.shown >= self.stored && settled;
        if self.ending && self.greeted && quiet && !self.topic.follow {
            return Some(Outcome::Left);
        }
        self.outcome.take()
    }

    /// How the program ends after that, when what waited had a moment to be sent.
    pub(crate) fn parted(&self, outcome: Outcome) -> Outcome {
        let unsent = self.waiting + self.failed;
        let tells = self.topic.reader != Reader::Person && unsent > 0;
        match outcome {
            Outcome::Left if self.waiting > 0 || tells => Outcome::Unsent(unsent),
            outcome => outcome,
        }
    }

    /// Whether something may still be sent that waits.
    pub(crate) fn is_sending(&self) -> bool {
        self.waiting > 0 && self.connection == Connection::Up
    }

    /// Whether events are to be taken. While the past is being read, new ones wait behind it.
    pub(crate) fn takes_events(&self) -> bool {
        !self.greeting
    }

    /// Whether input is to be taken.
    pub(crate) fn takes_input(&self) -> bool {
        !self.ending && self.waiting < WAITING
    }

    /// When [`Happened::Alarm`] is due.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        let alarms = [self.receipts.alarm(), self.peer.alarm(), self.gives_up()];
        alarms.into_iter().flatten().min()
    }

    fn gives_up(&self) -> Option<Instant> {
        match self.connection {
            Connection::Up => None,
            Connection::Down { since, .. } => self.topic.patience.map(|wait| since + wait),
        }
    }

    fn alarmed(&mut self, now: Instant) {
        let due = |alarm: Option<Instant>| alarm.is_some_and(|alarm| alarm <= now);
        if due(self.receipts.alarm()) {
            for line in self.receipts.settle() {
                self.show(line);
            }
        }
        if due(self.peer.alarm())
            && let Some(presence) = self.peer.lasted()
        {
            self.show_presence(presence);
        }
        if due(self.gives_up()) {
            self.outcome = Some(Outcome::Lost("no connection".to_owned()));
        }
    }

    fn is_script(&self) -> bool {
        self.topic.reader == Reader::Script
    }

    fn is_person(&self) -> bool {
        self.topic.reader == Reader::Person
    }

    fn show(&mut self, shown: Shown) {
        self.acts.push(Act::Show(shown));
    }

    /// Shows a line that scripts have no use for.
    fn note(&mut self, note: impl Into<String>) {
        if !self.is_script() {
            self.show(Shown::Note(note.into()));
        }
    }

    fn status(&mut self, status: Status) {
        self.acts.push(Act::Status(status));
    }

    fn event(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::Connected { .. } => {
                self.connection = Connection::Up;
                self.greet();
                self.status(Status::Nothing);
            }
            ClientEvent::Disconnected { reason, retry_in } => {
                self.disconnected(now, reason, retry_in);
            }
            ClientEvent::Entry(entry) if entry.room == self.topic.room => self.entry(entry, false),
            ClientEvent::Entry(entry) => self.elsewhere(&entry),
            ClientEvent::Skipped { room, from, to } if room == self.topic.room => {
                self.show(Shown::Skipped { from, to });
            }
            ClientEvent::Reset { room, epoch } if room == self.topic.room => {
                self.shown = Seq::ZERO;
                self.receipts = Receipts::default();
                self.show(Shown::Reset { epoch });
            }
            ClientEvent::Event(event) => self.ephemeral(now, event),
            ClientEvent::Ended(error) => self.outcome = Some(Outcome::Lost(error.to_string())),
            _ => {}
        }
    }

    fn disconnected(&mut self, now: Instant, reason: String, retry_in: Duration) {
        let (since, shown) = match self.connection {
            Connection::Up => (now, false),
            Connection::Down { since, shown } => (since, shown),
        };
        self.connection = Connection::Down { since, shown: true };
        self.status(Status::Offline);
        if !shown || self.is_script() {
            let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            self.show(Shown::Disconnected {
                reason,
                retry_in_ms,
            });
        } else if retry_in >= LONG {
            let wait = retry_in.as_secs();
            self.note(format!("still not connected, next attempt in {wait} s"));
        }
    }

    /// A message in another room: it has arrived, but nobody sees it here.
    fn elsewhere(&mut self, entry: &Entry) {
        let mark = Act::Mark(entry.room.clone(), Mark::Delivered, entry.seq);
        self.acts.push(mark);
        let is_message = matches!(entry.body, EntryBody::Message { .. });
        if is_message && entry.author != self.topic.me && self.is_person() {
            self.note(format!("{} has written to you", entry.author));
        }
    }

    fn ephemeral(&mut self, now: Instant, event: Event) {
        match event {
            Event::Receipt {
                room,
                user,
                now: marks,
                ..
            } if room == self.topic.room => {
                if user == self.topic.peer && !self.is_script() {
                    self.receipts.raise(now, marks);
                }
                self.show(Shown::Receipt { room, user, marks });
            }
            Event::Typing { room, user, active } if room == self.topic.room => {
                self.status(if active {
                    Status::Typing
                } else {
                    Status::Nothing
                });
                self.show(Shown::Typing { room, user, active });
            }
            Event::Presence(presence) if presence.user == self.topic.peer => {
                self.presence(now, presence);
            }
            _ => {}
        }
    }

    fn presence(&mut self, now: Instant, presence: Presence) {
        let shown = if self.is_script() {
            self.peer.show(presence)
        } else {
            self.peer.changed(now, presence)
        };
        if let Some(presence) = shown {
            self.show_presence(presence);
        }
    }

    fn show_presence(&mut self, presence: Presence) {
        if self.is_script() {
            self.show(Shown::Presence(presence));
        } else {
            self.note(presence_line(&presence));
        }
    }

    fn greet(&mut self) {
        self.greeting = true;
        let last = (!self.greeted).then_some(self.topic.last);
        self.acts.push(Act::Greet(last));
    }

    fn greeted(&mut self, now: Instant, greeting: Greeting) {
        let Greeting { view, online, past } = greeting;
        let mut members = view.members.into_iter();
        let peer = members.find(|member| member.presence.user == self.topic.peer);
        self.greeting = false;
        let first = !std::mem::replace(&mut self.greeted, true);
        if let Some(peer) = &peer
            && !self.is_script()
        {
            self.receipts.raise(now, peer.watermarks);
        }
        if first || self.is_script() {
            self.show(Shown::Connected {
                user: self.topic.me.clone(),
                peer: self.topic.peer.clone(),
                room: self.topic.room.clone(),
                online: online.clone(),
            });
        } else {
            self.note("connected again");
        }
        if let Some(page) = past {
            let start = page.entries.len().saturating_sub(self.topic.last);
            for entry in &page.entries[start..] {
                self.entry(Arc::clone(entry), true);
            }
            self.receipts.caught_up();
        }
        if let Some(mut peer) = peer {
            if online.contains(&self.topic.peer) {
                // This was asked a moment later, when the other may have come.
                peer.presence.online = true;
                peer.presence.last_seen = None;
            }
            let away = !peer.presence.online;
            self.presence(now, peer.presence);
            if first && away {
                self.alike(&online);
            }
        }
    }

    fn not_greeted(&mut self, error: &RequestError) {
        self.greeting = false;
        match error {
            RequestError::TimedOut if self.connection == Connection::Up => self.greet(),
            // Without a connection the greeting is asked for again after the next connect.
            RequestError::TimedOut | RequestError::Ended(_) => {}
            error => {
                self.greeted = true;
                self.refused(body(error), None, None);
            }
        }
    }

    /// Names differ by case, and people don't always know.
    fn alike(&mut self, online: &[UserId]) {
        let Topic { me, peer, .. } = &self.topic;
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

    fn entry(&mut self, entry: Arc<Entry>, past: bool) {
        if entry.seq <= self.shown {
            return;
        }
        self.shown = entry.seq;
        let seq = entry.seq;
        let is_mine = entry.author == self.topic.me;
        let state = match &entry.body {
            EntryBody::Message { text, .. } if is_mine => {
                Some(self.receipts.sent(seq, Arc::clone(text)))
            }
            _ => None,
        };
        // The text of a message in the past is the one it has now.
        let is_change = matches!(
            entry.body,
            EntryBody::Edit { .. } | EntryBody::Delete { .. }
        );
        if self.is_script() || !(past && is_change) {
            self.day(entry.at);
            if !is_mine && !past {
                self.status(Status::Nothing);
            }
            self.show(Shown::Entry { entry, past, state });
        }
        let mark = Act::Mark(self.topic.room.clone(), Mark::Read, seq);
        self.acts.push(mark);
    }

    fn day(&mut self, at: DateTime<Utc>) {
        let day = at.with_timezone(&Local).date_naive();
        if self.day.replace(day) != Some(day) && !self.is_script() {
            self.show(Shown::Day(at));
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Say(text) => {
                if self.connection != Connection::Up && self.is_person() {
                    self.note(format!("waits for the connection: {text}"));
                }
                self.send(Act::Send(text));
            }
            Input::Edit(target, text) => match target.or(self.receipts.last()) {
                Some(seq) => self.send(Act::Edit(seq, text)),
                None => self.wrong("there is no message of yours to edit"),
            },
            Input::Delete(target) => match target.or(self.receipts.last()) {
                Some(seq) => self.send(Act::Delete(seq)),
                None => self.wrong("there is no message of yours to take back"),
            },
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

    fn send(&mut self, act: Act) {
        self.waiting += 1;
        self.acts.push(act);
    }

    fn wrong(&mut self, why: &str) {
        self.note(why);
        if self.is_script() {
            let error = ErrorBody {
                code: 0,
                name: "bad_input".to_owned(),
                message: why.to_owned(),
                retry_after_ms: None,
            };
            self.refused(error, None, None);
        }
    }

    fn refused(
        &mut self,
        error: ErrorBody,
        text: Option<String>,
        client_id: Option<ClientMessageId>,
    ) {
        self.show(Shown::Error {
            error,
            text,
            client_id,
        });
    }

    fn answered(&mut self, answered: Answered) {
        let Answered {
            text,
            client_id,
            result,
        } = answered;
        self.waiting -= 1;
        match result {
            Ok(sent) => {
                self.stored = self.stored.max(sent.seq);
                self.show(Shown::Sent { sent, client_id });
            }
            Err(RequestError::Ended(_)) => self.failed += 1,
            Err(error) => {
                self.failed += 1;
                self.refused(body(&error), Some(text), client_id);
            }
        }
    }
}

/// An error as scripts get it; one that is not the server's has code 0.
fn body(error: &RequestError) -> ErrorBody {
    match error {
        RequestError::Refused(body) => body.clone(),
        error => ErrorBody {
            code: 0,
            name: "no_answer".to_owned(),
            message: error.to_string(),
            retry_after_ms: None,
        },
    }
}

#[cfg(test)]
mod tests;
