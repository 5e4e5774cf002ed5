//! Nodes on one store that can be slow and brokers that can be deaf, for the tests of several nodes.

use crate::common::unlimited;
use async_trait::async_trait;
use chat_core::{
    ChatEngine, Entry, Mark, Membership, MessageId, NewEntry, NewRoom, Page, RandomIds, Room,
    RoomId, Seq, UserId, Watermarks,
    memory::{MemoryBroker, MemoryBus, MemoryCache, MemoryStore},
    port::{
        AppendError, Appended, BackendError, BackendErrorKind, Broker, Change, Created, Delivery,
        Hint, LogStore, ReceiptStore, Retry, RoomStore, Topic,
    },
};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

#[derive(Debug, Clone, Default)]
pub(crate) struct Slow {
    pub(crate) store: MemoryStore,
    pub(crate) hang: Arc<AtomicBool>,
    pub(crate) marks_fail: Arc<AtomicBool>,
    pub(crate) lag: Arc<std::sync::atomic::AtomicU64>,
    /// A room whose pages take a second.
    pub(crate) late: Arc<Mutex<Option<RoomId>>>,
    /// An entry that no page shows for now, and how many pages were asked for.
    pub(crate) hidden: Arc<Mutex<Option<Seq>>>,
    pub(crate) pages: Arc<std::sync::atomic::AtomicU64>,
    /// How much longer some pages take than others.
    pub(crate) jitter: Arc<std::sync::atomic::AtomicU64>,
    /// What an append takes, in milliseconds.
    pub(crate) append_lag: Arc<std::sync::atomic::AtomicU64>,
}

pub(crate) fn late(retry: Retry) -> BackendError {
    BackendError {
        kind: BackendErrorKind::Timeout,
        retry,
        backend: "slow",
        operation: "any",
        source: None,
    }
}
impl Slow {
    async fn pass(&self) -> Result<(), BackendError> {
        if self.hang.load(Ordering::SeqCst) {
            sleep(Duration::from_secs(4)).await;
            return Err(late(Retry::Safe));
        }
        Ok(())
    }
}
#[async_trait]
impl LogStore for Slow {
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        if self.pass().await.is_err() {
            return batch
                .iter()
                .map(|_| Err(late(Retry::IfIdempotent).into()))
                .collect();
        }
        sleep(Duration::from_millis(
            self.append_lag.load(Ordering::SeqCst),
        ))
        .await;
        self.store.append(batch).await
    }
    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        self.pass().await?;
        let late = self.late.lock().unwrap().as_ref() == Some(room);
        if late {
            sleep(Duration::from_secs(1)).await;
        }
        self.pages.fetch_add(1, Ordering::SeqCst);
        // However quick, it is not there at once, and sometimes late.
        let jitter = self.jitter.load(Ordering::SeqCst);
        let chance = self.pages.load(Ordering::SeqCst) * 7_919 % 41;
        sleep(Duration::from_millis(1 + chance * jitter)).await;
        let mut entries = self.store.page(room, page, limit).await?;
        let hidden = *self.hidden.lock().unwrap();
        entries.retain(|entry| Some(entry.seq) != hidden);
        Ok(entries)
    }
    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError> {
        self.pass().await?;
        self.store.find(room, id).await
    }
}
#[async_trait]
impl RoomStore for Slow {
    async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError> {
        self.pass().await?;
        self.store.create_room(room).await
    }
    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        self.pass().await?;
        self.store.room(id).await
    }
    async fn is_member(&self, id: &RoomId, user: &UserId) -> Result<bool, BackendError> {
        self.pass().await?;
        self.store.is_member(id, user).await
    }
    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, BackendError> {
        self.pass().await?;
        self.store.members(id, after, limit).await
    }
    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        self.pass().await?;
        self.store.rooms_of(user, after, limit).await
    }
    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        self.pass().await?;
        let lag = self.lag.load(Ordering::SeqCst);
        if lag > 0 {
            sleep(Duration::from_millis(lag)).await;
        }
        self.store.rooms_with(users, after, limit).await
    }
}
#[async_trait]
impl ReceiptStore for Slow {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        self.pass().await?;
        self.store.advance(room, user, mark, upto).await
    }
    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        self.pass().await?;
        if self.marks_fail.load(Ordering::SeqCst) {
            return Err(late(Retry::Safe));
        }
        self.store.watermarks(room, users).await
    }
}

/// Deaf for a while, then `Lagged`; refuses to publish to some, and panics.
#[derive(Debug)]
pub(crate) struct Odd {
    pub(crate) inner: MemoryBroker,
    pub(crate) deaf: Arc<AtomicBool>,
    pub(crate) was: AtomicBool,
    pub(crate) refuses: Arc<Mutex<HashSet<Topic>>>,
    pub(crate) panics: Arc<AtomicBool>,
}
#[async_trait]
impl Broker for Odd {
    async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError> {
        if self.refuses.lock().unwrap().contains(topic) {
            return Err(late(Retry::Safe));
        }
        assert!(!self.panics.load(Ordering::SeqCst), "a fault of the broker");
        self.inner.publish(topic, hint).await
    }
    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        self.inner.subscribe(topic).await
    }
    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        self.inner.unsubscribe(topic).await
    }
    async fn next(&self) -> Delivery {
        loop {
            tokio::select! {
                delivery = self.inner.next() => if self.deaf.load(Ordering::SeqCst) { self.was.store(true, Ordering::SeqCst) } else { return delivery },
                () = sleep(Duration::from_millis(100)) => if !self.deaf.load(Ordering::SeqCst) && self.was.swap(false, Ordering::SeqCst) { return Delivery::Lagged },
            }
        }
    }
}

#[derive(Default, Clone)]
pub(crate) struct Cluster {
    pub(crate) store: Slow,
    pub(crate) cache: MemoryCache,
    pub(crate) bus: MemoryBus,
    pub(crate) deaf: Arc<AtomicBool>,
    pub(crate) refuses: Arc<Mutex<HashSet<Topic>>>,
    pub(crate) panics: Arc<AtomicBool>,
}
impl Cluster {
    pub(crate) fn build(&self, broker: impl Broker) -> ChatEngine {
        ChatEngine::builder()
            .store(self.store.clone())
            .cache(self.cache.clone())
            .broker(broker)
            .ids(Arc::new(RandomIds))
            .config(unlimited())
            .build()
            .unwrap()
    }
    pub(crate) fn node(&self) -> ChatEngine {
        self.build(self.bus.node())
    }
    pub(crate) fn odd(&self) -> ChatEngine {
        self.build(Odd {
            inner: self.bus.node(),
            deaf: Arc::clone(&self.deaf),
            was: AtomicBool::new(false),
            refuses: Arc::clone(&self.refuses),
            panics: Arc::clone(&self.panics),
        })
    }
}
