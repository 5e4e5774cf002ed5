//! Sending, editing and deleting: check, limit, moderate, then hand over to the sequencer.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::{mpsc::error::TrySendError, oneshot};
use tracing::{Instrument, Span, field::Empty};

use super::{
    Actor, Shared,
    backlog::PATIENCE,
    rooms::{IfAbsent, LiveRoom},
    sequencer::{Append, Job},
};
use crate::{
    body::EntryBody,
    error::Error,
    event::Sent,
    ids::{ClientMessageId, MessageId, RoomId, UserId},
    log::{NewEntry, Seq},
    port::{Draft, Verdict},
};

/// Is called once, when a message is stored for good or refused.
pub struct Responder(Box<dyn FnOnce(Result<Sent, Error>) + Send>);

impl Responder {
    /// Calls `done`, which must not block.
    pub fn new(done: impl FnOnce(Result<Sent, Error>) + Send + 'static) -> Self {
        Self(Box::new(done))
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder")
    }
}

/// Who waits for what becomes of an entry, and since when.
#[derive(Debug)]
pub(crate) struct Waiter {
    done: Responder,
    since: Duration,
    /// From the command to its ack.
    span: Span,
}

impl Waiter {
    fn new(actor: &Actor, room: &RoomId, done: Responder) -> Self {
        Self {
            done,
            since: actor.engine.shared.clock.monotonic(),
            span: tracing::debug_span!("append", user = %actor.user, %room, seq = Empty),
        }
    }

    pub(crate) fn answer(self, shared: &Shared, result: Result<Sent, Error>) {
        let Self { done, since, span } = self;
        match &result {
            Ok(sent) => {
                let took = shared.clock.monotonic().saturating_sub(since);
                shared.metrics.ack_time.note_time(took);
                span.record("seq", sent.seq.0);
                tracing::debug!(parent: &span, ?took, duplicate = sent.duplicate, "acked");
            }
            Err(error) => {
                tracing::debug!(parent: &span, code = error.code().name(), "refused");
            }
        }
        (done.0)(result);
    }
}

/// What a user wants to have in a room's log.
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
    /// One of the user's messages taken back.
    Delete {
        /// The message.
        target: Seq,
    },
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
        let (done, sent) = oneshot::channel();
        let respond = Responder::new(move |result| drop(done.send(result)));
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
        let waiter = Waiter::new(self, room, done);
        let accepted = async {
            // Before anything is taken from a budget.
            self.engine.admit(waiter.since)?;
            let client_id = client_id.map_or_else(|| self.new_client_id(), Ok)?;
            let shared = &self.engine.shared;
            let (live, body) = shared.accept(&self.user, room, body).await?;
            Ok((live, body, client_id))
        };
        match accepted.instrument(waiter.span.clone()).await {
            Ok((live, body, client_id)) => self.enqueue(live, body, client_id, waiter),
            Err(error) => waiter.answer(&self.engine.shared, Err(error)),
        }
    }

    /// Appends what needs no limit and no moderation.
    pub(crate) async fn append(
        &self,
        room: Arc<LiveRoom>,
        body: EntryBody,
        client_id: ClientMessageId,
    ) -> Result<Sent, Error> {
        let (done, sent) = oneshot::channel();
        let respond = Responder::new(move |result| drop(done.send(result)));
        let waiter = Waiter::new(self, &room.id, respond);
        self.enqueue(room, body, client_id, waiter);
        sent.await.unwrap_or(Err(Error::ShuttingDown))
    }

    fn enqueue(
        &self,
        room: Arc<LiveRoom>,
        body: EntryBody,
        client_id: ClientMessageId,
        waiter: Waiter,
    ) {
        let shared = &self.engine.shared;
        let entry = NewEntry {
            room: room.id.clone(),
            id: MessageId(shared.ids.next()),
            author: self.user.clone(),
            client_id,
            at: shared.clock.now(),
            body,
        };
        let job = Job::Append(Append {
            room,
            entry,
            waiter,
        });
        let (job, error) = match self.engine.sequencer.try_send(job) {
            Ok(()) => return,
            Err(TrySendError::Full(job)) => {
                let retry_after = PATIENCE;
                (job, Error::Overloaded { retry_after })
            }
            Err(TrySendError::Closed(job)) => (job, Error::ShuttingDown),
        };
        if let Job::Append(Append { waiter, .. }) = job {
            waiter.answer(shared, Err(error));
        }
    }
}

impl Shared {
    /// All that is asked before a text is stored, cheapest first: a refusal costs nothing.
    async fn accept(
        &self,
        user: &UserId,
        room: &RoomId,
        body: NewBody,
    ) -> Result<(Arc<LiveRoom>, EntryBody), Error> {
        if let NewBody::Message(text) | NewBody::Edit { text, .. } = &body {
            self.check_text(text)?;
        }
        // A room is made only for a message that nothing else speaks against.
        let live = match (self.enter(user, room, IfAbsent::Refuse).await, &body) {
            (Err(Error::NoRoom), NewBody::Message(_)) if room.peer_of(user).is_some() => None,
            (live, _) => Some(live?),
        };
        let body = match body {
            NewBody::Message(text) => EntryBody::message(self.review(user, room, text).await?),
            NewBody::Edit { target, text } => EntryBody::Edit {
                target,
                text: self.review(user, room, text).await?,
            },
            NewBody::Delete { target } => EntryBody::Delete { target },
        };
        let live = match live {
            Some(live) => live,
            None => self.enter(user, room, IfAbsent::Create).await?,
        };
        Ok((live, body))
    }

    fn check_text(&self, text: &str) -> Result<(), Error> {
        let (max_chars, max_bytes) = (self.config.text_chars, self.config.text_bytes);
        if text.len() > max_bytes || text.chars().count() > max_chars {
            return Err(Error::TextTooLong {
                max_chars,
                max_bytes,
            });
        }
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let shown = |c: char| !c.is_whitespace() && !crate::text::is_invisible(c);
        if text.chars().any(control) || !text.chars().any(shown) {
            return Err(Error::InvalidText);
        }
        Ok(())
    }

    /// Takes from the user's budget, then asks the moderators; gives the text to store.
    async fn review(&self, user: &UserId, room: &RoomId, text: String) -> Result<Arc<str>, Error> {
        self.charge("send", user, self.config.send_limit.as_ref())
            .await?;
        let text: Arc<str> = text.into();
        let draft = Draft {
            room: room.clone(),
            author: user.clone(),
            text: Arc::clone(&text),
        };
        match self.moderation.review(&draft).await? {
            Verdict::Allow => Ok(text),
            Verdict::Mask(masked) => {
                self.check_text(&masked)?;
                Ok(masked)
            }
            Verdict::Reject { reason } => Err(Error::Moderated { reason }),
        }
    }
}
