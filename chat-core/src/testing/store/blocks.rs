//! Blocks between two users, and the entries that they forbid.

use std::collections::BTreeSet;

use tokio::task::yield_now;

use super::common::*;
use crate::Block;

/// A new block, at another moment than any other.
fn block(by: &str, name: &str) -> Block {
    let number = unique();
    Block {
        by: user(by),
        user: user(name),
        at: time(number),
        last_seen: Some(time(number - 1)),
        watermarks: Watermarks {
            delivered: Seq(number + 1),
            read: Seq(number),
        },
    }
}

async fn stored(h: &dyn StoreHarness, block: &Block) -> Block {
    let stands = h.store().block(block.clone()).await;
    stands.expect("the block is stored")
}

async fn ended(h: &dyn StoreHarness, by: &str, name: &str) -> Option<Block> {
    let ended = h.store().unblock(&user(by), &user(name)).await;
    ended.expect("the block is ended")
}

async fn all_by(h: &dyn StoreHarness, by: &str) -> Vec<Block> {
    let blocks = h.store().blocks_by(&user(by), None, 1_000).await;
    blocks.expect("the blocks are read")
}

async fn all_of(h: &dyn StoreHarness, names: &[&str], by: &[&str]) -> Vec<Block> {
    let [names, by] = [names, by].map(|all| all.iter().map(|one| user(one)).collect::<Vec<_>>());
    let blocks = h.store().blocks_of(&names, &by).await;
    blocks.expect("the blocks are read")
}

pub(super) async fn a_block_is_kept_as_it_was_given_until_it_ends(h: &dyn StoreHarness) {
    let known = block("alice", "bob");
    let unknown = Block {
        last_seen: None,
        ..block("alice", "carol")
    };
    for given in [&known, &unknown] {
        assert_eq!(stored(h, given).await, *given, "the answer");
    }
    assert_eq!(all_by(h, "alice").await, [known.clone(), unknown.clone()]);
    assert_eq!(
        ended(h, "alice", "bob").await,
        Some(known),
        "it is answered at its end"
    );
    assert_eq!(all_by(h, "alice").await, [unknown]);
    assert_eq!(ended(h, "alice", "bob").await, None, "it has ended");
    let again = block("alice", "bob");
    assert_eq!(stored(h, &again).await, again, "a new one");
}

pub(super) async fn a_block_that_stands_stays_as_it_is(h: &dyn StoreHarness) {
    let first = block("alice", "bob");
    stored(h, &first).await;
    assert_eq!(
        stored(h, &block("alice", "bob")).await,
        first,
        "the first is answered"
    );
    assert_eq!(all_by(h, "alice").await, [first], "and it alone stands");
}

pub(super) async fn of_many_blocks_at_once_one_stands_and_all_hear_which(h: &dyn StoreHarness) {
    let calls = (0..8).map(|_| {
        let (store, block) = (h.store(), block("alice", "bob"));
        async move { store.block(block).await.expect("the block is stored") }
    });
    let answers = at_once(calls).await;
    let [stands] = &all_by(h, "alice").await[..] else {
        panic!("one block stands");
    };
    assert!(
        answers.iter().all(|answer| answer == stands),
        "all are answered with the one that stands"
    );
}

pub(super) async fn a_block_has_a_direction(h: &dyn StoreHarness) {
    let (one, other) = (block("alice", "bob"), block("bob", "alice"));
    stored(h, &one).await;
    assert_eq!(ended(h, "bob", "alice").await, None, "there is none yet");
    stored(h, &other).await;
    assert_eq!(ended(h, "alice", "bob").await, Some(one));
    assert_eq!(all_by(h, "alice").await, []);
    assert_eq!(all_by(h, "bob").await, [other], "the other one stays");
}

pub(super) async fn blocks_by_a_user_come_in_pages_in_ascending_order(h: &dyn StoreHarness) {
    for name in ["dave", "bob", "b", "carol", "Zoe"] {
        stored(h, &block("alice", name)).await;
    }
    stored(h, &block("alice2", "eve")).await;
    stored(h, &block("a", "eve")).await;
    for (after, limit, expected) in [
        (None, 9, &["Zoe", "b", "bob", "carol", "dave"][..]),
        (None, 2, &["Zoe", "b"]),
        (Some("b"), 2, &["bob", "carol"]),
        (Some("c"), 9, &["carol", "dave"]),
        (Some("dave"), 9, &[]),
        (None, 0, &[]),
    ] {
        let after = after.map(user);
        let page = h
            .store()
            .blocks_by(&user("alice"), after.as_ref(), limit)
            .await
            .expect("the page is read");
        let names: Vec<_> = page.iter().map(|block| block.user.as_str()).collect();
        assert_eq!(names, expected, "after {after:?}, at most {limit}");
    }
}

pub(super) async fn blocks_of_users_by_others_come_once(h: &dyn StoreHarness) {
    let pairs = [
        ("alice", "bob"),
        ("alice", "carol"),
        ("bob", "alice"),
        ("carol", "dave"),
        ("Alice", "bob"),
    ];
    for (by, name) in pairs {
        stored(h, &block(by, name)).await;
    }
    for (names, by) in [
        (&["alice", "bob"][..], &["alice", "bob"][..]),
        (&["bob", "bob", "dave"], &["alice", "alice", "carol"]),
        (&["bob"], &["alice", "bob", "carol", "Alice"]),
        (&["alice"], &["alice"]),
        (&[], &["alice"]),
        (&["bob"], &[]),
    ] {
        let expected = pairs.into_iter();
        let expected: BTreeSet<_> = expected
            .filter(|(one, other)| by.contains(one) && names.contains(other))
            .collect();
        let found = all_of(h, names, by).await;
        let pair = |block: &Block| (block.by.to_string(), block.user.to_string());
        let found_pairs: Vec<_> = found.iter().map(pair).collect();
        let mut found_pairs: Vec<_> = found_pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        found_pairs.sort_unstable();
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(found_pairs, expected, "of {names:?} by {by:?}");
    }
}

/// An entry that its author needs a right for.
fn needing(room: &TestRoom, author: &str, body: EntryBody) -> NewEntry {
    NewEntry {
        require: Some(Role::Member),
        ..entry(&room.id, author, body)
    }
}

/// True if the store takes an entry; what it doesn't take, it refuses for a block.
async fn is_taken(room: &TestRoom, new: NewEntry) -> bool {
    match room.try_append(new).await {
        Ok(_) => true,
        Err(AppendError::Blocked) => false,
        Err(error) => panic!("an entry is taken or blocked: {error}"),
    }
}

async fn pair(h: &dyn StoreHarness, one: &str, other: &str) -> TestRoom {
    TestRoom::with(h, &format!("{one},{other}"), users([one, other])).await
}

pub(super) async fn a_block_forbids_both_to_write_to_their_room(h: &dyn StoreHarness) {
    let room = pair(h, "alice", "bob").await;
    let others = pair(h, "bob", "carol").await;
    let group = TestRoom::owned(h, "group").await;
    for (by, name) in [("alice", "bob"), ("bob", "alice")] {
        let theirs = [
            room.add("alice", text("by alice")).await.seq.0,
            room.add("bob", text("by bob")).await.seq.0,
        ];
        stored(h, &block(by, name)).await;
        let before = room.log().await;
        let new = needing(&room, "bob", text("hello"));
        for (author, own) in ["alice", "bob"].into_iter().zip(theirs) {
            for body in [text("hello"), edit(own, "other")] {
                let taken = is_taken(&room, needing(&room, author, body.clone())).await;
                assert!(!taken, "{by} has blocked {name}: {author}, {body:?}");
            }
        }
        assert!(!is_taken(&room, new.clone()).await);
        assert_eq!(room.log().await, before, "no trace is left");
        for room in [&others, &group] {
            assert!(
                is_taken(room, needing(room, "bob", text("hello"))).await,
                "another room is not affected"
            );
        }
        assert!(
            is_taken(&room, entry(&room.id, "bob", text("imported"))).await,
            "an entry that requires nothing is not affected"
        );
        for (author, own) in ["alice", "bob"].into_iter().zip(theirs) {
            let deletion = needing(&room, author, delete(own));
            assert!(is_taken(&room, deletion).await, "deletions are allowed");
        }
        ended(h, by, name).await;
        assert!(
            is_taken(&room, new).await,
            "after the end of the block, with an id that was not used up"
        );
    }
}

pub(super) async fn a_retry_is_a_duplicate_whatever_block_there_is_now(h: &dyn StoreHarness) {
    let room = pair(h, "alice", "bob").await;
    let new = needing(&room, "bob", text("hello"));
    let first = room.append(new.clone()).await;
    stored(h, &block("alice", "bob")).await;
    let again = room.append(retry_of(&new)).await;
    assert_eq!(again.outcome, Outcome::Duplicate, "it is stored already");
    assert_eq!(again.entry, first.entry, "it answers with the first");
}

pub(super) async fn nothing_is_stored_after_the_answer_to_a_block(h: &dyn StoreHarness) {
    for round in 0..4 {
        let names = (format!("a{round}"), format!("b{round}"));
        let room = pair(h, &names.0, &names.1).await;
        let mut writers = JoinSet::new();
        for number in 0..4 {
            let (room, author) = (room.clone(), names.1.clone());
            writers.spawn(async move {
                // So that they are not all at the same point when the block comes.
                for _ in 0..number {
                    yield_now().await;
                }
                while is_taken(&room, needing(&room, &author, text("more"))).await {
                    yield_now().await;
                }
            });
        }
        while room.head().await < 8 {
            yield_now().await;
        }
        stored(h, &block(&names.0, &names.1)).await;
        let head = room.head().await;
        while writers.join_next().await.is_some() {}
        assert_eq!(room.head().await, head, "nothing follows the block");
    }
}

pub(super) async fn blocks_are_there_after_a_restart(h: &dyn StoreHarness) {
    pair(h, "alice", "bob").await;
    let given = block("alice", "bob");
    stored(h, &given).await;
    if h.reopen().await {
        assert_eq!(all_by(h, "alice").await, [given]);
        let (store, id) = (h.store(), room_id("alice,bob"));
        let room = TestRoom { store, id };
        assert!(!is_taken(&room, needing(&room, "bob", text("hello"))).await);
    }
}

pub(super) async fn a_block_that_was_answered_is_there_after_a_crash(h: &dyn StoreHarness) {
    let given = block("alice", "bob");
    stored(h, &given).await;
    if h.crash().await {
        assert_eq!(all_by(h, "alice").await, [given]);
    }
}
