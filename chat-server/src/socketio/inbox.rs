//! What a client has sent and its socket's task has not taken yet: in order, and bounded.

use std::sync::Arc;

use chat_core::{CloseReason, Error};
use socketioxide::{
    adapter::LocalAdapter,
    extract::AckSender,
    handler::{FromMessageParts, MessageHandler, Value},
    socket::Socket,
};
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{self, error::TrySendError},
};
use tokio_util::sync::CancellationToken;

use super::{incoming::Incoming, outgoing::DM_ERROR};
use crate::metrics::Metrics;

/// The largest event in bytes of JSON.
pub(super) const MAX_PACKET: usize = 64 << 10;

/// How many events may wait; long polling delivers a thousand at once.
const MAX_CALLS: usize = 4_096;

/// How many bytes of events may wait.
const MAX_BYTES: usize = 1 << 20;

/// One event, and the client's wish to have it answered.
pub(super) struct Call {
    pub(super) event: Result<Incoming, Error>,
    pub(super) ack: AckSender,
    _room: Option<OwnedSemaphorePermit>,
}

/// The handler of all events of one socket.
pub(super) struct Inbox {
    calls: mpsc::Sender<Call>,
    bytes: Arc<Semaphore>,
    kick: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Inbox {
    /// `kick` is cancelled when the client has sent more than fits.
    pub(super) fn new(
        kick: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> (Self, mpsc::Receiver<Call>) {
        let (calls, taken) = mpsc::channel(MAX_CALLS);
        (
            Self {
                calls,
                bytes: Arc::new(Semaphore::new(MAX_BYTES)),
                kick,
                metrics,
            },
            taken,
        )
    }
}

impl MessageHandler<LocalAdapter, ()> for Inbox {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack_id: Option<i64>) {
        let Ok(ack) = AckSender::from_message_parts(&socket, &mut value, &ack_id);
        let event = Incoming::read(&value);
        let size = u32::try_from(value.len().min(MAX_PACKET)).unwrap_or(u32::MAX);
        let queued = match Arc::clone(&self.bytes).try_acquire_many_owned(size) {
            Ok(room) => self.calls.try_send(Call {
                event,
                ack,
                _room: Some(room),
            }),
            Err(_) => Err(TrySendError::Full(Call {
                event,
                ack,
                _room: None,
            })),
        };
        if let Err(TrySendError::Full(_)) = queued
            && !self.kick.is_cancelled()
        {
            tracing::info!(sid = %socket.id, "closing a connection that sends too much at once");
            self.metrics.closed.count(CloseReason::Flood);
            socket.emit(DM_ERROR, "Too many events at once").ok();
            self.kick.cancel();
        }
    }
}
