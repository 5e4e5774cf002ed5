//! Several nodes when things cross: who is told what, how often, and how soon.

use crate::common::{direct, next_entry, next_matching, text, unlimited, user};
use async_trait::async_trait;
use chat_core::{
    ChatEngine, Connect, Cursor, Entry, Event, LocalSession, Mark, Membership, MessageId, NewEntry,
    NewRoom, Outbox, OutboxLimits, Outgoing, Page, RandomIds, Room, RoomCursor, RoomId, Seq,
    UserId, Watermarks,
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
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

#[derive(Debug, Clone, Default)]
struct Slow {
    store: MemoryStore,
    hang: Arc<AtomicBool>,
    marks_fail: Arc<AtomicBool>,
    lag: Arc<std::sync::atomic::AtomicU64>,
    /// A room whose pages take a second.
    late: Arc<Mutex<Option<RoomId>>>,
    /// An entry that no page shows for now, and how many pages were asked for.
    hidden: Arc<Mutex<Option<Seq>>>,
    pages: Arc<std::sync::atomic::AtomicU64>,
    /// How much longer some pages take than others.
    jitter: Arc<std::sync::atomic::AtomicU64>,
    /// What an append takes, in milliseconds.
    append_lag: Arc<std::sync::atomic::AtomicU64>,
}

fn late(retry: Retry) -> BackendError {
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
struct Odd {
    inner: MemoryBroker,
    deaf: Arc<AtomicBool>,
    was: AtomicBool,
    refuses: Arc<Mutex<HashSet<Topic>>>,
    panics: Arc<AtomicBool>,
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
struct Cluster {
    store: Slow,
    cache: MemoryCache,
    bus: MemoryBus,
    deaf: Arc<AtomicBool>,
    refuses: Arc<Mutex<HashSet<Topic>>>,
    panics: Arc<AtomicBool>,
}
impl Cluster {
    fn build(&self, broker: impl Broker) -> ChatEngine {
        ChatEngine::builder()
            .store(self.store.clone())
            .cache(self.cache.clone())
            .broker(broker)
            .ids(Arc::new(RandomIds))
            .config(unlimited())
            .build()
            .unwrap()
    }
    fn node(&self) -> ChatEngine {
        self.build(self.bus.node())
    }
    fn odd(&self) -> ChatEngine {
        self.build(Odd {
            inner: self.bus.node(),
            deaf: Arc::clone(&self.deaf),
            was: AtomicBool::new(false),
            refuses: Arc::clone(&self.refuses),
            panics: Arc::clone(&self.panics),
        })
    }
}
async fn told(session: &LocalSession, name: &str, online: bool) -> bool {
    let matching = |event: &Event| matches!(event, Event::Presence(it) if it.user == user(name) && it.online == online);
    timeout(Duration::from_mins(5), next_matching(session, matching))
        .await
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_while_away_is_refused_when_back() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let room = RoomId::group("garden").unwrap();
    one.create_group(room.clone(), vec![user("alice"), user("bob")])
        .await
        .unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    bob.send(&room, "hi").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    drop(bob);
    sleep(Duration::from_secs(1)).await;
    let alice = one.actor(user("alice"));
    alice.remove_member(&room, user("bob")).await.unwrap();
    alice.send(&room, "secret").await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let bob = two.connect(user("bob")).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let read = bob.history(&room, Page::Newest, None).await;
    let texts: Vec<_> = read
        .iter()
        .flat_map(|page| page.entries.iter())
        .map(|e| format!("{:?}", e.body))
        .collect();
    let sent = bob.send(&room, "intruder").await;
    assert!(
        read.is_err() && sent.is_err(),
        "read {texts:?}\nsent {sent:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_who_flaps_over_nodes_ends_offline_for_others() {
    let cluster = Cluster::default();
    let one = cluster.node();
    let b = cluster.node();
    sleep(Duration::from_millis(100)).await;
    let c = cluster.node();
    let alice = one.connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let on_b = b.connect(user("bob")).await.unwrap();
    assert!(told(&alice, "bob", true).await);
    drop(on_b);
    assert!(told(&alice, "bob", false).await);
    let mut failed = Vec::new();
    for offset in 0..20u64 {
        let x = b.connect(user("bob")).await.unwrap();
        let came = timeout(Duration::from_secs(20), told(&alice, "bob", true))
            .await
            .unwrap_or(false);
        if !came {
            failed.push((offset, "never told that bob came"));
        }
        sleep(Duration::from_millis(1000 + 10 * offset)).await;
        drop(x);
        sleep(Duration::from_millis(10)).await;
        let y = c.connect(user("bob")).await.unwrap();
        sleep(Duration::from_millis(90)).await;
        drop(y);
        let went = timeout(Duration::from_secs(20), told(&alice, "bob", false))
            .await
            .unwrap_or(false);
        if !went {
            failed.push((offset, "never told that bob went"));
        }
        sleep(Duration::from_secs(20)).await;
        crate::common::pending(&alice).await;
    }
    assert!(
        failed.is_empty(),
        "not told that bob went, at offsets {failed:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_repeated_after_its_node_died_is_told() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let room = direct("alice", "bob");
    for n in 1..=3 {
        alice.send(&room, &n.to_string()).await.unwrap();
    }
    // The node that took it died before it told anybody.
    cluster
        .store
        .advance(&room, &user("bob"), Mark::Read, Seq(3))
        .await
        .unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    bob.receipt(&room, Mark::Read, Seq(3)).await.unwrap();
    let receipt = next_matching(&alice, |event| matches!(event, Event::Receipt { .. }));
    timeout(Duration::from_mins(5), receipt)
        .await
        .expect("alice is told");
}

#[tokio::test(start_paused = true)]
async fn a_send_is_answered_in_time_while_the_store_hangs() {
    let cluster = Cluster::default();
    let node = cluster.node();
    let alice = node.actor(user("alice"));
    let rooms: Vec<_> = (0..20)
        .map(|n| direct("alice", &format!("peer{n}")))
        .collect();
    for room in &rooms {
        alice.send(room, "hello").await.unwrap();
    }
    cluster.store.hang.store(true, Ordering::SeqCst);
    let mut sends = JoinSet::new();
    for room in rooms.clone() {
        let alice = alice.clone();
        sends.spawn(async move { alice.send(&room, "lost?").await.is_err() });
    }
    while sends.join_next().await.is_some() {}
    sleep(Duration::from_millis(1100)).await;
    let start = Instant::now();
    let sent = alice.send(&rooms[0], "and this?").await;
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "{:?} {:?}",
        start.elapsed(),
        sent.is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn one_slot_that_is_away_does_not_delay_the_hints_of_others() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.odd(), cluster.node());
    let bob = two.connect(user("bob")).await.unwrap();
    let alice = one.connect(user("alice")).await.unwrap();
    alice.send(&direct("alice", "bob"), "0").await.unwrap();
    next_entry(&bob).await;
    cluster
        .refuses
        .lock()
        .unwrap()
        .insert(Topic::User(user("dave")));
    alice.send(&direct("alice", "dave"), "x").await.unwrap();
    let mut worst = Duration::ZERO;
    for n in 1..=20 {
        sleep(Duration::from_millis(37)).await;
        let start = Instant::now();
        alice
            .send(&direct("alice", "bob"), &n.to_string())
            .await
            .unwrap();
        assert_eq!(text(&next_entry(&bob).await), n.to_string());
        worst = worst.max(start.elapsed());
    }
    assert!(worst < Duration::from_millis(50), "{worst:?}");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_read_slowly_holds_up_neither_others_nor_what_is_sent_here() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let carol = two.connect(user("carol")).await.unwrap();
    let (slow, quick) = (direct("alice", "bob"), direct("alice", "carol"));
    *cluster.store.late.lock().unwrap() = Some(slow.clone());
    let start = Instant::now();
    for text in ["one", "two", "three"] {
        alice.send(&slow, text).await.unwrap();
    }
    alice.send(&quick, "meanwhile").await.unwrap();
    assert_eq!(text(&next_entry(&carol).await), "meanwhile");
    bob.send(&direct("bob", "carol"), "here").await.unwrap();
    assert_eq!(text(&next_entry(&carol).await), "here");
    assert!(start.elapsed() < Duration::from_millis(500));
    next_matching(
        &bob,
        |event| matches!(event, Event::Entry(it) if text(it) == "here"),
    )
    .await;
    for said in ["one", "two", "three"] {
        assert_eq!(text(&next_entry(&bob).await), said);
    }
    // What came while it was read costs one more read, not one each.
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_room_is_read_slowly_waits_for_their_own_rooms_and_holds_up_nobody() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let _bob = two.connect(user("bob")).await.unwrap();
    let (slow, quick) = (direct("alice", "bob"), direct("alice", "carol"));
    alice.send(&quick, "before").await.unwrap();
    drop(two.connect(user("carol")).await.unwrap());
    // The node has let go of her topic, and does not hear of this.
    sleep(Duration::from_secs(1)).await;
    alice.send(&quick, "while she is away").await.unwrap();
    *cluster.store.late.lock().unwrap() = Some(slow.clone());
    alice.send(&slow, "one").await.unwrap();
    // It is being read.
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    let dave = two.actor(user("dave"));
    let erin = direct("dave", "erin");
    let (carol, sent) = tokio::join!(two.connect(user("carol")), async {
        sleep(Duration::from_millis(10)).await;
        dave.send(&erin, "here").await
    });
    sent.unwrap();
    let carol = carol.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(300),
        "{:?}",
        start.elapsed()
    );
    alice.send(&quick, "now").await.unwrap();
    assert_eq!(text(&next_entry(&carol).await), "now");
}

#[tokio::test(start_paused = true)]
async fn what_comes_from_elsewhere_does_not_wait_for_what_is_being_stored_here() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    let to_carol = direct("bob", "carol");
    cluster.store.append_lag.store(1_000, Ordering::SeqCst);
    let here = bob.send(&to_carol, "here");
    let elsewhere = async {
        sleep(Duration::from_millis(10)).await;
        cluster.store.append_lag.store(0, Ordering::SeqCst);
        alice.send(&room, "elsewhere").await.unwrap();
        let start = Instant::now();
        assert_eq!(text(&next_entry(&bob).await), "elsewhere");
        assert!(start.elapsed() < Duration::from_millis(100));
        assert_eq!(text(&next_entry(&bob).await), "here");
    };
    let (sent, ()) = tokio::join!(here, elsewhere);
    sent.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_and_goes_while_rooms_are_read_and_appended_to_misses_nothing() {
    const EACH: u64 = 150;
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    cluster.store.jitter.store(1, Ordering::SeqCst);
    cluster.store.append_lag.store(3, Ordering::SeqCst);
    let room = RoomId::group("garden").unwrap();
    one.create_group(
        room.clone(),
        vec![user("alice"), user("bob"), user("carol")],
    )
    .await
    .unwrap();
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let page = alice.history(&room, Page::Newest, None).await.unwrap();
    let begun = page.entries.last().map_or(Seq::ZERO, |entry| entry.seq);
    let last = Seq(begun.0 + 2 * EACH);
    let say = async |session: &LocalSession, gap: u64| {
        for n in 0..EACH {
            session.send(&room, &n.to_string()).await.unwrap();
            sleep(Duration::from_millis(n * gap % 17)).await;
        }
    };
    let hear = async |session: &LocalSession| {
        let mut at = begun;
        while at < last {
            let entry = next_entry(session).await;
            assert_eq!(entry.seq, at.next());
            at = entry.seq;
        }
    };
    let come_and_go = async {
        let mut at = begun;
        for stay in (0..).map(|turn: u64| 5 + turn * 13 % 60) {
            let cursor = Cursor {
                epoch: page.epoch,
                seq: at,
            };
            let room = room.clone();
            let connect = Connect {
                cursors: vec![RoomCursor { room, cursor }],
                ..Connect::new(user("carol"))
            };
            let outbox = Outbox::new(OutboxLimits::default());
            let session = two.connect_with(connect, Arc::clone(&outbox) as _);
            let session = session.await.unwrap();
            sleep(Duration::from_millis(stay)).await;
            let mut frames = Vec::new();
            outbox.recv_many(&mut frames, usize::MAX).await;
            for frame in &frames {
                match frame.outgoing() {
                    Outgoing::Event(Event::Entry(entry)) => {
                        assert_eq!(entry.seq, at.next());
                        at = entry.seq;
                    }
                    Outgoing::Event(Event::Gap { .. }) => panic!("{frame:?}"),
                    _ => {}
                }
            }
            drop(session);
            if at == last {
                break;
            }
            sleep(Duration::from_millis(stay / 3)).await;
        }
    };
    let all = async {
        tokio::join!(
            say(&alice, 7),
            say(&bob, 11),
            hear(&alice),
            hear(&bob),
            come_and_go
        );
    };
    timeout(Duration::from_mins(5), all).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hints_go_on_after_a_broker_has_panicked() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.odd(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    cluster.panics.store(true, Ordering::SeqCst);
    alice.send(&room, "unheard").await.unwrap();
    sleep(Duration::from_millis(10)).await;
    cluster.panics.store(false, Ordering::SeqCst);
    let start = Instant::now();
    alice.send(&room, "heard").await.unwrap();
    for said in ["unheard", "heard"] {
        assert_eq!(text(&next_entry(&bob).await), said);
    }
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_somebody_cut_a_hole_into_is_gone_on_with_and_not_read_all_the_time() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "one").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "one");
    *cluster.store.hidden.lock().unwrap() = Some(Seq(2));
    for text in ["two", "three"] {
        alice.send(&room, text).await.unwrap();
    }
    let before = cluster.store.pages.load(Ordering::SeqCst);
    sleep(Duration::from_millis(500)).await;
    let read = cluster.store.pages.load(Ordering::SeqCst) - before;
    assert!(read < 10, "{read} pages");
    assert_eq!(text(&next_entry(&bob).await), "three");
}

#[tokio::test(start_paused = true)]
async fn presence_that_was_missed_is_told_after_lagged() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.odd(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    assert!(told(&alice, "bob", true).await);
    cluster.deaf.store(true, Ordering::SeqCst);
    drop(bob);
    sleep(Duration::from_secs(1)).await;
    cluster.deaf.store(false, Ordering::SeqCst);
    assert!(told(&alice, "bob", false).await, "never told");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_whose_hint_came_while_the_store_failed_is_told_later() {
    let cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "1").await.unwrap();
    next_entry(&bob).await;
    cluster.store.marks_fail.store(true, Ordering::SeqCst);
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    cluster.store.marks_fail.store(false, Ordering::SeqCst);
    let told =
        |event: &Event| matches!(event, Event::Receipt { user: who, .. } if *who == user("bob"));
    timeout(Duration::from_mins(5), next_matching(&alice, told))
        .await
        .expect("told");
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_while_the_store_hangs_and_people_try_to_connect() {
    let cluster = Cluster::default();
    let node = cluster.node();
    let _alice = node.connect(user("alice")).await.unwrap();
    let carol = node.connect(user("carol")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    cluster.store.hang.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let mut comers = JoinSet::new();
    for n in 0..1500 {
        let node = node.clone();
        comers.spawn(async move {
            let start = Instant::now();
            let refused = node.connect(user(&format!("u{n}"))).await.is_err();
            (refused, start.elapsed())
        });
    }
    sleep(Duration::from_secs(1)).await;
    drop(carol);
    let mut offline = None;
    while start.elapsed() < Duration::from_mins(2) {
        sleep(Duration::from_secs(1)).await;
        if !node.online().await.unwrap().contains(&user("alice")) {
            offline = Some(start.elapsed());
            break;
        }
    }
    let mut slowest = Duration::ZERO;
    while let Some(done) = comers.join_next().await {
        slowest = slowest.max(done.unwrap().1);
    }
    assert!(
        offline.is_none() && slowest < Duration::from_secs(9),
        "offline after {offline:?}, slowest refusal {slowest:?}"
    );
}

/// Counts the hints that a message costs.
#[derive(Debug)]
struct Counting(MemoryBroker, Arc<std::sync::atomic::AtomicUsize>);
#[async_trait]
impl Broker for Counting {
    async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError> {
        if matches!(hint, Hint::Appended { .. }) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
        self.0.publish(topic, hint).await
    }
    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        self.0.subscribe(topic).await
    }
    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        self.0.unsubscribe(topic).await
    }
    async fn next(&self) -> Delivery {
        self.0.next().await
    }
}
#[tokio::test(start_paused = true)]
async fn a_message_is_announced_by_its_own_node_only() {
    let cluster = Cluster::default();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let nodes: Vec<_> = (0..10)
        .map(|_| cluster.build(Counting(cluster.bus.node(), Arc::clone(&count))))
        .collect();
    let room = RoomId::group("garden").unwrap();
    let names: Vec<_> = (0..10).map(|n| user(&format!("m{n}"))).collect();
    nodes[0]
        .create_group(room.clone(), names.clone())
        .await
        .unwrap();
    let mut sessions = Vec::new();
    for (node, name) in nodes.iter().zip(&names) {
        sessions.push(node.connect(name.clone()).await.unwrap());
    }
    sleep(Duration::from_secs(1)).await;
    sessions[0].send(&room, "hi").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(count.load(Ordering::SeqCst), 10);
}

async fn crowd(
    cluster: &Cluster,
) -> (
    ChatEngine,
    ChatEngine,
    RoomId,
    LocalSession,
    Vec<LocalSession>,
) {
    let (one, two) = (cluster.node(), cluster.node());
    let room = RoomId::group("garden").unwrap();
    let names: Vec<_> = (0..10).map(|n| user(&format!("m{n}"))).collect();
    let mut all = names.clone();
    all.push(user("bob"));
    one.create_group(room.clone(), all).await.unwrap();
    let bob = one.connect(user("bob")).await.unwrap();
    bob.send(&room, "hi").await.unwrap();
    let mut sessions = Vec::new();
    for name in names {
        sessions.push(two.connect(name).await.unwrap());
    }
    sleep(Duration::from_secs(1)).await;
    (one, two, room, bob, sessions)
}
#[tokio::test(start_paused = true)]
async fn a_receipt_is_told_once_to_each_device_on_another_node() {
    let cluster = Cluster::default();
    let (_one, _two, room, bob, sessions) = crowd(&cluster).await;
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let told = crate::common::pending(&sessions[0]).await;
    let receipts = told
        .iter()
        .filter(|e| matches!(e, Event::Receipt { .. }))
        .count();
    assert_eq!(receipts, 1);
}
#[tokio::test(start_paused = true)]
async fn typing_is_told_once_to_each_device_on_another_node() {
    let cluster = Cluster::default();
    let (_one, _two, room, bob, sessions) = crowd(&cluster).await;
    bob.typing(&room).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let told = crate::common::pending(&sessions[0]).await;
    assert_eq!(
        told.iter()
            .filter(|e| matches!(e, Event::Typing { active: true, .. }))
            .count(),
        1
    );
}
#[tokio::test(start_paused = true)]
async fn a_forged_receipt_hint_shows_nobody_a_stranger() {
    let cluster = Cluster::default();
    let one = cluster.node();
    let alice = one.connect(user("alice")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "1").await.unwrap();
    let evil = cluster.bus.node();
    let hint = Hint::Receipt {
        room: room.clone(),
        user: user("BUY PILLS at evil.example"),
        was: Watermarks::default(),
    };
    evil.publish(&Topic::User(user("alice")), &hint)
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    let told = crate::common::pending(&alice).await;
    assert!(
        !told.iter().any(|e| matches!(e, Event::Receipt { .. })),
        "{told:?}"
    );
}
/// A store that fails while somebody connects leaves no subscription.
#[derive(Debug, Clone)]
struct Subs(Arc<Mutex<HashSet<Topic>>>);
#[async_trait]
impl Broker for Subs {
    async fn publish(&self, _: &Topic, _: &Hint) -> Result<(), BackendError> {
        Ok(())
    }
    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        self.0.lock().unwrap().insert(topic.clone());
        Ok(())
    }
    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        self.0.lock().unwrap().remove(topic);
        Ok(())
    }
    async fn next(&self) -> Delivery {
        std::future::pending().await
    }
}
#[tokio::test(start_paused = true)]
async fn who_could_not_connect_is_not_listened_for() {
    let cluster = Cluster::default();
    let subs = Arc::new(Mutex::new(HashSet::new()));
    let node = cluster.build(Subs(Arc::clone(&subs)));
    sleep(Duration::from_secs(1)).await;
    cluster.store.hang.store(true, Ordering::SeqCst);
    for n in 0..5 {
        assert!(node.connect(user(&format!("u{n}"))).await.is_err());
    }
    cluster.store.hang.store(false, Ordering::SeqCst);
    sleep(Duration::from_mins(2)).await;
    let users = subs
        .lock()
        .unwrap()
        .iter()
        .filter(|t| matches!(t, Topic::User(_)))
        .count();
    assert_eq!(users, 0);
}

async fn mass(lag: u64, users: usize) -> Vec<String> {
    let cluster = Cluster::default();
    let (b, c) = (cluster.node(), cluster.node());
    let alice = Arc::new(b.connect(user("alice")).await.unwrap());
    let names: Vec<_> = (0..users).map(|n| user(&format!("u{n}"))).collect();
    let last = Arc::new(Mutex::new(std::collections::HashMap::new()));
    let (reader, seen) = (Arc::clone(&alice), Arc::clone(&last));
    let reading = tokio::spawn(async move {
        while let Some(event) = reader.next_event().await {
            if let Event::Presence(p) = event {
                seen.lock().unwrap().insert(p.user.clone(), p.online);
            }
        }
    });
    let mut sessions = Vec::new();
    for name in &names {
        alice.open(name).await.unwrap();
        sessions.push(b.connect(name.clone()).await.unwrap());
    }
    sleep(Duration::from_secs(5)).await;
    assert!(
        names
            .iter()
            .all(|n| last.lock().unwrap().get(n) == Some(&true)),
        "before"
    );
    cluster.store.lag.store(lag, Ordering::SeqCst);
    drop(sessions);
    let mut again = JoinSet::new();
    for (n, name) in names.iter().cloned().enumerate() {
        let c = c.clone();
        again.spawn(async move {
            sleep(Duration::from_millis(100 + (n as u64 * 37) % 1000)).await;
            c.connect(name).await.unwrap()
        });
    }
    let kept = again.join_all().await;
    sleep(Duration::from_mins(2)).await;
    let online = cluster.cache.clone();
    let really = chat_core::port::PresenceCache::presence(&online, &names)
        .await
        .unwrap();
    assert!(really.iter().all(|p| p.online));
    let wrong: Vec<_> = names
        .iter()
        .filter(|n| last.lock().unwrap().get(*n) != Some(&true))
        .map(ToString::to_string)
        .collect();
    drop(kept);
    reading.abort();
    wrong
}
#[tokio::test(start_paused = true)]
async fn who_moves_to_another_node_is_seen_online_in_the_end() {
    let mut all = Vec::new();
    for (lag, users) in [(0, 300), (1, 300), (2, 300), (5, 300), (5, 50)] {
        all.push((lag, users, mass(lag, users).await.len()));
    }
    assert!(
        all.iter().all(|(_, _, wrong)| *wrong == 0),
        "(ms a read, users, wrong for ever): {all:?}"
    );
}
