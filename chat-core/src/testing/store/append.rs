//! Appending: numbers, batches and refusals.

use tokio::task::yield_now;

use super::common::*;

pub(super) async fn numbers_are_1_2_3_in_each_room(h: &dyn StoreHarness) {
    let rooms = [TestRoom::new(h, "one").await, TestRoom::new(h, "two").await];
    for number in 1..=5 {
        for room in &rooms {
            let entry = room.add("alice", text("hello")).await;
            assert_eq!(
                entry.seq,
                Seq(number),
                "numbers are 1, 2, 3, ... in each room"
            );
        }
    }
    for room in &rooms {
        let log = room.log().await;
        assert_eq!(seqs(&log), [1, 2, 3, 4, 5], "and so they stand in the log");
        assert!(log.iter().all(|entry| entry.room == room.id));
    }
}

pub(super) async fn numbers_have_no_gap_under_many_callers_at_once(h: &dyn StoreHarness) {
    let rooms = [TestRoom::new(h, "one").await, TestRoom::new(h, "two").await];
    let send = |caller: usize| {
        let [one, two] = rooms.clone();
        async move {
            let mut answered = Vec::new();
            for round in 0..5 {
                // Every caller has entries for both rooms, and some entries that are refused.
                let body = || text(&format!("{caller} in {round}"));
                let batch = vec![
                    entry(&one.id, "alice", body()),
                    entry(&two.id, "bob", body()),
                    entry(&one.id, "alice", delete(9_999)),
                    entry(&one.id, "carol", body()),
                ];
                for answer in one.store.append(batch).await {
                    answered.extend(answer.ok());
                }
            }
            answered
        }
    };
    let mut answered = at_once((0..16).map(send)).await.concat();
    answered.sort_by(|a, b| (&a.entry.room, a.entry.seq).cmp(&(&b.entry.room, b.entry.seq)));
    let answered: Vec<Arc<Entry>> = answered.into_iter().map(|answer| answer.entry).collect();
    for (room, number) in rooms.iter().zip([160, 80]) {
        let answered: Vec<_> = answered
            .iter()
            .filter(|entry| entry.room == room.id)
            .collect();
        let log = room.log().await;
        assert_eq!(
            seqs(&log),
            (1..=number).collect::<Vec<u64>>(),
            "numbers have no gap, under any number of callers at once"
        );
        assert!(
            answered.into_iter().eq(&log),
            "each caller was told the number under which its entry stands"
        );
        assert_eq!(room.head().await, number, "the head is the newest number");
    }
}

pub(super) async fn a_batch_is_numbered_in_its_order_room_by_room(h: &dyn StoreHarness) {
    let (one, two) = (TestRoom::new(h, "one").await, TestRoom::new(h, "two").await);
    one.fill(2).await;
    let order = [&two, &one, &one, &two, &one, &two];
    let batch = order.map(|room| entry(&room.id, "alice", text("hello")));
    let answers = one.store.append(batch.into()).await;
    let numbers: Vec<u64> = answers
        .into_iter()
        .map(|answer| answer.unwrap().entry.seq.0)
        .collect();
    assert_eq!(
        numbers,
        [1, 3, 4, 2, 5, 3],
        "entries of one batch and room get their numbers in the order in which they stand"
    );
}

pub(super) async fn a_large_batch_is_stored_whole(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let wide = "x".repeat(4_000);
    let batch = (0..2_000).map(|n| {
        entry(
            &room.id,
            ["alice", "bob"][n % 2],
            text(if n % 100 == 0 { &wide } else { "hello" }),
        )
    });
    let batch: Vec<NewEntry> = batch.collect();
    let answers = room.store.append(batch.clone()).await;
    assert_eq!(answers.len(), batch.len(), "each entry gets one answer");
    let log = room.log().await;
    let given = batch
        .into_iter()
        .zip(1..)
        .map(|(new, seq)| new.numbered(Seq(seq)));
    assert!(
        given.eq(log.iter().map(|entry| (**entry).clone())),
        "nothing is lost, whatever the size"
    );
}

pub(super) async fn answers_come_in_the_order_of_the_batch(h: &dyn StoreHarness) {
    let (one, two) = (TestRoom::new(h, "one").await, TestRoom::new(h, "two").await);
    let again = entry(&two.id, "bob", text("before"));
    two.append(again.clone()).await;
    let batch = vec![
        entry(&one.id, "alice", text("first")),
        entry(&room_id("none"), "alice", text("nowhere")),
        retry_of(&again),
        entry(&one.id, "alice", delete(7)),
        entry(&two.id, "alice", text("last")),
    ];
    let answers = one.store.append(batch.clone()).await;
    assert!(
        matches!(
            answers[..],
            [
                Ok(Appended {
                    outcome: Outcome::Stored,
                    ..
                }),
                Err(AppendError::NoRoom),
                Ok(Appended {
                    outcome: Outcome::Duplicate,
                    ..
                }),
                Err(AppendError::NoTarget),
                Ok(Appended {
                    outcome: Outcome::Stored,
                    ..
                }),
            ]
        ),
        "each entry is answered, in order: {answers:?}"
    );
    for at in [0, 4] {
        let answer = answers[at].as_ref().unwrap();
        assert_eq!(
            answer.entry.id, batch[at].id,
            "each entry gets its own answer"
        );
    }
}

pub(super) async fn an_empty_batch_has_no_answers(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    assert!(
        room.store.append(Vec::new()).await.is_empty(),
        "no entries, no answers"
    );
    assert_eq!(room.head().await, 0, "and no effect");
}

pub(super) async fn an_entry_is_kept_as_it_was_given(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let long = "é".repeat(4_000);
    let texts = [
        "hello",
        "",
        " ",
        "a\0b",
        "it's \"$quoted\" \\ {x: 1} %_",
        "李雷 🦀\r\n\t",
        "NULL",
        "007",
        &long,
    ];
    let mut batch: Vec<_> = texts
        .map(|body| entry(&room.id, "alice", text(body)))
        .into();
    batch.extend(
        [
            edit(1, "it's \0 new"),
            edit(2, ""),
            delete(3),
            joined("bob"),
            left("carol"),
        ]
        .map(|body| entry(&room.id, "alice", body)),
    );
    batch.push(NewEntry {
        client_id: client_id("~!#$%&'*+/=?^`{|}\"\\"),
        ..entry(&room.id, "dave d", text("x"))
    });
    for new in batch {
        let appended = room.append(new.clone()).await;
        let given = new.numbered(appended.entry.seq);
        assert_eq!(
            *appended.entry, given,
            "the answer holds the entry as it was given"
        );
        assert_eq!(
            *room.at(given.seq.0).await,
            given,
            "the log holds the entry as it was given"
        );
        assert_eq!(
            room.find(given.id).await.as_deref(),
            Some(&given),
            "and so it is found"
        );
    }
}

pub(super) async fn a_refused_entry_does_not_stop_the_others(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let none = room_id("none");
    let batch = vec![
        entry(&none, "alice", text("refused")),
        entry(&room.id, "alice", text("one")),
        entry(&room.id, "alice", edit(9, "refused")),
        entry(&room.id, "alice", text("two")),
        entry(&none, "alice", text("refused")),
        entry(&room.id, "alice", delete(9)),
        entry(&room.id, "alice", text("three")),
        entry(&room.id, "bob", delete(1)),
    ];
    let answers = room.store.append(batch).await;
    let accepted: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(
        accepted,
        [false, true, false, true, false, false, true, false],
        "one entry that is refused doesn't stop the others"
    );
    let log = room.log().await;
    assert_eq!(
        bodies(&log),
        ["one", "two", "three"].map(text),
        "the others are stored"
    );
    assert_eq!(seqs(&log), [1, 2, 3], "and the refused ones leave no gap");
}

pub(super) async fn a_refused_entry_leaves_no_trace_and_no_gap(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let refused = entry(&room.id, "alice", edit(1, "too early"));
    let answer = room.try_append(refused.clone()).await;
    assert!(matches!(answer, Err(AppendError::NoTarget)), "{answer:?}");
    assert_eq!(room.head().await, 0, "a refused entry takes no number");
    assert_eq!(
        room.find(refused.id).await,
        None,
        "a refused entry is not found"
    );
    assert_eq!(
        room.add("alice", text("one")).await.seq,
        Seq(1),
        "it leaves no gap"
    );
    let again = room.append(refused).await;
    assert_eq!(
        again.outcome,
        Outcome::Stored,
        "its client message id was not used up"
    );
    assert_eq!(again.entry.seq, Seq(2));
}

pub(super) async fn an_entry_for_no_room_is_refused_and_makes_none(h: &dyn StoreHarness) {
    let store = h.store();
    let id = room_id("alice,bob");
    for body in [
        text("hello"),
        edit(1, "x"),
        delete(1),
        joined("alice"),
        left("alice"),
    ] {
        let answer = store
            .append(vec![entry(&id, "alice", body)])
            .await
            .remove(0);
        assert!(
            matches!(answer, Err(AppendError::NoRoom)),
            "the room doesn't exist: {answer:?}"
        );
    }
    assert_eq!(
        store.room(&id).await.unwrap(),
        None,
        "a refused entry makes no room"
    );
}

pub(super) async fn a_reader_never_sees_a_hole(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let act = |n: usize| {
        let room = room.clone();
        async move {
            for _ in 0..15 {
                // The tasks take turns, also with a store that never waits.
                yield_now().await;
                if n < 4 {
                    room.fill(2).await;
                    continue;
                }
                let head = room.head().await;
                let log = room.log().await;
                let seen = u64::try_from(log.len()).unwrap();
                let expected: Vec<u64> = (1..=seen).collect();
                assert_eq!(
                    seqs(&log),
                    expected,
                    "a page has no hole between its entries"
                );
                assert!(seen >= head, "what was the head is in the log");
            }
        }
    };
    at_once((0..6).map(act)).await;
    assert_eq!(room.head().await, 120);
}

pub(super) async fn a_dropped_append_leaves_all_or_nothing(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.add("alice", text("first")).await;
    let mut sent = Vec::new();
    for round in 0..20 {
        let new = entry(&room.id, "alice", edit(1, &format!("edit {round}")));
        let append = room.store.append(vec![new.clone()]);
        // The future is polled for at most 150 µs, and then dropped.
        let patience = Duration::from_micros(50 * (round % 4));
        drop(tokio::time::timeout(patience, append).await);
        sent.push(new);
    }
    for new in &sent {
        room.append(retry_of(new)).await;
    }
    let log = room.log().await;
    assert_eq!(
        seqs(&log),
        (1..=21).collect::<Vec<u64>>(),
        "no call left half of an effect: each retry is there once, without a gap"
    );
    let last = log.last().expect("entries");
    let EntryBody::Edit { text, .. } = &last.body else {
        panic!("the last entry is an edit: {last:?}");
    };
    let body = EntryBody::Message {
        text: Arc::clone(text),
        edited_at: Some(last.at),
    };
    assert_eq!(
        log[0].body, body,
        "an entry and its effects appear together or not at all"
    );
}

pub(super) async fn an_entry_is_found_by_its_id_in_its_room_only(h: &dyn StoreHarness) {
    let (one, two) = (TestRoom::new(h, "one").await, TestRoom::new(h, "two").await);
    let mut entries = Vec::new();
    for room in [&one, &two] {
        entries.push(room.add("alice", text("hello")).await);
        entries.push(room.add("bob", joined("dave")).await);
        entries.push(room.add("bob", text("bye")).await);
    }
    for entry in entries {
        for room in [&one, &two] {
            let own = (entry.room == room.id).then_some(&entry);
            let found = room.find(entry.id).await;
            assert_eq!(
                found.as_ref(),
                own,
                "the entry of this room with this id, and of no other room"
            );
        }
        let nowhere = one.store.find(&room_id("none"), entry.id).await;
        assert_eq!(nowhere.unwrap(), None, "nor of a room that doesn't exist");
    }
    assert_eq!(
        one.find(message_id()).await,
        None,
        "an unknown id is no entry"
    );
}
