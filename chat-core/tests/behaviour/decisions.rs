//! Decisions about users: what they refuse, whom they close, when they end, and how other nodes follow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_core::{
    Actor, ChatEngine, Clock as _, CloseReason, Config, Connect, Decision, Error, ErrorCode,
    ManualClock, NewDecision, Outbox, OutboxLimits, Page, PolicyStale, Principal, Reason, RoomId,
    Ruling, Scope, Seq, Session, Standing, TokenId, Version, Via,
    memory::MemoryStore,
    metrics::Figures,
    port::PolicyStore,
    testing::{Fault, Faulty, Gate, Method},
};
use chrono::{DateTime, Utc};
use tokio::time::timeout;

use crate::{
    cluster::Cluster,
    common::{client_id, unlimited, user},
};

fn new(at: DateTime<Utc>, what: Ruling) -> NewDecision {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    NewDecision {
        at,
        by: user("root"),
        via: Via::Host,
        address: None,
        reason: Reason::default(),
        client_id: client_id(&format!("d{number}")),
        what,
    }
}

pub(crate) async fn decide(engine: &ChatEngine, what: Ruling) -> Decision {
    let decision = new(engine.clock().now(), what);
    engine.decide(decision).await.unwrap()
}

fn ban(name: &str, until: Option<DateTime<Utc>>) -> Ruling {
    Ruling::Ban {
        user: user(name),
        scope: Scope::Server,
        until,
    }
}

fn mute(name: &str, until: Option<DateTime<Utc>>) -> Ruling {
    Ruling::Mute {
        user: user(name),
        scope: Scope::Server,
        until,
    }
}

fn kick(name: &str) -> Ruling {
    Ruling::Kick { user: user(name) }
}

fn lift(decision: &Decision) -> Ruling {
    Ruling::Lift {
        version: decision.version,
    }
}

fn code<T>(result: Result<T, Error>) -> Option<ErrorCode> {
    result.err().map(|error| error.code())
}

/// A login by a token, issued at this moment.
fn login(name: &str, jti: &str, issued_at: DateTime<Utc>) -> Arc<Principal> {
    Arc::new(Principal {
        token: Some(TokenId::new(jti).unwrap()),
        issued_at: Some(issued_at),
        ..Principal::trusted(user(name))
    })
}

/// A session, and what is sent to it.
async fn connect(engine: &ChatEngine, login: &Arc<Principal>) -> (Session, Arc<Outbox>) {
    let outbox = Outbox::new(OutboxLimits::default());
    let connect = Connect::from(Arc::clone(login));
    let transport = Arc::<Outbox>::clone(&outbox);
    let session = engine.connect_with(connect, transport).await;
    (session.unwrap(), outbox)
}

async fn refusal(engine: &ChatEngine, login: &Arc<Principal>) -> Option<ErrorCode> {
    let outbox = Outbox::new(OutboxLimits::default());
    code(
        engine
            .connect_with(Connect::from(Arc::clone(login)), outbox)
            .await,
    )
}

/// An engine with a clock that the test moves.
fn timed() -> (ChatEngine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let engine = ChatEngine::builder().clock(Arc::clone(&clock) as _);
    (engine.config(unlimited()).build().unwrap(), clock)
}

/// The room of alice and bob, with one message by alice.
async fn room(engine: &ChatEngine) -> RoomId {
    let alice = engine.actor(user("alice"));
    let room = alice.open(&user("bob")).await.unwrap().room.id;
    alice.send(&room, "hello").await.unwrap();
    room
}

async fn texts(engine: &ChatEngine, room: &RoomId) -> usize {
    let bob = engine.actor(user("bob"));
    let page = bob.history(room, Page::Newest, None).await.unwrap();
    page.entries.len()
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_ban_closes_and_refuses_until_it_ends_by_itself() {
    let (engine, clock) = timed();
    let room = room(&engine).await;
    let alice = login("alice", "t1", clock.now());
    let (session, outbox) = connect(&engine, &alice).await;
    let (_bobs, of_bob) = connect(&engine, &login("bob", "t2", clock.now())).await;
    decide(&engine, ban("alice", Some(clock.now() + MINUTE))).await;

    assert_eq!(outbox.closed(), Some(CloseReason::Banned));
    assert_eq!(of_bob.closed(), None, "others are not concerned");
    let mut frames = Vec::new();
    outbox.recv_many(&mut frames, 9).await;
    let last = frames.last().unwrap().json();
    assert!(
        last.contains("\"code\":214") && last.contains("\"retry_after_ms\":60000"),
        "the error comes first: {last}"
    );
    let error = session.send(&room, "again").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Banned);
    assert_eq!(error.retry_after(), Some(MINUTE));
    assert_eq!(
        code(session.rooms(None, None).await),
        Some(ErrorCode::Banned)
    );
    assert_eq!(refusal(&engine, &alice).await, Some(ErrorCode::Banned));
    assert_eq!(code(engine.admit(&alice).await), Some(ErrorCode::Banned));

    clock.advance(Duration::from_millis(59_999));
    assert_eq!(refusal(&engine, &alice).await, Some(ErrorCode::Banned));
    clock.advance(Duration::from_millis(1));
    assert_eq!(refusal(&engine, &alice).await, None);
    let alice = engine.actor_of(alice);
    alice.send(&room, "back").await.unwrap();
    assert_eq!(texts(&engine, &room).await, 2);
}

#[tokio::test]
async fn decisions_add_up_and_each_is_lifted_by_itself() {
    let (engine, clock) = timed();
    let alice = login("alice", "t1", clock.now());
    let for_ever = decide(&engine, ban("alice", None)).await;
    let a_minute = decide(&engine, ban("alice", Some(clock.now() + MINUTE))).await;
    let error = engine.admit(&alice).await.unwrap_err();
    assert_eq!(error.retry_after(), None, "the longer one counts");
    let standing = engine.standing(&user("alice")).await.unwrap();
    let versions: Vec<_> = standing.bans.iter().map(|ban| ban.version).collect();
    assert_eq!(versions, [for_ever.version, a_minute.version]);
    decide(&engine, lift(&for_ever)).await;
    let error = engine.admit(&alice).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(MINUTE));
    decide(&engine, lift(&a_minute)).await;
    engine.admit(&alice).await.unwrap();
    let standing = engine.standing(&user("alice")).await.unwrap();
    assert_eq!(standing, Standing::default());
}

#[tokio::test]
async fn who_is_muted_reads_and_deletes_and_says_nothing() {
    let (engine, clock) = timed();
    let room = room(&engine).await;
    let (alice, outbox) = connect(&engine, &login("alice", "t1", clock.now())).await;
    decide(&engine, mute("alice", Some(clock.now() + MINUTE))).await;
    assert_eq!(outbox.closed(), None);
    let muted = alice.send(&room, "again").await.unwrap_err();
    assert_eq!(muted.code(), ErrorCode::Muted);
    assert_eq!(muted.retry_after(), Some(MINUTE));
    let edited = alice.edit(&room, Seq(1), "hello!").await;
    assert_eq!(code(edited), Some(ErrorCode::Muted));
    assert_eq!(code(alice.typing(&room).await), Some(ErrorCode::Muted));
    alice.history(&room, Page::Newest, None).await.unwrap();
    alice.open(&user("carol")).await.unwrap();
    alice.delete(&room, Seq(1)).await.unwrap();
    clock.advance(MINUTE);
    alice.send(&room, "at last").await.unwrap();
    assert_eq!(texts(&engine, &room).await, 3);
}

#[tokio::test]
async fn a_revoked_token_ends_where_it_is_used_and_no_other() {
    let (engine, clock) = timed();
    let [lost, kept] = ["lost", "kept"].map(|jti| login("alice", jti, clock.now()));
    let (session, of_lost) = connect(&engine, &lost).await;
    let (_kept, of_kept) = connect(&engine, &kept).await;
    let until = clock.now() + MINUTE;
    let jti = TokenId::new("lost").unwrap();
    decide(&engine, Ruling::RevokeToken { jti, until }).await;
    assert_eq!(of_lost.closed(), Some(CloseReason::Revoked));
    assert_eq!(of_kept.closed(), None);
    assert!(matches!(engine.admit(&lost).await, Err(Error::Revoked)));
    let rooms = session.rooms(None, None).await;
    assert_eq!(code(rooms), Some(ErrorCode::Unauthenticated));
    engine.admit(&kept).await.unwrap();
    clock.advance(MINUTE);
    engine.admit(&lost).await.unwrap();
}

#[tokio::test]
async fn logins_issued_before_a_revocation_end_and_later_ones_work() {
    let (engine, clock) = timed();
    clock.advance(MINUTE);
    let old = login("alice", "t1", clock.now() - Duration::from_micros(1));
    let undated = Arc::new(Principal::trusted(user("alice")));
    let (_old, of_old) = connect(&engine, &old).await;
    let (_undated, of_undated) = connect(&engine, &undated).await;
    let user_id = user("alice");
    let revoke = Ruling::RevokeUser {
        user: user_id.clone(),
        issued_before: clock.now(),
        until: clock.now() + MINUTE * 2,
    };
    decide(&engine, revoke).await;
    assert_eq!(of_old.closed(), Some(CloseReason::Revoked));
    assert_eq!(of_undated.closed(), Some(CloseReason::Revoked));
    let standing = engine.standing(&user_id).await.unwrap();
    assert_eq!(standing.not_before, Some(clock.now()));
    for refused in [&old, &undated] {
        assert!(matches!(engine.admit(refused).await, Err(Error::Revoked)));
    }
    let newer = login("alice", "t2", clock.now());
    assert_eq!(refusal(&engine, &newer).await, None);
    // Whoever embeds the engine vouches for the user anew.
    engine.actor(user_id).rooms(None, None).await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_renewed_is_judged_by_its_newer_login() {
    let (engine, clock) = timed();
    let [first, second, third] = ["t1", "t2", "t3"].map(|jti| login("alice", jti, clock.now()));
    let (mut session, outbox) = connect(&engine, &first).await;
    session.renew(second).unwrap();
    let revoke = |jti| Ruling::RevokeToken {
        jti: TokenId::new(jti).unwrap(),
        until: clock.now() + MINUTE,
    };
    decide(&engine, revoke("t1")).await;
    assert_eq!(outbox.closed(), None);
    decide(&engine, revoke("t3")).await;
    assert!(matches!(session.renew(third), Err(Error::Revoked)));
    assert_eq!(outbox.closed(), Some(CloseReason::Revoked));
}

#[tokio::test]
async fn a_kick_closes_once_and_the_user_may_come_back() {
    let (engine, clock) = timed();
    let alice = login("alice", "t1", clock.now());
    let (_session, outbox) = connect(&engine, &alice).await;
    decide(&engine, kick("alice")).await;
    let reason = outbox.closed().unwrap();
    assert_eq!(reason, CloseReason::Kicked);
    assert!(reason.reconnect());
    let (_session, outbox) = connect(&engine, &alice).await;
    decide(&engine, kick("bob")).await;
    assert_eq!(outbox.closed(), None);
}

#[tokio::test]
async fn a_repeated_decision_is_the_first_one_and_does_nothing_again() {
    let (engine, clock) = timed();
    let alice = login("alice", "t1", clock.now());
    let once = new(clock.now(), kick("alice"));
    let first = engine.decide(once.clone()).await.unwrap();
    let (_session, outbox) = connect(&engine, &alice).await;
    assert_eq!(engine.decide(once).await.unwrap(), first);
    assert_eq!(outbox.closed(), None);
    let log = engine.decisions(Version::ZERO, 9).await.unwrap();
    assert_eq!(log, [first]);
}

#[tokio::test]
async fn an_entry_that_waits_when_its_author_is_refused_is_not_stored() {
    for ruling in [ban("alice", None), mute("alice", None)] {
        let store = Faulty::new(MemoryStore::default());
        let engine = ChatEngine::builder()
            .store(store.clone())
            .config(unlimited())
            .build()
            .unwrap();
        let room = room(&engine).await;
        let gate = Gate::default();
        store.script.next(Method::APPEND, Fault::Pass.behind(&gate));
        let send = |name: &str, text: &'static str| {
            let (actor, room): (Actor, _) = (engine.actor(user(name)), room.clone());
            tokio::spawn(async move { actor.send(&room, text).await })
        };
        // Bob's message is with the store, and alice's waits behind it.
        let before = store.script.calls(Method::APPEND);
        let bobs = send("bob", "first");
        store.script.called(Method::APPEND, before + 1).await;
        let alices = send("alice", "second");
        tokio::task::yield_now().await;
        decide(&engine, ruling.clone()).await;
        gate.open();
        bobs.await.unwrap().unwrap();
        let refused = code(alices.await.unwrap());
        let expected = [ErrorCode::Banned, ErrorCode::Muted];
        assert!(refused.is_some_and(|code| expected.contains(&code)));
        assert_eq!(texts(&engine, &room).await, 2, "{ruling:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_outlives_a_ban_that_is_made_while_it_connects() {
    for _ in 0..50 {
        let engine = ChatEngine::builder().config(unlimited()).build().unwrap();
        engine.ready().await.unwrap();
        let connecting: Vec<_> = (0..20)
            .map(|_| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    let alice = login("alice", "t1", engine.clock().now());
                    let outbox = Outbox::new(OutboxLimits::default());
                    let connect = Connect::from(alice);
                    let transport = Arc::<Outbox>::clone(&outbox);
                    (engine.connect_with(connect, transport).await, outbox)
                })
            })
            .collect();
        decide(&engine, ban("alice", None)).await;
        for connected in connecting {
            let (session, outbox) = connected.await.unwrap();
            if session.is_ok() {
                assert_eq!(outbox.closed(), Some(CloseReason::Banned));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_node_follows_at_a_hint_and_within_5_s_without_one() {
    let cluster = Cluster::<(), ()>::default();
    let (one, two, deaf) = (cluster.node(), cluster.node(), cluster.deaf_node());
    let alice = login("alice", "t1", one.clock().now());
    let (_on_two, of_two) = connect(&two, &alice).await;
    let (_on_deaf, of_deaf) = connect(&deaf, &alice).await;
    // The nodes listen to each other.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let banned = decide(&one, ban("alice", None)).await;
    let second = Duration::from_secs(1);
    let reason = timeout(second, of_two.until_closed()).await.unwrap();
    assert_eq!(reason, CloseReason::Banned);
    let reason = timeout(second * 5, of_deaf.until_closed()).await.unwrap();
    assert_eq!(reason, CloseReason::Banned);
    decide(&two, lift(&banned)).await;
    tokio::time::sleep(second * 6).await;
    for node in [&one, &two, &deaf] {
        assert_eq!(refusal(node, &alice).await, None);
    }
}

#[tokio::test]
async fn the_standing_of_a_user_is_by_the_decisions_of_all_nodes() {
    let cluster: Cluster = Cluster::default();
    let (one, deaf) = (cluster.node(), cluster.deaf_node());
    let alice = user("alice");
    assert_eq!(deaf.standing(&alice).await.unwrap().bans, []);
    let ban = decide(&one, ban("alice", None)).await;
    let bans = deaf.standing(&alice).await.unwrap().bans;
    assert_eq!(bans.len(), 1);
    assert_eq!(bans[0].version, ban.version);
}

#[tokio::test]
async fn a_node_that_starts_later_knows_what_is_in_force() {
    let store = MemoryStore::default();
    let build = || {
        let engine = ChatEngine::builder().store(store.clone());
        engine.config(unlimited()).build().unwrap()
    };
    let first = build();
    let alice = login("alice", "t1", first.clock().now());
    for number in 0..30 {
        decide(&first, kick(&format!("user{number}"))).await;
    }
    let lifted = decide(&first, ban("bob", None)).await;
    decide(&first, ban("alice", None)).await;
    decide(&first, lift(&lifted)).await;
    first.close().await;
    let second = build();
    assert_eq!(refusal(&second, &alice).await, Some(ErrorCode::Banned));
    let bob = login("bob", "t2", second.clock().now());
    assert_eq!(refusal(&second, &bob).await, None);
    let next = decide(&second, kick("bob")).await;
    assert_eq!(next.version, Version(34));
}

#[tokio::test]
async fn nobody_gets_in_before_the_log_could_be_read() {
    let store = Faulty::new(MemoryStore::default());
    let banned = new(DateTime::UNIX_EPOCH, ban("alice", None));
    store.inner.decide(banned).await.unwrap();
    store.script.always(Method::IN_FORCE, Fault::AWAY);
    let engine = ChatEngine::builder().store(store.clone()).build().unwrap();
    let [alice, bob] = ["alice", "bob"].map(|name| engine.actor(user(name)));
    for actor in [&alice, &bob] {
        let rooms = actor.rooms(None, None).await;
        assert_eq!(code(rooms), Some(ErrorCode::StoreUnavailable));
    }
    assert!(engine.ready().await.is_err());
    store.script.pass();
    engine.ready().await.unwrap();
    bob.rooms(None, None).await.unwrap();
    let rooms = alice.rooms(None, None).await;
    assert_eq!(code(rooms), Some(ErrorCode::Banned));
}

#[tokio::test(start_paused = true)]
async fn new_logins_wait_while_the_log_can_not_be_read_for_a_minute() {
    for policy_stale in [PolicyStale::Refuse, PolicyStale::Allow] {
        let store = Faulty::new(MemoryStore::default());
        let config = Config {
            policy_stale,
            ..unlimited()
        };
        let engine = ChatEngine::builder().store(store.clone()).config(config);
        let engine = engine.build().unwrap();
        let alice = login("alice", "t1", engine.clock().now());
        let (session, outbox) = connect(&engine, &alice).await;
        store.script.always(Method::DECISIONS, Fault::AWAY);
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert_eq!(refusal(&engine, &alice).await, None);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let refused = refusal(&engine, &alice).await;
        match policy_stale {
            PolicyStale::Refuse => assert_eq!(refused, Some(ErrorCode::AuthUnavailable)),
            PolicyStale::Allow => assert_eq!(refused, None),
        }
        // Who is there already goes on.
        session.rooms(None, None).await.unwrap();
        assert_eq!(outbox.closed(), None);
        store.script.pass();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(refusal(&engine, &alice).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_forgotten() {
    let (engine, clock) = timed();
    let held = || {
        let families = engine.metrics();
        let held = families
            .into_iter()
            .find(|it| it.name == "chat_policy_in_force");
        match held.unwrap().figures {
            Figures::Gauge(held) => held,
            other => panic!("{other:?}"),
        }
    };
    for number in 0..10 {
        let jti = TokenId::new(format!("t{number}")).unwrap();
        let until = clock.now() + MINUTE;
        decide(&engine, Ruling::RevokeToken { jti, until }).await;
    }
    decide(&engine, mute("alice", None)).await;
    assert_eq!(held(), 11);
    clock.advance(MINUTE);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(held(), 1);
}

#[tokio::test]
async fn a_decision_is_kept_with_who_made_it_and_why() {
    let (engine, clock) = timed();
    let decided = NewDecision {
        reason: Reason::new("spam").unwrap(),
        address: Some("203.0.113.7".parse().unwrap()),
        via: Via::Admin,
        ..new(clock.now(), kick("alice"))
    };
    let expected = decided.clone().numbered(Version(1));
    assert_eq!(engine.decide(decided).await.unwrap(), expected);
    let log = engine.decisions(Version::ZERO, 9).await.unwrap();
    assert_eq!(log, [expected]);
}

#[tokio::test(start_paused = true)]
async fn decisions_of_other_nodes_hold_while_old_ones_are_removed() {
    let cluster: Cluster = Cluster::default();
    let forever = Fault::Pass.after(Duration::from_hours(24));
    cluster
        .store
        .script
        .always(Method::FORGET_DECISIONS, forever);
    let (one, two) = (cluster.node(), cluster.node());
    two.ready().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let eve = login("eve", "t1", two.clock().now());
    let (_session, outbox) = connect(&two, &eve).await;
    decide(&one, ban("eve", None)).await;
    let closed = async {
        let mut frames = Vec::new();
        while outbox.recv_many(&mut frames, 100).await.is_none() {}
    };
    let soon = Duration::from_secs(1);
    timeout(soon, closed).await.expect("eve is out");
}
