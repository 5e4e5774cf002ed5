//! Resuming: everything that was missed, in order, once; or a gap that says so.

use std::{sync::Arc, time::Duration};

use crate::{
    cluster::Cluster,
    common::{direct, engine, next_matching, unlimited, user},
};
use chat_core::{
    ChatEngine, Config, Connect, Cursor, Epoch, Event, Frame, GapReason, LocalSession, Outbox,
    OutboxLimits, Outgoing, Page, Room, RoomCursor, RoomId, Seq,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::sleep};

struct Device {
    outbox: Arc<Outbox>,
    _session: chat_core::Session,
}

async fn resume(engine: &ChatEngine, name: &str, cursors: Vec<RoomCursor>) -> Device {
    let outbox = Outbox::new(engine.config().outbox);
    let connect = Connect {
        cursors,
        ..Connect::new(user(name))
    };
    let session = engine
        .connect_with(connect, Arc::clone(&outbox) as _)
        .await
        .unwrap();
    Device {
        outbox,
        _session: session,
    }
}

impl Device {
    async fn pending(&self) -> Vec<Event> {
        let mut frames: Vec<Frame> = Vec::new();
        tokio::select! {
            biased;
            _ = self.outbox.recv_many(&mut frames, 10_000) => {}
            () = std::future::ready(()) => {}
        }
        let event = |frame: &Frame| match frame.outgoing() {
            Outgoing::Event(event) => event.clone(),
            Outgoing::Answer(answer) => unreachable!("{answer:?}"),
        };
        frames.iter().map(event).collect()
    }
}

fn cursor(epoch: Epoch, seq: u64) -> Vec<RoomCursor> {
    let cursor = Cursor {
        epoch,
        seq: Seq(seq),
    };
    vec![RoomCursor {
        room: direct("alice", "bob"),
        cursor,
    }]
}

async fn with_messages(config: Config, count: u64) -> (ChatEngine, Epoch) {
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let alice = engine.actor(user("alice"));
    let epoch = alice.open(&user("bob")).await.unwrap().room.epoch;
    for n in 1..=count {
        alice
            .send(&direct("alice", "bob"), &n.to_string())
            .await
            .unwrap();
    }
    (engine, epoch)
}

#[tokio::test]
async fn what_was_missed_comes_first_and_then_what_is_live() {
    let (engine, epoch) = with_messages(unlimited(), 5).await;
    let bob = resume(&engine, "bob", cursor(epoch, 2)).await;
    engine
        .actor(user("alice"))
        .send(&direct("alice", "bob"), "live")
        .await
        .unwrap();
    let events = bob.pending().await;
    let seen: Vec<u64> = events
        .iter()
        .map(|event| match event {
            Event::Entry(entry) => entry.seq.0,
            Event::Resumed { cursor, .. } => 100 + cursor.seq.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, [3, 4, 5, 105, 6]);
}

#[tokio::test]
async fn more_than_the_limit_is_a_gap_that_the_history_fills() {
    let (engine, epoch) = with_messages(
        Config {
            resume_max: 3,
            ..unlimited()
        },
        9,
    )
    .await;
    assert_eq!(
        resume(&engine, "bob", cursor(epoch, 6))
            .await
            .pending()
            .await
            .len(),
        4
    );
    let events = resume(&engine, "bob", cursor(epoch, 5))
        .await
        .pending()
        .await;
    let room = direct("alice", "bob");
    let gap = Event::Gap {
        room: room.clone(),
        epoch,
        from: Seq(6),
        to: Seq(9),
        reason: GapReason::TooMany,
    };
    assert_eq!(events[0], gap);
    assert!(matches!(&events[1], Event::Resumed { cursor, .. } if cursor.seq == Seq(9)));
    let page = engine
        .actor(user("bob"))
        .history(&room, Page::After(Seq(5)), None)
        .await
        .unwrap();
    assert_eq!(crate::common::seqs(&page.entries), [6, 7, 8, 9]);
}

#[tokio::test]
async fn a_cursor_of_another_epoch_or_from_beyond_the_end_starts_anew() {
    let (engine, epoch) = with_messages(unlimited(), 3).await;
    for cursor in [cursor(Epoch(uuid::Uuid::nil()), 2), cursor(epoch, 4)] {
        let events = resume(&engine, "bob", cursor).await.pending().await;
        assert!(matches!(
            events[0],
            Event::Gap {
                from: Seq(1),
                to: Seq(3),
                reason: GapReason::NewEpoch,
                ..
            }
        ));
    }
}

#[tokio::test]
async fn a_room_that_is_not_ones_own_is_closed_and_shows_nothing() {
    let (engine, epoch) = with_messages(unlimited(), 3).await;
    let events = resume(&engine, "mallory", cursor(epoch, 0))
        .await
        .pending()
        .await;
    assert_eq!(
        events,
        [Event::Closed {
            room: direct("alice", "bob")
        }]
    );
}

#[tokio::test]
async fn what_does_not_fit_into_the_outbox_is_a_gap_and_not_a_slow_consumer() {
    let outbox = OutboxLimits {
        frames: 10,
        bytes: 1 << 20,
    };
    let (engine, epoch) = with_messages(
        Config {
            outbox,
            ..unlimited()
        },
        9,
    )
    .await;
    let events = resume(&engine, "bob", cursor(epoch, 0))
        .await
        .pending()
        .await;
    assert!(matches!(events[0], Event::Gap { to: Seq(9), .. }));
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn more_rooms_than_the_outbox_holds_are_resumed_while_it_is_read() {
    const ROOMS: usize = 40;
    let outbox = OutboxLimits {
        frames: 8,
        bytes: 1 << 20,
    };
    let config = Config {
        outbox,
        ..unlimited()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let bob = engine.actor(user("bob"));
    let mut cursors = Vec::new();
    for n in 0..ROOMS {
        let room = bob.open(&user(&format!("friend {n}"))).await.unwrap().room;
        bob.send(&room.id, "hi").await.unwrap();
        let cursor = Cursor {
            epoch: room.epoch,
            seq: Seq::ZERO,
        };
        let room = room.id;
        cursors.push(RoomCursor { room, cursor });
    }
    let outbox = Outbox::new(engine.config().outbox);
    let connect = Connect {
        cursors,
        ..Connect::new(user("bob"))
    };
    let reading = async {
        let (mut frames, mut resumed) = (Vec::new(), 0);
        while resumed < ROOMS {
            assert_eq!(outbox.recv_many(&mut frames, 64).await, None);
            resumed += frames
                .drain(..)
                .filter(|frame| matches!(frame.outgoing(), Outgoing::Event(Event::Resumed { .. })))
                .count();
        }
    };
    let (session, ()) = tokio::join!(
        engine.connect_with(connect, Arc::clone(&outbox) as _),
        reading
    );
    session.unwrap();
}

#[tokio::test]
async fn a_slow_consumer_is_closed_and_loses_nothing_when_it_resumes() {
    let outbox = OutboxLimits {
        frames: 8,
        bytes: 1 << 20,
    };
    let (engine, _) = with_messages(
        Config {
            outbox,
            ..unlimited()
        },
        0,
    )
    .await;
    let slow = engine.connect(user("bob")).await.unwrap();
    let quick = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    for n in 1..=12_u64 {
        alice.send(&room, &n.to_string()).await.unwrap();
        let seen = next_matching(&quick, |event| matches!(event, Event::Entry(_))).await;
        assert!(
            matches!(seen, Event::Entry(entry) if entry.seq.0 == n),
            "others don't notice"
        );
    }
    let mut last = 0;
    while let Some(event) = slow.next_event().await {
        if let Event::Entry(entry) = event {
            last = entry.seq.0;
        }
    }
    assert_eq!(last, 8);
    let epoch = alice.view(&room).await.unwrap().room.epoch;
    let resumed = resume(&engine, "bob", cursor(epoch, last))
        .await
        .pending()
        .await;
    assert_eq!(resumed.len(), 5, "four entries and the end of the catch-up");
}

/// Counts entries until `head` and fails on one that is missing, repeated or out of order.
async fn read_on(session: &LocalSession, mut at: u64, head: u64) -> u64 {
    while at < head {
        match session.next_event().await {
            Some(Event::Entry(entry)) => {
                assert_eq!(entry.seq.0, at + 1, "no gap, no repetition");
                at += 1;
            }
            Some(_) => {}
            None => break,
        }
    }
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_falls_between_history_and_live_however_often_one_reconnects() {
    const MESSAGES: u64 = 2_000;
    let engine = engine();
    let room = direct("alice", "bob");
    let alice = engine.actor(user("alice"));
    let epoch = alice.open(&user("bob")).await.unwrap().room.epoch;
    // The writer stays ahead, and not so far that the reader, on a busy machine, gets only gaps.
    let ahead = Arc::new(Semaphore::new(200));
    let writer = tokio::spawn({
        let (room, ahead) = (room.clone(), Arc::clone(&ahead));
        async move {
            for n in 0..MESSAGES {
                ahead.acquire().await.unwrap().forget();
                alice.send(&room, &n.to_string()).await.unwrap();
            }
        }
    });
    let mut at = 0;
    let mut connections = 0;
    while at < MESSAGES {
        let outbox = Outbox::new(engine.config().outbox);
        let connect = Connect {
            cursors: cursor(epoch, at),
            ..Connect::new(user("bob"))
        };
        let session = engine
            .connect_with(connect, Arc::clone(&outbox) as _)
            .await
            .unwrap();
        connections += 1;
        let stop = at + 17;
        let mut frames = Vec::new();
        while at < stop.min(MESSAGES) {
            if outbox.recv_many(&mut frames, 1).await.is_some() {
                break;
            }
            for frame in frames.drain(..) {
                match frame.outgoing() {
                    Outgoing::Event(Event::Entry(entry)) => {
                        assert_eq!(entry.seq.0, at + 1, "no gap, no repetition");
                        at += 1;
                        ahead.add_permits(1);
                    }
                    Outgoing::Event(gap @ Event::Gap { .. }) => panic!("{gap:?}"),
                    _ => {}
                }
            }
        }
        drop(session);
    }
    writer.await.unwrap();
    assert!(connections > 50, "{connections} connections");
    let last = engine.connect(user("bob")).await.unwrap();
    assert_eq!(read_on(&last, MESSAGES, MESSAGES).await, MESSAGES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_cursor_leads_to_the_head_without_a_silent_hole(
        messages in 0..12_u64, from in 0..14_u64, resume_max in 0..8_usize
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (engine, epoch) =
                with_messages(Config { resume_max, ..unlimited() }, messages).await;
            let events = resume(&engine, "bob", cursor(epoch, from)).await.pending().await;
            let mut at = from;
            for event in events {
                match event {
                    Event::Entry(entry) => {
                        assert_eq!(entry.seq.0, at + 1);
                        at += 1;
                    }
                    Event::Gap { from: first, to, reason, .. } => {
                        if reason == GapReason::TooMany {
                            assert_eq!(first.0, at + 1);
                        }
                        at = to.0;
                    }
                    Event::Resumed { cursor, .. } => assert_eq!(cursor.seq.0, at),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(at, messages);
        });
    }
}

/// The kinds of the events of a room, in their order.
fn kinds(events: &[Event], room: &RoomId) -> Vec<String> {
    let events = events
        .iter()
        .map(|event| serde_json::to_value(event).unwrap());
    let of_room = events.filter(|event| event["room"] == room.as_str());
    let kind = |event: Value| match event["body"]["kind"].as_str() {
        Some(kind) => kind.to_owned(),
        None => event["type"].as_str().unwrap().to_owned(),
    };
    of_room.map(kind).collect()
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_ends_while_the_user_resumes_leaves_no_hole() {
    for comes_back in [false, true] {
        let cluster = Cluster::far_from_the_store();
        let engine = cluster.node();
        let (alice, bob) = (engine.actor(user("alice")), user("bob"));
        let first = alice.open(&bob).await.unwrap().room;
        alice.send(&first.id, "missed").await.unwrap();
        *cluster.store.hooks.late.lock().unwrap() = Some(first.id.clone());
        let group = json!({ "kind": "group", "name": "Team", "members": ["bob"] });
        let group = alice.create(serde_json::from_value(group).unwrap()).await;
        let group = group.unwrap().room;
        alice.send(&group.id, "missed").await.unwrap();
        let from_the_beginning = |room: &Room| RoomCursor {
            room: room.id.clone(),
            cursor: Cursor {
                epoch: room.epoch,
                seq: Seq::ZERO,
            },
        };
        let cursors = [&first, &group].map(from_the_beginning).into();
        let while_the_first_room_is_read = async {
            sleep(Duration::from_millis(500)).await;
            alice.send(&group.id, "waits for the group").await.unwrap();
            alice.remove_member(&group.id, bob.clone()).await.unwrap();
            if comes_back {
                alice.add_member(&group.id, bob.clone()).await.unwrap();
                alice.remove_member(&group.id, bob.clone()).await.unwrap();
            }
        };
        let resumes = resume(&engine, "bob", cursors);
        let (device, ()) = tokio::join!(resumes, while_the_first_room_is_read);
        let sent = kinds(&device.pending().await, &group.id);
        let expected: &[&str] = if comes_back {
            &["closed", "joined", "left"]
        } else {
            &["closed"]
        };
        assert_eq!(sent, expected);
        alice.add_member(&group.id, bob.clone()).await.unwrap();
        alice.send(&group.id, "welcome back").await.unwrap();
        let sent = kinds(&device.pending().await, &group.id);
        assert_eq!(sent, ["joined", "message"]);
    }
}
