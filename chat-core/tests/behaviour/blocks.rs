//! Blocks: neither of two users writes to the other, and the one who is blocked sees somebody who went offline.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chat_core::{
    Actor, ChatEngine, Error, ErrorCode, Event, LocalSession, Mark, OnlineList, Page, Presence,
    Principal, ReceiptTimes, RoomId, Scopes, Seq, UserId, Watermarks,
    memory::MemoryStore,
    port::{BackendError, Draft, LogStore, Moderator, RoomStore, Verdict},
    testing::{Fault, Method},
};
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    common::{client_id, direct, engine, next_matching, pending, unlimited, user},
};

fn code<T>(answer: Result<T, Error>) -> Option<ErrorCode> {
    answer.err().map(|error| error.code())
}

const BLOCKED: Option<ErrorCode> = Some(ErrorCode::Blocked);

/// Sessions of alice and bob, who have said something to each other.
async fn pair(engine: &ChatEngine) -> (LocalSession, LocalSession, RoomId) {
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "hello bob").await.unwrap();
    bob.send(&room, "hello alice").await.unwrap();
    (alice, bob, room)
}

async fn settled(sessions: [&LocalSession; 2]) {
    sleep(Duration::from_secs(10)).await;
    for session in sessions {
        pending(session).await;
    }
}

#[tokio::test]
async fn neither_of_the_two_opens_or_writes_to_their_room_and_both_read_it() {
    let engine = engine();
    let (alice, bob, room) = pair(&engine).await;
    let team = RoomId::group("team").unwrap();
    let made = engine.create_group(team.clone(), user("alice"), vec![user("bob")]);
    made.await.unwrap();
    let own = client_id("c1");
    let first = bob.send_as(&room, "once", own.clone()).await.unwrap();
    for (by, name) in [(&alice, "bob"), (&bob, "alice")] {
        by.block(&user(name)).await.unwrap();
        by.block(&user(name)).await.unwrap();
        let before = alice.history(&room, Page::Newest, None).await;
        let before = before.unwrap().entries;
        for (actor, other, mine) in [(&alice, "bob", 1), (&bob, "alice", 2)] {
            assert_eq!(code(actor.open(&user(other)).await), BLOCKED);
            assert_eq!(code(actor.send(&room, "hi").await), BLOCKED);
            assert_eq!(code(actor.edit(&room, Seq(mine), "ho").await), BLOCKED);
            actor.view(&room).await.unwrap();
            let read = actor.history(&room, Page::Newest, None).await.unwrap();
            assert_eq!(read.entries, before);
            actor.send(&team, "to all").await.unwrap();
        }
        let again = bob.send_as(&room, "once", own.clone()).await.unwrap();
        assert!(again.duplicate && again.seq == first.seq);
        by.unblock(&user(name)).await.unwrap();
        by.unblock(&user(name)).await.unwrap();
        for (actor, other) in [(&alice, "bob"), (&bob, "alice")] {
            actor.open(&user(other)).await.unwrap();
            actor.send(&room, "again").await.unwrap();
        }
    }
    alice.block(&user("bob")).await.unwrap();
    for (actor, mine) in [(&alice, 1), (&bob, 2)] {
        actor.delete(&room, Seq(mine)).await.unwrap();
    }
}

#[tokio::test]
async fn a_room_that_does_not_exist_is_not_made_between_the_two() {
    let store = MemoryStore::default();
    let engine = ChatEngine::builder()
        .store(store.clone())
        .config(unlimited())
        .build()
        .unwrap();
    let (alice, bob) = (engine.actor(user("alice")), engine.actor(user("bob")));
    let room = direct("alice", "bob");
    alice.block(&user("bob")).await.unwrap();
    for (actor, other) in [(&alice, "bob"), (&bob, "alice")] {
        assert_eq!(code(actor.open(&user(other)).await), BLOCKED);
        assert_eq!(code(actor.send(&room, "hi").await), BLOCKED);
    }
    assert_eq!(store.room(&room).await.unwrap(), None);
    alice.unblock(&user("bob")).await.unwrap();
    bob.send(&room, "hi").await.unwrap();
}

#[tokio::test]
async fn one_lists_whom_one_has_blocked_and_nobody_else_does() {
    let engine = engine();
    let alice = engine.actor(user("alice"));
    for name in ["dave", "bob", "carol", "bob"] {
        alice.block(&user(name)).await.unwrap();
    }
    let page = alice.blocks(None, Some(2)).await.unwrap();
    let names = |page: &chat_core::BlockList| -> Vec<String> {
        page.blocks.iter().map(|it| it.user.to_string()).collect()
    };
    assert_eq!(
        (names(&page), page.more),
        (vec!["bob".into(), "carol".into()], true)
    );
    let rest = alice.blocks(Some(&user("carol")), None).await.unwrap();
    assert_eq!((names(&rest), rest.more), (vec!["dave".to_owned()], false));
    assert!(page.blocks.iter().all(|it| it.at <= engine.clock().now()));
    let bob = engine.actor(user("bob"));
    assert_eq!(names(&bob.blocks(None, None).await.unwrap()), [""; 0]);
    for answer in [
        alice.block(&user("alice")).await,
        alice.unblock(&user("alice")).await,
    ] {
        assert_eq!(code(answer), Some(ErrorCode::InvalidId));
    }
}

#[tokio::test]
async fn a_login_that_only_reads_blocks_nobody() {
    let engine = engine();
    let with = |scopes| {
        engine.actor_of(Arc::new(Principal {
            scopes,
            ..Principal::trusted(user("alice"))
        }))
    };
    let none = Scopes {
        read: true,
        send: false,
        manage: false,
        ..Scopes::default()
    };
    let refused = Some(ErrorCode::Forbidden);
    assert_eq!(code(with(none).block(&user("bob")).await), refused);
    assert_eq!(code(with(none).unblock(&user("bob")).await), refused);
    assert_eq!(code(with(none).blocks(None, None).await), refused);
    for scopes in [
        Scopes { send: true, ..none },
        Scopes {
            manage: true,
            ..none
        },
    ] {
        with(scopes).block(&user("bob")).await.unwrap();
        with(scopes).unblock(&user("bob")).await.unwrap();
    }
}

/// The presence and the receipts of another user, as a user sees them.
async fn seen(by: &Actor, name: &str, room: &RoomId) -> (Presence, Presence, Watermarks, bool) {
    let other = user(name);
    let presence = by.presence(std::slice::from_ref(&other)).await.unwrap();
    let view = by.view(room).await.unwrap().members.into_iter();
    let view = view.filter(|member| member.presence.user == other);
    let member = view.last().unwrap();
    let online = by.online().await.unwrap().contains(&other);
    (
        presence[0].clone(),
        member.presence,
        member.watermarks,
        online,
    )
}

#[tokio::test(start_paused = true)]
async fn the_blocked_one_cannot_tell_the_blocker_from_somebody_who_went_offline() {
    for online_list in [OnlineList::All, OnlineList::Rooms] {
        let config = chat_core::Config {
            online_list,
            ..unlimited()
        };
        let engine = ChatEngine::builder().config(config).build().unwrap();
        let (alice, bob, room) = pair(&engine).await;
        alice.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
        bob.send(&room, "unread").await.unwrap();
        settled([&alice, &bob]).await;
        alice.block(&user("bob")).await.unwrap();
        let at = alice.blocks(None, None).await.unwrap().blocks[0].at;
        let offline = Presence {
            user: user("alice"),
            online: false,
            last_seen: Some(at),
        };
        assert_eq!(pending(&bob).await, [Event::Presence(offline.clone())]);
        let marks = Watermarks {
            delivered: Seq(1),
            read: Seq(1),
        };
        let expected = (offline.clone(), offline, marks, false);
        assert_eq!(seen(&bob, "alice", &room).await, expected);

        // Whatever alice does from now on.
        let phone = engine.connect(user("alice")).await.unwrap();
        alice.typing(&room).await.unwrap();
        let moved = alice.receipt(&room, Mark::Read, Seq(3)).await.unwrap();
        assert_eq!(moved.read, Seq(3), "for alice herself they move");
        let mine = |event: &Event| matches!(event, Event::Receipt { .. });
        next_matching(&phone, mine).await;
        drop((alice, phone));
        settled([&bob, &bob]).await;
        let alice = engine.connect(user("alice")).await.unwrap();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(pending(&bob).await, []);
        alice.block(&user("bob")).await.unwrap();
        let again = Event::Presence(expected.0.clone());
        assert_eq!(pending(&bob).await, [again], "the same once more");
        assert_eq!(seen(&bob, "alice", &room).await, expected);
        let times = bob.receipt_times(&room, &user("alice"), &[Seq(3)]).await;
        assert_eq!(times.unwrap(), [ReceiptTimes::default()]);

        alice.unblock(&user("bob")).await.unwrap();
        let now = Presence {
            user: user("alice"),
            online: true,
            last_seen: None,
        };
        let read = Watermarks {
            delivered: Seq(3),
            read: Seq(3),
        };
        let events = pending(&bob).await;
        let [
            Event::Receipt {
                was,
                now: marks_now,
                ..
            },
            Event::Presence(presence),
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!((*was, *marks_now, presence), (marks, read, &now));
        assert_eq!(
            seen(&bob, "alice", &room).await,
            (now.clone(), now, read, true)
        );
        assert!(
            bob.receipt_times(&room, &user("alice"), &[Seq(3)])
                .await
                .unwrap()[0]
                .read
                .is_some()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_blocker_still_sees_who_is_online_but_neither_typing_nor_receipts() {
    let engine = engine();
    let (alice, bob, room) = pair(&engine).await;
    alice.block(&user("bob")).await.unwrap();
    settled([&alice, &bob]).await;
    bob.typing(&room).await.unwrap();
    let moved = bob.receipt(&room, Mark::Read, Seq(2)).await.unwrap();
    assert_eq!(moved.read, Seq(2));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(pending(&alice).await, []);
    drop(bob);
    let event = alice.next_event().await.unwrap();
    assert!(
        matches!(&event, Event::Presence(gone) if gone.user == user("bob") && !gone.online),
        "{event:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_group_the_blocked_one_is_sent_messages_of_the_blocker_and_nothing_else() {
    let engine = engine();
    let (alice, bob, _) = pair(&engine).await;
    let carol = engine.connect(user("carol")).await.unwrap();
    let team = RoomId::group("team").unwrap();
    let members = vec![user("bob"), user("carol")];
    engine
        .create_group(team.clone(), user("alice"), members)
        .await
        .unwrap();
    alice.block(&user("bob")).await.unwrap();
    settled([&bob, &carol]).await;
    alice.typing(&team).await.unwrap();
    alice.send(&team, "hello").await.unwrap();
    alice.receipt(&team, Mark::Read, Seq(1)).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    let kinds = |events: Vec<Event>| -> Vec<&'static str> {
        let kind = |event: &Event| match event {
            Event::Entry(_) => "entry",
            Event::Typing { active: true, .. } => "typing",
            Event::Typing { .. } => "typed",
            Event::Receipt { .. } => "receipt",
            _ => "other",
        };
        events.iter().map(kind).collect()
    };
    assert_eq!(kinds(pending(&bob).await), ["entry"]);
    let all = ["typing", "entry", "typed", "receipt"];
    assert_eq!(kinds(pending(&carol).await), all);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_not_told_that_somebody_who_blocks_them_exists() {
    let engine = engine();
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    alice.block(&user("bob")).await.unwrap();
    alice.unblock(&user("bob")).await.unwrap();
    settled([&alice, &alice]).await;
    assert_eq!(pending(&bob).await, []);
}

#[tokio::test(start_paused = true)]
async fn other_nodes_see_a_block_within_a_second() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let room = direct("alice", "bob");
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    alice.send(&room, "hello").await.unwrap();
    bob.send(&room, "hi").await.unwrap();
    alice.typing(&room).await.unwrap();
    bob.typing(&room).await.unwrap();
    settled([&alice, &bob]).await;
    alice.block(&user("bob")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let events = pending(&bob).await;
    assert!(
        matches!(&events[..], [Event::Presence(gone)] if !gone.online && gone.last_seen.is_some()),
        "{events:?}"
    );
    assert_eq!(code(bob.send(&room, "hi").await), BLOCKED);
    assert_eq!(code(bob.open(&user("alice")).await), BLOCKED);
    for (session, upto) in [(&alice, 2), (&bob, 1)] {
        session.typing(&room).await.unwrap();
        session.receipt(&room, Mark::Read, Seq(upto)).await.unwrap();
    }
    drop(alice);
    let alice = one.connect(user("alice")).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    let events = pending(&bob).await;
    assert!(
        matches!(&events[..], [Event::Receipt { user: of, .. }] if *of == user("bob")),
        "bob's own receipt: {events:?}"
    );
    let heard = pending(&alice).await;
    assert_eq!(heard, [], "neither does alice hear of what bob reads");
    alice.unblock(&user("bob")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let events = pending(&bob).await;
    assert_eq!(events.len(), 2, "{events:?}");
    alice.typing(&room).await.unwrap();
    let typing = |event: &Event| matches!(event, Event::Typing { active: true, .. });
    next_matching(&bob, typing).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_a_node_asks_the_store_again_within_a_second() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.deaf_node());
    let room = direct("alice", "bob");
    let alice = two.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    alice.send(&room, "hello").await.unwrap();
    alice.typing(&room).await.unwrap();
    settled([&alice, &bob]).await;
    one.actor(user("alice")).block(&user("bob")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    alice.typing(&room).await.unwrap();
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(pending(&bob).await.len(), 1, "bob's own receipt only");
    assert_eq!(pending(&alice).await, []);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_cannot_be_asked_about_is_not_shown() {
    let cluster: Cluster = Cluster::default();
    let engine = cluster.node();
    let (alice, bob, room) = pair(&engine).await;
    settled([&alice, &bob]).await;
    cluster.store.script.always(Method::BLOCKS_BY, Fault::AWAY);
    alice.typing(&room).await.unwrap();
    let moved = alice.receipt(&room, Mark::Read, Seq(2)).await.unwrap();
    assert_eq!(moved.read, Seq(2));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(pending(&bob).await, []);
    cluster.store.script.pass();
    alice.receipt(&room, Mark::Read, Seq(2)).await.unwrap();
    let receipt = |event: &Event| matches!(event, Event::Receipt { .. });
    next_matching(&bob, receipt).await;
}

#[tokio::test]
async fn on_one_node_the_store_is_not_asked_for_each_receipt() {
    let store: chat_core::testing::Faulty<MemoryStore> = chat_core::testing::Faulty::default();
    let engine = ChatEngine::builder()
        .store(store.clone())
        .config(unlimited())
        .build()
        .unwrap();
    let (alice, bob, room) = pair(&engine).await;
    for number in 3..50 {
        let sent = bob.send(&room, "more").await.unwrap();
        assert_eq!(sent.seq, Seq(number));
        alice.receipt(&room, Mark::Read, sent.seq).await.unwrap();
        alice.typing(&room).await.unwrap();
    }
    assert_eq!(
        store.script.calls(Method::BLOCKS_BY),
        2,
        "once for each of the two"
    );
    alice.block(&user("bob")).await.unwrap();
    pending(&bob).await;
    alice.typing(&room).await.unwrap();
    assert_eq!(pending(&bob).await, []);
}

/// Thinks about each text for 800 ms.
#[derive(Debug)]
struct Thoughtful;

#[async_trait]
impl Moderator for Thoughtful {
    async fn review(&self, _: &Draft) -> Result<Verdict, BackendError> {
        sleep(Duration::from_millis(800)).await;
        Ok(Verdict::Allow)
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_blocked_while_a_moderator_thinks_stores_nothing() {
    let engine = ChatEngine::builder()
        .moderator(Thoughtful)
        .config(unlimited())
        .build()
        .unwrap();
    let (alice, bob, room) = pair(&engine).await;
    let sent = async { bob.send(&room, "still here").await };
    let blocked = async {
        sleep(Duration::from_millis(400)).await;
        alice.block(&user("bob")).await
    };
    let (sent, blocked) = tokio::join!(sent, blocked);
    blocked.unwrap();
    assert_eq!(code(sent), BLOCKED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_block_and_messages_at_once_nothing_is_stored_after_its_answer() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    for round in 0..500 {
        let [a, b] = ["a", "b"].map(|name| user(&format!("{name}{round}")));
        let room = RoomId::direct(&a, &b).unwrap();
        let alice = one.actor(a.clone());
        alice.open(&b).await.unwrap();
        let nodes: [Actor; 2] = [one.actor(b.clone()), two.actor(b.clone())];
        let sends = async {
            for number in 0..4 {
                drop(nodes[number % 2].send(&room, "hi").await);
            }
        };
        let block = async {
            alice.block(&b).await.unwrap();
            length(&cluster, &room).await
        };
        let (before, ()) = tokio::join!(block, sends);
        assert_eq!(length(&cluster, &room).await, before);
    }
}

async fn length(cluster: &Cluster, room: &RoomId) -> usize {
    let log = cluster.store.page(room, Page::After(Seq::ZERO), 99).await;
    log.unwrap().len()
}

#[tokio::test]
async fn blocks_are_limited_as_rooms_are() {
    let engine = ChatEngine::builder().build().unwrap();
    let alice = engine.actor(user("alice"));
    let names = (0..40).map(|number| format!("user{number}"));
    let mut refused = None;
    for name in names {
        refused = refused.or(code(alice.block(&UserId::new(name).unwrap()).await));
    }
    assert_eq!(refused, Some(ErrorCode::RateLimited));
}
