//! Sending: one order, exactly once, delivered to all members of the room and to nobody else.

use std::{sync::Arc, time::Duration};

use crate::common::{client_id, direct, engine, next_entry, pending, seqs, text, unlimited, user};
use chat_core::{
    ChatEngine, Config, EntryBody, Error, ErrorCode, Event, LeftWhy, NewBody, Page, Responder,
    Role, RoomId, RoomList, Seq,
    moderation::{Matching, WordList},
    port::Created,
};
use tokio::sync::mpsc;

#[tokio::test]
async fn both_members_see_a_message_on_all_their_devices_and_a_third_party_sees_nothing() {
    let engine = engine();
    let alice = engine.connect(user("alice")).await.unwrap();
    let phone = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let mallory = engine.connect(user("mallory")).await.unwrap();
    let sent = alice.send(&direct("alice", "bob"), "hello").await.unwrap();
    assert!(!sent.duplicate);
    for device in [&alice, &phone, &bob] {
        let entry = next_entry(device).await;
        assert_eq!(
            (entry.seq, entry.id, text(&entry)),
            (sent.seq, sent.id, "hello")
        );
    }
    assert_eq!(pending(&mallory).await, []);
}

#[tokio::test]
async fn a_stranger_gets_the_same_answer_for_a_room_that_is_and_one_that_is_not() {
    let engine = engine();
    let room = direct("alice", "bob");
    engine
        .actor(user("alice"))
        .send(&room, "secret")
        .await
        .unwrap();
    let mallory = engine.actor(user("mallory"));
    for room in [
        room,
        direct("carol", "dave"),
        RoomId::group("nowhere").unwrap(),
    ] {
        let denied = |error: Error| assert_eq!(error.code(), ErrorCode::NoRoom);
        denied(
            mallory
                .history(&room, Page::Newest, None)
                .await
                .unwrap_err(),
        );
        denied(mallory.send(&room, "let me in").await.unwrap_err());
        denied(
            mallory
                .receipt(&room, chat_core::Mark::Read, Seq(1))
                .await
                .unwrap_err(),
        );
        denied(mallory.typing(&room).await.unwrap_err());
        denied(mallory.view(&room).await.unwrap_err());
        denied(mallory.delete(&room, Seq(1)).await.unwrap_err());
    }
}

#[tokio::test]
async fn duplicate_send_returns_the_first_and_is_not_delivered_again() {
    let engine = engine();
    let bob = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    let first = alice.send_as(&room, "once", client_id("a")).await.unwrap();
    let again = alice
        .send_as(&room, "another text", client_id("a"))
        .await
        .unwrap();
    assert_eq!(
        (again.id, again.seq, again.at, again.duplicate),
        (first.id, first.seq, first.at, true)
    );
    alice.send_as(&room, "twice", client_id("b")).await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "once");
    assert_eq!(text(&next_entry(&bob).await), "twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_leave_no_gap_and_everyone_sees_one_order() {
    const WRITERS: usize = 8;
    const EACH: usize = 50;
    let engine = engine();
    let members: Vec<_> = (0..WRITERS).map(|n| user(&format!("user{n}"))).collect();
    let group = RoomId::group("all").unwrap();
    let made = engine
        .create_group(group.clone(), members[0].clone(), members.clone())
        .await;
    made.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    // All are there before the first one writes, or the others would miss what it writes meanwhile.
    let mut sessions = Vec::new();
    for member in members {
        sessions.push(engine.connect(member).await.unwrap());
    }
    for session in sessions {
        let room = group.clone();
        tasks.spawn(async move {
            let (answered, mut answers) = mpsc::channel(EACH);
            for n in 0..EACH {
                let answered = answered.clone();
                let done = Responder::new(move |result| {
                    answered.try_send(result.unwrap().seq).unwrap();
                });
                session
                    .submit(&room, NewBody::Message(n.to_string()), None, done)
                    .await;
            }
            let mut own = Vec::new();
            for _ in 0..EACH {
                own.push(answers.recv().await.unwrap());
            }
            assert!(own.is_sorted(), "a sender's messages keep their order");
            let mut seen = Vec::new();
            while seen.len() < WRITERS * EACH {
                seen.push(next_entry(&session).await.seq.0);
            }
            seen
        });
    }
    let expected: Vec<u64> = (1..).take(WRITERS * EACH).collect();
    for seen in tasks.join_all().await {
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_message_to_somebody_offline_is_there_when_they_come() {
    let engine = engine();
    let room = direct("alice", "bob");
    engine
        .actor(user("alice"))
        .send(&room, "see you")
        .await
        .unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let RoomList { rooms, more } = bob.rooms(None, None).await.unwrap();
    assert_eq!((rooms.len(), rooms[0].unread, more), (1, 1, false));
    let page = bob
        .history(&rooms[0].room.id, Page::Newest, None)
        .await
        .unwrap();
    assert_eq!(text(&page.entries[0]), "see you");
}

#[tokio::test]
async fn an_edit_and_a_deletion_reach_everyone_and_the_history() {
    let engine = engine();
    let room = direct("alice", "bob");
    let alice = engine.actor(user("alice"));
    let bob = engine.connect(user("bob")).await.unwrap();
    let sent = alice.send(&room, "helo").await.unwrap();
    alice.edit(&room, sent.seq, "hello").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "helo");
    let edit = next_entry(&bob).await;
    assert_eq!(
        edit.body,
        EntryBody::Edit {
            target: sent.seq,
            text: "hello".into()
        }
    );
    let page = bob.history(&room, Page::Newest, None).await.unwrap();
    assert_eq!(text(&page.entries[0]), "hello");
    assert_eq!(
        bob.edit(&room, sent.seq, "hacked")
            .await
            .unwrap_err()
            .code(),
        ErrorCode::NoMessage
    );
    assert_eq!(
        bob.delete(&room, sent.seq).await.unwrap_err().code(),
        ErrorCode::NoMessage
    );
    alice.delete(&room, sent.seq).await.unwrap();
    assert_eq!(
        next_entry(&bob).await.body,
        EntryBody::Delete { target: sent.seq }
    );
    let page = bob.history(&room, Page::Newest, None).await.unwrap();
    let bodies: Vec<_> = page
        .entries
        .iter()
        .map(|entry| entry.body.clone())
        .collect();
    let gone = EntryBody::Deleted;
    assert_eq!(
        bodies,
        [gone.clone(), gone, EntryBody::Delete { target: sent.seq }]
    );
}

#[tokio::test]
async fn an_edit_makes_no_room() {
    let engine = engine();
    let alice = engine.actor(user("alice"));
    let edited = alice.edit(&direct("alice", "bob"), Seq(1), "hi").await;
    assert_eq!(edited.unwrap_err().code(), ErrorCode::NoRoom);
    assert_eq!(alice.rooms(None, None).await.unwrap().rooms, []);
}

#[tokio::test]
async fn a_group_that_is_there_already_says_so_and_takes_nobody_in() {
    let engine = engine();
    let id = RoomId::group("garden").unwrap();
    let made = engine.create_group(id.clone(), user("alice"), vec![]).await;
    assert!(matches!(made.unwrap(), Created::New(room) if room.head == Seq::ZERO));
    engine.actor(user("alice")).send(&id, "mine").await.unwrap();
    let mallory = engine.actor(user("mallory"));
    let again = engine
        .create_group(id.clone(), user("mallory"), vec![])
        .await;
    assert!(matches!(again.unwrap(), Created::Existing(room) if room.head == Seq(1)));
    let refused = mallory.send(&id, "ours").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NoRoom);
}

#[tokio::test]
async fn members_of_a_group_come_and_go_in_the_log() {
    let engine = engine();
    let room = RoomId::group("garden").unwrap();
    engine
        .create_group(room.clone(), user("alice"), vec![])
        .await
        .unwrap();
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    assert_eq!(
        bob.send(&room, "hi").await.unwrap_err().code(),
        ErrorCode::NoRoom
    );
    alice.add_member(&room, user("bob")).await.unwrap();
    assert_eq!(
        next_entry(&bob).await.body,
        EntryBody::Joined {
            user: user("bob"),
            role: Role::Member
        }
    );
    bob.send(&room, "hi").await.unwrap();
    alice.remove_member(&room, user("bob")).await.unwrap();
    assert_eq!(next_entry(&bob).await.seq, Seq(2));
    assert_eq!(
        next_entry(&bob).await.body,
        EntryBody::Left {
            user: user("bob"),
            why: LeftWhy::Removed,
        }
    );
    alice.send(&room, "he is gone").await.unwrap();
    let entries = pending(&bob).await.into_iter();
    let entries = entries.filter(|event| matches!(event, Event::Entry(_)));
    assert_eq!(entries.count(), 0);
    assert_eq!(
        bob.history(&room, Page::Newest, None)
            .await
            .unwrap_err()
            .code(),
        ErrorCode::NoRoom
    );
}

#[tokio::test]
async fn texts_that_show_nothing_or_are_too_long_are_refused() {
    let engine = engine();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    for bad in ["", " \n", "\u{200b}", "a\u{0}b", "\u{1b}[2J"] {
        assert_eq!(
            alice.send(&room, bad).await.unwrap_err().code(),
            ErrorCode::InvalidText
        );
    }
    for long in ["x".repeat(4_001), "\u{1f980}".repeat(4_097)] {
        assert_eq!(
            alice.send(&room, &long).await.unwrap_err().code(),
            ErrorCode::TextTooLong
        );
    }
    alice.send(&room, &"\u{1f980}".repeat(4_000)).await.unwrap();
    alice.send(&room, "two\r\n\tlines").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_sixth_message_in_a_minute_mutes_and_the_mute_ends_when_it_says() {
    let engine = ChatEngine::builder().build().unwrap();
    let room = direct("alice", "bob");
    let alice = engine.connect(user("alice")).await.unwrap();
    for _ in 0..5 {
        alice.send(&room, "hi").await.unwrap();
    }
    let error = alice.send(&room, "hi").await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry_after()),
        (ErrorCode::RateLimited, Some(Duration::from_secs(5)))
    );
    drop(alice);
    let again = engine.connect(user("alice")).await.unwrap();
    assert_eq!(
        again.send(&room, "hi").await.unwrap_err().code(),
        ErrorCode::Muted
    );
    engine
        .actor(user("bob"))
        .send(&room, "not me")
        .await
        .unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    again.send(&room, "hi").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_can_fill_the_store_with_rooms() {
    let engine = ChatEngine::builder().build().unwrap();
    let mallory = engine.actor(user("mallory"));
    for n in 0..30 {
        mallory.open(&user(&format!("user{n}"))).await.unwrap();
    }
    let error = mallory.open(&user("one too many")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RateLimited);
    mallory.open(&user("user7")).await.unwrap();
    tokio::time::advance(error.retry_after().unwrap()).await;
    mallory.open(&user("one more")).await.unwrap();
    assert_eq!(
        mallory.rooms(None, Some(200)).await.unwrap().rooms.len(),
        31
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_refused_makes_no_room() {
    let words = WordList::new(["war"]).unwrap();
    let engine = ChatEngine::builder().moderator(words).build().unwrap();
    let alice = engine.actor(user("alice"));
    alice
        .send(&direct("alice", "bob"), "war")
        .await
        .unwrap_err();
    assert!(alice.rooms(None, None).await.unwrap().rooms.is_empty());
}

#[tokio::test]
async fn what_moderation_refuses_is_told_to_its_author_only() {
    let words = WordList::new(["war"]).unwrap();
    let engine = ChatEngine::builder()
        .config(unlimited())
        .moderator(words)
        .build()
        .unwrap();
    let room = direct("alice", "bob");
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let error = alice.send(&room, "W.\u{200b}A.R").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Moderated);
    let sent = alice.send(&room, "a software award").await.unwrap();
    assert_eq!(
        alice.edit(&room, sent.seq, "war").await.unwrap_err().code(),
        ErrorCode::Moderated
    );
    assert_eq!(seqs(&[next_entry(&bob).await]), [1]);
    assert_eq!(pending(&bob).await, []);
    let old = WordList::new(["war"])
        .unwrap()
        .matching(Matching::Substring);
    let engine = ChatEngine::builder().moderator(old).build().unwrap();
    let error = engine
        .actor(user("alice"))
        .send(&room, "software")
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Moderated);
}

#[tokio::test]
async fn a_full_queue_refuses_early() {
    let config = Config {
        append_queue: 1,
        ..unlimited()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    alice.open(&user("bob")).await.unwrap();
    let (answered, mut answers) = mpsc::channel(100);
    // Nobody else runs between two submits, so the queue fills up.
    for _ in 0..100 {
        let answered = answered.clone();
        let done = Responder::new(move |result| answered.try_send(result.is_ok()).unwrap());
        alice
            .submit(&room, NewBody::Message("x".to_owned()), None, done)
            .await;
    }
    drop(answered);
    let mut stored = 0;
    while let Some(ok) = answers.recv().await {
        stored += u64::from(ok);
    }
    assert!((1..100).contains(&stored), "{stored} of 100 accepted");
    let page = alice.history(&room, Page::Newest, Some(200)).await.unwrap();
    assert_eq!(
        page.entries.len() as u64,
        stored,
        "what was refused is not stored"
    );
}

#[tokio::test]
async fn a_drained_engine_stores_what_it_accepted_and_takes_nobody_in() {
    let engine = engine();
    let alice = Arc::new(engine.connect(user("alice")).await.unwrap());
    let room = direct("alice", "bob");
    alice.send(&room, "last words").await.unwrap();
    let listener = {
        let alice = Arc::clone(&alice);
        tokio::spawn(async move { while alice.next_event().await.is_some() {} })
    };
    drop(alice);
    let drained = engine.drain(Duration::from_secs(5));
    tokio::time::timeout(Duration::from_secs(4), drained)
        .await
        .unwrap();
    listener.await.unwrap();
    assert_eq!(
        engine.connect(user("bob")).await.unwrap_err().code(),
        ErrorCode::ShuttingDown
    );
}

#[tokio::test]
async fn a_client_id_that_was_used_for_something_else_is_a_conflict() {
    let engine = engine();
    let alice = engine.actor(user("alice"));
    let (room, other) = (direct("alice", "bob"), direct("alice", "carol"));
    let submit = async |room: &RoomId, body: NewBody, id: &str| {
        let (done, sent) = tokio::sync::oneshot::channel();
        let done = Responder::new(move |result| drop(done.send(result)));
        alice.submit(room, body, Some(client_id(id)), done).await;
        let sent = sent.await.unwrap();
        sent.map(|sent| (sent.seq.0, sent.duplicate))
            .map_err(|error| error.code().code())
    };
    let message = |text: &str| NewBody::Message(text.to_owned());
    let edit = |target| NewBody::Edit {
        target: Seq(target),
        text: "better".to_owned(),
    };
    let delete = |target| NewBody::Delete {
        target: Seq(target),
    };
    assert_eq!(submit(&room, message("one"), "m1").await, Ok((1, false)));
    assert_eq!(submit(&room, message("two"), "m2").await, Ok((2, false)));
    assert_eq!(submit(&room, edit(1), "m1").await, Err(204));
    assert_eq!(submit(&room, delete(1), "m2").await, Err(204));
    assert_eq!(submit(&room, edit(1), "e1").await, Ok((3, false)));
    assert_eq!(submit(&room, edit(1), "e1").await, Ok((3, true)));
    assert_eq!(
        submit(&room, edit(2), "e1").await,
        Err(204),
        "another target"
    );
    assert_eq!(submit(&room, message("one"), "e1").await, Err(204));
    assert_eq!(
        submit(&other, message("one"), "m1").await,
        Ok((1, false)),
        "a client id counts in its room"
    );
    assert_eq!(submit(&room, delete(1), "d1").await, Ok((4, false)));
    assert_eq!(submit(&room, delete(1), "d1").await, Ok((4, true)));
    assert_eq!(submit(&room, message("one"), "m1").await, Ok((1, true)));
    let log = alice.history(&room, Page::Newest, None).await.unwrap();
    assert_eq!(log.entries.len(), 4, "a conflict stores nothing");
}
