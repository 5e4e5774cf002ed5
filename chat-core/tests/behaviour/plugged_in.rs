//! A panic in code that an embedder plugged in costs its own caller, and no other user notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chat_core::{
    BuildError, ChatEngine, Clock, CloseReason, Connect, Entry, EntryBody, ErrorCode, Event,
    LocalSession, Mark, NewBody, Page, Responder, RoomId, Seq, SystemClock,
    memory::MemoryStore,
    moderation::{FailurePolicy, Link, WordList},
    testing::{Fault, Faulty, Method},
};
use chrono::{DateTime, Utc};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    cluster::Cluster,
    common::{client_id, direct, next_entry, next_matching, text, unlimited, user},
};

/// A device that is still sent what others write.
async fn hears(device: &LocalSession, said: &str) {
    let is_it =
        |entry: &Entry| matches!(&entry.body, EntryBody::Message { text, .. } if **text == *said);
    let wanted = |event: &Event| matches!(event, Event::Entry(entry) if is_it(entry));
    let heard = timeout(Duration::from_mins(1), next_matching(device, wanted)).await;
    heard.unwrap_or_else(|_| panic!("{said:?} is not delivered"));
}

#[tokio::test(start_paused = true)]
async fn an_append_that_panics_is_one_whose_outcome_is_not_known() {
    let store = Faulty::new(MemoryStore::default());
    let builder = ChatEngine::builder().config(unlimited());
    let engine = builder.store(store.clone()).build().unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    alice.open(&user("bob")).await.unwrap();
    store.script.next(Method::APPEND, Fault::Panic);
    let lost = alice.send_as(&room, "hello?", client_id("a")).await;
    assert_eq!(lost.unwrap_err().code(), ErrorCode::OutcomeUnknown);
    let again = alice.send_as(&room, "hello?", client_id("a")).await;
    assert_eq!(again.unwrap().seq, Seq(1));
    assert_eq!(text(&next_entry(&bob).await), "hello?");
    let health = engine.health().await;
    assert!(health.store.is_ok() && health.resting_tasks.is_empty());
}

/// Does all that a user can do, and gives up where it fails.
async fn do_everything(engine: &ChatEngine, name: &str, room: &RoomId) {
    let actor = engine.actor(user(name));
    drop(actor.open(&user("bob")).await);
    if let Ok(sent) = actor.send(room, "one").await {
        drop(actor.edit(room, sent.seq, "two").await);
        drop(actor.delete(room, sent.seq).await);
    }
    drop(actor.history(room, Page::Newest, None).await);
    drop(actor.history(room, Page::After(Seq(1)), Some(2)).await);
    drop(actor.receipt(room, Mark::Read, Seq(1)).await);
    drop(actor.typing(room).await);
    drop(actor.rooms(None, None).await);
    drop(actor.presence(&[user("bob")]).await);
    drop(engine.online().await);
    drop(engine.health().await);
    let group = RoomId::group(format!("of {name}")).unwrap();
    let made = engine.create_group(group.clone(), user(name), vec![]).await;
    if made.is_ok() {
        drop(actor.add_member(&group, user("bob")).await);
        drop(actor.remove_member(&group, user("bob")).await);
    }
    drop(engine.connect(user(name)).await);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_any_method_of_a_backend_costs_its_own_call() {
    for method in Method::all() {
        let cluster = <Cluster>::default();
        let broker = Faulty::new(cluster.bus.node());
        let scripts = [
            cluster.store.script.clone(),
            cluster.cache.script.clone(),
            broker.script.clone(),
        ];
        let (one, two) = (cluster.node_with(broker), cluster.node());
        let bob = two.connect(user("bob")).await.unwrap();
        let here = one.connect(user("bob")).await.unwrap();
        let room = direct("alice", "bob");
        one.actor(user("alice"))
            .send(&room, "before")
            .await
            .unwrap();
        for device in [&bob, &here] {
            hears(device, "before").await;
        }
        for script in &scripts {
            script.always(method, Fault::Panic);
        }
        do_everything(&one, "alice", &room).await;
        // Whatever a task does now and then, it has done.
        sleep(Duration::from_mins(1)).await;
        do_everything(&two, "carol", &direct("bob", "carol")).await;
        for script in &scripts {
            script.pass();
        }
        let said = format!("after {method:?}");
        let alice = one.connect(user("alice")).await.unwrap();
        alice.send(&room, &said).await.unwrap();
        for device in [&alice, &bob, &here] {
            hears(device, &said).await;
        }
        alice.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
        for node in [&one, &two] {
            let health = node.health().await;
            assert!(health.store.is_ok() && health.cache.is_ok(), "{method:?}");
            assert!(health.resting_tasks.is_empty(), "{method:?}");
        }
        let online = async {
            while two.online().await.unwrap() != [user("alice"), user("bob")] {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let online = timeout(Duration::from_mins(1), online).await;
        online.unwrap_or_else(|_| panic!("presence does not heal after {method:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_responder_that_panics_keeps_no_other_message_from_its_answer() {
    let engine = ChatEngine::builder().config(unlimited()).build().unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    alice.open(&user("bob")).await.unwrap();
    let message = |text: &str| NewBody::Message(text.to_owned());
    let panics = Responder::new(|_| panic!("a fault of the embedder"));
    let (done, answered) = oneshot::channel();
    let answers = Responder::new(move |sent| done.send(sent.unwrap().seq).unwrap());
    // Both in one batch.
    alice.submit(&room, message("one"), None, panics).await;
    alice.submit(&room, message("two"), None, answers).await;
    assert_eq!(answered.await.unwrap(), Seq(2));
    for said in ["one", "two"] {
        assert_eq!(text(&next_entry(&bob).await), said);
    }
    // Also one that is refused before the store is asked.
    let panics = Responder::new(|_| panic!("a fault of the embedder"));
    alice.submit(&room, message(""), None, panics).await;
    alice.send(&room, "three").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_is_closed_and_the_other_devices_do_not_notice() {
    let engine = ChatEngine::builder().config(unlimited()).build().unwrap();
    let outbox = engine.outbox();
    let transport = Faulty::new(Arc::clone(&outbox));
    let script = transport.script.clone();
    let connect = Connect::new(user("bob"));
    let faulty = engine.connect_with(connect, Arc::new(transport)).await;
    let bob = engine.connect(user("bob")).await.unwrap();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    script.always(
        [Method::TRY_SEND, Method::CLOSE],
        [Fault::Panic, Fault::Pass],
    );
    for said in ["one", "two", "three"] {
        alice.send(&room, said).await.unwrap();
        hears(&bob, said).await;
    }
    // It lacks a frame, so it has to come back: closed, as often as it takes.
    assert!(script.calls(Method::CLOSE) >= 1);
    let mut frames = Vec::new();
    let closed = async {
        loop {
            if let Some(reason) = outbox.recv_many(&mut frames, 100).await {
                return reason;
            }
        }
    };
    let reason = timeout(Duration::from_secs(1), closed).await.unwrap();
    assert_eq!(reason, CloseReason::Internal);
    drop(faulty.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_moderator_that_panics_is_one_that_failed() {
    for (on_failure, code) in [
        (
            FailurePolicy::Closed,
            Some(ErrorCode::ModerationUnavailable),
        ),
        (FailurePolicy::Open, None),
    ] {
        let words = Faulty::new(WordList::new(["war"]).unwrap());
        let script = words.script.clone();
        let link = Link {
            on_failure,
            ..Link::new(words)
        };
        let builder = ChatEngine::builder().config(unlimited()).moderation(link);
        let engine = builder.build().unwrap();
        let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
        script.next(Method::REVIEW, Fault::Panic);
        let sent = alice.send(&room, "hello").await;
        assert_eq!(sent.err().map(|error| error.code()), code);
        alice.send(&room, "hello again").await.unwrap();
    }
}

/// The machine's clock, which panics while `now` is set.
#[derive(Debug, Default)]
struct Broken {
    clock: SystemClock,
    now: AtomicBool,
}

impl Clock for Broken {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        assert!(!self.now.load(Ordering::Relaxed), "a fault of the clock");
        self.clock.monotonic()
    }
}

#[tokio::test(start_paused = true)]
async fn a_background_task_that_panics_is_named_and_started_again() {
    let clock = Arc::new(Broken::default());
    let builder = ChatEngine::builder().config(unlimited());
    let engine = builder.clock(Arc::clone(&clock) as _).build().unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    alice.open(&user("bob")).await.unwrap();
    alice.typing(&room).await.unwrap();
    assert_eq!(engine.health().await.resting_tasks, [""; 0]);
    clock.now.store(true, Ordering::Relaxed);
    // Whatever asks for health asks for the time, too: so the clock is sound again when it does.
    sleep(Duration::from_millis(550)).await;
    clock.now.store(false, Ordering::Relaxed);
    assert!(engine.health().await.resting_tasks.contains(&"typing"));
    let ended = |event: &Event| matches!(event, Event::Typing { active: false, .. });
    let ended = timeout(Duration::from_secs(10), next_matching(&bob, ended)).await;
    ended.expect("typing ends, as the task runs again");
    assert_eq!(engine.health().await.resting_tasks, [""; 0]);
    alice.send(&room, "done").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "done");
}

#[tokio::test(start_paused = true)]
async fn what_the_task_that_appends_had_in_hand_is_answered_and_delivered_later() {
    let (clock, store) = (
        Arc::new(Broken::default()),
        Faulty::new(MemoryStore::default()),
    );
    let builder = ChatEngine::builder()
        .config(unlimited())
        .store(store.clone());
    let engine = builder.clock(Arc::clone(&clock) as _).build().unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    alice.open(&user("bob")).await.unwrap();
    // It asks for the time when the store has answered.
    store
        .script
        .next(Method::APPEND, Fault::Pass.after(Duration::from_millis(10)));
    let breaking = async {
        store.script.called(Method::APPEND, 1).await;
        clock.now.store(true, Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
        clock.now.store(false, Ordering::Relaxed);
    };
    let (sent, ()) = tokio::join!(alice.send(&room, "one"), breaking);
    assert_eq!(sent.unwrap_err().code(), ErrorCode::OutcomeUnknown);
    let delivered = timeout(Duration::from_secs(3), next_entry(&bob)).await;
    assert_eq!(text(&delivered.unwrap()), "one");
    assert_eq!(alice.send(&room, "two").await.unwrap().seq, Seq(2));
}

#[test]
fn a_runtime_without_timers_builds_no_engine() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let built = runtime.build().unwrap().block_on(async {
        let built = ChatEngine::builder().build();
        built.map(drop)
    });
    assert_eq!(built, Err(BuildError::NoTimers));
}
