//! Sending, editing and deleting: check, limit and moderate the text, then queue the entry for the sequencer.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::Instrument;

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{
        log::queue::{Append, Responder, Waiter},
        parts::Parts,
        read::directory::InRoom,
        state::rooms::LiveRoom,
    },
    model::{Action, ClientMessageId, EntryBody, MessageId, NewEntry, Role, RoomId, Seq},
    wire::{
        Error, Sent,
        command::{Delete, Edit, Send},
    },
};

/// The entry that a user wants to have in a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewBody {
    /// A message.
    Message(String),
    /// Another text for one of the user's messages.
    Edit {
        /// The message.
        target: Seq,
        /// Its new text.
        text: String,
    },
    /// The deletion of one of the user's messages.
    Delete {
        /// The message.
        target: Seq,
    },
}

/// A command to write, checked.
enum Prepared {
    /// An entry to store in this room.
    New(Arc<LiveRoom>, EntryBody),
    /// A retry of what is stored.
    Stored(Sent),
}

impl Actor {
    /// Sends a message and waits until it is stored for good.
    ///
    /// A direct room is made if need be. To retry safely, use [`send_as`](Self::send_as).
    ///
    /// # Errors
    ///
    /// [`Error`] says why it was refused; after [`ErrorCode::OutcomeUnknown`] it may be stored.
    ///
    /// [`ErrorCode::OutcomeUnknown`]: crate::ErrorCode::OutcomeUnknown
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have sent the message.
    pub async fn send(&self, room: &RoomId, text: &str) -> Result<Sent, Error> {
        self.send_as(room, text, self.new_client_id()?).await
    }

    /// Sends a message under the sender's own id: a second call with the same id in the same room
    /// sends nothing and answers with the first, [`duplicate`](Sent::duplicate) set.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_as(
        &self,
        room: &RoomId,
        text: &str,
        client_id: ClientMessageId,
    ) -> Result<Sent, Error> {
        self.submitted(room, NewBody::Message(text.to_owned()), Some(client_id))
            .await
    }

    /// Gives one of the user's messages another text.
    ///
    /// # Errors
    ///
    /// [`Error::NoMessage`] if there is no such message of this user, or as [`send`](Self::send).
    pub async fn edit(&self, room: &RoomId, target: Seq, text: &str) -> Result<Sent, Error> {
        self.submitted(
            room,
            NewBody::Edit {
                target,
                text: text.to_owned(),
            },
            None,
        )
        .await
    }

    /// Takes one of the user's messages back; its text is erased from the store.
    ///
    /// # Errors
    ///
    /// [`Error::NoMessage`] if there is no such message of this user, or as [`send`](Self::send).
    pub async fn delete(&self, room: &RoomId, target: Seq) -> Result<Sent, Error> {
        self.submitted(room, NewBody::Delete { target }, None).await
    }

    async fn submitted(
        &self,
        room: &RoomId,
        body: NewBody,
        client_id: Option<ClientMessageId>,
    ) -> Result<Sent, Error> {
        let (respond, sent) = awaited();
        self.submit(room, body, client_id, respond).await;
        sent.await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Sends without waiting for the store: returns once the order is fixed, so that messages
    /// submitted one after the other are stored in that order. `done` is called when the message is
    /// stored or refused.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent nothing, and `done` is not called.
    pub async fn submit(
        &self,
        room: &RoomId,
        body: NewBody,
        client_id: Option<ClientMessageId>,
        done: Responder,
    ) {
        let parts = &*self.parts;
        let waiter = Waiter::new(self.user(), room, parts.clock.monotonic(), done);
        let accepted = async {
            // Before anything is taken from a budget.
            parts.queue.admit(waiter.since)?;
            let prepared = self.prepare(room, body, client_id.as_ref()).await?;
            let client_id = client_id.map_or_else(|| self.new_client_id(), Ok)?;
            Ok((prepared, client_id))
        };
        match accepted.instrument(waiter.span.clone()).await {
            Ok((Prepared::New(live, body), client_id)) => {
                self.enqueue(live, body, Some(Role::Member), client_id, waiter);
            }
            Ok((Prepared::Stored(sent), _)) => parts.queue.answer(waiter, Ok(sent)),
            Err(error) => parts.queue.answer(waiter, Err(error)),
        }
    }

    /// Checks the text and asks who may write it, cheapest first: a refusal costs nothing.
    async fn prepare(
        &self,
        room: &RoomId,
        body: NewBody,
        client_id: Option<&ClientMessageId>,
    ) -> Result<Prepared, Error> {
        let Parts { access, review, .. } = &*self.parts;
        let (by, user) = (&*self.principal, self.user());
        if let NewBody::Message(text) | NewBody::Edit { text, .. } = &body {
            review.check(text)?;
        }
        let (live, in_room) = match &body {
            NewBody::Message(_) => access.look(by, Action::Send, room).await?,
            NewBody::Edit { .. } => known(access.enter_as(by, Action::Edit, room).await?),
            NewBody::Delete { .. } => known(access.enter_as(by, Action::Delete, room).await?),
        };
        if live.is_none() {
            // In a room that exists, the store asks.
            access.unless_blocked(user, room).await?;
        }
        let body = match body {
            NewBody::Message(text) => {
                let body = EntryBody::message(review.review(user, room, text).await?);
                // Last, so that a message that is refused uses up no turn.
                if let Some(live) = &live
                    && let Err(too_soon) = review.slow_down(live, in_room, user).await
                {
                    let stored = self.stored_before(live, body, client_id).await;
                    return stored.map(Prepared::Stored).ok_or(too_soon);
                }
                body
            }
            NewBody::Edit { target, text } => EntryBody::Edit {
                target,
                text: review.review(user, room, text).await?,
            },
            NewBody::Delete { target } => EntryBody::Delete { target },
        };
        // A room is made only for a message that nothing else speaks against.
        let live = match live {
            Some(live) => live,
            None => access.make_direct(user, room).await?,
        };
        Ok(Prepared::New(live, body))
    }

    /// The message that is stored under this client id, if there is one: a retry has had its turn of slow mode.
    async fn stored_before(
        &self,
        live: &Arc<LiveRoom>,
        body: EntryBody,
        client_id: Option<&ClientMessageId>,
    ) -> Option<Sent> {
        let client_id = client_id?.clone();
        // The author is no moderator, so the store takes nothing new, and answers a duplicate all the same.
        let require = Some(Role::Moderator);
        let live = Arc::clone(live);
        self.append(live, body, require, Some(client_id)).await.ok()
    }

    /// Appends an entry that needs no limit and no moderation, if the user has this role in a group when it
    /// gets its number; once however often it comes with the same `client_id`.
    pub(crate) async fn append(
        &self,
        room: Arc<LiveRoom>,
        body: EntryBody,
        require: Option<Role>,
        client_id: Option<ClientMessageId>,
    ) -> Result<Sent, Error> {
        let (respond, sent) = awaited();
        let since = self.parts.clock.monotonic();
        let waiter = Waiter::new(self.user(), &room.id, since, respond);
        let client_id = client_id.map_or_else(|| self.new_client_id(), Ok)?;
        self.enqueue(room, body, require, client_id, waiter);
        sent.await.unwrap_or(Err(Error::ShuttingDown))
    }

    fn enqueue(
        &self,
        room: Arc<LiveRoom>,
        body: EntryBody,
        require: Option<Role>,
        client_id: ClientMessageId,
        waiter: Waiter,
    ) {
        let Parts {
            queue,
            ids,
            clock,
            config,
            ..
        } = &*self.parts;
        let entry = NewEntry {
            room: room.id.clone(),
            id: MessageId(ids.next()),
            author: self.user().clone(),
            client_id,
            at: clock.now(),
            body,
            require,
            max_members: u64::try_from(config.room_members).ok(),
        };
        queue.push(Append {
            room,
            entry,
            by: Arc::clone(&self.principal),
            waiter,
        });
    }

    fn new_client_id(&self) -> Result<ClientMessageId, Error> {
        Ok(ClientMessageId::new(self.parts.ids.next().to_string())?)
    }
}

/// A room that exists, as [`Access::look`](super::access::Access::look) gives one.
fn known((live, in_room): (Arc<LiveRoom>, InRoom)) -> (Option<Arc<LiveRoom>>, InRoom) {
    (Some(live), in_room)
}

/// A responder, and the answer that it will be given.
fn awaited() -> (Responder, oneshot::Receiver<Result<Sent, Error>>) {
    let (done, sent) = oneshot::channel();
    (Responder::new(move |result| drop(done.send(result))), sent)
}

impl Act for Send {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            text,
            client_id,
        } = self;
        let done = Responder::new(move |sent| answer.give(sent));
        by.submit(&room, NewBody::Message(text), client_id, done)
            .await;
    }
}

impl Act for Edit {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            target,
            text,
            client_id,
        } = self;
        let done = Responder::new(move |sent| answer.give(sent));
        by.submit(&room, NewBody::Edit { target, text }, client_id, done)
            .await;
    }
}

impl Act for Delete {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            target,
            client_id,
        } = self;
        let done = Responder::new(move |sent| answer.give(sent));
        by.submit(&room, NewBody::Delete { target }, client_id, done)
            .await;
    }
}
