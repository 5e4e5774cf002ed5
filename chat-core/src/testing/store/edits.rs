//! The effects of edits and deletions on their targets.

use tokio::task::yield_now;

use super::common::*;

fn edited(text: &str, by: &Entry) -> EntryBody {
    EntryBody::Message {
        text: text.into(),
        edited_at: Some(by.at),
    }
}

async fn refused(room: &TestRoom, author: &str, body: EntryBody, why: &str) {
    let before = room.log().await;
    let answer = room.try_append(entry(&room.id, author, body)).await;
    assert!(
        matches!(answer, Err(AppendError::NoTarget)),
        "{why} is no target: {answer:?}"
    );
    assert_eq!(room.log().await, before, "a refused entry leaves no trace");
}

pub(super) async fn an_edit_gives_its_target_the_new_text(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(3).await;
    let edit = room.add("alice", edit(2, "better")).await;
    let target = room.at(2).await;
    assert_eq!(
        target.body,
        edited("better", &edit),
        "an edit gives its target the new text and sets edited_at to its own time"
    );
    assert_eq!(
        room.find(target.id).await,
        Some(target),
        "wherever it is read"
    );
}

pub(super) async fn an_edit_leaves_all_else_as_it_was(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(3).await;
    let mut expected = room.log().await;
    let edit = room.add("alice", edit(2, "better")).await;
    Arc::make_mut(&mut expected[1]).body = edited("better", &edit);
    expected.push(edit);
    assert_eq!(
        room.log().await,
        expected,
        "number, id, author and time of the target, and other entries, stay"
    );
}

pub(super) async fn a_second_edit_replaces_the_first(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(1).await;
    for new in ["two", "three", ""] {
        let edit = room.add("alice", edit(1, new)).await;
        assert_eq!(
            room.at(1).await.body,
            edited(new, &edit),
            "the newest edit counts"
        );
    }
}

pub(super) async fn an_edit_is_an_entry_of_its_own(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(1).await;
    let appended = room.add("alice", edit(1, "better")).await;
    assert_eq!(appended.seq, Seq(2), "an edit has a number of its own");
    assert_eq!(room.at(2).await, appended, "and stands in the log");
    assert_eq!(appended.body, edit(1, "better"));
}

pub(super) async fn a_deletion_leaves_nothing_of_the_text(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let first = entry(&room.id, "alice", text("secret"));
    let second = entry(&room.id, "alice", edit(1, "secret too"));
    let third = entry(&room.id, "alice", edit(1, "also secret"));
    let sent = [first, second, third];
    for new in sent.clone() {
        room.append(new).await;
    }
    room.add("bob", text("between")).await;
    let deletion = room.add("alice", delete(1)).await;
    assert_eq!(deletion.seq, Seq(5), "a deletion has a number of its own");
    let expected = [
        EntryBody::Deleted,
        EntryBody::Deleted,
        EntryBody::Deleted,
        text("between"),
        delete(1),
    ];
    let log = room.log().await;
    assert_eq!(
        bodies(&log),
        expected,
        "the target and all edits of it are Deleted"
    );
    assert_eq!(seqs(&log), [1, 2, 3, 4, 5], "they keep their numbers");
    for new in &sent {
        let found = room.find(new.id).await.expect("they keep their ids");
        assert_eq!(found.body, EntryBody::Deleted, "the text can't be found");
        let again = room.append(retry_of(new)).await.entry;
        assert_eq!(
            again.body,
            EntryBody::Deleted,
            "a retry doesn't tell the text"
        );
    }
    for page in [Page::Newest, Page::Before(Seq(6)), Page::Around(Seq(2))] {
        let page = bodies(&room.page(page, 10).await);
        assert_eq!(page, expected, "no page shows the text");
    }
}

pub(super) async fn a_deletion_leaves_other_messages_alone(h: &dyn StoreHarness) {
    let (room, other) = (
        TestRoom::new(h, "group").await,
        TestRoom::new(h, "other").await,
    );
    for room in [&room, &other] {
        for body in [text("one"), text("two"), edit(1, "one!"), edit(2, "two!")] {
            room.add("alice", body).await;
        }
    }
    let (before, elsewhere) = (room.log().await, other.log().await);
    room.add("alice", delete(1)).await;
    let after = room.log().await;
    for at in [1, 3] {
        assert_eq!(after[at], before[at], "other messages and their edits stay");
    }
    assert_eq!(other.log().await, elsewhere, "other rooms stay");
}

pub(super) async fn an_edit_and_its_target_may_stand_in_one_batch(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let batch = [
        text("one"),
        edit(1, "two"),
        text("three"),
        edit(3, "four"),
        delete(3),
        edit(3, "five"),
    ];
    let batch = batch.map(|body| entry(&room.id, "alice", body));
    let answers = room.store.append(batch.to_vec()).await;
    let accepted: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(
        accepted,
        [true, true, true, true, true, false],
        "entries of a batch take effect in the order in which they stand"
    );
    let expected = [
        EntryBody::Message {
            text: "two".into(),
            edited_at: Some(batch[1].at),
        },
        edit(1, "two"),
        EntryBody::Deleted,
        EntryBody::Deleted,
        delete(3),
    ];
    assert_eq!(
        bodies(&room.log().await),
        expected,
        "and all effects are there"
    );
}

pub(super) async fn what_is_no_message_has_no_edits_and_deletions(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    for body in [
        text("one"),
        text("two"),
        edit(1, "x"),
        delete(2),
        joined("dave"),
        left("dave"),
    ] {
        room.add("alice", body).await;
    }
    let targets = [
        (0, "what stands before the first"),
        (3, "an edit"),
        (4, "a deletion"),
        (5, "a joining"),
        (6, "a leaving"),
        (7, "the entry itself"),
        (8, "what isn't there yet"),
        (i64::MAX.unsigned_abs(), "the greatest number"),
        (u64::MAX, "a number beyond all"),
    ];
    for (target, why) in targets {
        refused(&room, "alice", edit(target, "y"), why).await;
        refused(&room, "alice", delete(target), why).await;
    }
}

pub(super) async fn what_is_deleted_has_no_edits_and_deletions(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    for body in [text("one"), edit(1, "two"), delete(1)] {
        room.add("alice", body).await;
    }
    for target in [1, 2] {
        refused(&room, "alice", edit(target, "y"), "what is deleted").await;
        refused(&room, "alice", delete(target), "what is deleted").await;
    }
}

pub(super) async fn what_is_by_somebody_else_has_no_edits_and_deletions(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(1).await;
    for author in ["bob", "Alice"] {
        refused(&room, author, edit(1, "y"), "somebody else's message").await;
        refused(&room, author, delete(1), "somebody else's message").await;
    }
}

pub(super) async fn a_target_is_looked_for_in_its_room_only(h: &dyn StoreHarness) {
    let (room, other) = (
        TestRoom::new(h, "group").await,
        TestRoom::new(h, "other").await,
    );
    other.fill(3).await;
    let elsewhere = other.log().await;
    refused(&room, "alice", edit(1, "y"), "another room's message").await;
    refused(&room, "alice", delete(1), "another room's message").await;
    room.fill(1).await;
    room.add("alice", edit(1, "y")).await;
    assert_eq!(
        other.log().await,
        elsewhere,
        "another room's message stays as it is"
    );
}

pub(super) async fn an_edit_and_its_effect_appear_together(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.add("alice", text("edit 1")).await;
    let act = |n: usize| {
        let room = room.clone();
        async move {
            for round in 2..40 {
                // The tasks take turns, also with a store that never waits.
                yield_now().await;
                if n == 0 {
                    room.add("alice", edit(1, &format!("edit {round}"))).await;
                    continue;
                }
                let log = room.log().await;
                let EntryBody::Message { text, .. } = &log[0].body else {
                    panic!("a message stays a message: {:?}", log[0]);
                };
                let expected = format!("edit {}", log.len());
                assert_eq!(
                    **text, *expected,
                    "an entry and its effects appear together"
                );
            }
        }
    };
    at_once((0..3).map(act)).await;
}

pub(super) async fn edits_racing_with_a_deletion_leave_no_text(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    for round in 0..8 {
        let target = room.add("alice", text("secret")).await.seq.0;
        let act = |n: usize| {
            let (room, body) = (
                room.clone(),
                if n == 5 {
                    delete(target)
                } else {
                    edit(target, "secret too")
                },
            );
            async move {
                room.try_append(entry(&room.id, "alice", body))
                    .await
                    .is_ok()
            }
        };
        let accepted = at_once((0..12).map(act)).await;
        assert!(accepted[5], "the deletion is accepted, whenever it comes");
        let log = room.log().await;
        for entry in &log {
            assert!(
                matches!(entry.body, EntryBody::Deleted | EntryBody::Delete { .. }),
                "an edit comes before the deletion and is deleted, or after it and is refused \
                 (round {round}): {entry:?}"
            );
        }
    }
}
