//! Presence and typing: published to the members that they concern, coalesced, and ended without a call.

use std::{sync::Arc, time::Duration};

use chat_core::{
    ChatEngine, Details, Epoch, Event, IdGen as _, NewRoom, Presence, RandomIds, RoomId, RoomKind,
    memory::MemoryStore, port::RoomStore as _,
};
use chrono::DateTime;
use tokio::time::{Instant, sleep};

use crate::common::{direct, engine, next_matching, pending, user};

fn presence(event: &Event) -> bool {
    matches!(event, Event::Presence(_))
}

fn typing(event: &Event) -> bool {
    matches!(event, Event::Typing { .. })
}

fn is(event: &Event, name: &str, online: bool) -> bool {
    matches!(event, Event::Presence(Presence { user, online: now, .. })
        if user.as_str() == name && *now == online)
}

#[tokio::test(start_paused = true)]
async fn those_who_share_a_room_learn_who_comes_and_goes_and_others_do_not() {
    let engine = engine();
    let alice = engine.connect(user("alice")).await.unwrap();
    let carol = engine.connect(user("carol")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    assert!(is(&next_matching(&alice, presence).await, "bob", true));
    drop(bob);
    let gone = next_matching(&alice, presence).await;
    assert!(is(&gone, "bob", false));
    assert!(matches!(
        gone,
        Event::Presence(Presence {
            last_seen: Some(_),
            ..
        })
    ));
    assert_eq!(pending(&carol).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_user_in_very_many_rooms_is_seen_in_all_of_them() {
    let store = Arc::new(MemoryStore::default());
    for n in 0..2_500 {
        let (bob, peer) = (user("bob"), user(&format!("peer{n:04}")));
        let room = NewRoom {
            id: RoomId::direct(&bob, &peer).unwrap(),
            epoch: Epoch(RandomIds.next()),
            members: vec![bob, peer],
            kind: RoomKind::Direct,
            created_by: None,
            details: Details::default(),
            created_at: DateTime::UNIX_EPOCH,
        };
        store.create_room(room).await.unwrap();
    }
    let engine = ChatEngine::builder().store(store).build().unwrap();
    let mut sessions = Vec::new();
    for peer in ["peer0000", "peer0999", "peer1000", "peer1999", "peer2499"] {
        sessions.push(engine.connect(user(peer)).await.unwrap());
    }
    let bob = engine.connect(user("bob")).await.unwrap();
    for session in &sessions {
        assert!(is(&next_matching(session, presence).await, "bob", true));
    }
    // The last of them hears of both changes, also of the one that comes while the first is under way.
    drop(bob);
    for session in &sessions {
        assert!(is(&next_matching(session, presence).await, "bob", false));
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_devices_leaving_is_no_news() {
    let engine = engine();
    let alice = engine.connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let laptop = engine.connect(user("bob")).await.unwrap();
    assert!(is(&next_matching(&alice, presence).await, "bob", true));
    let phone = engine.connect(user("bob")).await.unwrap();
    drop(phone);
    sleep(Duration::from_mins(1)).await;
    assert!(pending(&alice).await.is_empty());
    assert_eq!(engine.online().await.unwrap(), [user("alice"), user("bob")]);
    drop(laptop);
    assert!(is(&next_matching(&alice, presence).await, "bob", false));
}

#[tokio::test(start_paused = true)]
async fn a_quick_reconnect_is_no_news() {
    let engine = engine();
    let alice = engine.connect(user("alice")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let mut bob = engine.connect(user("bob")).await.unwrap();
    assert!(is(&next_matching(&alice, presence).await, "bob", true));
    for _ in 0..10 {
        drop(bob);
        bob = engine.connect(user("bob")).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    assert!(pending(&alice).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn devices_stay_online_while_they_are_connected() {
    let engine = engine();
    let alice = engine.connect(user("alice")).await.unwrap();
    sleep(Duration::from_mins(10)).await;
    assert_eq!(engine.online().await.unwrap(), [user("alice")]);
    drop(alice);
    sleep(Duration::from_secs(1)).await;
    assert!(engine.online().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_counter_of_presence_changes_moves_once_for_many() {
    let engine = engine();
    let mut changes = engine.presence_changes();
    let before = *changes.borrow_and_update();
    let mut sessions = Vec::new();
    for n in 0..100 {
        sessions.push(engine.connect(user(&format!("user{n}"))).await.unwrap());
    }
    changes.changed().await.unwrap();
    assert!(*changes.borrow_and_update() <= before + 2);
    assert_eq!(engine.online().await.unwrap().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn typing_reaches_the_other_and_ends_by_itself() {
    let engine = engine();
    let room = direct("alice", "bob");
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    let start = Instant::now();
    for _ in 0..20 {
        alice.typing(&room).await.unwrap();
    }
    let told = |active| Event::Typing {
        room: room.clone(),
        user: user("alice"),
        active,
    };
    assert_eq!(next_matching(&bob, typing).await, told(true));
    assert_eq!(next_matching(&bob, typing).await, told(false));
    let lasted = start.elapsed();
    assert!((6.0..7.0).contains(&lasted.as_secs_f32()), "{lasted:?}");
    assert!(
        !pending(&alice).await.iter().any(typing),
        "never to its author"
    );
}

#[tokio::test(start_paused = true)]
async fn typing_is_told_now_and_then_while_it_lasts() {
    let engine = engine();
    let room = direct("alice", "bob");
    let alice = engine.actor(user("alice"));
    let bob = engine.connect(user("bob")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    for _ in 0..20 {
        alice.typing(&room).await.unwrap();
        sleep(Duration::from_millis(500)).await;
    }
    let told = pending(&bob)
        .await
        .iter()
        .filter(|event| typing(event))
        .count();
    assert_eq!(told, 4, "ten seconds of typing, told every three");
}

#[tokio::test(start_paused = true)]
async fn a_message_ends_the_typing_of_it() {
    let engine = engine();
    let room = direct("alice", "bob");
    let alice = engine.actor(user("alice"));
    let bob = engine.connect(user("bob")).await.unwrap();
    alice.open(&user("bob")).await.unwrap();
    alice.typing(&room).await.unwrap();
    alice.send(&room, "done").await.unwrap();
    let events = pending(&bob).await;
    let order: Vec<_> = events.iter().filter(|event| !presence(event)).collect();
    assert!(matches!(
        order[..],
        [
            Event::Typing { active: true, .. },
            Event::Entry(_),
            Event::Typing { active: false, .. }
        ]
    ));
}
