//! Nodes on one store, one cache and one bus, each of which fails when the test says so.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chat_core::{
    ChatEngine, Entry, Page, RandomIds, RoomId, Seq,
    memory::{MemoryBus, MemoryCache, MemoryStore},
    port::{BackendError, Broker, LogStore},
    testing::{Fault, Faulty, Hooks, Method},
};
use tokio::time::sleep;

use crate::common::unlimited;

/// What several nodes share, with hooks of the test in front of the store and the cache.
#[derive(Debug, Default)]
pub(crate) struct Cluster<S = (), C = ()> {
    pub(crate) store: Faulty<MemoryStore, S>,
    pub(crate) cache: Faulty<MemoryCache, C>,
    pub(crate) bus: MemoryBus,
}

impl<S: Hooks, C: Hooks> Cluster<S, C> {
    pub(crate) fn new(store: S, cache: C) -> Self {
        Self {
            store: Faulty::new(MemoryStore::default()).hooked(Arc::new(store)),
            cache: Faulty::new(MemoryCache::default()).hooked(Arc::new(cache)),
            bus: MemoryBus::default(),
        }
    }

    pub(crate) fn node(&self) -> ChatEngine {
        self.node_with(self.bus.node())
    }

    pub(crate) fn node_with(&self, broker: impl Broker) -> ChatEngine {
        ChatEngine::builder()
            .store(self.store.clone())
            .cache(self.cache.clone())
            .broker(broker)
            .ids(Arc::new(RandomIds))
            .config(unlimited())
            .build()
            .unwrap()
    }

    /// A node that neither hears hints nor is heard.
    pub(crate) fn deaf_node(&self) -> ChatEngine {
        self.node_with(MemoryBus::default().node())
    }
}

impl Cluster<Pages> {
    /// Nodes that are far enough from their store for a page to take a millisecond.
    pub(crate) fn far_from_the_store() -> Self {
        let cluster = Self::new(Pages::default(), ());
        let page = Fault::Pass.after(Duration::from_millis(1));
        cluster.store.script.always(Method::PAGE, page);
        cluster
    }
}

/// Alters pages.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// A room whose pages take a second more.
    pub(crate) late: Mutex<Option<RoomId>>,
    /// An entry that no page shows.
    pub(crate) hidden: Mutex<Option<Seq>>,
}

#[async_trait]
impl Hooks for Pages {
    async fn page(
        &self,
        inner: &dyn LogStore,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        let late = self.late.lock().unwrap().as_ref() == Some(room);
        if late {
            sleep(Duration::from_secs(1)).await;
        }
        let mut entries = inner.page(room, page, limit).await?;
        let hidden = *self.hidden.lock().unwrap();
        entries.retain(|entry| Some(entry.seq) != hidden);
        Ok(entries)
    }
}
