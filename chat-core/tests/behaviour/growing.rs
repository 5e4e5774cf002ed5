//! Rooms that grow on other nodes: when their entries are read, and which callers wait for that.

use std::{sync::Arc, time::Duration};

use chat_core::{
    Connect, Cursor, Event, LocalSession, Outbox, OutboxLimits, Outgoing, Page, RoomCursor, RoomId,
    Seq,
    testing::{Fault, Faulty, Method},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    cluster::Cluster,
    common::{direct, next_entry, next_matching, text, user},
};

#[tokio::test(start_paused = true)]
async fn a_room_that_is_read_slowly_holds_up_neither_others_nor_what_is_sent_here() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let carol = two.connect(user("carol")).await.unwrap();
    let (slow, quick) = (direct("alice", "bob"), direct("alice", "carol"));
    *cluster.store.hooks.late.lock().unwrap() = Some(slow.clone());
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
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let _bob = two.connect(user("bob")).await.unwrap();
    let (slow, quick) = (direct("alice", "bob"), direct("alice", "carol"));
    alice.send(&quick, "before").await.unwrap();
    drop(two.connect(user("carol")).await.unwrap());
    // The node has let go of her topic, and does not hear of this.
    sleep(Duration::from_secs(1)).await;
    alice.send(&quick, "while she is away").await.unwrap();
    *cluster.store.hooks.late.lock().unwrap() = Some(slow.clone());
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
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    let to_carol = direct("bob", "carol");
    let second = Fault::Pass.after(Duration::from_secs(1));
    cluster.store.script.next(Method::APPEND, second);
    let here = bob.send(&to_carol, "here");
    let elsewhere = async {
        sleep(Duration::from_millis(10)).await;
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
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let pages = (1..=41).map(|n: u64| Fault::Pass.after(Duration::from_millis(1 + n * 7_919 % 41)));
    cluster.store.script.always(Method::PAGE, pages);
    let append = Fault::Pass.after(Duration::from_millis(3));
    cluster.store.script.always(Method::APPEND, append);
    let room = RoomId::group("garden").unwrap();
    one.create_group(
        room.clone(),
        user("alice"),
        vec![user("bob"), user("carol")],
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
    let cluster = Cluster::far_from_the_store();
    let broker = Faulty::new(cluster.bus.node());
    let script = broker.script.clone();
    let (one, two) = (cluster.node_with(broker), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    script.always(Method::PUBLISH, Fault::Panic);
    alice.send(&room, "unheard").await.unwrap();
    sleep(Duration::from_millis(10)).await;
    script.pass();
    let start = Instant::now();
    alice.send(&room, "heard").await.unwrap();
    for said in ["unheard", "heard"] {
        assert_eq!(text(&next_entry(&bob).await), said);
    }
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_somebody_cut_a_hole_into_is_gone_on_with_and_not_read_all_the_time() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "one").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "one");
    *cluster.store.hooks.hidden.lock().unwrap() = Some(Seq(2));
    for text in ["two", "three"] {
        alice.send(&room, text).await.unwrap();
    }
    let before = cluster.store.script.calls(Method::PAGE);
    sleep(Duration::from_millis(500)).await;
    let read = cluster.store.script.calls(Method::PAGE) - before;
    assert!(read < 10, "{read} pages");
    assert_eq!(text(&next_entry(&bob).await), "three");
}
