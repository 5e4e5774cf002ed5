//! The packets that wait for one client beside the frames of its outbox: answers, errors and the list.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chat_core::OutboxLimits;
use serde::Serialize;
use tokio::sync::Notify;

use super::{engine_packet::Encoded, packet, shared_list::SharedList};

/// A bounded queue that anybody may push to and one task takes from. While it is empty, it holds no
/// memory for packets.
#[derive(Debug)]
pub(super) struct Queue {
    limits: OutboxLimits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    packets: VecDeque<Encoded>,
    bytes: usize,
    /// The list of users online that is to be sent.
    list: List,
    /// Set when a packet did not fit.
    full: bool,
}

#[derive(Debug, Default)]
enum List {
    #[default]
    None,
    /// The one that all clients share.
    Shared,
    /// One that was made for this client.
    Own(Encoded),
}

impl Queue {
    pub(super) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a packet. One that doesn't fit makes the queue [full](Self::is_full) for good.
    pub(super) fn push(&self, packet: Encoded) {
        let mut state = self.state();
        let bytes = state.bytes + packet.len();
        let fits = state.packets.is_empty() || bytes <= self.limits.bytes;
        if fits && state.packets.len() < self.limits.frames {
            state.bytes = bytes;
            state.packets.push_back(packet);
        } else {
            state.full = true;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Appends an event.
    pub(super) fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) {
        self.encoded(packet::event(event, data));
    }

    /// Appends the answer to an event whose client has asked for one.
    pub(super) fn ack<T: Serialize + ?Sized>(&self, id: Option<u64>, data: &T) {
        if let Some(id) = id {
            self.encoded(packet::ack(id, data));
        }
    }

    fn encoded(&self, packet: serde_json::Result<String>) {
        match packet {
            Ok(packet) => self.push(packet.into()),
            // Only a map with keys that are no strings can't be written, and there is none.
            Err(error) => tracing::error!(%error, "an event could not be encoded"),
        }
    }

    /// Has the list of users online sent, as it is when its turn comes.
    pub(super) fn push_list(&self) {
        self.state().list = List::Shared;
        self.changed.notify_one();
    }

    /// Has this list sent in place of the one that all clients share.
    pub(super) fn push_own_list(&self, list: Encoded) {
        self.state().list = List::Own(list);
        self.changed.notify_one();
    }

    /// True once a packet did not fit: the client is too slow.
    pub(super) fn is_full(&self) -> bool {
        self.state().full
    }

    /// Takes all that waits.
    pub(super) fn take(&self, list: &SharedList) -> Vec<Encoded> {
        let mut state = self.state();
        let mut packets = Vec::from(std::mem::take(&mut state.packets));
        state.bytes = 0;
        match std::mem::take(&mut state.list) {
            List::None => {}
            List::Shared => packets.push(list.get()),
            List::Own(list) => packets.push(list),
        }
        packets
    }

    /// Waits until something has been pushed since the last call. One caller at a time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has missed nothing.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(frames: usize, bytes: usize) -> Queue {
        Queue::new(OutboxLimits { frames, bytes })
    }

    #[tokio::test]
    async fn packets_come_out_in_order_and_of_many_lists_one() {
        let queue = queue(9, 99);
        queue.push_list();
        queue.emit("typing", "bob");
        queue.ack(None, "nobody has asked");
        queue.ack(Some(7), "done");
        queue.push_list();
        queue.changed().await;
        let taken = queue.take(&SharedList::new());
        let list = r#"42["online-users",[]]"#;
        assert_eq!(taken, [r#"42["typing","bob"]"#, r#"437["done"]"#, list]);
        assert!(queue.take(&SharedList::new()).is_empty());
        assert!(!queue.is_full());
        queue.push_list();
        queue.push_own_list("own".into());
        assert_eq!(queue.take(&SharedList::new()), ["own"]);
        queue.push_own_list("own".into());
        queue.push_list();
        assert_eq!(queue.take(&SharedList::new()), [list]);
    }

    #[test]
    fn a_packet_that_does_not_fit_makes_it_full() {
        for (frames, bytes) in [(2, 99), (9, 7)] {
            let queue = queue(frames, bytes);
            queue.push("4three".into());
            assert!(!queue.is_full());
            queue.push("4".into());
            queue.push("4".into());
            assert!(queue.is_full());
        }
        let queue = queue(9, 2);
        queue.push("a packet alone fits".into());
        assert!(!queue.is_full());
    }
}
