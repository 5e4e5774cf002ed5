//! The suite bites: each broken broker is caught by the case of the sentence that it breaks.

#![expect(clippy::unwrap_used, reason = "a broken backend may panic too")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use chat_core::{
    UserId,
    memory::{MemoryBroker, MemoryBus},
    port::{BackendError, Broker, Delivery, Hint, Topic},
    testing::broker::{BrokerHarness, CASES},
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

/// The memory bus with one fault.
struct BrokenBus {
    fault: Fault,
    bus: MemoryBus,
    told: Arc<Mutex<HashMap<Topic, Arc<MemoryBroker>>>>,
    /// Room for unread hints of two nodes together.
    room: Arc<Semaphore>,
}

impl BrokenBus {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            bus: MemoryBus::default(),
            told: Arc::default(),
            room: Arc::new(Semaphore::new(2 * MemoryBus::CAPACITY)),
        }
    }
}

#[async_trait]
impl BrokerHarness for BrokenBus {
    async fn node(&self) -> Arc<dyn Broker> {
        Arc::new(Broken {
            fault: self.fault,
            good: Arc::new(self.bus.node()),
            other: self.bus.node(),
            subscriptions: Mutex::default(),
            kept: Mutex::default(),
            told: Arc::clone(&self.told),
            room: Arc::clone(&self.room),
        })
    }

    fn capacity(&self) -> usize {
        MemoryBus::CAPACITY
    }
}

#[derive(Debug)]
struct Broken {
    fault: Fault,
    good: Arc<MemoryBroker>,
    /// A second link, which the first one hears.
    other: MemoryBroker,
    subscriptions: Mutex<Vec<Topic>>,
    kept: Mutex<Option<Delivery>>,
    /// The one node that is told of a topic.
    told: Arc<Mutex<HashMap<Topic, Arc<MemoryBroker>>>>,
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
}

#[async_trait]
impl Broker for Broken {
    async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError> {
        let topic = &self.topic(topic);
        match (self.fault, hint) {
            (Fault::HearsItself, _) => return self.other.publish(topic, hint).await,
            (Fault::Duplicated, _) => self.good.publish(topic, hint).await?,
            (Fault::SlowNodeBlocks, _) => self.room.acquire_many(2).await.unwrap().forget(),
            (Fault::TypingNeverStops, Hint::Typing { room, user, .. }) => {
                let (room, user, active) = (room.clone(), user.clone(), true);
                let hint = Hint::Typing { room, user, active };
                return self.good.publish(topic, &hint).await;
            }
            _ => {}
        }
        self.good.publish(topic, hint).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        let topic = self.topic(topic);
        match self.fault {
            Fault::SubscribesLater => {
                let node = Arc::clone(&self.good);
                tokio::spawn(async move { node.subscribe(&topic).await });
                return Ok(());
            }
            Fault::OnlyOneNodeIsTold => {
                let node = Arc::clone(&self.good);
                let before = self.told.lock().unwrap().insert(topic.clone(), node);
                if let Some(before) = before {
                    before.unsubscribe(&topic).await?;
                }
            }
            _ => self.subscriptions.lock().unwrap().push(topic.clone()),
        }
        self.good.subscribe(&topic).await
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
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
        self.good.unsubscribe(&topic).await
    }

    async fn next(&self) -> Delivery {
        match self.fault {
            Fault::Reordered => {
                if let Some(kept) = self.kept.lock().unwrap().take() {
                    return kept;
                }
                let first = self.good.next().await;
                let mut second = self.good.next();
                match second
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                {
                    Poll::Ready(second) => {
                        *self.kept.lock().unwrap() = Some(first);
                        second
                    }
                    Poll::Pending => first,
                }
            }
            Fault::ReturnsWhenIdle => {
                let mut next = self.good.next();
                match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(delivery) => delivery,
                    Poll::Pending => Delivery::Lagged,
                }
            }
            Fault::SwallowsLagged => loop {
                let delivery = self.good.next().await;
                if delivery != Delivery::Lagged {
                    return delivery;
                }
            },
            Fault::SlowNodeBlocks => {
                let delivery = self.good.next().await;
                self.room.add_permits(1);
                delivery
            }
            Fault::TakesThenWaits => {
                let delivery = self.good.next().await;
                yield_now().await;
                delivery
            }
            _ => self.good.next().await,
        }
    }
}
