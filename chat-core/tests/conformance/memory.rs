//! The backends in memory keep every contract.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chat_core::{
    Clock, ManualClock,
    memory::{MemoryBus, MemoryCache, MemoryStore},
    port::{Broker, Cache, Store},
    testing::{broker::BrokerHarness, cache::CacheHarness, store::StoreHarness},
};

#[derive(Default)]
struct MemoryStoreHarness(Arc<MemoryStore>);

#[async_trait]
impl StoreHarness for MemoryStoreHarness {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<MemoryStore>::clone(&self.0)
    }

    async fn reopen(&self) -> bool {
        false
    }
}

#[expect(clippy::unused_async, reason = "the suite awaits it")]
async fn store() -> impl StoreHarness {
    MemoryStoreHarness::default()
}

chat_core::store_conformance!(store);

struct MemoryCacheHarness {
    clock: Arc<ManualClock>,
    cache: Arc<MemoryCache>,
}

#[async_trait]
impl CacheHarness for MemoryCacheHarness {
    async fn cache(&self) -> Arc<dyn Cache> {
        Arc::<MemoryCache>::clone(&self.cache)
    }

    async fn elapse(&self, time: Duration) {
        self.clock.advance(time);
    }
}

#[expect(clippy::unused_async, reason = "the suite awaits it")]
async fn cache() -> impl CacheHarness {
    let clock = Arc::new(ManualClock::default());
    let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let cache = Arc::new(MemoryCache::new(time));
    MemoryCacheHarness { clock, cache }
}

chat_core::cache_conformance!(cache);

struct MemoryBrokerHarness(MemoryBus);

#[async_trait]
impl BrokerHarness for MemoryBrokerHarness {
    async fn node(&self) -> Arc<dyn Broker> {
        Arc::new(self.0.node())
    }

    fn capacity(&self) -> usize {
        MemoryBus::CAPACITY
    }
}

#[expect(clippy::unused_async, reason = "the suite awaits it")]
async fn bus() -> impl BrokerHarness {
    MemoryBrokerHarness(MemoryBus::default())
}

chat_core::broker_conformance!(bus);
