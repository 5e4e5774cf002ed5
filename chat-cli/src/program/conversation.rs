//! The conversation: what is shown when something happens, and what is done when asked.

use std::{collections::VecDeque, io, pin::pin, sync::Arc, time::Duration};

use chat_cli::{Client, ClientError, ClientEvent, Events, RequestError, Sending};
use chat_core::{
    ClientMessageId, Entry, EntryBody, ErrorBody, Event, HistoryPage, Mark, Page, Presence, RoomId,
    RoomView, Sent, Seq, UserId, Watermarks,
};
use chrono::{DateTime, Local, NaiveDate, Utc};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{
    input::Input,
    output::Output,
    shown::{Shown, State, presence_line},
    terminal::Status,
};

/// Messages that may wait before no more input is read.
const WAITING: usize = 500;

/// How long receipts may settle before they are shown in one line.
const SETTLE: Duration = Duration::from_millis(200);

/// How long the other has to be away before it is told.
const LASTS: Duration = Duration::from_secs(2);

/// Own messages whose state may still be told.
const OWN: usize = 1_000;

/// A wait that is worth a line of its own.
const LONG: Duration = Duration::from_secs(5);

const HELP: [&str; 5] = [
    "/who          who is online",
    "/edit TEXT    gives your last message another text",
    "/delete       takes your last message back",
    "/quit         leaves, as do Ctrl+C and Ctrl+D",
    "//TEXT        sends /TEXT",
];

/// How the program ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// In order.
    Left,
    /// With so many messages not sent.
    Unsent(usize),
    /// The server is gone, for this reason.
    Lost(String),
}

/// What was asked of the server, and came back.
#[derive(Debug)]
enum Done {
    Greeting(Result<Box<Greeting>, RequestError>),
    Who(Result<Vec<UserId>, RequestError>),
    Sent {
        text: String,
        client_id: Option<ClientMessageId>,
        result: Result<Sent, RequestError>,
    },
}

/// What is asked after each connect.
#[derive(Debug)]
struct Greeting {
    view: RoomView,
    online: Vec<UserId>,
    /// Only the first time; then the client catches up by itself.
    past: Option<HistoryPage>,
}

pub(crate) struct Conversation {
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) output: Output,
    pub(crate) me: UserId,
    pub(crate) peer: UserId,
    pub(crate) room: RoomId,
    pub(crate) last: usize,
    pub(crate) patience: Option<Duration>,
    pub(crate) follow: bool,
}

/// What changes while it goes on.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Now {
    asked: JoinSet<Done>,
    waiting: usize,
    failed: usize,
    greeted: bool,
    greeting: bool,
    connected: bool,
    said_lost: bool,
    ending: bool,
    /// Since when there is no connection.
    down: Option<Instant>,
    /// The last entry shown, and the last one of one's own that is stored.
    shown: Seq,
    stored: Seq,
    day: Option<NaiveDate>,
    /// How far the other has got, and how much of it has been told.
    marks: Watermarks,
    told: Watermarks,
    settle: Option<Instant>,
    own: VecDeque<(Seq, Arc<str>)>,
    /// What has been told of the other, and what is told if it lasts.
    presence: Option<Presence>,
    away: Option<(Instant, Presence)>,
}

impl Conversation {
    /// Runs until somebody ends it.
    pub(crate) async fn run(mut self) -> io::Result<Outcome> {
        let mut now = Now {
            asked: JoinSet::new(),
            waiting: 0,
            failed: 0,
            greeted: false,
            greeting: false,
            connected: false,
            said_lost: false,
            ending: false,
            down: Some(Instant::now()),
            shown: Seq::ZERO,
            stored: Seq::ZERO,
            day: None,
            marks: Watermarks::default(),
            told: Watermarks::default(),
            settle: None,
            own: VecDeque::new(),
            presence: None,
            away: None,
        };
        let mut signal = pin!(signal());
        let outcome = loop {
            let quiet = now.waiting == 0 && now.shown >= now.stored && now.settle.is_none();
            let finished = now.ending && now.greeted && quiet;
            if finished && !self.follow {
                break Outcome::Left;
            }
            let give_up = now
                .down
                .zip(self.patience)
                .map(|(since, wait)| since + wait);
            tokio::select! {
                // While the past is being read, what is new waits behind it.
                event = self.events.next(), if !now.greeting => match event {
                    Some(ClientEvent::Ended(error)) => break Outcome::Lost(error.to_string()),
                    Some(event) => self.event(&mut now, event).await?,
                    None => break Outcome::Lost(ClientError::Finished.to_string()),
                },
                Some(Ok(done)) = now.asked.join_next() => self.done(&mut now, done).await?,
                input = self.inputs.recv(), if !now.ending && now.waiting < WAITING => match input {
                    Some(Input::Quit) => break Outcome::Left,
                    None | Some(Input::End) => now.ending = true,
                    Some(input) => self.input(&mut now, input).await?,
                },
                () = at(now.settle) => self.settled(&mut now).await?,
                () = at(now.away.as_ref().map(|(when, _)| *when)) => {
                    if let Some((_, presence)) = now.away.take() {
                        self.tell_presence(&mut now, presence).await?;
                    }
                }
                () = at(give_up) => break Outcome::Lost("no connection".to_owned()),
                () = &mut signal => break Outcome::Left,
            }
        };
        self.leave(now, outcome).await
    }

    /// Sends what waits, if that is quick.
    async fn leave(self, mut now: Now, outcome: Outcome) -> io::Result<Outcome> {
        const MOMENT: Duration = Duration::from_secs(2);
        let moment = Instant::now() + MOMENT;
        while now.connected && now.waiting > 0 {
            match tokio::time::timeout_at(moment, now.asked.join_next()).await {
                Ok(Some(Ok(done))) => self.done(&mut now, done).await?,
                _ => break,
            }
        }
        self.client.close().await;
        let unsent = now.waiting + now.failed;
        Ok(match outcome {
            Outcome::Left if now.waiting > 0 || unsent > 0 && !self.output.is_terminal() => {
                Outcome::Unsent(unsent)
            }
            outcome => outcome,
        })
    }

    async fn show(&self, shown: Shown) -> io::Result<()> {
        self.output.show(&shown, &self.me).await
    }

    async fn note(&self, note: impl Into<String>) -> io::Result<()> {
        self.show_to_people(Shown::Note(note.into())).await
    }

    async fn show_to_people(&self, shown: Shown) -> io::Result<()> {
        if self.output.is_json() {
            return Ok(());
        }
        self.show(shown).await
    }

    async fn event(&self, now: &mut Now, event: ClientEvent) -> io::Result<()> {
        match event {
            ClientEvent::Connected { .. } => {
                now.connected = true;
                now.said_lost = false;
                now.down = None;
                now.greeting = true;
                self.greet(now);
                self.output.status(Status::Nothing).await;
            }
            ClientEvent::Disconnected { reason, retry_in } => {
                now.connected = false;
                now.down.get_or_insert_with(Instant::now);
                self.output.status(Status::Offline).await;
                if !std::mem::replace(&mut now.said_lost, true) || self.output.is_json() {
                    let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
                    let lost = Shown::Disconnected {
                        reason,
                        retry_in_ms,
                    };
                    self.show(lost).await?;
                } else if retry_in >= LONG {
                    let wait = retry_in.as_secs();
                    self.note(format!("still not connected, next attempt in {wait} s"))
                        .await?;
                }
            }
            ClientEvent::Entry(entry) if entry.room == self.room => {
                self.entry(now, entry, false).await?;
            }
            ClientEvent::Entry(entry) => self.elsewhere(&entry).await?,
            ClientEvent::Skipped { room, from, to } if room == self.room => {
                self.show(Shown::Skipped { from, to }).await?;
            }
            ClientEvent::Reset { room, epoch } if room == self.room => {
                now.shown = Seq::ZERO;
                now.own.clear();
                (now.marks, now.told) = Default::default();
                self.show(Shown::Reset { epoch }).await?;
            }
            ClientEvent::Event(event) => self.told(now, event).await?,
            _ => {}
        }
        Ok(())
    }

    /// A message of somebody else: it has arrived, but nobody sees it here.
    async fn elsewhere(&self, entry: &Entry) -> io::Result<()> {
        self.client.mark(&entry.room, Mark::Delivered, entry.seq);
        let is_message = matches!(entry.body, EntryBody::Message { .. });
        if is_message && entry.author != self.me && self.output.is_terminal() {
            self.note(format!("{} has written to you", entry.author))
                .await?;
        }
        Ok(())
    }

    async fn told(&self, now: &mut Now, event: Event) -> io::Result<()> {
        match event {
            Event::Receipt {
                room,
                user,
                now: marks,
                ..
            } if room == self.room => {
                if user == self.peer {
                    self.marks(now, marks);
                }
                self.show(Shown::Receipt { room, user, marks }).await?;
            }
            Event::Typing { room, user, active } if room == self.room => {
                let status = if active {
                    Status::Typing
                } else {
                    Status::Nothing
                };
                self.output.status(status).await;
                self.show(Shown::Typing { room, user, active }).await?;
            }
            Event::Presence(presence) if presence.user == self.peer => {
                self.presence(now, presence).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The other came or went. People are told of a going that lasts, for a device that changes
    /// networks, or a server that starts again, is soon back.
    async fn presence(&self, now: &mut Now, presence: Presence) -> io::Result<()> {
        now.away = None;
        if self.output.is_json() || presence.online || now.presence.is_none() {
            self.tell_presence(now, presence).await?;
        } else {
            now.away = Some((Instant::now() + LASTS, presence));
        }
        Ok(())
    }

    async fn tell_presence(&self, now: &mut Now, presence: Presence) -> io::Result<()> {
        if now.presence.as_ref() == Some(&presence) {
            return Ok(());
        }
        now.presence = Some(presence.clone());
        if self.output.is_json() {
            self.show(Shown::Presence(presence)).await
        } else {
            self.note(presence_line(&presence)).await
        }
    }

    fn greet(&self, now: &mut Now) {
        let (client, peer, room) = (self.client.clone(), self.peer.clone(), self.room.clone());
        let last = (!now.greeted).then_some(self.last);
        now.asked.spawn(async move {
            let greeting = async {
                let view = client.open(&peer).await?;
                let past = match last {
                    None => None,
                    Some(last) => Some(
                        client
                            .history(&room, Page::Newest, Some(last.max(1)))
                            .await?,
                    ),
                };
                let online = client.online().await?;
                Ok(Box::new(Greeting { view, online, past }))
            };
            Done::Greeting(greeting.await)
        });
    }

    async fn greeted(&self, now: &mut Now, greeting: Greeting) -> io::Result<()> {
        let Greeting { view, online, past } = greeting;
        let peer = view
            .members
            .into_iter()
            .find(|member| member.presence.user == self.peer);
        let first = !now.greeted;
        now.greeted = true;
        if let Some(peer) = &peer {
            self.marks(now, peer.watermarks);
        }
        if first || self.output.is_json() {
            let connected = Shown::Connected {
                user: self.me.clone(),
                peer: self.peer.clone(),
                room: self.room.clone(),
                online: online.clone(),
            };
            self.show(connected).await?;
        } else {
            self.note("connected again").await?;
        }
        if let Some(page) = past {
            let start = page.entries.len().saturating_sub(self.last);
            for entry in &page.entries[start..] {
                self.entry(now, Arc::clone(entry), true).await?;
            }
            // What the past shows, it shows with its state.
            now.told = now.marks;
            now.settle = None;
        }
        if let Some(mut peer) = peer {
            if online.contains(&self.peer) {
                // Asked a moment later, when the other may have come.
                peer.presence.online = true;
                peer.presence.last_seen = None;
            }
            let away = !peer.presence.online;
            self.presence(now, peer.presence).await?;
            if first && away {
                self.alike(&online).await?;
            }
        }
        Ok(())
    }

    /// Names are told apart by case, and people don't always know.
    async fn alike(&self, online: &[UserId]) -> io::Result<()> {
        let folded = self.peer.as_str().to_lowercase();
        for user in online {
            if *user != self.peer && *user != self.me && user.as_str().to_lowercase() == folded {
                let peer = &self.peer;
                self.note(format!(
                    "but {user} is online, and is somebody else than {peer}"
                ))
                .await?;
            }
        }
        Ok(())
    }

    async fn entry(&self, now: &mut Now, entry: Arc<Entry>, past: bool) -> io::Result<()> {
        if entry.seq <= now.shown {
            return Ok(());
        }
        now.shown = entry.seq;
        let seq = entry.seq;
        let is_mine = entry.author == self.me;
        let mut state = None;
        if let (true, EntryBody::Message { text, .. }) = (is_mine, &entry.body) {
            state = Some(State::of(seq, now.marks));
            now.own.push_back((seq, Arc::clone(text)));
            if now.own.len() > OWN {
                now.own.pop_front();
            }
        }
        // The text of a message in the past is the one it has now.
        let is_change = matches!(
            entry.body,
            EntryBody::Edit { .. } | EntryBody::Delete { .. }
        );
        if self.output.is_json() || !(past && is_change) {
            self.day(now, entry.at).await?;
            if !is_mine && !past {
                self.output.status(Status::Nothing).await;
            }
            self.show(Shown::Entry { entry, past, state }).await?;
        }
        self.client.mark(&self.room, Mark::Read, seq);
        Ok(())
    }

    async fn day(&self, now: &mut Now, at: DateTime<Utc>) -> io::Result<()> {
        let day = at.with_timezone(&Local).date_naive();
        if now.day.replace(day) != Some(day) {
            self.show_to_people(Shown::Day(at)).await?;
        }
        Ok(())
    }

    /// The other has got further; it is told when no more has come for a moment.
    fn marks(&self, now: &mut Now, marks: Watermarks) {
        now.marks = Watermarks {
            delivered: now.marks.delivered.max(marks.delivered),
            read: now.marks.read.max(marks.read),
        };
        if !self.output.is_json() {
            now.settle.get_or_insert_with(|| Instant::now() + SETTLE);
        }
    }

    /// Tells how far the last of the own messages have got.
    async fn settled(&self, now: &mut Now) -> io::Result<()> {
        now.settle = None;
        let last = |upto: Seq, after: Seq| {
            let mut own = now.own.iter().rev();
            own.find(|(seq, _)| *seq <= upto && *seq > after)
        };
        let read = last(now.marks.read, now.told.read);
        let delivered = last(now.marks.delivered, now.told.delivered.max(now.marks.read));
        for (found, state) in [(read, State::Read), (delivered, State::Delivered)] {
            if let Some((_, text)) = found {
                let text = text.to_string();
                self.show(Shown::State { state, text }).await?;
            }
        }
        now.told = now.marks;
        Ok(())
    }

    async fn input(&self, now: &mut Now, input: Input) -> io::Result<()> {
        let last_own = now.own.back().map(|(seq, _)| *seq);
        match input {
            Input::Say(text) => {
                if !now.connected && self.output.is_terminal() {
                    self.note(format!("waits for the connection: {text}"))
                        .await?;
                }
                let sending = self.client.send(&self.room, text.clone());
                await_answer(now, sending, text);
            }
            Input::Edit(target, text) => match target.or(last_own) {
                Some(seq) => {
                    let sending = self.client.edit(&self.room, seq, text.clone());
                    await_answer(now, sending, text);
                }
                None => {
                    self.wrong("there is no message of yours to edit").await?;
                }
            },
            Input::Delete(target) => match target.or(last_own) {
                Some(seq) => {
                    let sending = self.client.delete(&self.room, seq);
                    await_answer(now, sending, String::new());
                }
                None => {
                    self.wrong("there is no message of yours to take back")
                        .await?;
                }
            },
            Input::Who => {
                let client = self.client.clone();
                now.asked
                    .spawn(async move { Done::Who(client.online().await) });
            }
            Input::Help => {
                for line in HELP {
                    self.note(line).await?;
                }
            }
            Input::Typing => self.client.typing(&self.room),
            Input::Wrong(why) => {
                if !self.output.is_terminal() {
                    now.failed += 1;
                }
                self.wrong(&why).await?;
            }
            Input::End | Input::Quit => {}
        }
        Ok(())
    }

    async fn wrong(&self, why: &str) -> io::Result<()> {
        self.note(why).await?;
        if self.output.is_json() {
            let error = ErrorBody {
                code: 0,
                name: "bad_input".to_owned(),
                message: why.to_owned(),
                retry_after_ms: None,
            };
            self.refused(error, None, None).await?;
        }
        Ok(())
    }

    async fn refused(
        &self,
        error: ErrorBody,
        text: Option<String>,
        client_id: Option<ClientMessageId>,
    ) -> io::Result<()> {
        self.show(Shown::Error {
            error,
            text,
            client_id,
        })
        .await
    }

    async fn done(&self, now: &mut Now, done: Done) -> io::Result<()> {
        match done {
            Done::Greeting(Ok(greeting)) => {
                self.greeted(now, *greeting).await?;
                now.greeting = false;
            }
            Done::Greeting(Err(error)) => {
                now.greeting = false;
                // Without a connection it is asked again after the next.
                if !matches!(error, RequestError::TimedOut | RequestError::Ended(_)) {
                    now.greeted = true;
                    self.refused(body(&error), None, None).await?;
                } else if now.connected && matches!(error, RequestError::TimedOut) {
                    now.greeting = true;
                    self.greet(now);
                }
            }
            Done::Who(Ok(online)) => {
                let names: Vec<&str> = online.iter().map(UserId::as_str).collect();
                self.note(format!("online: {}", names.join(", "))).await?;
            }
            Done::Who(Err(error)) => self.note(error.to_string()).await?,
            Done::Sent {
                text,
                client_id,
                result,
            } => {
                now.waiting -= 1;
                match result {
                    Ok(sent) => {
                        now.stored = now.stored.max(sent.seq);
                        self.show(Shown::Sent { sent, client_id }).await?;
                    }
                    Err(RequestError::Ended(_)) => now.failed += 1,
                    Err(error) => {
                        now.failed += 1;
                        self.refused(body(&error), Some(text), client_id).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn await_answer(now: &mut Now, sending: Sending, text: String) {
    now.waiting += 1;
    now.asked.spawn(async move {
        let client_id = sending.client_id().cloned();
        let result = sending.await;
        Done::Sent {
            text,
            client_id,
            result,
        }
    });
}

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

/// Waits until then; for ever when there is no then.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// Waits for Ctrl+C, or for the system's wish that the program ends.
async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
