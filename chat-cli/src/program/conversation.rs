//! The loop of the program: gives the view what happens, and does what the view says.

use std::{io, pin::pin, time::Duration};

use chat_cli::{Client, ClientError, ClientEvent, Events};
use chat_core::{Page, RoomId, RoomView, UserId};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    command::{Command, Write},
    happened::{Act, Answered, Greeting, Happened, Outcome, Topic},
    input::Input,
    output::Output,
    view::View,
};

/// The time that the last messages have when the user leaves.
const MOMENT: Duration = Duration::from_secs(2);

/// Entries that a server gives in one page at most.
const PAGE: usize = 200;

/// All that a conversation touches.
#[derive(Debug)]
pub(crate) struct Conversation {
    client: Client,
    events: Events,
    inputs: mpsc::Receiver<Input>,
    output: Output,
    me: UserId,
    peer: UserId,
    room: RoomId,
    view: View,
    /// The questions to the server, whose answers come back as something that happened.
    asked: JoinSet<Happened>,
}

impl Conversation {
    pub(crate) fn new(
        topic: Topic,
        (client, events): (Client, Events),
        inputs: mpsc::Receiver<Input>,
        output: Output,
    ) -> Self {
        Self {
            client,
            events,
            inputs,
            output,
            me: topic.me.clone(),
            peer: topic.peer.clone(),
            room: topic.room.clone(),
            view: View::new(topic, Instant::now()),
            asked: JoinSet::new(),
        }
    }

    /// Runs until the user, the input or the server ends it.
    pub(crate) async fn run(mut self) -> io::Result<Outcome> {
        let mut signal = pin!(signal());
        let outcome = loop {
            if let Some(outcome) = self.view.outcome() {
                break outcome;
            }
            let happened = tokio::select! {
                event = self.events.next(), if self.view.takes_events() => {
                    Happened::Client(event.unwrap_or(ClientEvent::Ended(ClientError::Finished)))
                }
                Some(Ok(happened)) = self.asked.join_next() => happened,
                input = self.inputs.recv(), if self.view.takes_input() => {
                    Happened::Input(input.unwrap_or(Input::End))
                }
                () = at(self.view.alarm()) => Happened::Alarm,
                () = &mut signal => Happened::Input(Input::Command(Command::Quit)),
            };
            self.happened(happened)?;
        };
        self.part(outcome).await
    }

    /// Waits a moment for the answers that are missing, and closes the connection.
    async fn part(mut self, outcome: Outcome) -> io::Result<Outcome> {
        let moment = Instant::now() + MOMENT;
        while self.view.is_sending()
            && let Ok(Some(Ok(happened))) = timeout_at(moment, self.asked.join_next()).await
        {
            self.happened(happened)?;
        }
        self.client.close().await;
        Ok(self.view.parted(outcome))
    }

    fn happened(&mut self, happened: Happened) -> io::Result<()> {
        for act in self.view.step(Instant::now(), happened) {
            self.carry_out(act)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, act: Act) -> io::Result<()> {
        match act {
            Act::Show(shown) => self.output.show(&shown, &self.me)?,
            Act::Status(status) => self.output.set_status(status),
            Act::Greet(last) => self.greet(last),
            Act::Ask(question) => {
                let answer = question.ask(self.client.clone());
                self.asked.spawn(async { Happened::Told(answer.await) });
            }
            Act::AskEarlier(before, count) => {
                let (client, room) = (self.client.clone(), self.room.clone());
                let limit = Some(count.clamp(1, PAGE));
                self.asked.spawn(async move {
                    let page = client.history(&room, Page::Before(before), limit).await;
                    Happened::Earlier(page)
                });
            }
            Act::Write(write) => self.write(write),
            Act::Mark(room, mark, seq) => self.client.mark(&room, mark, seq),
            Act::Typing => self.client.typing(&self.room),
        }
        Ok(())
    }

    fn write(&mut self, write: Write) {
        // The message that it is about was before it in the outbox, and gave it its number.
        let Some(sending) = write.queue(&self.client, &self.room) else {
            return;
        };
        let client_id = sending.client_id().cloned();
        self.asked.spawn(async move {
            Happened::Answered(Answered {
                client_id,
                result: sending.await,
            })
        });
    }

    fn greet(&mut self, last: Option<usize>) {
        let (client, me) = (self.client.clone(), self.me.clone());
        let (peer, room) = (self.peer.clone(), self.room.clone());
        self.asked.spawn(async move {
            let greeting = async {
                let view = client.open(&peer).await?;
                let past = match last {
                    Some(last) => {
                        let limit = Some(last.max(unread(&view, &me)).clamp(1, PAGE));
                        Some(client.history(&room, Page::Newest, limit).await?)
                    }
                    None => None,
                };
                let online = client.online().await?;
                Ok(Box::new(Greeting { view, online, past }))
            };
            Happened::Greeted(greeting.await)
        });
    }
}

/// The number of entries that a member has not read.
fn unread(view: &RoomView, me: &UserId) -> usize {
    let mut members = view.members.iter();
    let me = members.find(|member| member.presence.user == *me);
    let read = me.map_or(0, |me| me.watermarks.read.0);
    usize::try_from(view.room.head.0.saturating_sub(read)).unwrap_or(usize::MAX)
}

/// Waits until then; for ever when there is no time given.
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
