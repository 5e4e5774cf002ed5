//! Backends in trouble: what is not known is said, and healed; people chat on.

use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chat_core::{
    ChatEngine, Config, Cursor, Entry, Epoch, ErrorCode, Mark, Membership, MessageId, NewEntry,
    NewRoom, Page, Presence, Room, RoomCursor, RoomId, Seq, SessionId, UserId, Watermarks,
    memory::MemoryStore,
    port::{
        AppendError, Appended, BackendError, BackendErrorKind, Change, Created, HistoryCache,
        LogStore, PresenceCache, RateCache, RateKey, ReceiptStore, Retry, RoomStore, Transition,
    },
    rate::{Decision, RatePolicy},
};
use mockall::mock;

use crate::common::{client_id, direct, next_entry, text, unlimited, user};

/// A store whose answers to appends get lost, or which refuses them, or whose pages fail or never
/// come, while told so; and which counts what it is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubled(pub(crate) Arc<Inner>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) store: MemoryStore,
    answers_lost: AtomicBool,
    pub(crate) full: AtomicBool,
    /// What an append takes.
    append_time: Mutex<Duration>,
    pub(crate) silent: AtomicBool,
    pub(crate) broken: AtomicBool,
    /// How often pages, and rooms, were asked for.
    pub(crate) pages: AtomicUsize,
    pub(crate) heads: AtomicUsize,
    pub(crate) pauses: Pauses,
    /// The log after each append, of whichever room.
    pub(crate) logs: Mutex<Vec<Vec<Arc<Entry>>>>,
}

/// How often calls give way to others, in turn.
#[derive(Debug, Default)]
pub(crate) struct Pauses(pub(crate) Mutex<VecDeque<u8>>);

impl Pauses {
    pub(crate) async fn pause(&self) {
        let pause = {
            let mut pauses = self.0.lock().unwrap();
            let pause = pauses.pop_front();
            pauses.extend(pause);
            pause.unwrap_or(0)
        };
        for _ in 0..pause {
            tokio::task::yield_now().await;
        }
    }
}

fn error(kind: BackendErrorKind, retry: Retry) -> AppendError {
    let (backend, operation) = ("troubled", "append");
    BackendError {
        kind,
        retry,
        backend,
        operation,
        source: None,
    }
    .into()
}

#[async_trait]
impl LogStore for Troubled {
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        if self.0.full.load(Ordering::Relaxed) {
            return batch
                .iter()
                .map(|_| Err(error(BackendErrorKind::Full, Retry::Safe)))
                .collect();
        }
        let append_time = *self.0.append_time.lock().unwrap();
        if !append_time.is_zero() {
            tokio::time::sleep(append_time).await;
        }
        self.0.pauses.pause().await;
        let rooms: Vec<_> = batch.iter().map(|entry| entry.room.clone()).collect();
        let answers = self.0.store.append(batch).await;
        for room in rooms {
            let all = Page::After(Seq::ZERO);
            if let Ok(log) = self.0.store.page(&room, all, usize::MAX).await {
                self.0.logs.lock().unwrap().push(log);
            }
        }
        self.0.pauses.pause().await;
        if self.0.answers_lost.load(Ordering::Relaxed) {
            let lost = |_| Err(error(BackendErrorKind::Timeout, Retry::IfIdempotent));
            return answers.into_iter().map(lost).collect();
        }
        answers
    }

    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        if self.0.silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.0.pages.fetch_add(1, Ordering::Relaxed);
        self.0.pauses.pause().await;
        if self.0.broken.load(Ordering::Relaxed) {
            return Err(away());
        }
        let found = self.0.store.page(room, page, limit).await;
        self.0.pauses.pause().await;
        found
    }

    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError> {
        self.0.store.find(room, id).await
    }
}

#[async_trait]
impl RoomStore for Troubled {
    async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError> {
        self.0.store.create_room(room).await
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        self.0.heads.fetch_add(1, Ordering::Relaxed);
        self.0.pauses.pause().await;
        let found = self.0.store.room(id).await;
        self.0.pauses.pause().await;
        found
    }

    async fn is_member(&self, id: &RoomId, user: &UserId) -> Result<bool, BackendError> {
        self.0.store.is_member(id, user).await
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, BackendError> {
        self.0.store.members(id, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        self.0.store.rooms_of(user, after, limit).await
    }

    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        self.0.store.rooms_with(users, after, limit).await
    }
}

#[async_trait]
impl ReceiptStore for Troubled {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        self.0.store.advance(room, user, mark, upto).await
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        self.0.store.watermarks(room, users).await
    }
}

fn troubled() -> (Troubled, ChatEngine) {
    let store = Troubled::default();
    let engine = ChatEngine::builder()
        .config(unlimited())
        .store(store.clone())
        .build()
        .unwrap();
    (store, engine)
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_a_lost_answer_tells_where_the_message_stands_and_delivers_it() {
    let (store, engine) = troubled();
    let bob = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    store.0.answers_lost.store(true, Ordering::Relaxed);
    let error = alice
        .send_as(&room, "hello?", client_id("a"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutcomeUnknown);
    store.0.answers_lost.store(false, Ordering::Relaxed);
    let sent = alice
        .send_as(&room, "hello?", client_id("a"))
        .await
        .unwrap();
    assert!(sent.duplicate);
    assert_eq!(next_entry(&bob).await.id, sent.id);
    alice.send(&room, "good").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "good", "delivered once");
}

#[tokio::test(start_paused = true)]
async fn a_stored_message_whose_answer_was_lost_is_delivered_without_a_retry() {
    let (store, engine) = troubled();
    let bob = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    store.0.answers_lost.store(true, Ordering::Relaxed);
    alice.send(&room, "one").await.unwrap_err();
    let delivered = tokio::time::timeout(Duration::from_secs(3), next_entry(&bob))
        .await
        .unwrap();
    assert_eq!(text(&delivered), "one");
    // With the next message at once, it comes before it.
    alice.send(&room, "two").await.unwrap_err();
    store.0.answers_lost.store(false, Ordering::Relaxed);
    alice.send(&room, "three").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "two");
    assert_eq!(text(&next_entry(&bob).await), "three");
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_is_given_up_leaves_the_room_live() {
    let (store, engine) = troubled();
    let bob = engine.connect(user("bob")).await.unwrap();
    let room = bob.open(&user("alice")).await.unwrap().room;
    let cursor = RoomCursor {
        room: room.id.clone(),
        cursor: room.cursor(),
    };
    let alice = engine.actor(user("alice"));
    alice.send(&room.id, "before").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "before");
    store.0.silent.store(true, Ordering::Relaxed);
    let resuming = async { tokio::time::timeout(Duration::from_secs(1), bob.resume(cursor)).await };
    let (given_up, sent) = tokio::join!(resuming, alice.send(&room.id, "meanwhile"));
    given_up.unwrap_err();
    sent.unwrap();
    alice.send(&room.id, "after").await.unwrap();
    let live = tokio::time::timeout(Duration::from_secs(1), async {
        [next_entry(&bob).await, next_entry(&bob).await]
    });
    let [one, two] = live.await.unwrap();
    assert_eq!([text(&one), text(&two)], ["meanwhile", "after"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_messages_and_is_read_on() {
    let (store, engine) = troubled();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    alice.send(&room, "one").await.unwrap();
    store.0.full.store(true, Ordering::Relaxed);
    assert_eq!(
        alice.send(&room, "two").await.unwrap_err().code(),
        ErrorCode::StoreFull
    );
    assert_eq!(
        alice
            .history(&room, Page::Newest, None)
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
    store.0.full.store(false, Ordering::Relaxed);
    assert_eq!(alice.send(&room, "two").await.unwrap().seq, Seq(2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stalls_pushes_back_early_and_what_was_accepted_is_stored() {
    let store = Troubled::default();
    let limited = Config {
        send_limit: Some(RatePolicy::Steady {
            interval: Duration::from_secs(1_000),
            burst: 5,
        }),
        ..unlimited()
    };
    let engine = ChatEngine::builder()
        .config(limited)
        .store(store.clone())
        .build()
        .unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    alice.send(&room, "before").await.unwrap();
    *store.0.append_time.lock().unwrap() = Duration::from_secs(4);
    let later = |after: u64, text: &'static str| {
        let (alice, room) = (alice.clone(), room.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            let start = tokio::time::Instant::now();
            let sent = alice.send(&room, text).await;
            (sent, start.elapsed())
        })
    };
    let accepted = [later(0, "in hand"), later(900, "queued")];
    // A budget of five messages is not touched by ten refusals.
    let refused = (0..10).map(|n| later(1_100 + 200 * n, "refused"));
    for refused in refused.collect::<Vec<_>>() {
        let (sent, took) = refused.await.unwrap();
        let error = sent.unwrap_err();
        assert_eq!(
            (error.code(), took),
            (ErrorCode::Overloaded, Duration::ZERO)
        );
        let wait = error.retry_after().unwrap();
        assert!((2..=5).contains(&wait.as_secs()), "{wait:?}");
    }
    *store.0.append_time.lock().unwrap() = Duration::ZERO;
    for accepted in accepted {
        accepted.await.unwrap().0.unwrap();
    }
    for text in ["after", "and after"] {
        alice.send(&room, text).await.unwrap();
    }
    let page = alice.history(&room, Page::Newest, None).await.unwrap();
    let texts: Vec<_> = page.entries.iter().map(text).collect();
    assert_eq!(texts, ["before", "in hand", "queued", "after", "and after"]);
}

#[tokio::test(start_paused = true)]
async fn a_stall_that_is_over_is_not_held_against_a_store_that_keeps_up() {
    let store = Troubled::default();
    let engine = ChatEngine::builder()
        .config(unlimited())
        .store(store.clone())
        .build()
        .unwrap();
    let room = direct("alice", "bob");
    let alice = engine.actor(user("alice"));
    *store.0.append_time.lock().unwrap() = Duration::from_millis(2_500);
    alice.send(&room, "slow").await.unwrap();
    *store.0.append_time.lock().unwrap() = Duration::from_millis(5);
    tokio::time::sleep(Duration::from_hours(1)).await;
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (alice, room) = (alice.clone(), room.clone());
        sends.spawn(async move { alice.send(&room, "quick").await });
    }
    for sent in sends.join_all().await {
        sent.unwrap();
    }
}

mock! {
    #[derive(Debug)]
    Cache {}

    #[async_trait]
    impl PresenceCache for Cache {
        async fn touch(
            &self,
            user: &UserId,
            session: SessionId,
            ttl: Duration,
        ) -> Result<Transition, BackendError>;
        async fn release(
            &self,
            user: &UserId,
            session: SessionId,
        ) -> Result<Transition, BackendError>;
        async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError>;
        async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError>;
        async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError>;
    }

    #[async_trait]
    impl RateCache for Cache {
        async fn acquire(
            &self,
            key: &RateKey,
            policy: &RatePolicy,
        ) -> Result<Decision, BackendError>;
    }

    #[async_trait]
    impl HistoryCache for Cache {
        async fn window(
            &self,
            room: &RoomId,
            at: Cursor,
            range: RangeInclusive<Seq>,
        ) -> Result<Option<Vec<Arc<Entry>>>, BackendError>;
        async fn fill(
            &self,
            room: &RoomId,
            at: Cursor,
            newest: &[Arc<Entry>],
        ) -> Result<(), BackendError>;
        async fn extend(
            &self,
            room: &RoomId,
            epoch: Epoch,
            entries: &[Arc<Entry>],
        ) -> Result<(), BackendError>;
    }
}

pub(crate) fn away() -> BackendError {
    BackendError {
        kind: BackendErrorKind::Unavailable,
        retry: Retry::Safe,
        backend: "mock",
        operation: "any",
        source: None,
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_people_chat_on_and_limits_hold_on_this_node() {
    let mut cache = MockCache::new();
    cache.expect_touch().returning(|_, _, _| Err(away()));
    cache.expect_release().returning(|_, _| Err(away()));
    cache.expect_presence().returning(|_| Err(away()));
    cache.expect_online().returning(|_| Err(away()));
    cache.expect_take_expired().returning(|_| Err(away()));
    // Five messages pass and the sixth is refused: each asked the cache once, as two rooms did.
    for (action, times) in [("send", 6), ("room", 2)] {
        cache
            .expect_acquire()
            .withf(move |key, _| key.action == action)
            .times(times)
            .returning(|_, _| Err(away()));
    }
    let engine = ChatEngine::builder().cache(cache).build().unwrap();
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    for n in 0..5 {
        alice.send(&room, &n.to_string()).await.unwrap();
        assert_eq!(text(&next_entry(&bob).await), n.to_string());
    }
    let error = alice.send(&room, "one too many").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RateLimited);
    let view = alice.open(&user("carol")).await.unwrap();
    let presence = view.members.into_iter().map(|member| member.presence);
    let online: Vec<_> = presence.filter(|it| it.online).map(|it| it.user).collect();
    assert_eq!(online, [user("alice")], "as far as this node knows");
}
