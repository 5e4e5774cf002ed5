//! A Redis Cluster that loses connections, moves slots, and whose masters die.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use chat_cache_redis::{RedisBroker, RedisCache};
use chat_core::{
    SessionId, UserId,
    port::{
        BackendError, BackendErrorKind, Broker, Delivery, Hint, PresenceCache, RateCache, RateKey,
        Topic,
    },
    rate::{Decision, RatePolicy},
};
use chat_testkit::{Redis, RedisCluster};
use tokio::time::timeout;

use crate::fails_soon;

/// Within this time all topics deliver hints again.
const HEALED: Duration = Duration::from_secs(2);

/// The number of topics: enough to have some on each master.
const TOPICS: usize = 16;

fn user(number: usize) -> UserId {
    UserId::new(format!("user{number}")).unwrap()
}

fn topic(number: usize) -> Topic {
    Topic::User(user(number))
}

/// Returns the channel of a topic, as the format defines it.
fn channel(number: usize) -> String {
    let hex = user(number)
        .as_str()
        .bytes()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("chat:{{t{hex}}}")
}

/// Returns two nodes, the second of which listens to all topics.
async fn pair(cluster: &RedisCluster) -> (RedisBroker, RedisBroker) {
    let from = RedisBroker::connect(&cluster.url()).await.unwrap();
    let to = RedisBroker::connect(&cluster.url()).await.unwrap();
    for number in 0..TOPICS {
        to.subscribe(&topic(number)).await.unwrap();
    }
    (from, to)
}

/// Publishes to these topics again and again until all hints arrive, and, with a gap, until it is
/// reported; returns the time that this took.
async fn heard(
    from: &RedisBroker,
    to: &RedisBroker,
    topics: impl IntoIterator<Item = usize>,
    gap: bool,
) -> Duration {
    let mut missing: BTreeSet<_> = topics.into_iter().collect();
    let (start, mut untold) = (Instant::now(), gap);
    let hear = async {
        while untold || !missing.is_empty() {
            for number in &missing {
                let user = user(*number);
                // A publish may fail; then it is repeated.
                let _ = from
                    .publish(&topic(*number), &Hint::Presence { user })
                    .await;
            }
            while let Ok(delivery) = timeout(Duration::from_millis(20), to.next()).await {
                match delivery {
                    Delivery::Lagged => untold = false,
                    Delivery::Away => {}
                    Delivery::Hint { topic, .. } => {
                        missing.retain(|number| self::topic(*number) != topic);
                    }
                }
            }
        }
    };
    let done = timeout(Duration::from_secs(10), hear).await;
    assert!(
        done.is_ok(),
        "never heard again: {missing:?}, gap untold: {untold}"
    );
    start.elapsed()
}

async fn acquire(cache: &RedisCache, number: usize) -> Result<Decision, BackendError> {
    let (action, user) = ("send".into(), user(number));
    let interval = Duration::from_mins(1);
    let policy = RatePolicy::Steady { interval, burst: 9 };
    cache.acquire(&RateKey { action, user }, &policy).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_subscriptions_come_back_on_all_masters_and_each_gap_is_told() {
    let Some(cluster) = RedisCluster::start().await else {
        return;
    };
    let (from, to) = pair(&cluster).await;
    heard(&from, &to, 0..TOPICS, false).await;
    for _ in 0..5 {
        for node in &cluster.masters {
            let killed = node.command("CLIENT KILL TYPE pubsub");
            assert!(killed.starts_with(':') && killed != ":0", "{killed}");
        }
        let took = heard(&from, &to, 0..TOPICS, true).await;
        assert!(took < HEALED, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_whose_slot_moves_to_another_master_is_heard_again() {
    let Some(cluster) = RedisCluster::start().await else {
        return;
    };
    let (from, to) = pair(&cluster).await;
    heard(&from, &to, 0..TOPICS, false).await;
    for number in 0..4 {
        cluster.move_slot(&channel(number));
        let took = heard(&from, &to, 0..TOPICS, true).await;
        assert!(took < HEALED, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_master_is_dead_the_slots_of_the_others_go_on() {
    let Some(mut cluster) = RedisCluster::start().await else {
        return;
    };
    let (from, to) = pair(&cluster).await;
    let cache = RedisCache::connect(&cluster.url()).await.unwrap();
    heard(&from, &to, 0..TOPICS, false).await;
    // These are the channels and budgets on the master that dies.
    let of_dead = |key: String| cluster.home(&key) == 1;
    let (lost, kept): (Vec<_>, Vec<_>) = (0..TOPICS).partition(|it| of_dead(channel(*it)));
    let budget = |number| channel(number).replace("{t", "{r") + ":send";
    let (broke, rich): (Vec<_>, Vec<_>) = (0..TOPICS).partition(|it| of_dead(budget(*it)));
    assert!(
        [&lost, &kept, &broke, &rich]
            .iter()
            .all(|it| !it.is_empty())
    );

    cluster.masters[1].kill();
    for _ in 0..10 {
        for number in &lost {
            let user = user(*number);
            fails_soon(from.publish(&topic(*number), &Hint::Presence { user })).await;
        }
        for number in &broke {
            fails_soon(acquire(&cache, *number)).await;
        }
        for number in &rich {
            acquire(&cache, *number).await.unwrap();
        }
        heard(&from, &to, kept.clone(), false).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    cluster.masters[1].restart();
    let took = heard(&from, &to, 0..TOPICS, true).await;
    assert!(took < 2 * HEALED, "{took:?}");
    // A master that comes back takes no writes for 2 s.
    let again = async {
        while acquire(&cache, broke[0]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), again).await.unwrap();
}

#[tokio::test]
async fn the_url_must_say_whether_it_is_a_cluster() {
    let (Some(cluster), Some(alone)) = (RedisCluster::start().await, Redis::start().await) else {
        return;
    };
    for url in [
        cluster.url().replace("redis-cluster", "redis"),
        alone.url().replace("redis", "redis-cluster"),
    ] {
        let error = RedisCache::connect(&url).await.unwrap_err();
        assert_eq!(error.kind, BackendErrorKind::Misconfigured, "{error:?}");
    }
}

#[tokio::test]
async fn whose_lease_ended_on_living_masters_is_taken_while_another_is_dead() {
    const USERS: usize = 60;
    let Some(mut cluster) = RedisCluster::start().await else {
        return;
    };
    let cache = RedisCache::connect(&cluster.url()).await.unwrap();
    let short = Duration::from_millis(300);
    for number in 0..USERS {
        let session = SessionId(uuid::Uuid::from_u128(number as u128));
        cache.touch(&user(number), session, short).await.unwrap();
    }
    let dead = cluster.home("chat:{p0}:ends");
    cluster.masters[dead].kill();
    // Takes all users that can be taken, until several calls in a row return none.
    let (mut taken, mut idle) = (BTreeSet::new(), 0);
    while idle < 10 {
        let users = cache.take_expired(1_000).await.unwrap_or_default();
        idle = if users.is_empty() && !taken.is_empty() {
            idle + 1
        } else {
            0
        };
        taken.extend(users);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A third of the users is on each master, so more than a third come from both living ones.
    assert!(taken.len() > USERS / 3, "{} taken", taken.len());
}
