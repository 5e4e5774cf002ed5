//! One client above the protocol: the user that it is, the user that it talks to, and its events.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration, vec};

use chat_core::{
    Actor, ClientMessageId, Clock, CloseReason, Connect, EntryBody, Error, ErrorBody, Event, Frame,
    IdGen, MessageId, NewBody, Outgoing, Principal, Responder, RoomId, Sent, port::Secret,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::time::Instant;

use super::{
    context::Context,
    engine_packet::Encoded,
    identity::{self, Identity},
    incoming::Incoming,
    login::{self, Login},
    outgoing::{ChatMessage, DM_ERROR, wording},
    packet,
    queue::Queue,
    receipts,
};
use crate::{auth::expiry::Due, http::sessions::SessionSlot};

/// The most events that may wait; long polling delivers a thousand at once.
const MAX_WAITING: usize = 4_096;

/// The most bytes of events that may wait.
const MAX_BYTES: usize = 1 << 20;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The requests of a client and the frames it is sent, in order in each direction.
pub(super) struct Conversation {
    context: Arc<Context>,
    queue: Arc<Queue>,
    identity: Option<Identity>,
    login: Login,
    /// Its place among the sessions of its client's address.
    slot: SessionSlot,
    /// The moment at which the changes of name and partner made so far are paid off.
    switches_paid: Instant,
    waiting: VecDeque<Call>,
    waiting_bytes: usize,
    /// The work under way for the client.
    work: Option<Boxed<Done>>,
    /// Frames of the engine that are still to be sent.
    frames: vec::IntoIter<Frame>,
    /// The receipts that come before them.
    receipts: Option<Boxed<Vec<(&'static str, MessageId)>>>,
    /// Set when the client is gone: what it had sent is carried out without a session.
    gone: bool,
}

/// One thing that a client asks for.
struct Call {
    ask: Ask,
    /// Set when it wants an answer.
    ack: Option<u64>,
    size: usize,
}

enum Ask {
    /// To enter the namespace, with a token, and to be sent this packet when it may.
    Enter(Option<Secret>, Encoded),
    Event(Result<Incoming, Error>),
    /// To leave the namespace, and with it the name.
    Leave,
}

/// The state of a call.
enum Done {
    /// Whether the client may enter the namespace, and as whom, if it has said so.
    Entered(Result<Option<Arc<Principal>>, Error>, Encoded),
    Renewed(Result<Arc<Principal>, Error>, Option<u64>),
    Known(Result<Arc<Principal>, Error>, Option<u64>),
    Named(Result<Identity, Error>, Option<u64>),
    Opened(Result<RoomId, Error>, Option<u64>),
    Carried(Result<(), Error>, Option<u64>),
    /// The answer comes when the message is stored.
    Submitted,
}

/// More has been sent than fits.
pub(super) struct Flood;

impl Conversation {
    /// A client that has proved who it is with the handshake is `known`.
    pub(super) fn new(
        context: Arc<Context>,
        queue: Arc<Queue>,
        slot: SessionSlot,
        known: Option<Arc<Principal>>,
    ) -> Self {
        let login = Login::new(context.app.clone(), known, slot.address());
        Self {
            context,
            queue,
            identity: None,
            login,
            slot,
            switches_paid: Instant::now(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            work: None,
            frames: Vec::new().into_iter(),
            receipts: None,
            gone: false,
        }
    }

    /// Takes an event, of `size` bytes, to be carried out after those before it.
    pub(super) fn take(
        &mut self,
        event: Result<Incoming, Error>,
        ack: Option<u64>,
        size: usize,
    ) -> Result<(), Flood> {
        let bytes = self.waiting_bytes + size;
        if self.waiting.len() >= MAX_WAITING || bytes > MAX_BYTES {
            return Err(Flood);
        }
        self.waiting_bytes = bytes;
        let ask = Ask::Event(event);
        self.waiting.push_back(Call { ask, ack, size });
        Ok(())
    }

    /// The client wants into the namespace, and is sent `welcome` when it may. Where it has proved who it is,
    /// events that come after this are carried out once that is looked at.
    pub(super) fn enter(&mut self, token: Option<Secret>, welcome: Encoded) {
        if !self.login.is_proved_by(token.as_ref()) {
            return self.queue.push(welcome);
        }
        self.waiting.push_back(Call {
            ask: Ask::Enter(token, welcome),
            ack: None,
            size: 0,
        });
    }

    /// Whether the client has said who it is, or need not.
    pub(super) fn may_stay(&self) -> bool {
        self.login.is_open() || self.identity.is_some()
    }

    /// The client leaves the namespace. What it had sent before is still carried out, though its
    /// session ends at once.
    pub(super) fn leave(&mut self) {
        self.end_session();
        self.waiting.push_back(Call {
            ask: Ask::Leave,
            ack: None,
            size: 0,
        });
    }

    /// Ends the session, and hears no more from the engine.
    fn end_session(&mut self) {
        self.frames = Vec::new().into_iter();
        self.receipts = None;
        if let Some(identity) = &mut self.identity {
            identity.session = None;
        }
    }

    /// Gives up the name, and all that was not carried out yet.
    pub(super) fn stop(&mut self) {
        self.end_session();
        self.identity = None;
        self.work = None;
        self.waiting = VecDeque::new();
    }

    /// The client is gone: carries out what it had sent before.
    pub(super) async fn finish(mut self) {
        self.gone = true;
        self.end_session();
        loop {
            self.start();
            let Some(work) = &mut self.work else { return };
            let done = work.await;
            self.work = None;
            self.done(done);
        }
    }

    /// Goes on until something has changed. Gives the reason when the engine has closed the session.
    /// Takes frames from the engine only when `wanted`.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has lost nothing.
    pub(super) async fn step(&mut self, wanted: bool) -> Option<CloseReason> {
        self.start();
        let idle = self.receipts.is_none() && self.frames.as_slice().is_empty();
        let mut frames = Vec::new();
        tokio::select! {
            done = under_way(&mut self.work) => {
                self.work = None;
                self.done(done);
                None
            }
            receipts = under_way(&mut self.receipts) => {
                self.receipts = None;
                for (event, id) in receipts {
                    self.queue.emit(event, &id);
                }
                None
            }
            closed = identity::receive(self.identity.as_ref(), &mut frames), if wanted && idle => {
                self.frames = frames.into_iter();
                closed
            }
            reason = identity::until_closed(self.identity.as_ref()), if !wanted => Some(reason),
            due = self.login.due() => match due {
                Due::Warning(expires_at) => {
                    self.queue.emit("expiring", &json!({ "expires_at": expires_at }));
                    None
                }
                Due::End => Some(CloseReason::TokenExpired),
            },
        }
    }

    /// The packets of the frames that have been taken, up to receipts that have to be looked up first.
    pub(super) fn packets(&mut self) -> Vec<Encoded> {
        let mut packets = Vec::new();
        if self.login.is_over() {
            // Nothing that was committed after the end of the login goes out.
            self.frames = Vec::new().into_iter();
        }
        while self.receipts.is_none()
            && let Some(frame) = self.frames.next()
        {
            packets.extend(self.translate(&frame));
        }
        if self.frames.as_slice().is_empty() {
            // An idle client holds no buffer.
            self.frames = Vec::new().into_iter();
        }
        packets
    }

    fn translate(&mut self, frame: &Frame) -> Option<Encoded> {
        let identity = self.identity.as_ref()?;
        let Outgoing::Event(event) = frame.outgoing() else {
            return None;
        };
        let encoded = match event {
            Event::Entry(entry) if identity.shows(&entry.room) => {
                let EntryBody::Message { text, .. } = &entry.body else {
                    return None;
                };
                let message =
                    ChatMessage::new(&entry.room, entry.id, &entry.author, text, entry.at)?;
                packet::event("dm-message", &message)
            }
            Event::Typing {
                room,
                user,
                active: true,
            } if identity.shows(room) => packet::event("typing", user),
            Event::Receipt {
                room,
                user,
                was,
                now,
            } if user != identity.user.user() => {
                let (reader, room, was, now) = (identity.user.clone(), room.clone(), *was, *now);
                self.receipts = Some(Box::pin(async move {
                    let found = receipts::of(&reader, &room, was, now).await;
                    found.unwrap_or_else(|error| {
                        tracing::debug!(%error, "receipts could not be passed on");
                        Vec::new()
                    })
                }));
                return None;
            }
            _ => return None,
        };
        match encoded {
            Ok(packet) => Some(packet.into()),
            // Only a map with keys that are no strings can't be written, and there is none.
            Err(error) => {
                tracing::error!(%error, "an event could not be encoded");
                None
            }
        }
    }

    /// Begins the next thing that waits, while nothing is under way.
    fn start(&mut self) {
        while self.work.is_none()
            && let Some(Call { ask, ack, size }) = self.waiting.pop_front()
        {
            self.waiting_bytes -= size;
            match ask {
                Ask::Leave => {
                    self.identity = None;
                    self.login.left();
                }
                Ask::Enter(token, welcome) => {
                    let entering = self.login.enter(token);
                    self.work = Some(Box::pin(
                        async move { Done::Entered(entering.await, welcome) },
                    ));
                }
                Ask::Event(event) => match event.and_then(|event| self.begin(event, ack)) {
                    Ok(work) => self.work = Some(work),
                    Err(error) => self.refuse(ack, &error),
                },
            }
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }

    fn begin(&mut self, event: Incoming, ack: Option<u64>) -> Result<Boxed<Done>, Error> {
        if let Incoming::SetUsername(name) = event {
            let named = self.login.name(name)?;
            return Ok(Box::pin(async move { Done::Known(named.await, ack) }));
        }
        let Some(identity) = &mut self.identity else {
            return Err(bad("say who you are first: set-username"));
        };
        let user = identity.user.clone();
        Ok(match event {
            Incoming::SetUsername(_) => return Err(Error::ShuttingDown),
            Incoming::Renew(token) => {
                let renewed = self.login.renew(token)?;
                Box::pin(async move { Done::Renewed(renewed.await, ack) })
            }
            Incoming::StartDm(peer) => {
                pay_for_switch(&mut self.switches_paid)?;
                // The former partner goes first: after a failure nothing may reach the wrong one.
                identity.room = None;
                Box::pin(async move {
                    let opened = user.open(&peer).await;
                    Done::Opened(opened.map(|opened| opened.room.id), ack)
                })
            }
            Incoming::Message { text, client_id } => {
                let room = identity.room()?.clone();
                self.submit(user, room, text, client_id, ack)
            }
            Incoming::Typing => {
                let room = identity.room()?.clone();
                Box::pin(async move { Done::Carried(user.typing(&room).await, ack) })
            }
            Incoming::Receipt { mark, id, from } => Box::pin(async move {
                Done::Carried(identity::receipt(&user, mark, id, &from).await, ack)
            }),
        })
    }

    /// Doesn't wait until the message is stored: the next one can follow meanwhile, behind it.
    fn submit(
        &self,
        user: Actor,
        room: RoomId,
        text: String,
        client_id: Option<ClientMessageId>,
        ack: Option<u64>,
    ) -> Boxed<Done> {
        let done = Responder::new({
            let (context, queue) = (Arc::clone(&self.context), Arc::clone(&self.queue));
            let (room, from) = (room.clone(), user.user().clone());
            move |result| match result {
                Ok(Sent { id, seq, .. }) => queue.ack(ack, &json!({ "id": id, "seq": seq })),
                Err(error @ Error::Moderated { .. }) => {
                    let id = MessageId(context.ids.next());
                    let at = context.clock.now();
                    if let Some(refused) = ChatMessage::new(&room, id, &from, &wording(&error), at)
                    {
                        queue.emit(DM_ERROR, &refused);
                    }
                    answer(&context, &queue, ack, &error);
                }
                Err(error) => refuse(&context, &queue, ack, &error),
            }
        });
        Box::pin(async move {
            user.submit(&room, NewBody::Message(text), client_id, done)
                .await;
            Done::Submitted
        })
    }

    fn done(&mut self, done: Done) {
        let (result, ack) = match done {
            Done::Submitted => return,
            Done::Carried(result, ack) => (result, ack),
            Done::Entered(Ok(principal), welcome) => {
                self.queue.push(welcome);
                if let Some(principal) = &principal {
                    self.login.entered(principal);
                }
                match principal.map(|principal| self.become_user(principal, None)) {
                    Some(Ok(work)) => {
                        self.work = work;
                        return;
                    }
                    Some(Err(error)) => (Err(error), None),
                    None => return,
                }
            }
            Done::Entered(Err(error), _) => {
                self.context.app.metrics.refusals.count(error.code());
                return self.queue.push(login::refusal(&error));
            }
            Done::Renewed(principal, ack) => {
                let result = principal.and_then(|principal| self.renewed(principal));
                match result {
                    Ok(expires_at) => self.queue.ack(ack, &json!({ "expires_at": expires_at })),
                    Err(error) => self.refuse(ack, &error),
                }
                return;
            }
            Done::Known(Ok(principal), ack) => match self.become_user(principal, ack) {
                Ok(None) => (Ok(()), ack),
                Ok(work) => {
                    self.work = work;
                    return;
                }
                Err(error) => (Err(error), ack),
            },
            Done::Known(Err(error), ack) => (Err(error), ack),
            Done::Named(identity, ack) => {
                let result = identity.map(|identity| {
                    self.login.begin(identity.user.principal());
                    self.identity = Some(identity);
                    self.slot.name();
                });
                (result, ack)
            }
            Done::Opened(room, ack) => {
                let result = room.map(|room| {
                    if let Some(identity) = &mut self.identity {
                        identity.room = Some(room);
                    }
                });
                (result, ack)
            }
        };
        match result {
            Ok(()) => self.queue.ack(ack, &json!({})),
            Err(error) => self.refuse(ack, &error),
        }
    }

    /// Takes another name; `None` when the client has it already.
    fn become_user(
        &mut self,
        principal: Arc<Principal>,
        ack: Option<u64>,
    ) -> Result<Option<Boxed<Done>>, Error> {
        let identity = self.identity.as_ref();
        // One whose session has ended leaves with its name.
        let present = identity.filter(|identity| identity.session.is_some() || self.gone);
        if present.is_some_and(|identity| *identity.user.user() == principal.user) {
            return Ok(None);
        }
        pay_for_switch(&mut self.switches_paid)?;
        // The former name is given up first, so that it doesn't stay behind as a ghost.
        self.end_session();
        self.identity = None;
        let connect = Connect {
            origin: self.login.origin(),
            ..Connect::from(principal)
        };
        let (context, queue, gone) = (
            Arc::clone(&self.context),
            Arc::clone(&self.queue),
            self.gone,
        );
        Ok(Some(Box::pin(async move {
            Done::Named(Identity::take(&context, queue, connect, gone).await, ack)
        })))
    }

    /// Replaces the login of the client by a newer one. One of another user ends the connection.
    fn renewed(&mut self, principal: Arc<Principal>) -> Result<Option<DateTime<Utc>>, Error> {
        let Some(identity) = &mut self.identity else {
            return Err(bad("say who you are first: set-username"));
        };
        if let Some(session) = &mut identity.session
            && let Err(error) = session.renew(Arc::clone(&principal))
        {
            session.close(CloseReason::Unauthenticated);
            return Err(error);
        }
        self.login.begin(&principal);
        let expires_at = principal.expires_at;
        identity.user = self.context.app.engine.actor_of(principal);
        Ok(expires_at)
    }

    fn refuse(&self, ack: Option<u64>, error: &Error) {
        refuse(&self.context, &self.queue, ack, error);
    }
}

/// Waits for work that is under way; for ever while there is none.
async fn under_way<T>(work: &mut Option<Boxed<T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// Names and partners can't be tried without end: each may make a room, or news for all. The budget
/// belongs to the connection, and outlives a name.
fn pay_for_switch(paid: &mut Instant) -> Result<(), Error> {
    const EACH: Duration = Duration::from_millis(200);
    const AT_ONCE: u32 = 20;
    let now = Instant::now();
    let next = (*paid).max(now) + EACH;
    match next.checked_duration_since(now + EACH * AT_ONCE) {
        Some(wait) if !wait.is_zero() => Err(Error::RateLimited {
            retry_after: wait,
            muted_for: None,
        }),
        _ => {
            *paid = next;
            Ok(())
        }
    }
}

/// Says why something was not done: as the old server did, and in the ack of a client that asked.
fn refuse(context: &Context, queue: &Queue, ack: Option<u64>, error: &Error) {
    queue.emit(DM_ERROR, &wording(error));
    answer(context, queue, ack, error);
}

fn answer(context: &Context, queue: &Queue, ack: Option<u64>, error: &Error) {
    context.app.metrics.refusals.count(error.code());
    queue.ack(ack, &json!({ "error": ErrorBody::from(error) }));
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadRequest(why.into())
}
