//! The full screen: `chat-cli` without names.
//!
//! [`model`] is the state, which [`update`] changes and [`render`] shows; neither does input or output, and
//! tests need no terminal. This file is the loop between them, the [`terminal`] and the client.

mod composer;
mod happened;
mod inbox;
mod layout;
mod links;
mod model;
mod render;
mod rows;
mod talk;
mod terminal;
mod theme;
mod update;
mod wrap;

use std::{collections::VecDeque, future::pending, io, time::Duration};

use chat_cli::{Client, ClientError, ClientEvent, Events};
use chat_core::{InboxFilter, Page, RoomId};
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use happened::{Act, Happened, Opening, Ticket, Write};
use model::Model;
pub(crate) use model::{Outcome, Settings};
pub(crate) use rows::local;
use terminal::Screen;
pub(crate) use theme::Theme;

/// The time between two paintings.
const FRAME: Duration = Duration::from_millis(16);

/// The time that the last messages have when the user leaves.
const MOMENT: Duration = Duration::from_secs(2);

/// Entries in a page of earlier ones.
const PAGE: usize = 100;

/// Shows the full screen until the user leaves, or the server is gone for good.
///
/// # Errors
///
/// The terminal can't be used.
pub(crate) async fn run(client: (Client, Events), settings: Settings) -> io::Result<Outcome> {
    let mut signals = Signals::new()?;
    let screen = Screen::open()?;
    let model = Model::new(settings, screen.size()?);
    let (client, events) = client;
    let program = Program {
        model,
        screen,
        client: client.clone(),
        asked: JoinSet::new(),
        unsent: 0,
    };
    let outcome = program.run(events, &mut signals).await;
    client.close().await;
    outcome
}

/// All that the full screen touches.
#[derive(Debug)]
struct Program {
    model: Model,
    screen: Screen,
    client: Client,
    /// The questions to the server, whose answers come back as something that happened.
    asked: JoinSet<Happened>,
    /// The number of writes that have no answer.
    unsent: usize,
}

impl Program {
    /// Runs to the end, gives the terminal back, and waits a moment for the answers that are missing.
    async fn run(mut self, events: Events, signals: &mut Signals) -> io::Result<Outcome> {
        let outcome = self.show(events, signals).await?;
        let Self {
            screen,
            model,
            mut asked,
            mut unsent,
            ..
        } = self;
        drop(screen);
        let moment = Instant::now() + MOMENT;
        while unsent > 0
            && model.is_up()
            && let Ok(Some(Ok(happened))) = timeout_at(moment, asked.join_next()).await
        {
            unsent -= usize::from(matches!(happened, Happened::Answered(..)));
        }
        Ok(match outcome {
            Outcome::Left if unsent > 0 => Outcome::Unsent(unsent),
            outcome => outcome,
        })
    }

    async fn show(&mut self, mut events: Events, signals: &mut Signals) -> io::Result<Outcome> {
        let mut input = EventStream::new();
        let mut frame = Some(Instant::now());
        loop {
            if let Some(outcome) = self.model.outcome() {
                return Ok(outcome);
            }
            let happened = tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Sign::Leave => return Ok(Outcome::Left),
                    Sign::Stop => {
                        self.screen.suspend()?;
                        None
                    }
                    Sign::Continue => {
                        self.screen.take_over()?;
                        None
                    }
                },
                () = at(frame) => {
                    self.screen.draw(&mut self.model)?;
                    frame = None;
                    continue;
                }
                event = input.next() => match event {
                    Some(Ok(event)) => Some(read(event)),
                    // The terminal is gone.
                    Some(Err(_)) | None => return Ok(Outcome::Left),
                },
                Some(done) = self.asked.join_next() => Some(done.map_err(io::Error::other)?),
                event = events.next() => {
                    let end = ClientEvent::Ended(ClientError::Finished);
                    Some(Happened::Client(event.unwrap_or(end)))
                }
                () = at(self.model.alarm()) => Some(Happened::Alarm),
            };
            frame.get_or_insert_with(|| Instant::now() + FRAME);
            if let Some(happened) = happened {
                self.happened(happened)?;
            }
        }
    }

    fn happened(&mut self, happened: Happened) -> io::Result<()> {
        self.unsent -= usize::from(matches!(happened, Happened::Answered(..)));
        let mut acts = VecDeque::from(self.model.update(Instant::now(), happened));
        while let Some(act) = acts.pop_front() {
            match act {
                Act::Redraw => self.screen.clear()?,
                Act::Suspend => {
                    self.screen.suspend()?;
                }
                Act::Write(ticket, room, write) => {
                    let queued = self.write(ticket, &room, write);
                    acts.extend(self.model.update(Instant::now(), queued));
                }
                act => self.carry_out(act),
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, act: Act) {
        let client = self.client.clone();
        match act {
            Act::Inbox(after) => {
                self.asked.spawn(async move {
                    let page = client.inbox(InboxFilter::All, after.as_ref(), Some(200));
                    Happened::Inbox {
                        page: page.await,
                        first: after.is_none(),
                    }
                });
            }
            Act::Online => {
                self.asked.spawn(async move {
                    Happened::Online(client.online().await.unwrap_or_default())
                });
            }
            Act::Open {
                room,
                peer,
                entries,
            } => {
                self.asked.spawn(async move {
                    let opening = async {
                        let view = match &peer {
                            Some(peer) => client.open(peer).await?,
                            None => client.room(&room).await?,
                        };
                        let past = match entries {
                            Some(count) => {
                                Some(client.history(&room, Page::Newest, Some(count)).await?)
                            }
                            None => None,
                        };
                        Ok(Box::new(Opening { view, past }))
                    };
                    let opening = opening.await;
                    Happened::Opened(room, opening)
                });
            }
            Act::Earlier(room, before) => {
                self.asked.spawn(async move {
                    let page = client
                        .history(&room, Page::Before(before), Some(PAGE))
                        .await;
                    Happened::Earlier(room, page)
                });
            }
            Act::Ask(asked) => {
                self.asked.spawn(async move {
                    let reply = client.request(asked.command.clone()).await;
                    Happened::Replied(asked, reply)
                });
            }
            Act::Mark(room, mark, seq) => client.mark(&room, mark, seq),
            Act::Typing(room) => client.typing(&room),
            Act::Redraw | Act::Suspend | Act::Write(..) => {}
        }
    }

    fn write(&mut self, ticket: Ticket, room: &RoomId, write: Write) -> Happened {
        let sending = match write {
            Write::Send(text) => self.client.send(room, text),
            Write::Edit(seq, text) => self.client.edit(room, seq, text),
            Write::Delete(seq) => self.client.delete(room, seq),
        };
        self.unsent += 1;
        let queued = Happened::Queued(ticket, sending.client_id().cloned());
        self.asked
            .spawn(async move { Happened::Answered(ticket, sending.await) });
        queued
    }
}

/// Turns an event of the terminal into something that happened.
fn read(event: Event) -> Happened {
    match event {
        Event::Key(key) => Happened::Key(key),
        Event::Mouse(mouse) => Happened::Mouse(mouse),
        Event::Paste(text) => Happened::Paste(text),
        Event::Resize(columns, rows) => Happened::Resized(columns, rows),
        Event::FocusGained => Happened::Focus(true),
        Event::FocusLost => Happened::Focus(false),
    }
}

/// Waits until then; for ever when there is no time given.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}

/// The signals that concern the terminal.
#[derive(Debug)]
struct Signals {
    leave: [Signal; 4],
    stop: Signal,
    resume: Signal,
}

/// The act that a signal asks for.
#[derive(Debug)]
enum Sign {
    Leave,
    Stop,
    Continue,
}

impl Signals {
    fn new() -> io::Result<Self> {
        use rustix::process::Signal as Number;
        let of = |number: Number| signal(SignalKind::from_raw(number.as_raw()));
        Ok(Self {
            leave: [
                of(Number::INT)?,
                of(Number::TERM)?,
                of(Number::HUP)?,
                of(Number::QUIT)?,
            ],
            stop: of(Number::TSTP)?,
            resume: of(Number::CONT)?,
        })
    }

    async fn next(&mut self) -> Sign {
        let [interrupt, terminate, hangup, quit] = &mut self.leave;
        tokio::select! {
            _ = interrupt.recv() => Sign::Leave,
            _ = terminate.recv() => Sign::Leave,
            _ = hangup.recv() => Sign::Leave,
            _ = quit.recv() => Sign::Leave,
            _ = self.stop.recv() => Sign::Stop,
            _ = self.resume.recv() => Sign::Continue,
        }
    }
}

#[cfg(test)]
mod tests;
