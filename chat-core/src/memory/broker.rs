//! A broker in memory: hints between the engines of one process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::port::{BackendError, Broker, Delivery, Hint, Inbox, Topic};
use async_trait::async_trait;

/// The bus that connects several engines in one process; cheap to clone.
///
/// ```
/// use chat_core::{UserId, memory::MemoryBus, port::{Broker, Delivery, Hint, Topic}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = MemoryBus::default();
/// let (one, other) = (bus.node(), bus.node());
/// let alice = UserId::new("alice")?;
/// let (topic, hint) = (Topic::User(alice.clone()), Hint::Presence { user: alice });
/// other.subscribe(&topic).await?;
/// one.publish(&topic, &hint).await?;
/// assert_eq!(other.next().await, Delivery::Hint { topic, hint });
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryBus(Arc<Mutex<Bus>>);

#[derive(Debug, Default)]
struct Bus {
    nodes: u64,
    listeners: HashMap<Topic, BTreeMap<u64, Arc<Inbox>>>,
}

impl MemoryBus {
    /// The number of hints that a node may leave unread; with one more, all of them become
    /// [`Delivery::Lagged`].
    pub const CAPACITY: usize = Inbox::CAPACITY;

    /// Adds a node and returns its link to the others.
    pub fn node(&self) -> MemoryBroker {
        let mut bus = self.lock();
        bus.nodes += 1;
        MemoryBroker {
            bus: self.clone(),
            node: bus.nodes,
            inbox: Arc::default(),
        }
    }

    /// No code panics while it holds this lock, and if it did, the listeners would still be whole.
    fn lock(&self) -> MutexGuard<'_, Bus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node of a [`MemoryBus`]; it leaves the bus when it is dropped.
///
/// An engine without other nodes has one on a bus of its own, [`MemoryBroker::default`].
#[derive(Debug)]
pub struct MemoryBroker {
    bus: MemoryBus,
    node: u64,
    inbox: Arc<Inbox>,
}

impl Default for MemoryBroker {
    /// The only node of a new bus.
    fn default() -> Self {
        MemoryBus::default().node()
    }
}

impl Drop for MemoryBroker {
    fn drop(&mut self) {
        self.bus.lock().listeners.retain(|_, nodes| {
            nodes.remove(&self.node);
            !nodes.is_empty()
        });
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError> {
        // The lock is held until all nodes have the hint, so that they all get the hints in one
        // order.
        let bus = self.bus.lock();
        for (node, inbox) in bus.listeners.get(topic).into_iter().flatten() {
            if *node != self.node {
                inbox.put(Delivery::Hint {
                    topic: topic.clone(),
                    hint: hint.clone(),
                });
            }
        }
        Ok(())
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        let mut bus = self.bus.lock();
        let nodes = bus.listeners.entry(topic.clone()).or_default();
        nodes.insert(self.node, Arc::clone(&self.inbox));
        Ok(())
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        let mut bus = self.bus.lock();
        if let Some(nodes) = bus.listeners.get_mut(topic) {
            nodes.remove(&self.node);
            if nodes.is_empty() {
                bus.listeners.remove(topic);
            }
        }
        Ok(())
    }

    async fn next(&self) -> Delivery {
        self.inbox.next().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    #[tokio::test]
    async fn a_node_that_is_gone_or_listens_no_more_leaves_nothing_behind() {
        let bus = MemoryBus::default();
        let topic = Topic::User(UserId::new("alice").unwrap());
        let (gone, quiet) = (bus.node(), bus.node());
        gone.subscribe(&topic).await.unwrap();
        quiet.subscribe(&topic).await.unwrap();
        assert_eq!(bus.lock().listeners[&topic].len(), 2);
        drop(gone);
        assert_eq!(bus.lock().listeners[&topic].len(), 1);
        quiet.unsubscribe(&topic).await.unwrap();
        assert!(bus.lock().listeners.is_empty());
    }

    #[tokio::test]
    async fn a_node_that_lags_is_told_once_and_goes_on() {
        let bus = MemoryBus::default();
        let user = UserId::new("alice").unwrap();
        let topic = Topic::User(user.clone());
        let (fast, slow) = (bus.node(), bus.node());
        slow.subscribe(&topic).await.unwrap();
        let hint = Hint::Presence { user };
        for _ in 0..MemoryBus::CAPACITY + 3 {
            fast.publish(&topic, &hint).await.unwrap();
        }
        let delivery = Delivery::Hint {
            topic: topic.clone(),
            hint,
        };
        assert_eq!(slow.next().await, Delivery::Lagged);
        assert_eq!(slow.next().await, delivery);
        assert_eq!(slow.next().await, delivery);
    }
}
