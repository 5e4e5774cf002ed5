//! A bounded queue of unread deliveries, for authors of a broker.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::Delivery;

/// A bounded queue of what [`Broker::next`](super::Broker::next) yields. When it is full, all of it
/// becomes [`Delivery::Lagged`]; a node that must read the store anyway has no use for older hints.
#[derive(Debug, Default)]
pub struct Inbox {
    unread: Mutex<VecDeque<Delivery>>,
    filled: Notify,
}

impl Inbox {
    /// The largest number of unread deliveries.
    pub const CAPACITY: usize = 1024;

    /// Adds a delivery, without waiting. [`Delivery::Away`] is not repeated, and
    /// [`Delivery::Lagged`] replaces all that is unread.
    pub fn put(&self, delivery: Delivery) {
        let mut unread = self.lock();
        if delivery == Delivery::Away && unread.back() == Some(&delivery) {
            return;
        }
        if delivery == Delivery::Lagged || unread.len() >= Self::CAPACITY {
            *unread = VecDeque::from([Delivery::Lagged]);
        } else {
            unread.push_back(delivery);
        }
        self.filled.notify_one();
    }

    /// Waits for the oldest delivery. One caller at a time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses nothing.
    pub async fn next(&self) -> Delivery {
        loop {
            if let Some(delivery) = self.take() {
                return delivery;
            }
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Delivery> {
        self.lock().pop_front()
    }

    /// Nothing panics under this lock.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{Hint, Topic};

    fn hint() -> Delivery {
        Delivery::Hint {
            topic: Topic::Online,
            hint: Hint::Online,
        }
    }

    #[tokio::test]
    async fn one_delivery_too_many_leaves_a_lagged_alone_and_the_node_goes_on() {
        let inbox = Inbox::default();
        for _ in 0..Inbox::CAPACITY + 3 {
            inbox.put(hint());
        }
        let read = [inbox.next().await, inbox.next().await, inbox.next().await];
        assert_eq!(read, [Delivery::Lagged, hint(), hint()]);
        assert_eq!(inbox.take(), None);
    }

    #[test]
    fn away_is_said_once_in_a_row_and_lagged_replaces_what_was_before() {
        let inbox = Inbox::default();
        for delivery in [hint(), Delivery::Away, Delivery::Away] {
            inbox.put(delivery);
        }
        assert_eq!(inbox.lock().len(), 2);
        inbox.put(Delivery::Lagged);
        assert_eq!(*inbox.lock(), [Delivery::Lagged]);
    }
}
