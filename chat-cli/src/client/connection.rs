//! One connection to the server, without its socket: inputs go in, actions come out. No input or
//! output of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chat_core::{
    Answer, Command, ErrorBody, ErrorCode, Event, Outgoing, Page, Reply, Request, RoomId, RoomList,
    RoomNews, Welcome, command,
};
use tokio::time::Instant;

use super::{
    end::End,
    events::ClientEvent,
    marks::Marks,
    pace::Pace,
    queue::{Queue, RETRY},
    request::{Op, Question},
    rooms::{Notice, Rooms},
};
use crate::backoff::Backoff;

/// Silence after which the server is pinged, and after which the connection counts as dead.
const QUIET: Duration = Duration::from_secs(30);
const DEAD: Duration = Duration::from_secs(45);

/// The wait for the answer to a message or a page, after which the connection counts as dead.
const UNANSWERED: Duration = Duration::from_secs(30);

/// The interval of typing notices in one room.
const TYPING: Duration = Duration::from_secs(3);

/// Entries in a page of history, and rooms in a page of the listing.
pub(super) const PAGE: usize = 200;

/// The state that outlives a connection.
#[derive(Debug)]
pub(super) struct Lasting {
    pub(super) queue: Queue,
    pub(super) backoff: Backoff,
    pub(super) was_connected: bool,
    /// Whether the next connection has a token of its own.
    renewable: bool,
    marks: Arc<Marks>,
    rooms: Rooms,
    typed: BTreeMap<RoomId, Instant>,
}

impl Lasting {
    pub(super) fn new(marks: Arc<Marks>, renewable: bool, backoff: Backoff) -> Self {
        Self {
            queue: Queue::default(),
            backoff,
            was_connected: false,
            renewable,
            marks,
            rooms: Rooms::default(),
            typed: BTreeMap::new(),
        }
    }

    /// Takes a request while there is no connection. A typing notice is stale before there is one.
    pub(super) fn queue(&mut self, op: Op) {
        match op {
            Op::Send(message) => self.queue.push_message(message),
            Op::Ask(question) => self.queue.push_question(question),
            Op::Typing(_) | Op::Close => {}
        }
    }
}

/// Something that happened to a connection.
#[derive(Debug)]
pub(super) enum Input {
    /// The socket is open.
    Opened { token: String },
    /// A frame came; `None` is a frame that only shows that the server lives.
    Frame(Option<Outgoing>),
    /// A new token, which the connection has asked for.
    Token(String),
    /// The server closes the connection, with a code and a reason.
    Closed(Option<(u16, String)>),
    /// A handle asks for something.
    Op(Op),
    /// Time has passed, a receipt was raised, or the consumer has read events.
    Tick,
}

/// Something that the owner of the socket is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Write(Request),
    Ping,
    /// Get a new token: the login of this connection ends soon.
    Renew,
    Emit(ClientEvent),
}

/// The command whose answer is awaited.
#[derive(Debug)]
enum Awaited {
    Hello,
    Listing,
    Page(RoomId),
    Message,
    Question(Question),
    Mark(RoomId),
    Typing,
    Renewal,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Connection<'a> {
    lasting: &'a mut Lasting,
    awaited: BTreeMap<u64, (Instant, Awaited)>,
    last_id: u64,
    pace: Pace,
    welcomed: bool,
    /// The time of the last frame, and whether a ping was sent since.
    heard: Instant,
    pinged: bool,
    /// The page of the listing of rooms that is due.
    listing: Option<Command>,
    typing: Option<RoomId>,
    /// The times at which the first message, and the next page, may be sent again.
    message_at: Instant,
    page_at: Instant,
    /// Entries that the consumer has room for.
    space: usize,
    actions: Vec<Action>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(lasting: &'a mut Lasting, now: Instant) -> Self {
        Self {
            lasting,
            awaited: BTreeMap::new(),
            last_id: 0,
            pace: Pace::new(now),
            welcomed: false,
            heard: now,
            pinged: false,
            listing: None,
            typing: None,
            message_at: now,
            page_at: now,
            space: 0,
            actions: Vec::new(),
        }
    }

    /// Takes one input, while the consumer has room for `space` entries.
    ///
    /// # Errors
    ///
    /// [`End`] when the connection is over; nothing is left to do on it.
    pub(super) fn step(
        &mut self,
        now: Instant,
        space: usize,
        input: Input,
    ) -> Result<Vec<Action>, End> {
        self.space = space;
        match input {
            Input::Opened { token } => {
                let hello = command::Hello {
                    token,
                    cursors: self.lasting.rooms.resume(),
                };
                self.write(now, hello.into(), Awaited::Hello);
            }
            Input::Token(token) => {
                self.write(now, command::Renew { token }.into(), Awaited::Renewal);
            }
            Input::Frame(frame) => {
                self.heard = now;
                self.pinged = false;
                if let Some(frame) = frame {
                    self.hear(now, frame)?;
                }
            }
            Input::Closed(frame) => {
                // Without a welcome it was this token that the server did not take.
                let renewable = self.lasting.renewable && self.welcomed;
                return Err(End::closed(frame, renewable));
            }
            Input::Op(Op::Typing(room)) => self.typing = Some(room),
            Input::Op(op) => self.lasting.queue(op),
            Input::Tick => self.check(now)?,
        }
        if self.welcomed {
            self.pump(now);
        }
        Ok(std::mem::take(&mut self.actions))
    }

    /// The last receipts, before the client parts on its own account.
    pub(super) fn farewell(&mut self, now: Instant) -> Vec<Action> {
        while self.welcomed
            && let Some((room, command)) = self.lasting.marks.last()
        {
            self.write(now, command, Awaited::Mark(room));
        }
        std::mem::take(&mut self.actions)
    }

    /// The time at which a [`Tick`](Input::Tick) is due even if nothing happens; `now` is that of the last step,
    /// for what was not due then may be due by now.
    pub(super) fn alarm(&self, now: Instant) -> Instant {
        let silence = self.heard + if self.pinged { DEAD } else { QUIET };
        let answers = self.awaited.values().map(|(since, awaited)| match awaited {
            Awaited::Question(question) => question.deadline,
            _ => *since + UNANSWERED,
        });
        let again = [self.message_at, self.page_at];
        answers
            .chain(self.lasting.queue.deadline())
            .chain(self.pace.wait(now))
            .chain(again.into_iter().filter(|at| *at > now))
            .fold(silence, Instant::min)
    }

    /// Whether a page waits until the consumer has room for one.
    pub(super) fn is_stalled(&self, space: usize) -> bool {
        space < PAGE && self.lasting.rooms.behind().is_some()
    }

    /// Leaves what lasts ready for the next connection.
    pub(super) fn lost(self) {
        self.lasting.rooms.disconnected();
        self.lasting.marks.disconnected();
        let unanswered = self.awaited.into_values();
        let questions = unanswered.filter_map(|(_, awaited)| match awaited {
            Awaited::Question(question) => Some(question),
            _ => None,
        });
        let (again, once): (Vec<_>, Vec<_>) = questions.partition(Question::may_repeat);
        self.lasting.queue.put_back(again);
        for question in once {
            question.leave_unanswered();
        }
    }

    fn emit(&mut self, event: ClientEvent) {
        if matches!(event, ClientEvent::Entry(_)) {
            self.space = self.space.saturating_sub(1);
        }
        self.actions.push(Action::Emit(event));
    }

    fn write(&mut self, now: Instant, command: Command, awaited: Awaited) {
        self.last_id += 1;
        let id = self.last_id;
        self.awaited.insert(id, (now, awaited));
        self.actions.push(Action::Write(Request { id, command }));
    }

    fn is_awaited(&self, what: impl Fn(&Awaited) -> bool) -> bool {
        self.awaited.values().any(|(_, awaited)| what(awaited))
    }

    /// Looks after what did not happen in time.
    fn check(&mut self, now: Instant) -> Result<(), End> {
        self.lasting.queue.expire(now);
        let late = |_: &u64, (_, awaited): &mut (Instant, Awaited)| match awaited {
            Awaited::Question(question) => question.deadline <= now,
            _ => false,
        };
        for (_, (_, awaited)) in self.awaited.extract_if(.., late) {
            if let Awaited::Question(question) = awaited {
                question.time_out();
            }
        }
        let unanswered = self.awaited.values().any(|(since, awaited)| {
            !matches!(awaited, Awaited::Question(_)) && *since + UNANSWERED <= now
        });
        if unanswered || now >= self.heard + DEAD {
            return Err(End::lost("no sign of life from the server"));
        }
        if now >= self.heard + QUIET && !self.pinged {
            self.pinged = true;
            self.actions.push(Action::Ping);
        }
        Ok(())
    }

    /// Sends what is due, as far as the pace allows.
    fn pump(&mut self, now: Instant) {
        while self.pace.wait(now).is_none()
            && let Some((command, awaited)) = self.due(now)
        {
            self.pace.spend(now);
            self.write(now, command, awaited);
        }
    }

    /// The most urgent command.
    fn due(&mut self, now: Instant) -> Option<(Command, Awaited)> {
        if let Some(message) = self.lasting.queue.first_message()
            && now >= self.message_at
            && !self.is_awaited(|awaited| matches!(awaited, Awaited::Message))
        {
            return Some((message.clone(), Awaited::Message));
        }
        if let Some(question) = self.lasting.queue.next_question() {
            return Some((question.command.clone(), Awaited::Question(question)));
        }
        if let Some((room, command)) = self.lasting.marks.next() {
            return Some((command, Awaited::Mark(room)));
        }
        if let Some(room) = self.typing.take() {
            let last = self.lasting.typed.get(&room);
            if last.is_none_or(|last| *last + TYPING <= now) {
                self.lasting.typed.insert(room.clone(), now);
                return Some((command::Typing { room }.into(), Awaited::Typing));
            }
        }
        if let Some(listing) = self.listing.take() {
            return Some((listing, Awaited::Listing));
        }
        if now >= self.page_at
            && self.space >= PAGE
            && !self.is_awaited(|awaited| matches!(awaited, Awaited::Page(_)))
        {
            while let Some(notice) = self.lasting.rooms.skip() {
                self.notify(Some(notice));
            }
            let (room, seq) = self.lasting.rooms.behind()?;
            let command = command::History {
                room: room.clone(),
                page: Page::After(seq),
                limit: Some(PAGE),
            };
            return Some((command.into(), Awaited::Page(room)));
        }
        None
    }

    fn hear(&mut self, now: Instant, frame: Outgoing) -> Result<(), End> {
        match frame {
            Outgoing::Answer(Answer::Reply { id, result }) => self.answer(now, id, Ok(result)),
            Outgoing::Answer(Answer::Error {
                id: Some(id),
                error,
            }) => self.answer(now, id, Err(error)),
            Outgoing::Answer(Answer::Error { id: None, error }) => {
                tracing::warn!(code = error.code, "the server could not read a command");
                Ok(())
            }
            Outgoing::Event(event) => {
                self.event(event);
                Ok(())
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Entry(entry) => {
                if self.lasting.rooms.entry(&entry, self.space > 0) {
                    self.emit(ClientEvent::Entry(entry));
                }
            }
            Event::Gap {
                room,
                epoch,
                to,
                reason,
                ..
            } => {
                let notice = self.lasting.rooms.gap(&room, epoch, to, reason);
                self.notify(notice);
            }
            Event::Resumed { room, cursor } => {
                let notice = self.lasting.rooms.resumed(&room, cursor);
                self.notify(notice);
            }
            Event::Expiring { .. } if self.lasting.renewable => self.actions.push(Action::Renew),
            event => {
                match &event {
                    Event::Closed { room } => self.lasting.rooms.forget(room),
                    Event::Room {
                        why: RoomNews::Added,
                        room,
                    } => {
                        let notice = self.lasting.rooms.opened(&room.room);
                        self.notify(notice);
                    }
                    Event::Room {
                        why: RoomNews::Removed,
                        room,
                    } => self.lasting.rooms.removed(&room.room),
                    _ => {}
                }
                // These are soon stale, and leave the room to what can't be read again.
                if self.space > 0 {
                    self.emit(ClientEvent::Event(event));
                }
            }
        }
    }

    fn notify(&mut self, notice: Option<Notice>) {
        match notice {
            None => {}
            Some(Notice::Reset(room, epoch)) => {
                self.lasting.marks.forget(&room);
                self.emit(ClientEvent::Reset { room, epoch });
            }
            Some(Notice::Skipped(room, from, to)) => {
                self.emit(ClientEvent::Skipped { room, from, to });
            }
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        id: u64,
        result: Result<Reply, ErrorBody>,
    ) -> Result<(), End> {
        let Some((_, awaited)) = self.awaited.remove(&id) else {
            return Ok(());
        };
        match (awaited, result) {
            (Awaited::Hello, Ok(Reply::Welcome(Welcome { user, session, .. }))) => {
                self.welcomed = true;
                self.listing = Some(listing(None));
                self.lasting.was_connected = true;
                self.lasting.backoff.reset();
                self.lasting.rooms.welcomed(&user);
                self.emit(ClientEvent::Connected { user, session });
            }
            (Awaited::Hello, Ok(_)) => return Err(End::lost("no welcome")),
            (Awaited::Hello, Err(error)) => {
                return Err(End::refused(error, self.lasting.renewable));
            }
            (Awaited::Listing, Ok(Reply::Rooms(RoomList { rooms, more }))) => {
                for member in &rooms {
                    let notice = self.lasting.rooms.learn(&member.room);
                    self.notify(notice);
                }
                match rooms.last() {
                    Some(last) if more => self.listing = Some(listing(Some(last.room.id.clone()))),
                    _ => self.lasting.rooms.all_listed(),
                }
            }
            (Awaited::Listing, _) => return Err(End::lost("the rooms were not listed")),
            (Awaited::Page(room), Ok(Reply::History(page))) => {
                let (notice, entries) = self.lasting.rooms.page(&room, page, self.space);
                self.notify(notice);
                if entries.is_empty() {
                    // The history does not show yet what was announced.
                    self.page_at = now + RETRY;
                }
                for entry in entries {
                    self.emit(ClientEvent::Entry(entry));
                }
            }
            (Awaited::Page(room), Err(error)) if error.code == ErrorCode::NoRoom.code() => {
                self.lasting.rooms.forget(&room);
            }
            (Awaited::Page(_), _) => self.page_at = now + RETRY,
            (Awaited::Message, result) => {
                if let Some(wait) = self.lasting.queue.answer_message(result) {
                    self.message_at = now + wait;
                }
            }
            (Awaited::Question(question), result) => {
                if let Ok(Reply::Room(view)) = &result {
                    let notice = self.lasting.rooms.opened(&view.room);
                    self.notify(notice);
                }
                question.answer(result);
            }
            (Awaited::Mark(room), _) => self.lasting.marks.answered(&room),
            (Awaited::Renewal, Err(error)) => {
                // The connection lives until its first token ends, and the next one has another.
                tracing::warn!(code = error.code, "the login was not renewed");
            }
            (Awaited::Typing | Awaited::Renewal, _) => {}
        }
        Ok(())
    }
}

/// A page of the listing of the user's rooms.
fn listing(after: Option<RoomId>) -> Command {
    let limit = Some(PAGE);
    command::Rooms { after, limit }.into()
}

#[cfg(test)]
mod tests;
