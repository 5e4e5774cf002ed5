//! What a node has not read yet.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chat_core::port::Delivery;
use tokio::sync::Notify;

/// A bounded queue; when it is full, all of it becomes [`Delivery::Lagged`].
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    unread: Mutex<VecDeque<Delivery>>,
    filled: Notify,
}

impl Inbox {
    pub(crate) const CAPACITY: usize = 1024;

    pub(crate) fn put(&self, delivery: Delivery) {
        let mut unread = self.lock();
        if delivery == Delivery::Away && unread.back() == Some(&delivery) {
            return;
        }
        if delivery == Delivery::Lagged || unread.len() >= Self::CAPACITY {
            // Who must read the store anyway has no use for the older hints.
            *unread = VecDeque::from([Delivery::Lagged]);
        } else {
            unread.push_back(delivery);
        }
        self.filled.notify_one();
    }

    pub(crate) async fn next(&self) -> Delivery {
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
