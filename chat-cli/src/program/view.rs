//! The conversation as a state machine: what has happened goes in, what is to be done comes out.
//! No input or output.
//!
//! `heard` handles what comes from the server, `news` what of it is about other rooms or members, `greeting`
//! the state of the open room, `asked` what the user asks for, and `rooms` which room is open.

mod asked;
mod greeting;
mod heard;
mod news;
mod rooms;

use std::collections::{BTreeSet, VecDeque};

use chat_cli::RequestError;
use chat_core::{ClientMessageId, ErrorBody, RoomId, Seq, UserId};
use chrono::NaiveDate;
use tokio::time::Instant;

use super::{
    arrivals::Arrivals,
    chats::Chats,
    happened::{Act, Happened, Outcome, Reader, Spot, Topic},
    input::Input,
    messages::Messages,
    outbox::Outbox,
    past::Past,
    peer::Peer,
    readers::Readers,
    shown::{Shown, Status},
};

/// Messages that may wait for their answer before no more input is read.
const WAITING: usize = 500;

/// The state of the conversation.
#[derive(Debug)]
pub(crate) struct View {
    topic: Topic,
    /// The commands without an answer yet, and the number of those not sent.
    outbox: Outbox,
    failed: usize,
    connection: Connection,
    ending: bool,
    outcome: Option<Outcome>,
    /// The open room, and what is on the screen of it.
    here: Option<Spot>,
    scene: Scene,
    chats: Chats,
    arrivals: Arrivals,
    /// True if the rooms are known, so that names of rooms are understood; and if nothing waits for that.
    known: bool,
    listed: bool,
    /// The number of commands that were asked of the server, and of those among them that the user has asked.
    /// Input that is typed meanwhile may depend on their answers, and waits.
    asking: usize,
    asked: usize,
    held: VecDeque<Input>,
    acts: Vec<Act>,
}

/// The state of a room's screen.
#[derive(Debug, Default)]
struct Scene {
    /// True if a greeting came, and if one is awaited.
    greeted: bool,
    greeting: bool,
    /// The last entry shown, and the last one of one's own that is stored.
    shown: Seq,
    stored: Seq,
    day: Option<NaiveDate>,
    past: Past,
    /// The number of earlier entries that were asked for before the first greeting.
    more: Option<usize>,
    messages: Messages,
    readers: Readers,
    peer: Peer,
    typists: BTreeSet<UserId>,
}

/// Whether there is a connection.
#[derive(Debug, PartialEq, Eq)]
enum Connection {
    Up,
    /// None since then; why, once that is known and shown.
    Down {
        since: Instant,
        why: Option<String>,
    },
}

impl View {
    pub(crate) fn new(topic: Topic, now: Instant) -> Self {
        Self {
            here: topic.start.clone(),
            known: false,
            // A program that begins in a room needs no list until a room is named.
            listed: topic.start.is_some(),
            topic,
            outbox: Outbox::default(),
            failed: 0,
            connection: Connection::Down {
                since: now,
                why: None,
            },
            ending: false,
            outcome: None,
            scene: Scene::default(),
            chats: Chats::default(),
            arrivals: Arrivals::default(),
            asking: 0,
            asked: 0,
            held: VecDeque::new(),
            acts: Vec::new(),
        }
    }

    /// Takes one thing that has happened, and gives what is to be done, in order.
    pub(crate) fn step(&mut self, now: Instant, happened: Happened) -> Vec<Act> {
        match happened {
            Happened::Client(event) => self.event(now, event),
            Happened::Input(input) => self.input(now, input),
            // What comes of a room that is not open any more is of no use.
            Happened::Greeted(room, _) | Happened::Earlier(room, _) if !self.is_here(&room) => {}
            Happened::Greeted(_, Ok(greeting)) => self.greeted(now, *greeting),
            Happened::Greeted(_, Err(error)) => self.not_greeted(&error),
            Happened::Replied(asked, result) => self.replied(*asked, result),
            Happened::Earlier(_, Ok(page)) => match self.scene.past.came(page) {
                Some(entries) => self.earlier(entries),
                None => self.note("there are no earlier messages"),
            },
            Happened::Earlier(_, Err(error)) => {
                self.scene.past.refused();
                self.refused(body(&error), None, None);
            }
            Happened::Answered(answered) => self.answered(now, answered),
            Happened::Alarm => self.alarmed(now),
        }
        while self.held.front().is_some_and(|input| !self.waits(input))
            && let Some(input) = self.held.pop_front()
        {
            self.obey(now, input);
        }
        if self.connection == Connection::Up
            && let Some((room, write)) = self.outbox.next(now)
        {
            self.acts.push(Act::Write(room, write));
        }
        std::mem::take(&mut self.acts)
    }

    /// The end of the conversation, once it has come.
    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        let Scene {
            messages, readers, ..
        } = &self.scene;
        let settled = messages.alarm().is_none() && readers.alarm().is_none();
        let asks = self.outbox.len() > 0 || self.asking > 0 || self.scene.past.is_asked();
        let waits = !self.listed || !self.held.is_empty();
        let quiet = !asks && !waits && self.scene.shown >= self.scene.stored && settled;
        let greeted = self.here.is_none() || self.scene.greeted;
        if self.ending && greeted && quiet && !self.topic.follow {
            return Some(Outcome::Left);
        }
        self.outcome.take()
    }

    /// The end of the program after that, when waiting messages had a moment to be sent.
    pub(crate) fn parted(&self, outcome: Outcome) -> Outcome {
        let waiting = self.outbox.len();
        let unsent = waiting + self.failed;
        let tells = self.topic.reader != Reader::Person && unsent > 0;
        match outcome {
            Outcome::Left if waiting > 0 || tells => Outcome::Unsent(unsent),
            outcome => outcome,
        }
    }

    /// Whether a waiting command may still be sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.outbox.len() > 0 && self.connection == Connection::Up
    }

    /// Whether events are to be taken. While the past is being read, new ones wait behind it.
    pub(crate) fn takes_events(&self) -> bool {
        !self.scene.greeting
    }

    /// Whether input is to be taken.
    pub(crate) fn takes_input(&self) -> bool {
        !self.ending && self.outbox.len() + self.held.len() < WAITING
    }

    fn is_here(&self, room: &RoomId) -> bool {
        self.here.as_ref().is_some_and(|here| here.room == *room)
    }

    /// The time at which [`Happened::Alarm`] is due.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        let alarms = [
            self.scene.messages.alarm(),
            self.scene.readers.alarm(),
            self.scene.peer.alarm(),
            self.outbox.alarm(),
            self.gives_up(),
        ];
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
        for write in self.outbox.tick(now) {
            let what = self.describe(&write);
            self.wait_note(&what);
        }
        if due(self.scene.messages.alarm()) {
            for line in self.scene.messages.settle() {
                self.show(line);
            }
        }
        if due(self.scene.readers.alarm()) {
            self.settle_readers();
        }
        if due(self.scene.peer.alarm())
            && let Some(presence) = self.scene.peer.lasted()
        {
            self.show_presence(presence);
        }
        if due(self.gives_up()) {
            let why = match &self.connection {
                Connection::Down { why: Some(why), .. } => format!("no connection: {why}"),
                _ => "no connection".to_owned(),
            };
            self.outcome = Some(Outcome::Lost(why));
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
            to: None,
        });
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
