//! The conformance suite catches broken brokers: each by the case that states what it breaks.

use std::{
    collections::HashMap,
    mem,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use chat_core::{
    UserId,
    memory::{MemoryBroker, MemoryBus},
    port::{BackendError, Broker, Delivery, Hint, Topic},
    testing::{
        Faulty, Hooks,
        broker::{BrokerHarness, CASES},
    },
};
use tokio::{sync::Semaphore, task::yield_now};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    OnlyOneNodeIsTold,
    TypingNeverStops,
    Duplicated,
    Reordered,
    HearsItself,
    SubscribesLater,
    CountsSubscriptions,
    IgnoresCase,
    NeverUnsubscribes,
    ReturnsWhenIdle,
    SwallowsLagged,
    SlowNodeBlocks,
    TakesThenWaits,
}

/// Each fault, and the case that is to catch it.
const FAULTS: [(Fault, &str); 13] = [
    (
        Fault::OnlyOneNodeIsTold,
        "all_other_nodes_that_listen_are_told",
    ),
    (
        Fault::TypingNeverStops,
        "a_hint_arrives_as_it_was_published",
    ),
    (
        Fault::Duplicated,
        "hints_of_one_node_arrive_in_order_and_at_most_once",
    ),
    (
        Fault::Reordered,
        "hints_of_one_node_arrive_in_order_and_at_most_once",
    ),
    (
        Fault::HearsItself,
        "the_publishing_node_does_not_hear_its_own_hints",
    ),
    (
        Fault::SubscribesLater,
        "what_is_published_after_subscribe_arrives",
    ),
    (
        Fault::CountsSubscriptions,
        "subscribing_twice_is_subscribing_once",
    ),
    (
        Fault::IgnoresCase,
        "a_node_hears_only_the_topics_it_listens_to",
    ),
    (Fault::NeverUnsubscribes, "unsubscribe_ends_listening"),
    (Fault::ReturnsWhenIdle, "next_waits_for_a_hint"),
    (
        Fault::SwallowsLagged,
        "a_node_that_lags_is_told_and_goes_on",
    ),
    (
        Fault::SlowNodeBlocks,
        "a_node_that_lags_does_not_slow_the_others",
    ),
    (Fault::TakesThenWaits, "a_dropped_next_loses_nothing"),
];

#[tokio::test(start_paused = true)]
async fn each_broken_broker_is_caught_by_the_case_of_its_fault() {
    for (fault, case) in FAULTS {
        let verdict = CASES.run(case, &BrokenBus::new(fault)).await;
        assert!(verdict.is_err(), "{case} did not catch {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_every_case_passes() {
    for case in CASES.names() {
        let verdict = CASES.run(case, &BrokenBus::new(Fault::None)).await;
        assert_eq!(verdict, Ok(()), "{case}");
    }
}

/// The bus in memory with one fault.
struct BrokenBus {
    fault: Fault,
    bus: MemoryBus,
    nodes: AtomicUsize,
    told: Arc<Mutex<HashMap<Topic, usize>>>,
    /// Room for unread hints of two nodes together.
    room: Arc<Semaphore>,
}

impl BrokenBus {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            bus: MemoryBus::default(),
            nodes: AtomicUsize::new(0),
            told: Arc::default(),
            room: Arc::new(Semaphore::new(2 * MemoryBus::CAPACITY)),
        }
    }
}

#[async_trait]
impl BrokerHarness for BrokenBus {
    async fn node(&self) -> Arc<dyn Broker> {
        let broken = Broken {
            fault: self.fault,
            node: self.nodes.fetch_add(1, Ordering::Relaxed),
            other: self.bus.node(),
            subscriptions: Mutex::default(),
            kept: Mutex::default(),
            told: Arc::clone(&self.told),
            room: Arc::clone(&self.room),
        };
        Arc::new(Faulty::new(self.bus.node()).hooked(Arc::new(broken)))
    }

    fn capacity(&self) -> usize {
        MemoryBus::CAPACITY
    }
}

#[derive(Debug)]
struct Broken {
    fault: Fault,
    node: usize,
    /// A second link, which the first one hears.
    other: MemoryBroker,
    subscriptions: Mutex<Vec<Topic>>,
    kept: Mutex<Option<Delivery>>,
    /// The one node that gets the hints of a topic.
    told: Arc<Mutex<HashMap<Topic, usize>>>,
    room: Arc<Semaphore>,
}

impl Broken {
    fn topic(&self, topic: &Topic) -> Topic {
        match (self.fault, topic) {
            (Fault::IgnoresCase, Topic::User(user)) => {
                Topic::User(UserId::new(user.as_str().to_lowercase()).unwrap())
            }
            _ => topic.clone(),
        }
    }

    fn is_told(&self, delivery: &Delivery) -> bool {
        let told = self.told.lock().unwrap();
        match delivery {
            Delivery::Hint { topic, .. } => told.get(topic) == Some(&self.node),
            _ => true,
        }
    }
}

fn poll(next: &mut (impl Future<Output = Delivery> + Unpin)) -> Poll<Delivery> {
    pin!(next).poll(&mut Context::from_waker(Waker::noop()))
}

#[async_trait]
impl Hooks for Broken {
    async fn publish(
        &self,
        inner: &dyn Broker,
        topic: &Topic,
        hint: &Hint,
    ) -> Result<(), BackendError> {
        let topic = &self.topic(topic);
        match (self.fault, hint) {
            (Fault::HearsItself, _) => return self.other.publish(topic, hint).await,
            (Fault::Duplicated, _) => inner.publish(topic, hint).await?,
            (Fault::SlowNodeBlocks, _) => self.room.acquire_many(2).await.unwrap().forget(),
            (Fault::TypingNeverStops, Hint::Typing { room, user, .. }) => {
                let (room, user, active) = (room.clone(), user.clone(), true);
                let hint = Hint::Typing { room, user, active };
                return inner.publish(topic, &hint).await;
            }
            _ => {}
        }
        inner.publish(topic, hint).await
    }

    async fn subscribe(&self, inner: &dyn Broker, topic: &Topic) -> Result<(), BackendError> {
        let topic = self.topic(topic);
        match self.fault {
            Fault::SubscribesLater => {
                // With the next call of `next`.
                self.subscriptions.lock().unwrap().push(topic);
                return Ok(());
            }
            Fault::OnlyOneNodeIsTold => {
                self.told.lock().unwrap().insert(topic.clone(), self.node);
            }
            _ => self.subscriptions.lock().unwrap().push(topic.clone()),
        }
        inner.subscribe(&topic).await
    }

    async fn unsubscribe(&self, inner: &dyn Broker, topic: &Topic) -> Result<(), BackendError> {
        let topic = self.topic(topic);
        if self.fault == Fault::NeverUnsubscribes {
            return Ok(());
        }
        if self.fault == Fault::CountsSubscriptions {
            let mut subscriptions = self.subscriptions.lock().unwrap();
            if let Some(one) = subscriptions.iter().position(|known| *known == topic) {
                subscriptions.swap_remove(one);
            }
            if subscriptions.contains(&topic) {
                return Ok(());
            }
        }
        inner.unsubscribe(&topic).await
    }

    async fn next(&self, inner: &dyn Broker) -> Delivery {
        match self.fault {
            Fault::SubscribesLater => {
                let topics = mem::take(&mut *self.subscriptions.lock().unwrap());
                for topic in topics {
                    inner.subscribe(&topic).await.unwrap();
                }
                inner.next().await
            }
            Fault::OnlyOneNodeIsTold => loop {
                let delivery = inner.next().await;
                if self.is_told(&delivery) {
                    return delivery;
                }
            },
            Fault::Reordered => {
                if let Some(kept) = self.kept.lock().unwrap().take() {
                    return kept;
                }
                let first = inner.next().await;
                match poll(&mut inner.next()) {
                    Poll::Ready(second) => {
                        *self.kept.lock().unwrap() = Some(first);
                        second
                    }
                    Poll::Pending => first,
                }
            }
            Fault::ReturnsWhenIdle => match poll(&mut inner.next()) {
                Poll::Ready(delivery) => delivery,
                Poll::Pending => Delivery::Lagged,
            },
            Fault::SwallowsLagged => loop {
                let delivery = inner.next().await;
                if delivery != Delivery::Lagged {
                    return delivery;
                }
            },
            Fault::SlowNodeBlocks => {
                let delivery = inner.next().await;
                self.room.add_permits(1);
                delivery
            }
            Fault::TakesThenWaits => {
                let delivery = inner.next().await;
                yield_now().await;
                delivery
            }
            _ => inner.next().await,
        }
    }
}
