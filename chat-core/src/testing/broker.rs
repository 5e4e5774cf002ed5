//! The conformance cases of a [`Broker`]: one for each sentence of its contract.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{task::JoinSet, time::timeout};
use uuid::Uuid;

use super::suite::suite;
use crate::{
    model::{Epoch, RoomId, Seq, UserId, Watermarks},
    port::{Broker, Delivery, Hint, Topic},
};

/// A group of nodes that is separate from all others.
#[async_trait]
pub trait BrokerHarness: Send + Sync {
    /// Adds a node, linked to all that this harness returned before.
    async fn node(&self) -> Arc<dyn Broker>;

    /// The number of hints that a node may leave unread without losing one; at most some thousands.
    fn capacity(&self) -> usize;
}

suite! { $ broker_conformance: broker, dyn BrokerHarness;
    all_other_nodes_that_listen_are_told,
    a_hint_arrives_as_it_was_published,
    hints_of_one_node_arrive_in_order_and_at_most_once,
    many_publishers_at_once_keep_their_own_order,
    the_publishing_node_does_not_hear_its_own_hints,
    what_is_published_after_subscribe_arrives,
    subscribing_twice_is_subscribing_once,
    a_node_hears_only_the_topics_it_listens_to,
    unsubscribe_ends_listening,
    unsubscribing_what_is_not_listened_to_is_no_error,
    next_waits_for_a_hint,
    a_node_that_lags_is_told_and_goes_on,
    a_node_that_lags_does_not_slow_the_others,
    a_dropped_next_loses_nothing,
}

/// The maximum time that a hint may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn capacity(h: &dyn BrokerHarness) -> u64 {
    u64::try_from(h.capacity()).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::User(UserId::new(name).unwrap())
}

fn hint(number: u64) -> Hint {
    Hint::Appended {
        room: RoomId::new("alice,bob").unwrap(),
        epoch: Epoch(Uuid::nil()),
        seq: Seq(number),
    }
}

fn delivery(topic: &Topic, number: u64) -> Delivery {
    Delivery::Hint {
        topic: topic.clone(),
        hint: hint(number),
    }
}

async fn publish(node: &Arc<dyn Broker>, topic: &Topic, number: u64) {
    node.publish(topic, &hint(number)).await.unwrap();
}

async fn next(node: &Arc<dyn Broker>) -> Delivery {
    let next = timeout(PATIENCE, node.next()).await;
    next.unwrap_or_else(|_| panic!("nothing arrived within {PATIENCE:?}"))
}

/// A node that publishes, and one that listens to `topic`.
async fn pair(h: &dyn BrokerHarness, topic: &Topic) -> (Arc<dyn Broker>, Arc<dyn Broker>) {
    let (from, to) = (h.node().await, h.node().await);
    to.subscribe(topic).await.unwrap();
    (from, to)
}

async fn all_other_nodes_that_listen_are_told(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (from, one) = pair(h, &topic).await;
    let (_, other) = pair(h, &topic).await;
    publish(&from, &topic, 1).await;
    for node in [one, other] {
        assert_eq!(next(&node).await, delivery(&topic, 1));
    }
}

async fn a_hint_arrives_as_it_was_published(h: &dyn BrokerHarness) {
    let user = |name: &str| UserId::new(name).unwrap();
    let room = RoomId::direct(&user("{a}:*|b"), &user("李雷 \"\\")).unwrap();
    let topic = topic("{a}:*|b");
    let (from, to) = pair(h, &topic).await;
    let hints = [
        Hint::Appended {
            room: room.clone(),
            epoch: Epoch(Uuid::from_u128(u128::MAX)),
            seq: Seq::MAX,
        },
        Hint::Receipt {
            room: room.clone(),
            user: user("李雷 \"\\"),
            was: Watermarks {
                delivered: Seq(2),
                read: Seq(1),
            },
        },
        Hint::Typing {
            room: room.clone(),
            user: user("{a}:*|b"),
            active: true,
        },
        Hint::Typing {
            room,
            user: user("{a}:*|b"),
            active: false,
        },
        Hint::Presence { user: user("zoë") },
    ];
    for hint in hints {
        from.publish(&topic, &hint).await.unwrap();
        let topic = topic.clone();
        assert_eq!(next(&to).await, Delivery::Hint { topic, hint });
    }
}

async fn hints_of_one_node_arrive_in_order_and_at_most_once(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (from, to) = pair(h, &topic).await;
    let hints = capacity(h).min(100);
    for number in 1..=hints {
        publish(&from, &topic, number).await;
    }
    for number in 1..=hints {
        assert_eq!(next(&to).await, delivery(&topic, number));
    }
}

async fn many_publishers_at_once_keep_their_own_order(h: &dyn BrokerHarness) {
    const NODES: u64 = 8;
    let topic = topic("alice");
    let to = h.node().await;
    to.subscribe(&topic).await.unwrap();
    let each = capacity(h).min(400) / NODES;
    let mut publishers = JoinSet::new();
    for node in 0..NODES {
        let (from, topic) = (h.node().await, topic.clone());
        publishers.spawn(async move {
            for number in 0..each {
                publish(&from, &topic, node * each + number).await;
            }
        });
    }
    publishers.join_all().await;
    let mut expected: Vec<_> = (0..NODES).map(|node| node * each).collect();
    for _ in 0..NODES * each {
        match next(&to).await {
            Delivery::Hint {
                hint: Hint::Appended { seq, .. },
                ..
            } => {
                let of_node = expected.iter_mut().find(|next| **next == seq.0);
                *of_node.unwrap_or_else(|| panic!("{seq} is out of order")) += 1;
            }
            other => panic!("within the capacity came {other:?}"),
        }
    }
}

async fn the_publishing_node_does_not_hear_its_own_hints(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (one, other) = pair(h, &topic).await;
    one.subscribe(&topic).await.unwrap();
    publish(&one, &topic, 1).await;
    assert_eq!(next(&other).await, delivery(&topic, 1));
    publish(&other, &topic, 2).await;
    assert_eq!(next(&one).await, delivery(&topic, 2), "not its own");
}

async fn what_is_published_after_subscribe_arrives(h: &dyn BrokerHarness) {
    let (from, to) = (h.node().await, h.node().await);
    for number in 1..=50 {
        let topic = topic(&format!("user {number}"));
        to.subscribe(&topic).await.unwrap();
        publish(&from, &topic, number).await;
        assert_eq!(next(&to).await, delivery(&topic, number));
    }
}

async fn subscribing_twice_is_subscribing_once(h: &dyn BrokerHarness) {
    let (twice, end) = (topic("alice"), topic("end"));
    let (from, to) = pair(h, &end).await;
    to.subscribe(&twice).await.unwrap();
    to.subscribe(&twice).await.unwrap();
    publish(&from, &twice, 1).await;
    publish(&from, &twice, 2).await;
    assert_eq!(next(&to).await, delivery(&twice, 1));
    assert_eq!(next(&to).await, delivery(&twice, 2), "each once");
    to.unsubscribe(&twice).await.unwrap();
    publish(&from, &twice, 3).await;
    publish(&from, &end, 4).await;
    assert_eq!(
        next(&to).await,
        delivery(&end, 4),
        "one unsubscribe ends it"
    );
}

async fn a_node_hears_only_the_topics_it_listens_to(h: &dyn BrokerHarness) {
    let (own, other) = (topic("alice"), topic("bob"));
    let (from, to) = pair(h, &own).await;
    for similar in ["Alice", "alic", "alice2", "*", "al*", "a?ice"] {
        publish(&from, &topic(similar), 1).await;
    }
    publish(&from, &other, 2).await;
    publish(&from, &own, 3).await;
    assert_eq!(next(&to).await, delivery(&own, 3));
    to.subscribe(&other).await.unwrap();
    publish(&from, &other, 4).await;
    assert_eq!(next(&to).await, delivery(&other, 4));
}

async fn unsubscribe_ends_listening(h: &dyn BrokerHarness) {
    let (ended, kept) = (topic("alice"), topic("bob"));
    let (from, to) = pair(h, &ended).await;
    let stays = h.node().await;
    stays.subscribe(&ended).await.unwrap();
    to.subscribe(&kept).await.unwrap();
    to.unsubscribe(&ended).await.unwrap();
    publish(&from, &ended, 1).await;
    publish(&from, &kept, 2).await;
    assert_eq!(next(&to).await, delivery(&kept, 2), "and nothing before");
    let other = next(&stays).await;
    assert_eq!(other, delivery(&ended, 1), "another node goes on listening");
    to.subscribe(&ended).await.unwrap();
    publish(&from, &ended, 3).await;
    assert_eq!(next(&to).await, delivery(&ended, 3), "listening again");
}

async fn unsubscribing_what_is_not_listened_to_is_no_error(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (_, to) = pair(h, &topic).await;
    to.unsubscribe(&topic).await.unwrap();
    to.unsubscribe(&topic).await.unwrap();
    h.node().await.unsubscribe(&topic).await.unwrap();
}

async fn next_waits_for_a_hint(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (from, to) = pair(h, &topic).await;
    let waiting = tokio::spawn(async move { next(&to).await });
    for _ in 0..100 {
        tokio::task::yield_now().await; // It has begun to wait by now, most likely.
    }
    assert!(!waiting.is_finished(), "there is nothing to yield");
    publish(&from, &topic, 1).await;
    assert_eq!(waiting.await.unwrap(), delivery(&topic, 1));
}

async fn a_node_that_lags_is_told_and_goes_on(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (from, to) = pair(h, &topic).await;
    let flood = 2 * capacity(h) + 1;
    for number in 1..=flood {
        publish(&from, &topic, number).await;
    }
    // The last hints may be lost too, so a later one is repeated until it arrives.
    let (mut expected, mut lagged, mut told) = (1, false, false);
    loop {
        match timeout(PATIENCE / 100, to.next()).await {
            Ok(Delivery::Lagged) => (lagged, told) = (true, true),
            Ok(Delivery::Hint {
                hint: Hint::Appended { seq, .. },
                ..
            }) => {
                assert!(seq.0 >= expected || seq.0 > flood, "{seq} came again");
                assert!(
                    seq.0 == expected || lagged,
                    "{expected} to {seq} were lost without a word"
                );
                if seq.0 > flood {
                    break;
                }
                (expected, lagged) = (seq.0 + 1, false);
            }
            Ok(other) => panic!("nobody published {other:?}"),
            Err(_) => publish(&from, &topic, flood + 1).await,
        }
    }
    assert!(told, "{flood} hints were kept, which has no bound");
}

async fn a_node_that_lags_does_not_slow_the_others(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (from, slow) = pair(h, &topic).await;
    let (_, quick) = pair(h, &topic).await;
    for number in 1..=2 * capacity(h) + 1 {
        let publish = timeout(PATIENCE, publish(&from, &topic, number));
        publish.await.expect("publishing waits for nobody");
        assert_eq!(next(&quick).await, delivery(&topic, number));
    }
    drop(slow);
}

async fn a_dropped_next_loses_nothing(h: &dyn BrokerHarness) {
    let topic = topic("alice");
    let (from, to) = pair(h, &topic).await;
    let hints = capacity(h).min(100);
    let mut found = Vec::new();
    for number in 1..=hints {
        publish(&from, &topic, number).await;
        // The call is polled once and dropped, as in a `select!` that another branch wins.
        let mut call = to.next();
        if let Poll::Ready(delivery) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            found.push(delivery);
        }
    }
    let polled = u64::try_from(found.len()).unwrap();
    for _ in polled..hints {
        found.push(next(&to).await);
    }
    let all = (1..=hints).map(|number| delivery(&topic, number));
    assert_eq!(found, all.collect::<Vec<_>>());
}
