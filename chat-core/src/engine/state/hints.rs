//! The queue of hints for other nodes.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::rooms::LiveRoom;
use crate::{
    engine::metrics::Metrics,
    model::{Seq, UserId},
    port::{Hint, Topic},
};

/// How many hints may wait for the broker; more are dropped, and the other nodes read the store.
pub(crate) const WAITING: usize = 65_536;

/// The way out for hints; on a node without a broker every hint is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    queue: Option<mpsc::Sender<Outbound>>,
    metrics: Arc<Metrics>,
}

/// One hint for the listeners of several topics.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) topics: Vec<Topic>,
    pub(crate) hint: Hint,
}

impl Hints {
    /// Hints, and the queue from which a task hands them to the broker. Without other nodes nothing is
    /// queued.
    pub(crate) fn new(has_nodes: bool, metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Outbound>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let queue = has_nodes.then_some(queue);
        (Self { queue, metrics }, waiting)
    }

    /// Whether there are other nodes.
    pub(crate) fn has_nodes(&self) -> bool {
        self.queue.is_some()
    }

    /// How many hints wait to be handed to the broker for the first time.
    pub(crate) fn waiting(&self) -> usize {
        let queue = self.queue.as_ref();
        queue.map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Sends a hint to all other nodes that listen to one of the topics.
    pub(crate) fn publish(&self, topics: Vec<Topic>, hint: Hint) {
        if let Some(queue) = &self.queue
            && queue.try_send(Outbound { topics, hint }).is_err()
        {
            self.metrics.hints_dropped.add(1);
            tracing::debug!("a hint for other nodes is dropped");
        }
    }

    /// Sends a hint to all other nodes where a member of the room may be: one hint per user of a direct room,
    /// and one for a group or channel, however many members it has.
    pub(crate) fn to_members(&self, room: &LiveRoom, hint: impl FnOnce() -> Hint) {
        if self.has_nodes() {
            let topics = match room.id.pair() {
                Some(pair) => pair.map(Topic::User).into(),
                None => vec![Topic::Rooms],
            };
            self.publish(topics, hint());
        }
    }

    /// Announces that a room's log has grown up to `seq`. `admitted` is a user who has become a member: nodes
    /// where that user is may not have the room in use.
    pub(crate) fn appended(&self, room: &LiveRoom, seq: Seq, admitted: Option<&UserId>) {
        let hint = || Hint::Appended {
            room: room.id.clone(),
            epoch: room.epoch,
            seq,
        };
        self.to_members(room, hint);
        if let Some(user) = admitted
            && self.has_nodes()
        {
            self.publish(vec![Topic::User(user.clone())], hint());
        }
    }
}
