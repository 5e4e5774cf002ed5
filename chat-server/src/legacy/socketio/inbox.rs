//! The queue of a socket: what its client has sent and its task has not taken yet, in order, bounded.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chat_core::{CloseReason, Error};
use socketioxide::{
    adapter::LocalAdapter,
    extract::AckSender,
    handler::{FromMessageParts, MessageHandler, Value},
    socket::Socket,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    incoming::{Incoming, MAX_PACKET},
    outgoing::DM_ERROR,
};
use crate::http::metrics::Metrics;

/// How many events may wait; long polling delivers a thousand at once.
const MAX_CALLS: usize = 4_096;

/// How many bytes of events may wait.
const MAX_BYTES: usize = 1 << 20;

/// One event, and the way to acknowledge it.
pub(super) struct Call {
    pub(super) event: Result<Incoming, Error>,
    pub(super) ack: AckSender,
    size: usize,
}

/// The calls that wait. It holds no memory while there is none.
#[derive(Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    calls: VecDeque<Call>,
    bytes: usize,
    closed: bool,
}

/// There is no room for a call.
struct Full;

impl Calls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that comes after [`Calls::close`] is lost.
    fn push(&self, call: Call) -> Result<(), Full> {
        let mut state = self.state();
        if state.closed {
            return Ok(());
        }
        let bytes = state.bytes + call.size;
        if state.calls.len() >= MAX_CALLS || bytes > MAX_BYTES {
            return Err(Full);
        }
        state.bytes = bytes;
        state.calls.push_back(call);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next call; `None` when it is closed and all have been taken. One caller at a time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has taken nothing.
    pub(super) async fn recv(&self) -> Option<Call> {
        loop {
            {
                let mut state = self.state();
                if let Some(call) = state.calls.pop_front() {
                    state.bytes -= call.size;
                    if state.calls.is_empty() {
                        state.calls = VecDeque::new();
                    }
                    return Some(call);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }
}

/// The handler of all events of one socket.
pub(super) struct Inbox {
    calls: Arc<Calls>,
    kick: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Inbox {
    /// `kick` is cancelled when the client has sent more than fits.
    pub(super) fn new(kick: CancellationToken, metrics: Arc<Metrics>) -> (Self, Arc<Calls>) {
        let calls = Arc::<Calls>::default();
        let inbox = Self {
            calls: Arc::clone(&calls),
            kick,
            metrics,
        };
        (inbox, calls)
    }
}

impl MessageHandler<LocalAdapter, ()> for Inbox {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack_id: Option<i64>) {
        let Ok(ack) = AckSender::from_message_parts(&socket, &mut value, &ack_id);
        let event = Incoming::read(&value);
        let size = value.len().min(MAX_PACKET);
        if let Err(Full) = self.calls.push(Call { event, ack, size })
            && !self.kick.is_cancelled()
        {
            tracing::info!(sid = %socket.id, "closing a connection that sends too much at once");
            self.metrics.closed.count(CloseReason::Flood);
            socket.emit(DM_ERROR, "Too many events at once").ok();
            self.kick.cancel();
        }
    }
}
