//! Duplicates: a client message id is stored once per author and room.

use super::common::*;

pub(super) async fn a_retry_answers_with_the_first_entry(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let new = entry(&room.id, "alice", text("hello"));
    let first = room.append(new.clone()).await;
    assert_eq!(first.outcome, Outcome::Stored, "the first is new");
    room.add("bob", text("in between")).await;
    for _ in 0..3 {
        let again = room.append(retry_of(&new)).await;
        assert_eq!(
            again.outcome,
            Outcome::Duplicate,
            "the same author's same client message id is a duplicate"
        );
        assert_eq!(again.entry, first.entry, "it answers with the first entry");
    }
}

pub(super) async fn a_retry_stores_nothing(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let new = entry(&room.id, "alice", text("hello"));
    let first = room.append(new.clone()).await.entry;
    let again = NewEntry {
        body: text("something else"),
        ..retry_of(&new)
    };
    let id = again.id;
    room.append(again).await;
    assert_eq!(room.log().await, [first], "a duplicate stores nothing");
    assert_eq!(room.head().await, 1, "a duplicate takes no number");
    assert_eq!(
        room.find(id).await,
        None,
        "the retry's own id names nothing"
    );
    let next = room.add("alice", text("next")).await;
    assert_eq!(next.seq, Seq(2), "a duplicate leaves no gap");
}

pub(super) async fn a_duplicate_inside_a_batch_answers_with_the_first_entry(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let new = entry(&room.id, "alice", text("hello"));
    let batch = vec![
        new.clone(),
        retry_of(&new),
        entry(&room.id, "alice", text("other")),
        NewEntry {
            body: text("something else"),
            ..retry_of(&new)
        },
    ];
    let answers = room.store.append(batch).await;
    let answers: Vec<Appended> = answers.into_iter().map(Result::unwrap).collect();
    let outcomes: Vec<Outcome> = answers.iter().map(|answer| answer.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Stored,
            Outcome::Duplicate,
            Outcome::Stored,
            Outcome::Duplicate
        ],
        "what stands earlier in the batch counts as there already"
    );
    for at in [1, 3] {
        assert_eq!(
            answers[at].entry, answers[0].entry,
            "it answers with the first entry"
        );
    }
    let log = room.log().await;
    assert_eq!(
        bodies(&log),
        ["hello", "other"].map(text),
        "and stores nothing"
    );
    assert_eq!(seqs(&log), [1, 2], "and leaves no gap");
}

pub(super) async fn retries_at_once_are_stored_once(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    for round in 1..=8 {
        let new = entry(&room.id, "alice", text("hello"));
        let send = |_| {
            let (room, new) = (room.clone(), retry_of(&new));
            async move { room.append(new).await }
        };
        let answers = at_once((0..16).map(send)).await;
        let stored = answers
            .iter()
            .filter(|answer| answer.outcome == Outcome::Stored);
        assert_eq!(stored.count(), 1, "of many at once, one is new");
        for answer in &answers {
            assert_eq!(
                answer.entry, answers[0].entry,
                "all answer with the first entry"
            );
        }
        assert_eq!(room.head().await, round, "it is stored once");
    }
}

pub(super) async fn a_client_id_is_known_however_many_follow(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let new = entry(&room.id, "alice", text("hello"));
    let first = room.append(new.clone()).await.entry;
    for _ in 0..3 {
        // These entries are by the same author.
        room.fill(700).await;
        let again = room.append(retry_of(&new)).await;
        assert_eq!(
            again.outcome,
            Outcome::Duplicate,
            "a client message id is never forgotten"
        );
        assert_eq!(again.entry, first, "it answers with the first entry");
    }
}

/// Appends the entries, and returns which of them are new.
async fn new_ones<const N: usize>(store: &dyn Store, batch: [NewEntry; N]) -> [bool; N] {
    let answers = store.append(batch.into()).await;
    let new: Vec<bool> = answers
        .into_iter()
        .map(|a| a.unwrap().outcome == Outcome::Stored)
        .collect();
    new.try_into().expect("each entry gets one answer")
}

pub(super) async fn a_client_id_belongs_to_one_author(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let mine = entry(&room.id, "alice", text("mine"));
    let theirs = NewEntry {
        author: user("bob"),
        body: text("theirs"),
        ..retry_of(&mine)
    };
    let other_case = NewEntry {
        author: user("Alice"),
        ..retry_of(&mine)
    };
    let batch = [
        mine.clone(),
        theirs.clone(),
        other_case,
        retry_of(&mine),
        retry_of(&theirs),
    ];
    assert_eq!(
        new_ones(&*room.store, batch).await,
        [true, true, true, false, false],
        "another author's same client message id is not a duplicate"
    );
    let again = room.append(retry_of(&theirs)).await.entry;
    assert_eq!(
        again.author,
        user("bob"),
        "a retry answers with the author's own entry"
    );
}

pub(super) async fn a_client_id_belongs_to_one_room(h: &dyn StoreHarness) {
    let (one, two) = (TestRoom::new(h, "one").await, TestRoom::new(h, "two").await);
    let here = entry(&one.id, "alice", text("here"));
    let there = NewEntry {
        room: two.id.clone(),
        body: text("there"),
        ..retry_of(&here)
    };
    let batch = [
        here.clone(),
        there.clone(),
        retry_of(&here),
        retry_of(&there),
    ];
    assert_eq!(
        new_ones(&*one.store, batch).await,
        [true, true, false, false],
        "the same client message id in another room is not a duplicate"
    );
    let again = two.append(retry_of(&there)).await.entry;
    assert_eq!(
        again.room, two.id,
        "a retry answers with the entry of its room"
    );
}

pub(super) async fn a_client_id_is_told_apart_to_the_letter(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let new = entry(&room.id, "alice", text("hello"));
    let batch = ["a", "A", "a_", "aX", "a%", "1", "01"].map(|id| NewEntry {
        client_id: client_id(id),
        ..retry_of(&new)
    });
    assert_eq!(
        new_ones(&*room.store, batch).await,
        [true; 7],
        "client message ids that look alike are different"
    );
}

pub(super) async fn a_client_id_counts_for_entries_of_all_kinds(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(2).await;
    for body in [edit(1, "new"), delete(2), joined("dave"), left("dave")] {
        let new = entry(&room.id, "alice", body);
        let first = room.append(new.clone()).await.entry;
        let again = NewEntry {
            body: text("something else"),
            ..retry_of(&new)
        };
        let again = room.append(again).await;
        assert_eq!(
            again.outcome,
            Outcome::Duplicate,
            "whatever the first one was"
        );
        assert_eq!(again.entry, first, "it answers with the first entry");
    }
    assert_eq!(room.head().await, 6);
}

pub(super) async fn a_duplicate_has_no_effects(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.add("alice", text("one")).await;
    let new = entry(&room.id, "alice", edit(1, "two"));
    room.append(new.clone()).await;
    room.add("alice", edit(1, "three")).await;
    let now = room.log().await;
    for body in [
        new.body.clone(),
        edit(1, "four"),
        delete(1),
        joined("dave"),
        left("bob"),
    ] {
        room.append(NewEntry {
            body,
            ..retry_of(&new)
        })
        .await;
        assert_eq!(room.log().await, now, "a duplicate changes no entry");
        assert_eq!(
            room.members().await,
            users(["alice", "bob", "carol"]),
            "a duplicate moves no member"
        );
    }
}

pub(super) async fn a_retried_deletion_is_a_duplicate_too(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(1).await;
    let edited = entry(&room.id, "alice", edit(1, "new"));
    let deleted = entry(&room.id, "alice", delete(1));
    room.append(edited.clone()).await;
    let first = room.append(deleted.clone()).await.entry;
    let again = room.append(retry_of(&deleted)).await;
    assert_eq!(
        again.outcome,
        Outcome::Duplicate,
        "though its target is deleted by now"
    );
    assert_eq!(again.entry, first, "it answers with the first entry");
    let again = room.append(retry_of(&edited)).await;
    assert_eq!(
        again.outcome,
        Outcome::Duplicate,
        "the retry of an edit is one too"
    );
    assert_eq!(
        again.entry.body,
        EntryBody::Deleted,
        "and shows nothing of the text"
    );
}

pub(super) async fn a_retry_answers_with_the_entry_as_it_stands_now(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let new = entry(&room.id, "alice", text("one"));
    room.append(new.clone()).await;
    for body in [edit(1, "two"), delete(1)] {
        room.add("alice", body).await;
        let again = room.append(retry_of(&new)).await.entry;
        assert_eq!(again, room.at(1).await, "the entry as it stands in the log");
    }
}
