//! The bounded queue of frames towards one device.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::transport::{Transport, TrySendError};
use crate::{
    engine::metrics::Metrics,
    wire::{CloseReason, Frame},
};

/// The limits of what may wait for one device; a device beyond them is closed as slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Default 1,024.
    pub frames: usize,
    /// Default 1 MiB.
    pub bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            frames: 1_024,
            bytes: 1 << 20,
        }
    }
}

/// The in-memory [`Transport`]: frames go in from the engine, and come out where they are written
/// to a socket or read by the application.
#[derive(Debug)]
pub struct Outbox {
    limits: OutboxLimits,
    state: Mutex<State>,
    changed: Notify,
    metrics: Option<Arc<Metrics>>,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    closed: Option<CloseReason>,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Arc<Self> {
        Self::watched(limits, None)
    }

    /// An empty outbox whose bytes are counted.
    pub(crate) fn watched(limits: OutboxLimits, metrics: Option<Arc<Metrics>>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
            changed: Notify::new(),
            metrics,
        })
    }

    fn took_out(&self, bytes: usize) {
        if let Some(metrics) = &self.metrics {
            metrics.outbox_out.0.add(bytes);
        }
    }

    /// The reason for which it is closed, if it is.
    pub fn closed(&self) -> Option<CloseReason> {
        self.state().closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is closed, whatever is still in it, and gives the reason. For a caller that can't
    /// write frames now; one caller at a time, as of [`recv_many`](Self::recv_many).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has missed nothing.
    pub async fn until_closed(&self) -> CloseReason {
        loop {
            if let Some(reason) = self.closed() {
                return reason;
            }
            self.changed.notified().await;
        }
    }

    /// Waits until there are frames and moves at most `max` of them to the end of `into`.
    ///
    /// Gives the reason once the outbox is closed and all its frames have been taken. One caller at
    /// a time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has taken nothing.
    pub async fn recv_many(&self, into: &mut Vec<Frame>, max: usize) -> Option<CloseReason> {
        loop {
            {
                let mut state = self.state();
                if !state.frames.is_empty() {
                    let count = max.min(state.frames.len());
                    into.extend(state.frames.drain(..count));
                    if state.frames.is_empty() {
                        self.took_out(state.bytes);
                        // An idle connection holds no buffer.
                        *state = State {
                            closed: state.closed,
                            ..State::default()
                        };
                    } else {
                        let taken = &into[into.len() - count..];
                        let bytes = taken.iter().map(Frame::size).sum();
                        self.took_out(bytes);
                        state.bytes -= bytes;
                    }
                    return None;
                }
                if state.closed.is_some() {
                    return state.closed;
                }
            }
            self.changed.notified().await;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.took_out(self.state().bytes);
    }
}

impl Transport for Outbox {
    fn try_send(&self, frame: Frame) -> Result<(), TrySendError> {
        let mut state = self.state();
        if state.closed.is_some() {
            return Err(TrySendError::Closed);
        }
        // Ephemeral frames leave half of the room to those that may not be dropped.
        let share = if frame.is_ephemeral() { 2 } else { 1 };
        let size = frame.size();
        let bytes = state.bytes + size;
        if state.frames.len() >= self.limits.frames / share
            || bytes > self.limits.bytes / share && !state.frames.is_empty()
        {
            return Err(TrySendError::Full);
        }
        state.bytes = bytes;
        state.frames.push_back(frame);
        drop(state);
        self.changed.notify_one();
        if let Some(metrics) = &self.metrics {
            metrics.outbox_in.0.add(size);
        }
        Ok(())
    }

    fn close(&self, reason: CloseReason) {
        self.state().closed.get_or_insert(reason);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Presence, RoomId, UserId},
        wire::Event,
    };

    fn durable() -> Frame {
        Event::Closed {
            room: RoomId::group("room").unwrap(),
        }
        .into()
    }

    fn ephemeral() -> Frame {
        let user = UserId::new("bob").unwrap();
        Event::Presence(Presence {
            user,
            online: true,
            last_seen: None,
        })
        .into()
    }

    #[tokio::test]
    async fn frames_come_out_in_order_and_the_reason_comes_last() {
        let outbox = Outbox::new(OutboxLimits::default());
        outbox.try_send(durable()).unwrap();
        outbox.try_send(ephemeral()).unwrap();
        outbox.close(CloseReason::Shutdown);
        outbox.close(CloseReason::Slow);
        assert_eq!(outbox.try_send(durable()), Err(TrySendError::Closed));
        let mut frames = Vec::new();
        assert_eq!(outbox.recv_many(&mut frames, 1).await, None);
        assert_eq!(outbox.recv_many(&mut frames, 9).await, None);
        assert!(!frames[0].is_ephemeral() && frames[1].is_ephemeral());
        assert_eq!(
            outbox.recv_many(&mut frames, 9).await,
            Some(CloseReason::Shutdown)
        );
    }

    #[tokio::test]
    async fn a_close_is_seen_before_the_frames_have_been_taken() {
        let outbox = Outbox::new(OutboxLimits::default());
        outbox.try_send(durable()).unwrap();
        let (reason, ()) = tokio::join!(outbox.until_closed(), async {
            outbox.try_send(durable()).unwrap();
            outbox.close(CloseReason::Slow);
        });
        assert_eq!(reason, CloseReason::Slow);
        let mut frames = Vec::new();
        assert_eq!(outbox.recv_many(&mut frames, 9).await, None);
        assert_eq!(frames.len(), 2);
    }

    #[tokio::test]
    async fn what_may_be_dropped_leaves_room_for_what_may_not() {
        let outbox = Outbox::new(OutboxLimits {
            frames: 4,
            bytes: 1 << 20,
        });
        outbox.try_send(ephemeral()).unwrap();
        outbox.try_send(ephemeral()).unwrap();
        assert_eq!(outbox.try_send(ephemeral()), Err(TrySendError::Full));
        outbox.try_send(durable()).unwrap();
        outbox.try_send(durable()).unwrap();
        assert_eq!(outbox.try_send(durable()), Err(TrySendError::Full));
    }

    #[tokio::test]
    async fn bytes_count_and_are_given_back() {
        let size = durable().size();
        let outbox = Outbox::new(OutboxLimits {
            frames: 100,
            bytes: 2 * size,
        });
        let mut frames = Vec::new();
        for _ in 0..3 {
            outbox.try_send(durable()).unwrap();
            outbox.try_send(durable()).unwrap();
            assert_eq!(outbox.try_send(durable()), Err(TrySendError::Full));
            outbox.recv_many(&mut frames, 1).await;
            outbox.try_send(durable()).unwrap();
            outbox.recv_many(&mut frames, 9).await;
        }
    }
}
