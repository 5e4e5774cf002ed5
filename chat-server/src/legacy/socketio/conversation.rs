//! One socket and its state: the user that it is, and the user that it talks to.

use std::{sync::Arc, time::Duration};

use chat_core::{
    Actor, ChatEngine, ClientMessageId, Clock, CloseReason, Connect, EntryBody, Error, ErrorBody,
    Event, Frame, IdGen, Mark, MessageId, NewBody, Outbox, Outgoing, Responder, RoomId, Sent,
    Session, Transport, UserId,
};
use serde_json::json;
use socketioxide::extract::AckSender;
use tokio::time::Instant;

use super::{
    context::Context,
    inbox::{Call, Calls},
    incoming::Incoming,
    online::Reader,
    outgoing::{ChatMessage, Client, DM_ERROR, wording},
    receipts,
};

/// How many frames are taken from the engine at once.
const FRAMES: usize = 64;

/// A socket's task.
pub(super) struct Conversation {
    context: Arc<Context>,
    client: Client,
    identity: Option<Identity>,
    /// When the changes of name and partner made so far are paid off.
    switches_paid: Instant,
}

/// What a socket has while it has a name.
struct Identity {
    user: Actor,
    /// Ends before the rest when the client is gone: what it had sent is carried out without.
    session: Option<Session>,
    outbox: Arc<Outbox>,
    /// The one direct room that the client shows.
    room: Option<RoomId>,
    /// As long as it lives, the socket gets the list of who is online.
    named: Arc<()>,
}

impl Conversation {
    pub(super) fn new(context: Arc<Context>, client: Client) -> Self {
        Self {
            context,
            client,
            identity: None,
            switches_paid: Instant::now(),
        }
    }

    /// Runs until the client is gone. What it had sent before is still carried out, though the session
    /// ends at once.
    pub(super) async fn run(mut self, calls: Arc<Calls>) {
        let mut frames = Vec::new();
        let mut leaving = false;
        loop {
            tokio::select! {
                () = self.client.kick.cancelled(), if !leaving => {
                    calls.close();
                    self.identity = None;
                    while calls.recv().await.is_some() {}
                    return Box::pin(self.client.hang_up()).await;
                }
                () = self.client.gone.cancelled(), if !leaving => {
                    leaving = true;
                    calls.close();
                    if let Some(identity) = &mut self.identity {
                        identity.session = None;
                    }
                }
                call = calls.recv() => match call {
                    Some(call) => {
                        let kick = self.client.kick.clone();
                        // Boxed, for a task is as large as the largest thing it awaits.
                        kick.run_until_cancelled(Box::pin(self.take(call))).await;
                    }
                    None => return,
                },
                closed = next_frames(self.identity.as_ref(), &mut frames), if !leaving => {
                    for frame in frames.drain(..) {
                        self.deliver(&frame).await;
                    }
                    if let Some(reason) = closed
                        && !self.client.kick.is_cancelled()
                    {
                        self.client.metrics.closed.count(reason);
                    }
                    match closed {
                        None => {}
                        Some(CloseReason::Shutdown) => {
                            // The client comes back by itself when its connection is cut, not when
                            // it is asked to go; so that is left to `SocketIo::close`.
                            self.client.emit(DM_ERROR, "The server is shutting down");
                            // What comes from now on has nobody to take it.
                            calls.close();
                            return;
                        }
                        Some(reason) => {
                            self.client.emit(DM_ERROR, &format!("Disconnected: {}", reason.name()));
                            self.client.kick.cancel();
                        }
                    }
                }
            }
        }
    }

    async fn take(&mut self, call: Call) {
        let Call { event, ack, .. } = call;
        let done = match (event, &mut self.identity) {
            (Err(error), _) => Err(error),
            (Ok(Incoming::SetUsername(name)), _) => self.set_username(&name).await,
            (Ok(_), None) => Err(bad("say who you are first: set-username")),
            (Ok(Incoming::StartDm(peer)), Some(_)) => self.start_dm(&peer).await,
            (Ok(Incoming::Message { text, client_id }), Some(identity)) => {
                return identity
                    .send(&self.context, &self.client, text, client_id, ack)
                    .await;
            }
            (Ok(Incoming::Typing), Some(identity)) => identity.typing().await,
            (Ok(Incoming::Receipt { mark, id, from }), Some(identity)) => {
                identity.receipt(mark, id, &from).await
            }
        };
        match done {
            Ok(()) => drop(ack.send(&json!({}))),
            Err(error) => refuse(&self.client, ack, &error),
        }
    }

    async fn set_username(&mut self, name: &str) -> Result<(), Error> {
        let user = self.context.app.login.user(name).await?;
        if self
            .identity
            .as_ref()
            .is_some_and(|identity| *identity.user.user() == user)
        {
            return Ok(());
        }
        self.pay_for_switch()?;
        // The former name is given up first, so that it doesn't stay behind as a ghost.
        self.identity = None;
        let identity = Identity::take(&self.context.app.engine, user).await?;
        let reader = Reader::new(self.client.clone(), Arc::downgrade(&identity.named));
        self.identity = Some(identity);
        self.context.newcomers.send(reader).await.ok();
        Ok(())
    }

    async fn start_dm(&mut self, peer: &UserId) -> Result<(), Error> {
        self.pay_for_switch()?;
        let Some(identity) = &mut self.identity else {
            return Ok(());
        };
        // The former partner goes first: after a failure nothing may reach the wrong one.
        identity.room = None;
        identity.room = Some(identity.user.open(peer).await?.room.id);
        Ok(())
    }

    /// Limits changes of name and partner: each may make a room, or change the list for all.
    fn pay_for_switch(&mut self) -> Result<(), Error> {
        const EACH: Duration = Duration::from_millis(200);
        const AT_ONCE: u32 = 20;
        let now = Instant::now();
        let paid = self.switches_paid.max(now) + EACH;
        match paid.checked_duration_since(now + EACH * AT_ONCE) {
            Some(wait) if !wait.is_zero() => Err(Error::RateLimited {
                retry_after: wait,
                muted_for: None,
            }),
            _ => {
                self.switches_paid = paid;
                Ok(())
            }
        }
    }

    async fn deliver(&self, frame: &Frame) {
        let Some(identity) = &self.identity else {
            return;
        };
        let Outgoing::Event(event) = frame.outgoing() else {
            return;
        };
        match event {
            Event::Entry(entry) if identity.shows(&entry.room) => {
                if let EntryBody::Message { text, .. } = &entry.body
                    && let Some(message) =
                        ChatMessage::new(&entry.room, entry.id, &entry.author, text, entry.at)
                {
                    self.client.emit("dm-message", &message);
                }
            }
            Event::Typing {
                room,
                user,
                active: true,
            } if identity.shows(room) => {
                self.client.emit("typing", user);
            }
            Event::Receipt {
                room,
                user,
                was,
                now,
            } if user != identity.user.user() => {
                match Box::pin(receipts::of(&identity.user, room, *was, *now)).await {
                    Ok(receipts) => {
                        for (event, id) in receipts {
                            self.client.emit(event, &id);
                        }
                    }
                    Err(error) => tracing::debug!(%error, "receipts could not be passed on"),
                }
            }
            _ => {}
        }
    }
}

impl Identity {
    async fn take(engine: &ChatEngine, user: UserId) -> Result<Self, Error> {
        let outbox = engine.outbox();
        let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
        let session = engine.connect_with(Connect::new(user), transport).await?;
        Ok(Self {
            user: Actor::clone(&session),
            session: Some(session),
            outbox,
            room: None,
            named: Arc::default(),
        })
    }

    fn shows(&self, room: &RoomId) -> bool {
        self.room.as_ref() == Some(room)
    }

    fn room(&self) -> Result<&RoomId, Error> {
        self.room
            .as_ref()
            .ok_or_else(|| bad("say whom you talk to first: start-dm"))
    }

    /// Doesn't wait until the message is stored: the next one can follow meanwhile, behind it.
    async fn send(
        &self,
        context: &Arc<Context>,
        client: &Client,
        text: String,
        client_id: Option<ClientMessageId>,
        ack: AckSender,
    ) {
        let room = match self.room() {
            Ok(room) => room,
            Err(error) => return refuse(client, ack, &error),
        };
        let done = Responder::new({
            let (context, client) = (Arc::clone(context), client.clone());
            let (room, from) = (room.clone(), self.user.user().clone());
            move |result| match result {
                Ok(Sent { id, seq, .. }) => drop(ack.send(&json!({ "id": id, "seq": seq }))),
                Err(error @ Error::Moderated { .. }) => {
                    let id = MessageId(context.ids.next());
                    let at = context.clock.now();
                    if let Some(refused) = ChatMessage::new(&room, id, &from, &wording(&error), at)
                    {
                        client.emit(DM_ERROR, &refused);
                    }
                    answer(&client, ack, &error);
                }
                Err(error) => refuse(&client, ack, &error),
            }
        });
        self.user
            .submit(room, NewBody::Message(text), client_id, done)
            .await;
    }

    async fn typing(&self) -> Result<(), Error> {
        self.user.typing(self.room()?).await
    }

    /// A receipt counts for a message that exists, in the direct room with its author.
    async fn receipt(&self, mark: Mark, id: MessageId, from: &UserId) -> Result<(), Error> {
        let unknown = || bad(format!("there is no such message from {from}"));
        let room = RoomId::direct(self.user.user(), from)?;
        let entry = match self.user.find(&room, id).await {
            Ok(Some(entry)) if entry.author == *from => entry,
            Ok(_) | Err(Error::NoRoom) => return Err(unknown()),
            Err(error) => return Err(error),
        };
        self.user.receipt(&room, mark, entry.seq).await.map(drop)
    }
}

/// Waits for frames, or for the end of the session; for ever while there is no session.
async fn next_frames(identity: Option<&Identity>, frames: &mut Vec<Frame>) -> Option<CloseReason> {
    match identity {
        Some(identity) => identity.outbox.recv_many(frames, FRAMES).await,
        None => std::future::pending().await,
    }
}

/// Says why an event was refused: as the old server did, and in the ack of a client that asked for one.
fn refuse(client: &Client, ack: AckSender, error: &Error) {
    client.emit(DM_ERROR, &wording(error));
    answer(client, ack, error);
}

fn answer(client: &Client, ack: AckSender, error: &Error) {
    client.metrics.refusals.count(error.code());
    ack.send(&json!({ "error": ErrorBody::from(error) })).ok();
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadRequest(why.into())
}
