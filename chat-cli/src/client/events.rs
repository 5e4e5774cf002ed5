//! The events that a client gives to its consumer.

use std::{sync::Arc, time::Duration};

use chat_core::{Entry, Epoch, Event, RoomId, Seq, SessionId, UserId};
use tokio::sync::mpsc;

use crate::error::ClientError;

/// Events that may wait for the consumer.
const WAITING: usize = 1_024;

/// The number of these that are reserved for the state of the connection, which can't be read again.
const RESERVE: usize = 64;

/// Something that the consumer of a client may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The client is connected, for the first time or again.
    Connected {
        /// The user that the token stands for.
        user: UserId,
        /// This connection.
        session: SessionId,
    },
    /// There is no connection. Messages wait; the client tries again by itself.
    Disconnected {
        /// The reason, for people.
        reason: String,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
    /// The next entry of a room's log. Each comes once, in the order of its room.
    Entry(Arc<Entry>),
    /// A room's log was lost on the server and begins again; forget its numbers. Its entries follow from 1.
    Reset {
        /// The room.
        room: RoomId,
        /// The new incarnation of its log.
        epoch: Epoch,
    },
    /// More than 10,000 entries were missed, so these are left out; the history has them.
    Skipped {
        /// The room.
        room: RoomId,
        /// The first one left out.
        from: Seq,
        /// The last one left out.
        to: Seq,
    },
    /// Receipts, typing, presence and closed rooms, as the server sends them.
    ///
    /// They may be missed while there is no connection, or when 960 events wait: ask again
    /// ([`open`](crate::Client::open)) after [`Connected`](Self::Connected).
    Event(Event),
    /// The client has ended, and this is its last event.
    Ended(ClientError),
}

/// The events of one client.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<ClientEvent>,
    ended: Option<ClientError>,
    end: tokio::sync::watch::Receiver<Option<ClientError>>,
}

impl Events {
    pub(crate) fn end(&self) -> tokio::sync::watch::Receiver<Option<ClientError>> {
        self.end.clone()
    }

    /// Waits for the next event. [`ClientEvent::Ended`] comes last, once, then `None`.
    ///
    /// Up to 1,024 events wait here. A slow consumer loses no entries: those that find no room
    /// are read from the server's history when there is room again.
    ///
    /// Cancel safe: an event is either given or stays.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        if let Some(event) = self.queue.recv().await {
            return Some(event);
        }
        if self.ended.is_some() {
            return None;
        }
        let error = self.end.borrow().clone().unwrap_or(ClientError::Finished);
        self.ended = Some(error.clone());
        Some(ClientEvent::Ended(error))
    }
}

/// The other end of [`Events`].
#[derive(Debug)]
pub(crate) struct Sender {
    queue: mpsc::Sender<ClientEvent>,
    end: tokio::sync::watch::Sender<Option<ClientError>>,
}

pub(crate) fn channel() -> (Sender, Events) {
    let (queue, events) = mpsc::channel(WAITING);
    let (end, ended) = tokio::sync::watch::channel(None);
    let events = Events {
        queue: events,
        ended: None,
        end: ended,
    };
    (Sender { queue, end }, events)
}

impl Sender {
    /// The number of entries for which there is room; no limit once the consumer is gone.
    pub(crate) fn space(&self) -> usize {
        if self.queue.is_closed() {
            usize::MAX
        } else {
            self.queue.capacity().saturating_sub(RESERVE)
        }
    }

    /// Waits until there is room for a page of entries. Cancel safe.
    pub(crate) async fn has_space(&self, page: usize) {
        drop(self.queue.reserve_many(RESERVE + page).await);
    }

    /// Queues an entry for which there is [`space`](Self::space), or a change of the connection.
    pub(crate) fn push(&self, event: ClientEvent) {
        // Full only after the consumer has left 1,024 events unread; closed when the consumer is gone.
        let _ = self.queue.try_send(event);
    }

    /// Sets the last event, which the consumer receives after this sender is dropped.
    pub(crate) fn end(&self, error: ClientError) {
        self.end.send_replace(Some(error));
    }
}
