//! Reading history on several nodes: always what the store says, mostly without asking it.

use std::{sync::Arc, time::Duration};

use chat_core::{
    Actor, ChatEngine, Connect, Cursor, Entry, EntryBody, Event, HistoryPage, Outbox, Outgoing,
    Page, RoomCursor, RoomId, Seq,
    port::HistoryCache as _,
    testing::{Fault, Method},
};
use proptest::{collection::vec, prelude::*};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    astray::{Cluster, Windows, cluster, room},
    common::{seqs, text, unlimited, user},
};

async fn newest(reader: &Actor, room: &RoomId) -> HistoryPage {
    reader.history(room, Page::Newest, None).await.unwrap()
}

/// Lets every task run that waits for nothing but its turn. Time stands still in these tests.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_acked_on_one_node_is_read_on_another_whatever_the_cache_misses() {
    for windows in [
        Windows::Good,
        Windows::Lost,
        Windows::Held,
        Windows::Away,
        Windows::Forged,
    ] {
        let cluster = cluster(windows);
        let alice = cluster.node().actor(user("alice"));
        let bob = cluster.node().actor(user("bob"));
        let room = &room();
        for n in 1..=5 {
            alice.send(room, &n.to_string()).await.unwrap();
        }
        // A window is there, and right, before the cache goes astray.
        cluster.set(Windows::Good);
        newest(&bob, room).await;
        rest().await;
        cluster.set(windows);
        let what = format!("{windows:?}");
        for n in 1..=5 {
            alice.send(room, "more").await.unwrap();
            cluster.assert_reads_are_right(&bob, &what).await;
            alice.edit(room, Seq(n), "edited").await.unwrap();
            cluster.assert_reads_are_right(&bob, &what).await;
            alice.delete(room, Seq(n)).await.unwrap();
            cluster.assert_reads_are_right(&bob, &what).await;
            rest().await;
            // In another order.
            for which in (0..20).rev() {
                cluster.arrive(which).await;
                cluster.assert_reads_are_right(&bob, &what).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_readers_of_a_cold_room_costs_one_page() {
    let cluster = cluster(Windows::Good);
    let (one, two) = (cluster.node(), cluster.node());
    let room = &room();
    let alice = one.actor(user("alice"));
    for n in 1..=30 {
        alice.send(room, &n.to_string()).await.unwrap();
    }
    let bob = two.connect(user("bob")).await.unwrap();
    rest().await;
    cluster.yield_in_the_store(Fault::Yield(3, 3));
    let burst = async || {
        let mut readers = JoinSet::new();
        for n in 0..1_000 {
            let (bob, room) = (bob.clone(), room.clone());
            readers.spawn(async move {
                // They don't come at the same moment, and don't want the same.
                for _ in 0..n % 7 {
                    tokio::task::yield_now().await;
                }
                let page = bob.history(&room, Page::Newest, Some(1 + n % 30)).await;
                assert_eq!(page.unwrap().entries.last().unwrap().seq, Seq(30));
            });
        }
        readers.join_all().await;
    };
    let ((), pages, heads) = cluster.reads(burst()).await;
    assert_eq!(pages, 1);
    assert!(
        (1..=2).contains(&heads),
        "{heads} for those who come in one go"
    );
    rest().await;
    let ((), pages, _) = cluster.reads(burst()).await;
    assert_eq!(pages, 0, "now the cache has it");
}

#[tokio::test(start_paused = true)]
async fn who_reads_while_messages_are_sent_finds_them_in_the_cache() {
    let cluster = cluster(Windows::Good);
    let alice = cluster.node().actor(user("alice"));
    let bob = cluster.node().actor(user("bob"));
    let room = &room();
    alice.send(room, "first").await.unwrap();
    newest(&bob, room).await;
    rest().await;
    let chat = async {
        for n in 2..=250 {
            alice.send(room, &n.to_string()).await.unwrap();
            rest().await;
            let page = newest(&bob, room).await;
            assert_eq!(text(page.entries.last().unwrap()), n.to_string());
        }
    };
    let ((), pages, _) = cluster.reads(chat).await;
    assert_eq!(pages, 0);
}

#[tokio::test(start_paused = true)]
async fn many_who_resume_on_another_node_cost_one_page() {
    let cluster = cluster(Windows::Good);
    let (one, two) = (cluster.node(), cluster.node());
    let room = &room();
    let alice = one.actor(user("alice"));
    for n in 1..=150 {
        alice.send(room, &n.to_string()).await.unwrap();
    }
    let epoch = alice.view(room).await.unwrap().room.epoch;
    two.actor(user("bob")).view(room).await.unwrap();
    cluster.yield_in_the_store(Fault::Yield(3, 3));
    let resume = async || {
        let mut devices = JoinSet::new();
        for n in 0..20 {
            let (two, room) = (two.clone(), room.clone());
            devices.spawn(async move {
                let outbox = Outbox::new(two.config().outbox);
                let cursor = RoomCursor {
                    room,
                    cursor: Cursor { epoch, seq: Seq(n) },
                };
                let connect = Connect {
                    cursors: vec![cursor],
                    ..Connect::new(user("bob"))
                };
                let transport = Arc::clone(&outbox) as _;
                let session = two.connect_with(connect, transport).await.unwrap();
                let mut frames = Vec::new();
                outbox.recv_many(&mut frames, 1_000).await;
                let missed = frames.iter().filter_map(|frame| match frame.outgoing() {
                    Outgoing::Event(Event::Entry(entry)) => Some(entry.seq.0),
                    _ => None,
                });
                assert!(missed.eq(n + 1..=150));
                session
            });
        }
        devices.join_all().await
    };
    let (sessions, pages, _) = cluster.reads(resume()).await;
    assert_eq!((sessions.len(), pages), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_text_is_soon_gone_from_the_cache() {
    let cluster = cluster(Windows::Good);
    let alice = cluster.node().actor(user("alice"));
    let room = &room();
    alice.send(room, "keep").await.unwrap();
    alice.send(room, "regretted").await.unwrap();
    let page = newest(&alice, room).await;
    rest().await;
    let window = async |seq: u64, range| {
        let (epoch, seq) = (page.epoch, Seq(seq));
        let cache = &cluster.cache.inner;
        let window = cache.window(room, Cursor { epoch, seq }, range);
        window.await.unwrap()
    };
    assert!(window(2, Seq(1)..=Seq(2)).await.is_some());
    alice.delete(room, Seq(2)).await.unwrap();
    rest().await;
    assert_eq!(window(2, Seq(2)..=Seq(2)).await, None);
    let held = window(3, Seq(3)..=Seq(3)).await.unwrap();
    assert_eq!(held[0].body, EntryBody::Delete { target: Seq(2) });
    assert_eq!(window(3, Seq(2)..=Seq(3)).await, None);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_given_what_others_read_before_an_edit() {
    let cluster = cluster(Windows::Good);
    let alice = cluster.node().actor(user("alice"));
    let room = &room();
    alice.send(room, "hello").await.unwrap();
    // What is read stays for long on its way to the cache.
    cluster.yield_in_the_cache(Fault::Yield(200, 200));
    let (_, pages, _) = cluster.reads(newest(&alice, room)).await;
    assert_eq!(pages, 1);
    let (again, pages, _) = cluster.reads(newest(&alice, room)).await;
    assert_eq!(pages, 0, "it is there for others");
    assert_eq!(text(&again.entries[0]), "hello");
    alice.edit(room, Seq(1), "hello!").await.unwrap();
    let first = alice.history(room, Page::After(Seq(0)), Some(1)).await;
    assert_eq!(text(&first.unwrap().entries[0]), "hello!");
}

#[tokio::test(start_paused = true)]
async fn a_shared_read_that_fails_or_hangs_or_is_given_up_hurts_nobody_after_it() {
    let cluster = cluster(Windows::Good);
    let alice = cluster.node().actor(user("alice"));
    let room = &room();
    alice.send(room, "hello").await.unwrap();
    let script = &cluster.store.script;

    script.always(Method::PAGE, Fault::AWAY);
    let (one, other) = tokio::join!(
        alice.history(room, Page::Newest, None),
        alice.history(room, Page::Newest, None)
    );
    assert!(one.is_err() && other.is_err());
    script.pass();
    assert_eq!(seqs(&newest(&alice, room).await.entries), [1], "it failed");

    alice.send(room, "again").await.unwrap();
    cluster.set(Windows::Away);
    script.always(Method::PAGE, Fault::Hang);
    let hangs = timeout(Duration::from_secs(10), newest(&alice, room)).await;
    hangs.unwrap_err();
    script.pass();
    let next = timeout(Duration::from_secs(2), newest(&alice, room)).await;
    assert_eq!(seqs(&next.unwrap().entries), [1, 2], "it hung");

    // A reader that has begun, and is never polled again.
    cluster.set(Windows::Good);
    cluster.yield_in_the_store(Fault::Yield(1, 1));
    for polls in 1..20 {
        alice.send(room, "and again").await.unwrap();
        let mut stuck = Box::pin(newest(&alice, room));
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = &mut stuck => break,
                () = tokio::task::yield_now() => {}
            }
        }
        let next = timeout(Duration::from_secs(2), newest(&alice, room)).await;
        let last = next.unwrap().entries.last().unwrap().seq.0;
        assert_eq!(last, 2 + polls, "it is given up");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_says_what_is_on_either_side_also_of_what_no_hint_told() {
    let cluster = cluster(Windows::Good);
    let alice = cluster.node().actor(user("alice"));
    // Bob's node has the room in use, but listens to none of its members.
    alice.send(&room(), "1").await.unwrap();
    let bob = cluster.node().actor(user("bob"));
    newest(&bob, &room()).await;
    for n in 2..=9 {
        alice.send(&room(), &n.to_string()).await.unwrap();
    }
    for (page, found, older, newer) in [
        (Page::Newest, vec![7, 8, 9], true, false),
        (Page::After(Seq(0)), vec![1, 2, 3], false, true),
        (Page::After(Seq(6)), vec![7, 8, 9], true, false),
        (Page::Before(Seq(4)), vec![1, 2, 3], false, true),
        (Page::Around(Seq(5)), vec![4, 5, 6], true, true),
        (Page::After(Seq(9)), vec![], true, false),
        (Page::After(Seq(u64::MAX)), vec![], true, false),
        (Page::Before(Seq(1)), vec![], false, true),
        (Page::Before(Seq(0)), vec![], false, true),
    ] {
        let read = bob.history(&room(), page, Some(3)).await.unwrap();
        let said = (seqs(&read.entries), read.older, read.newer);
        assert_eq!(said, (found, older, newer), "{page:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_reads_its_store_once_and_no_cache() {
    let cluster = cluster(Windows::Good);
    let alone = ChatEngine::builder()
        .store(cluster.store.clone())
        .cache(cluster.cache.clone())
        .config(unlimited())
        .build()
        .unwrap();
    let alice = alone.actor(user("alice"));
    alice.send(&room(), "hello").await.unwrap();
    for _ in 0..3 {
        let (_, pages, heads) = cluster.reads(newest(&alice, &room())).await;
        assert_eq!((pages, heads), (1, 0));
    }
    rest().await;
    assert_eq!(cluster.hits(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    Edit(usize, u64),
    Delete(usize, u64),
    Read(usize, Page, usize),
    /// A write reaches the cache, whichever has been waiting.
    Arrive(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let seq = || (0..16_u64).prop_map(Seq);
    let page = prop_oneof![
        3 => Just(Page::Newest),
        1 => seq().prop_map(Page::Before),
        3 => seq().prop_map(Page::After),
        1 => seq().prop_map(Page::Around),
    ];
    prop_oneof![
        3 => (0..2_usize).prop_map(Step::Send),
        1 => (0..2_usize, 1..15_u64).prop_map(|(node, target)| Step::Edit(node, target)),
        1 => (0..2_usize, 1..15_u64).prop_map(|(node, target)| Step::Delete(node, target)),
        5 => (0..2_usize, page, 1..12_usize).prop_map(|(node, page, limit)| Step::Read(node, page, limit)),
        3 => any::<usize>().prop_map(Step::Arrive),
    ]
}

fn yields(most: u8) -> impl Strategy<Value = Fault> {
    (0..most, 0..most).prop_map(|(before, after)| Fault::Yield(before, after))
}

/// Carries out a step; a page that is read must be one that the store could have given meanwhile.
async fn take(step: Step, actors: [Actor; 2], cluster: Arc<Cluster>) {
    let room = room();
    let logs = || cluster.store.hooks.0.lock().unwrap().clone();
    match step {
        Step::Send(node) => drop(actors[node].send(&room, "new").await.unwrap()),
        // Refused when it is no message, or not there any more.
        Step::Edit(node, target) => drop(actors[node].edit(&room, Seq(target), "edited").await),
        Step::Delete(node, target) => drop(actors[node].delete(&room, Seq(target)).await),
        Step::Arrive(which) => cluster.arrive(which).await,
        Step::Read(node, page, limit) => {
            let first = logs().len() - 1;
            let read = actors[node].history(&room, page, Some(limit)).await;
            let read = read.unwrap();
            let logs = &logs()[first..];
            let mut shapes = Vec::new();
            for log in logs {
                let head = log.len();
                let expected = reference(log, page, limit);
                let older = expected.first().is_some_and(|first| *first > 1);
                let newer = expected.last().is_some_and(|last| *last < head as u64);
                shapes.push((expected, older, newer));
            }
            let found = seqs(&read.entries);
            let shape = shapes.iter().find(|(expected, ..)| *expected == found);
            let shape = shape.unwrap_or_else(|| panic!("{page:?}: {found:?} in {shapes:?}"));
            if !found.is_empty() {
                let sides = shapes
                    .iter()
                    .any(|one| one == &(found.clone(), read.older, read.newer));
                assert!(sides, "{page:?}: {shape:?}");
            }
            for entry in &read.entries {
                let at = usize::try_from(entry.seq.0 - 1).unwrap();
                let so_it_stood = logs.iter().any(|log| log.get(at) == Some(entry));
                assert!(so_it_stood, "{entry:?} was not so in {logs:#?}");
            }
        }
    }
}

/// The numbers of a page, straight from the port's contract.
fn reference(log: &[Arc<Entry>], page: Page, limit: usize) -> Vec<u64> {
    let all = seqs(log);
    let newest = |all: Vec<u64>| all[all.len().saturating_sub(limit)..].to_vec();
    match page {
        Page::Newest => newest(all),
        Page::Before(seq) => newest(all.into_iter().filter(|n| *n < seq.0).collect()),
        Page::After(seq) => all.into_iter().filter(|n| *n > seq.0).take(limit).collect(),
        Page::Around(seq) if seq.0 > all.len() as u64 => newest(all),
        Page::Around(seq) => {
            let older = all
                .iter()
                .rev()
                .filter(|n| **n < seq.0)
                .take(limit / 2)
                .count() as u64;
            let first = seq.0.max(1) - older;
            all.into_iter()
                .filter(|n| *n >= first)
                .take(limit)
                .collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Steps of a group run at once; how often each gives way decides on their order.
    #[test]
    fn what_is_read_through_windows_is_what_the_store_says(
        groups in vec(vec((0..24_u8, step()), 1..8), 1..20),
        of_the_store in vec(yields(4), 1..8),
        of_the_cache in vec(yields(16), 1..8),
        held in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let cluster = Arc::new(cluster(if held { Windows::Held } else { Windows::Good }));
            let alice = || cluster.node().actor(user("alice"));
            let actors = [alice(), alice()];
            actors[0].send(&room(), "first").await.unwrap();
            actors[1].view(&room()).await.unwrap();
            cluster.yield_in_the_store(of_the_store);
            cluster.yield_in_the_cache(of_the_cache);
            for group in groups {
                let mut steps = JoinSet::new();
                for (later, step) in group {
                    let step = take(step, actors.clone(), Arc::clone(&cluster));
                    steps.spawn(async move {
                        for _ in 0..later {
                            tokio::task::yield_now().await;
                        }
                        step.await;
                    });
                }
                while let Some(done) = steps.join_next().await {
                    if let Err(error) = done {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
                for node in 0..2 {
                    let read = Step::Read(node, Page::Newest, 200);
                    take(read, actors.clone(), Arc::clone(&cluster)).await;
                }
            }
        });
    }
}
