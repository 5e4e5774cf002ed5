//! The client's task: one connection after the other, and what is to be sent over them.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use chat_core::{
    Answer, Command, ErrorBody, ErrorCode, Event, Outgoing, Page, Reply, Request, RoomId,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message as Frame, http::Uri, protocol::WebSocketConfig},
};

use super::{
    Message, Op, Question,
    events::{ClientEvent, Sender},
    marks::Marks,
    pace::Pace,
    rooms::{Notice, Rooms},
};
use crate::{
    backoff::Backoff,
    error::{ClientError, RequestError},
};

/// To connect, to write a frame, to part.
const CONNECT: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_secs(10);
const PART: Duration = Duration::from_secs(1);

/// Nothing came for so long: ask for a sign of life; then: it is dead.
const QUIET: Duration = Duration::from_secs(30);
const DEAD: Duration = Duration::from_secs(45);

/// A message or a page without an answer for so long: the connection is dead.
const UNANSWERED: Duration = Duration::from_secs(30);

/// Before a page or a message is tried again, if the server doesn't say when.
const RETRY: Duration = Duration::from_secs(1);

/// What a server says at most of when to try again; more is not believed.
const LATEST: Duration = Duration::from_mins(1);

/// How often a message is tried whose outcome is unknown, or for which the server is too busy.
const TRIES: u32 = 5;

const TYPING: Duration = Duration::from_secs(3);
const PAGE: usize = 200;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How a connection ended.
#[derive(Debug)]
enum End {
    /// Another may do better.
    Lost(String),
    /// None will do better.
    Final(ClientError),
}

impl From<tungstenite::Error> for End {
    fn from(error: tungstenite::Error) -> Self {
        Self::Lost(match error {
            tungstenite::Error::Io(error) => error.to_string(),
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => "the server went away".to_owned(),
            error => error.to_string(),
        })
    }
}

/// What an answer is awaited for.
#[derive(Debug)]
enum Awaited {
    Hello,
    Listing,
    Page(RoomId),
    Message,
    Question(Question),
    Mark(RoomId),
    Typing,
}

#[derive(Debug)]
pub(super) struct Driver {
    url: Uri,
    token: String,
    ops: mpsc::Receiver<Op>,
    events: Sender,
    marks: Arc<Marks>,
    backoff: Backoff,
    rooms: Rooms,
    /// In the order of the calls. The first may be on its way.
    messages: VecDeque<Message>,
    questions: VecDeque<Question>,
    typed: BTreeMap<RoomId, Instant>,
    last_id: u64,
    was_connected: bool,
}

/// One connection.
#[derive(Debug)]
struct Link {
    socket: Socket,
    awaited: BTreeMap<u64, (Instant, Awaited)>,
    pace: Pace,
    welcome: bool,
    heard: Instant,
    asked: bool,
    /// Whether a page of the listing is due, and after which room.
    list: bool,
    listed: Option<RoomId>,
    typing: Option<RoomId>,
    message_at: Instant,
    page_at: Instant,
}

impl Link {
    fn is_awaited(&self, what: impl Fn(&Awaited) -> bool) -> bool {
        self.awaited.values().any(|(_, awaited)| what(awaited))
    }
}

impl Driver {
    pub(super) fn new(
        url: Uri,
        token: String,
        ops: mpsc::Receiver<Op>,
        events: Sender,
        marks: Arc<Marks>,
        backoff: Backoff,
    ) -> Self {
        Self {
            url,
            token,
            ops,
            events,
            marks,
            backoff,
            rooms: Rooms::default(),
            messages: VecDeque::new(),
            questions: VecDeque::new(),
            typed: BTreeMap::new(),
            last_id: 0,
            was_connected: false,
        }
    }

    /// Runs until there is no use in going on, then tells everybody who waits.
    pub(super) async fn run(mut self) {
        let error = loop {
            let Err(end) = self.connection().await;
            let reason = match end {
                End::Lost(reason) => reason,
                End::Final(error) => break error,
            };
            let retry_in = self.backoff.next();
            tracing::debug!(reason, ?retry_in, "no connection");
            self.events
                .push(ClientEvent::Disconnected { reason, retry_in });
            if let Err(End::Final(error)) = self.meanwhile(sleep(retry_in)).await {
                break error;
            }
        };
        // First nobody can queue any more, and is told why; then whoever has.
        self.events.end(error.clone());
        self.ops.close();
        while let Ok(op) = self.ops.try_recv() {
            let _ = self.queue(op);
        }
        for message in self.messages {
            let _ = message.done.send(Err(RequestError::Ended(error.clone())));
        }
        for question in self.questions {
            let _ = question.done.send(Err(RequestError::Ended(error.clone())));
        }
    }

    /// Takes commands while something goes on that has nothing to do with them.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            let deadline = self
                .questions
                .iter()
                .map(|question| question.deadline)
                .min();
            tokio::select! {
                done = &mut work => return Ok(done),
                op = self.ops.recv() => drop(self.take(op)?),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    expire(&mut self.questions);
                }
            }
        }
    }

    /// Queues a command; a room to type in is given back, for it is now or never.
    fn take(&mut self, op: Option<Op>) -> Result<Option<RoomId>, End> {
        match op {
            None | Some(Op::Close) => Err(End::Final(ClientError::Finished)),
            Some(op) => Ok(self.queue(op)),
        }
    }

    fn queue(&mut self, op: Op) -> Option<RoomId> {
        match op {
            Op::Send(message) => self.messages.push_back(message),
            Op::Ask(question) => self.questions.push_back(question),
            Op::Typing(room) => return Some(room),
            Op::Close => {}
        }
        None
    }

    /// One connection, from the attempt to its end.
    async fn connection(&mut self) -> Result<Infallible, End> {
        /// Frames of the server are small; a page of history is the largest.
        const FRAME: usize = 16 << 20;
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(FRAME))
            .max_frame_size(Some(FRAME));
        // Nagle's algorithm off: frames are small and awaited.
        let attempt = connect_async_with_config(self.url.clone(), Some(config), true);
        let socket = match self.meanwhile(timeout(CONNECT, attempt)).await? {
            Err(_) => return Err(End::Lost("no answer from the server".to_owned())),
            Ok(Err(tungstenite::Error::Http(response))) => {
                return Err(self.no_websocket(response.status().as_u16()));
            }
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok((socket, _))) => socket,
        };
        let now = Instant::now();
        let mut link = Link {
            socket,
            awaited: BTreeMap::new(),
            pace: Pace::new(),
            welcome: false,
            heard: now,
            asked: false,
            list: false,
            listed: None,
            typing: None,
            message_at: now,
            page_at: now,
        };
        let end = self.talk(&mut link).await;
        self.rooms.disconnected();
        self.marks.disconnected();
        // Questions can be asked again, in their old order.
        for (_, (_, awaited)) in std::mem::take(&mut link.awaited).into_iter().rev() {
            if let Awaited::Question(question) = awaited {
                self.questions.push_front(question);
            }
        }
        end
    }

    fn no_websocket(&self, status: u16) -> End {
        let may_pass = self.was_connected || status >= 500 || matches!(status, 408 | 425 | 429);
        if may_pass {
            End::Lost(format!("HTTP status {status}"))
        } else {
            End::Final(ClientError::NoChatServer { status })
        }
    }

    async fn talk(&mut self, link: &mut Link) -> Result<Infallible, End> {
        let hello = Command::Hello {
            token: self.token.clone(),
            cursors: self.rooms.resume(),
        };
        self.write(link, hello, Awaited::Hello).await?;
        loop {
            if link.welcome {
                self.pump(link).await?;
            }
            let marks = Arc::clone(&self.marks);
            let stalled = self.events.space() < PAGE && self.rooms.behind().is_some();
            let alarm = self.next_alarm(link);
            tokio::select! {
                frame = link.socket.next() => self.hear(link, frame).await?,
                op = self.ops.recv() => match self.take(op) {
                    Ok(room) => link.typing = room.or(link.typing.take()),
                    Err(end) => {
                        self.part(link).await;
                        return Err(end);
                    }
                },
                () = marks.raised(), if link.welcome => {}
                () = self.events.has_space(PAGE), if stalled => {}
                () = sleep_until(alarm) => self.check(link).await?,
            }
        }
    }

    /// Sends the last receipts and says goodbye.
    async fn part(&mut self, link: &mut Link) {
        let goodbye = async {
            while link.welcome
                && let Some((room, command)) = self.marks.next()
            {
                self.write(link, command, Awaited::Mark(room)).await?;
            }
            link.socket.close(None).await?;
            while let Some(Ok(_)) = link.socket.next().await {}
            Ok::<_, End>(())
        };
        let _ = timeout(PART, goodbye).await;
    }

    /// When something has to be done even if nothing happens.
    fn next_alarm(&self, link: &Link) -> Instant {
        let heard = link.heard + if link.asked { DEAD } else { QUIET };
        let answers = link.awaited.values().map(|(since, awaited)| match awaited {
            Awaited::Question(question) => question.deadline,
            _ => *since + UNANSWERED,
        });
        let questions = self.questions.iter().map(|question| question.deadline);
        let now = Instant::now();
        let waits = link.pace.wait(now).into_iter().chain(
            [link.message_at, link.page_at]
                .into_iter()
                .filter(|at| *at > now),
        );
        answers
            .chain(questions)
            .chain(waits)
            .fold(heard, Instant::min)
    }

    /// Looks after what did not happen.
    async fn check(&mut self, link: &mut Link) -> Result<(), End> {
        let now = Instant::now();
        expire(&mut self.questions);
        let late = |(_, (_, awaited)): &(_, &(_, Awaited))| match awaited {
            Awaited::Question(question) => question.deadline <= now,
            _ => false,
        };
        let late: Vec<u64> = link
            .awaited
            .iter()
            .filter(late)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some((_, Awaited::Question(question))) = link.awaited.remove(&id) {
                let _ = question.done.send(Err(RequestError::TimedOut));
            }
        }
        let silent = link.awaited.values().any(|(since, awaited)| {
            !matches!(awaited, Awaited::Question(_)) && *since + UNANSWERED <= now
        });
        if silent || now >= link.heard + DEAD {
            return Err(End::Lost("no sign of life from the server".to_owned()));
        }
        if now >= link.heard + QUIET && !link.asked {
            link.asked = true;
            put(&mut link.socket, Frame::Ping(Vec::new().into())).await?;
        }
        Ok(())
    }

    /// Sends what is due, as far as the pace allows.
    async fn pump(&mut self, link: &mut Link) -> Result<(), End> {
        loop {
            let now = Instant::now();
            if link.pace.wait(now).is_some() {
                return Ok(());
            }
            let Some((command, awaited)) = self.due(link, now) else {
                return Ok(());
            };
            link.pace.spend(now);
            self.write(link, command, awaited).await?;
        }
    }

    /// The most urgent thing to send.
    fn due(&mut self, link: &mut Link, now: Instant) -> Option<(Command, Awaited)> {
        if let Some(message) = self.messages.front()
            && now >= link.message_at
            && !link.is_awaited(|awaited| matches!(awaited, Awaited::Message))
        {
            return Some((message.command.clone(), Awaited::Message));
        }
        if let Some(question) = self.questions.pop_front() {
            return Some((question.command.clone(), Awaited::Question(question)));
        }
        if let Some((room, command)) = self.marks.next() {
            return Some((command, Awaited::Mark(room)));
        }
        if let Some(room) = link.typing.take()
            && self
                .typed
                .get(&room)
                .is_none_or(|last| *last + TYPING <= now)
        {
            self.typed.insert(room.clone(), now);
            return Some((Command::Typing { room }, Awaited::Typing));
        }
        if std::mem::take(&mut link.list) {
            let after = link.listed.take();
            let limit = Some(PAGE);
            return Some((Command::Rooms { after, limit }, Awaited::Listing));
        }
        if now >= link.page_at
            && self.events.space() >= PAGE
            && !link.is_awaited(|awaited| matches!(awaited, Awaited::Page(_)))
        {
            while let Some(notice) = self.rooms.skip() {
                self.notify(Some(notice));
            }
            let (room, seq) = self.rooms.behind()?;
            let command = Command::History {
                room: room.clone(),
                page: Page::After(seq),
                limit: Some(PAGE),
            };
            return Some((command, Awaited::Page(room)));
        }
        None
    }

    async fn write(
        &mut self,
        link: &mut Link,
        command: Command,
        awaited: Awaited,
    ) -> Result<(), End> {
        self.last_id += 1;
        let id = self.last_id;
        link.awaited.insert(id, (Instant::now(), awaited));
        let json = serde_json::to_string(&Request { id, command })
            .map_err(|error| End::Lost(error.to_string()))?;
        put(&mut link.socket, Frame::text(json)).await
    }

    async fn hear(
        &mut self,
        link: &mut Link,
        frame: Option<Result<Frame, tungstenite::Error>>,
    ) -> Result<(), End> {
        link.heard = Instant::now();
        link.asked = false;
        match frame {
            None => Err(End::Lost("the server went away".to_owned())),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Frame::Text(text))) => match serde_json::from_str(&text) {
                Ok(Outgoing::Answer(Answer::Reply { id, result })) => {
                    self.answer(link, id, Ok(result))
                }
                Ok(Outgoing::Answer(Answer::Error {
                    id: Some(id),
                    error,
                })) => self.answer(link, id, Err(error)),
                Ok(Outgoing::Answer(Answer::Error { id: None, error })) => {
                    tracing::warn!(code = error.code, "the server could not read a command");
                    Ok(())
                }
                Ok(Outgoing::Event(event)) => {
                    self.event(event);
                    Ok(())
                }
                // A newer server may tell more than this client knows.
                Err(error) => {
                    tracing::debug!(%error, "a frame was not understood");
                    Ok(())
                }
            },
            Some(Ok(Frame::Close(frame))) => {
                Err(closed(frame.map(|frame| {
                    (u16::from(frame.code), frame.reason.as_str().to_owned())
                })))
            }
            // The library has put the pong to a ping into its buffer.
            Some(Ok(Frame::Ping(_))) => Ok(link.socket.flush().await?),
            Some(Ok(_)) => Ok(()),
        }
    }

    fn event(&mut self, event: Event) {
        let space = self.events.space() > 0;
        match event {
            Event::Entry(entry) => {
                if self.rooms.entry(&entry, space) {
                    self.events.push(ClientEvent::Entry(entry));
                }
            }
            Event::Gap {
                room,
                epoch,
                to,
                reason,
                ..
            } => {
                let notice = self.rooms.gap(&room, epoch, to, reason);
                self.notify(notice);
            }
            Event::Resumed { room, cursor } => {
                let notice = self.rooms.resumed(&room, cursor);
                self.notify(notice);
            }
            Event::Closed { ref room } => {
                self.rooms.forget(room);
                self.events.push_ephemeral(event);
            }
            event => self.events.push_ephemeral(event),
        }
    }

    fn notify(&self, notice: Option<Notice>) {
        match notice {
            None => {}
            Some(Notice::Reset(room, epoch)) => {
                self.marks.forget(&room);
                self.events.push(ClientEvent::Reset { room, epoch });
            }
            Some(Notice::Skipped(room, from, to)) => {
                self.events.push(ClientEvent::Skipped { room, from, to });
            }
        }
    }

    fn answer(
        &mut self,
        link: &mut Link,
        id: u64,
        result: Result<Reply, ErrorBody>,
    ) -> Result<(), End> {
        let Some((_, awaited)) = link.awaited.remove(&id) else {
            return Ok(());
        };
        match (awaited, result) {
            (Awaited::Hello, Ok(Reply::Welcome { user, session })) => {
                link.welcome = true;
                link.list = true;
                self.was_connected = true;
                self.backoff.reset();
                self.events.push(ClientEvent::Connected { user, session });
            }
            (Awaited::Hello, Ok(_)) => return Err(End::Lost("no welcome".to_owned())),
            (Awaited::Hello, Err(error)) => return Err(refused(error)),
            (Awaited::Listing, Ok(Reply::Rooms { rooms, more })) => {
                for member in &rooms {
                    let notice = self.rooms.learn(&member.room);
                    self.notify(notice);
                }
                match rooms.last() {
                    Some(last) if more => {
                        link.list = true;
                        link.listed = Some(last.room.id.clone());
                    }
                    _ => self.rooms.all_listed(),
                }
            }
            (Awaited::Page(room), Ok(Reply::History(page))) => {
                let (notice, entries) = self.rooms.page(&room, page, self.events.space());
                self.notify(notice);
                if entries.is_empty() {
                    // The history does not show yet what was announced.
                    link.page_at = Instant::now() + RETRY;
                }
                for entry in entries {
                    self.events.push(ClientEvent::Entry(entry));
                }
            }
            (Awaited::Page(room), Err(error)) if error.code == ErrorCode::NoRoom.code() => {
                self.rooms.forget(&room);
            }
            (Awaited::Page(_), _) => link.page_at = Instant::now() + RETRY,
            (Awaited::Listing, _) => return Err(End::Lost("the rooms were not listed".into())),
            (Awaited::Message, result) => self.message_answered(link, result),
            (Awaited::Question(question), Ok(reply)) => {
                if let Reply::Room(view) = &reply {
                    let notice = self.rooms.opened(&view.room);
                    self.notify(notice);
                }
                let _ = question.done.send(Ok(reply));
            }
            (Awaited::Question(question), Err(error)) => {
                let _ = question.done.send(Err(RequestError::Refused(error)));
            }
            (Awaited::Mark(room), _) => self.marks.answered(&room),
            (Awaited::Typing, _) => {}
        }
        Ok(())
    }

    /// The first message is stored, refused, or has to be tried again before any other.
    fn message_answered(&mut self, link: &mut Link, result: Result<Reply, ErrorBody>) {
        let Some(mut message) = self.messages.pop_front() else {
            return;
        };
        let answer = match result {
            Ok(Reply::Sent(sent)) => Ok(sent),
            Ok(_) => Err(RequestError::Mismatch),
            Err(error) => {
                message.tries += 1;
                let again = match ErrorCode::from_code(error.code) {
                    // Also the latter may be stored: since an earlier try.
                    Some(ErrorCode::OutcomeUnknown | ErrorCode::Overloaded) => {
                        message.tries < TRIES
                    }
                    Some(ErrorCode::ShuttingDown) => true,
                    _ => false,
                };
                if again {
                    let wait = error
                        .retry_after_ms
                        .map_or(RETRY, Duration::from_millis)
                        .min(LATEST);
                    link.message_at = Instant::now() + wait;
                    self.messages.push_front(message);
                    return;
                }
                Err(RequestError::Refused(error))
            }
        };
        let _ = message.done.send(answer);
    }
}

async fn put(socket: &mut Socket, frame: Frame) -> Result<(), End> {
    match timeout(WRITE, socket.send(frame)).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(End::Lost("the server takes nothing".to_owned())),
    }
}

fn expire(questions: &mut VecDeque<Question>) {
    let now = Instant::now();
    while let Some(at) = questions
        .iter()
        .position(|question| question.deadline <= now)
    {
        if let Some(question) = questions.remove(at) {
            let _ = question.done.send(Err(RequestError::TimedOut));
        }
    }
}

/// What a close frame means.
fn closed(frame: Option<(u16, String)>) -> End {
    match frame {
        Some((code @ 4500..=4999, text)) => End::Final(ClientError::Closed { code, text }),
        Some((code, text)) if !text.is_empty() => {
            End::Lost(format!("the server closed the connection: {text} ({code})"))
        }
        _ => End::Lost("the server closed the connection".to_owned()),
    }
}

/// What a refused `hello` means: the user is at fault, or the server can't now.
fn refused(error: ErrorBody) -> End {
    match error.code {
        100..=199 | 213 => End::Final(ClientError::Refused(error)),
        _ => End::Lost(error.message),
    }
}
