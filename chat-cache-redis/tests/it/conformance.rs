//! The cache and the broker on a real Redis keep their contracts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chat_cache_redis::{RedisBroker, RedisCache};
use chat_core::{
    IdGen as _, RandomIds,
    port::{Broker, Cache},
    testing::{
        Suite,
        broker::{self, BrokerHarness},
        cache::{self, CacheHarness},
    },
};
use chat_testkit::{service, turn};
use futures_util::{StreamExt as _, stream};

/// The time limit of calls, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two nodes on keys of their own.
struct Caches {
    nodes: [Arc<RedisCache>; 2],
    asked: AtomicUsize,
}

#[async_trait]
impl CacheHarness for Caches {
    async fn cache(&self) -> Arc<dyn Cache> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        Arc::<RedisCache>::clone(&self.nodes[asked % 2])
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

struct Brokers {
    url: String,
    prefix: String,
}

#[async_trait]
impl BrokerHarness for Brokers {
    async fn node(&self) -> Arc<dyn Broker> {
        let broker = RedisBroker::connect_with(&self.url, &self.prefix, PATIENCE).await;
        Arc::new(broker.unwrap())
    }

    fn capacity(&self) -> usize {
        RedisBroker::CAPACITY
    }
}

/// Returns a prefix for keys that no other test uses.
fn prefix() -> String {
    format!("test:{}", RandomIds.next())
}

/// Runs all cases, many of them concurrently, for they spend most of their time asleep.
async fn run_all<H: ?Sized + 'static, T: AsRef<H>>(suite: &Suite<H>, fresh: impl AsyncFn() -> T) {
    // The cases depend on time.
    let _turn = turn().await;
    let cases = stream::iter(suite.names()).map(async |name| {
        let harness = fresh().await;
        let done = suite.run(name, harness.as_ref()).await;
        done.err().map(|fault| format!("{name}: {fault}"))
    });
    let faults: Vec<_> = cases.buffer_unordered(6).collect().await;
    assert!(faults.len() > 10, "the cases ran");
    let faults: Vec<_> = faults.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn check_cache(url: &str) {
    run_all(&cache::CASES, async || {
        let prefix = prefix();
        let node = async || {
            let cache = RedisCache::connect_with(url, &prefix, PATIENCE).await;
            Arc::new(cache.unwrap())
        };
        let harness: Box<dyn CacheHarness> = Box::new(Caches {
            nodes: [node().await, node().await],
            asked: AtomicUsize::default(),
        });
        harness
    })
    .await;
}

async fn check_broker(url: &str) {
    run_all(&broker::CASES, async || {
        let (url, prefix) = (url.to_owned(), prefix());
        let harness: Box<dyn BrokerHarness> = Box::new(Brokers { url, prefix });
        harness
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_keeps_each_sentence_of_its_contract() {
    if let Some(url) = service("REDIS_URL") {
        check_cache(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_keeps_each_sentence_of_its_contract() {
    if let Some(url) = service("REDIS_URL") {
        check_broker(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_keeps_its_contract_on_a_cluster() {
    if let Some(url) = service("REDIS_CLUSTER_URL") {
        check_cache(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_keeps_its_contract_on_a_cluster() {
    if let Some(url) = service("REDIS_CLUSTER_URL") {
        check_broker(&url).await;
    }
}
