//! The loop of the program: gives the view what happens, and does what the view says.

use std::{io, pin::pin, time::Duration};

use chat_cli::{Client, ClientError, ClientEvent, Events};
use chat_core::{Page, RoomId, RoomView, Seq, UserId};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    command::{Command, Write},
    happened::{Act, Answered, Greeting, Happened, Outcome, Spot, Topic},
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
            Act::Greet(spot, last, read) => self.greet(spot, last, read),
            Act::Ask(asked) => {
                let (client, command) = (self.client.clone(), asked.command.clone());
                self.asked
                    .spawn(async move { Happened::Replied(asked, client.request(command).await) });
            }
            Act::AskEarlier(room, before, count) => {
                let client = self.client.clone();
                let limit = Some(count.clamp(1, PAGE));
                self.asked.spawn(async move {
                    let page = client.history(&room, Page::Before(before), limit).await;
                    Happened::Earlier(room, page)
                });
            }
            Act::Write(room, write) => self.write(&room, write),
            Act::Mark(room, mark, seq) => self.client.mark(&room, mark, seq),
            Act::Typing(room) => self.client.typing(&room),
        }
        Ok(())
    }

    fn write(&mut self, room: &RoomId, write: Write) {
        // The message that it is about was before it in the outbox, and gave it its number.
        let Some(sending) = write.queue(&self.client, room) else {
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

    fn greet(&mut self, spot: Spot, last: Option<usize>, read: Seq) {
        let (client, me) = (self.client.clone(), self.me.clone());
        self.asked.spawn(async move {
            let Spot { room, peer } = spot;
            let greeting = async {
                let view = match &peer {
                    Some(peer) => client.open(peer).await?,
                    None => client.room(&room).await?,
                };
                let past = match last {
                    Some(last) => {
                        let limit = last.max(unread(&view, &me, read)).clamp(1, PAGE);
                        Some(client.history(&room, Page::Newest, Some(limit)).await?)
                    }
                    None => None,
                };
                let online = match peer {
                    Some(_) => client.online().await?,
                    None => Vec::new(),
                };
                Ok(Box::new(Greeting { view, online, past }))
            };
            let greeting = greeting.await;
            Happened::Greeted(room, greeting)
        });
    }
}

/// The number of entries that a member has not read; `read` counts in a room that lists no members.
fn unread(view: &RoomView, me: &UserId, read: Seq) -> usize {
    let mut members = view.members.iter();
    let me = members.find(|member| member.presence.user == *me);
    let read = me.map_or(read, |me| me.watermarks.read);
    usize::try_from(view.room.head.0.saturating_sub(read.0)).unwrap_or(usize::MAX)
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
