//! Deleting rooms and erasing users.

use super::common::*;
use crate::{
    Invite, InviteId, InviteToken, LeftWhy, NewDecision, Reason, Ruling, Via,
    model::{Block, Look},
};

fn name() -> UserId {
    user("erased-1")
}

async fn about(h: &dyn StoreHarness, name: &str, after: Option<&str>, limit: usize) -> String {
    let after = after.map(room_id);
    let rooms = h
        .store()
        .rooms_about(&user(name), after.as_ref(), limit)
        .await;
    let rooms = rooms.expect("the rooms are read").into_iter();
    let ids: Vec<_> = rooms.map(|room| room.to_string()).collect();
    ids.join(" ")
}

fn invite(room: &RoomId, by: &str) -> Invite {
    let number = unique();
    Invite {
        id: InviteId(Uuid::from_u128(u128::from(number))),
        room: room.clone(),
        token: InviteToken::new(format!("token{number}")).expect("a valid token"),
        by: user(by),
        role: Role::Member,
        created_at: time(0),
        expires_at: None,
        uses_left: None,
    }
}

/// A group of alice, who owns it, and bob, in which bob has done a bit of everything.
async fn with_deeds_of_bob(h: &dyn StoreHarness) -> TestRoom {
    let new = NewRoom {
        members: users(["alice", "bob"]),
        ..new_room("team")
    };
    let room = TestRoom::of(h, new).await;
    room.add("alice", text("one")).await;
    room.add("bob", text("two")).await;
    room.add("bob", edit(2, "better")).await;
    room.add("bob", text("three")).await;
    room.add("bob", delete(4)).await;
    room.add("bob", joined("carol")).await;
    room.add("alice", role("bob", Role::Reader)).await;
    room.receipt("bob", Mark::Read, 3).await;
    let added = h.store().add_invite(invite(&room.id, "bob")).await;
    added.expect("it is added");
    let out = EntryBody::Left {
        user: user("bob"),
        why: LeftWhy::Removed,
    };
    room.add("alice", out).await;
    room
}

pub(super) async fn a_deleted_room_is_gone_and_can_be_made_anew(h: &dyn StoreHarness) {
    let pair = users(["alice", "bob"]);
    let room = TestRoom::with(h, "alice,bob", pair.clone()).await;
    let other = TestRoom::with(h, "alice,carol", users(["alice", "carol"])).await;
    for room in [&room, &other] {
        room.fill(3).await;
        room.receipt("bob", Mark::Read, 2).await;
    }
    let first = room.at(1).await;
    let added = h.store().add_invite(invite(&room.id, "alice")).await;
    added.expect("it is added");
    let epoch = room.room().await.epoch;
    let delete = async |epoch| h.store().delete_room(&room.id, epoch).await;
    assert!(
        !delete(self::epoch()).await.expect("it is asked"),
        "another epoch"
    );
    assert_eq!(room.head().await, 3, "and it stays");
    assert!(delete(epoch).await.expect("it is deleted"));
    assert!(!delete(epoch).await.expect("it is asked"), "once");
    assert_eq!(room.store.room(&room.id).await.expect("it is read"), None);
    assert_eq!(room.log().await, []);
    assert_eq!(room.find(first.id).await, None);
    assert_eq!(room.members().await, []);
    assert_eq!(room.membership("bob").await, None);
    assert_eq!(room.marks("bob").await, Watermarks::default());
    let invites = room.store.invites(&room.id, None, 9).await;
    assert_eq!(invites.expect("they are read"), []);
    let late = room
        .try_append(entry(&room.id, "alice", text("late")))
        .await;
    assert!(matches!(late, Err(AppendError::NoRoom)), "{late:?}");
    let anew = TestRoom::with(h, "alice,bob", pair.clone()).await;
    assert_eq!(anew.add("alice", text("anew")).await.seq, Seq(1));
    assert_eq!(anew.members().await, pair);
    assert!(
        !delete(epoch).await.expect("it is asked"),
        "the new one stays"
    );
    assert_eq!(anew.log().await.len(), 1);
    assert_eq!(other.log().await.len(), 3, "others stay");
    assert_eq!(other.members().await, users(["alice", "carol"]));
}

pub(super) async fn rooms_about_a_user_hold_something_of_them(h: &dyn StoreHarness) {
    let group = |name: &str| NewRoom {
        members: users(["alice", "zoe"]),
        ..new_room(name)
    };
    for name in ["a", "b", "c", "d", "e", "f", "nothing"] {
        TestRoom::of(h, group(name)).await;
    }
    let room = |name: &str| {
        let (id, store) = (room_id(name), h.store());
        async move { (id, store) }
    };
    let append = async |name: &str, author: &str, body: EntryBody| {
        let (id, store) = room(name).await;
        let answers = store.append(vec![entry(&id, author, body)]).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    };
    append("a", "alice", joined("bob")).await;
    append("b", "alice", joined("bob")).await;
    append("b", "alice", left("bob")).await;
    append("c", "bob", text("hello")).await;
    let (id, store) = room("d").await;
    append("d", "alice", text("hello")).await;
    let moved = store.advance(&id, &user("bob"), Mark::Read, Seq(1)).await;
    moved.expect("it is stored");
    let added = store.add_invite(invite(&room_id("e"), "bob")).await;
    added.expect("it is added");
    TestRoom::of(
        h,
        NewRoom {
            created_by: Some(user("bob")),
            ..group("g")
        },
    )
    .await;
    TestRoom::with(h, "bob,zoe", users(["bob", "zoe"])).await;
    assert_eq!(about(h, "bob", None, 99).await, "a b bob,zoe c d e g");
    assert_eq!(about(h, "bob", None, 2).await, "a b");
    assert_eq!(about(h, "bob", Some("bob,zoe"), 2).await, "c d");
    assert_eq!(about(h, "bo", None, 99).await, "", "to the letter");
}

pub(super) async fn entries_about_a_user_come_in_ascending_order(h: &dyn StoreHarness) {
    let room = with_deeds_of_bob(h).await;
    let numbers = async |name: &str, after, limit| {
        let name = user(name);
        let found = room.store.entries_about(&room.id, &name, Seq(after), limit);
        let found = found.await.expect("they are read");
        for entry in &found {
            assert_eq!(*entry, room.at(entry.seq.0).await, "as they stand");
        }
        seqs(&found)
    };
    assert_eq!(numbers("bob", 0, 99).await, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(numbers("bob", 2, 2).await, [3, 4]);
    assert_eq!(numbers("carol", 0, 99).await, [6]);
    assert!(numbers("dave", 0, 99).await.is_empty());
}

pub(super) async fn an_erased_user_is_gone_from_a_room_and_no_number_is_missing(
    h: &dyn StoreHarness,
) {
    let room = with_deeds_of_bob(h).await;
    let other = TestRoom::of(h, new_room("other")).await;
    other.add("bob", text("elsewhere")).await;
    let before = room.log().await;
    let store = h.store();
    for _ in 0..2 {
        let erased = store.erase_in(&room.id, &user("bob"), &name()).await;
        erased.expect("it is erased");
        let after = room.log().await;
        assert_eq!(seqs(&after), seqs(&before), "no number is missing");
        for (entry, was) in after.iter().zip(&before) {
            let expected = was.without(&user("bob"), &name());
            assert_eq!((entry.id, entry.at), (was.id, was.at));
            assert_eq!(
                (&entry.author, &entry.body),
                (&expected.author, &expected.body)
            );
            let json = serde_json::to_string(entry).expect("JSON");
            assert!(!json.contains("bob") && !json.contains("better"), "{json}");
            let is_own = was.author != entry.author;
            assert_eq!(is_own, was.client_id != entry.client_id, "{entry:?}");
        }
        assert_eq!(after[1].body, EntryBody::Deleted);
        assert_eq!(after[4].body, delete(4), "what changed others stays");
    }
    assert_eq!(room.marks("bob").await, Watermarks::default());
    let invites = store.invites(&room.id, None, 9).await;
    assert_eq!(invites.expect("they are read"), []);
    assert_eq!(about(h, "bob", None, 9).await, "other");
    assert_eq!(room.members().await, users(["alice", "carol"]));
    assert_eq!(room.add("alice", text("on it goes")).await.seq, Seq(9));
    let made = TestRoom::of(
        h,
        NewRoom {
            created_by: Some(user("bob")),
            members: users(["alice"]),
            ..new_room("made")
        },
    )
    .await;
    made.add("bob", role("alice", Role::Owner)).await;
    made.add("alice", left("bob")).await;
    let erased = store.erase_in(&made.id, &user("bob"), &name()).await;
    erased.expect("it is erased");
    assert_eq!(made.room().await.created_by, None);
}

pub(super) async fn an_erased_user_is_gone_from_looks_blocks_and_decisions(h: &dyn StoreHarness) {
    let store = h.store();
    let (alice, bob) = (user("alice"), user("bob"));
    let look = Look::of(&bob);
    store.claim_look(&look, &bob).await.expect("it is claimed");
    for (by, user) in [(&alice, &bob), (&bob, &alice), (&alice, &user("carol"))] {
        let block = Block {
            by: by.clone(),
            user: user.clone(),
            at: time(0),
            last_seen: None,
            watermarks: Watermarks::default(),
        };
        store.block(block).await.expect("it is stored");
    }
    let decide = async |by: &UserId, what: Ruling| {
        let new = NewDecision {
            at: time(1),
            by: by.clone(),
            via: Via::Host,
            address: None,
            reason: Reason::default(),
            client_id: client_id(&format!("c{}", unique())),
            what,
        };
        store.decide(new).await.expect("it is decided")
    };
    let mut decided = Vec::new();
    for ruling in Ruling::examples(&bob) {
        decided.push(decide(&alice, ruling).await);
    }
    decided.push(
        decide(
            &bob,
            Ruling::Kick {
                user: alice.clone(),
            },
        )
        .await,
    );
    for pair in ["alice,bob", "bob,zoe", "alice,bobby"] {
        let room = room_id(pair);
        decided.push(decide(&alice, Ruling::Inspect { room }).await);
    }
    store.erase_user(&bob, &name()).await.expect("it is erased");
    let found = store.decisions(crate::Version::ZERO, 99).await;
    let renamed = decided.into_iter().map(|it| it.renamed(&bob, &name()));
    assert_eq!(found.expect("they are read"), renamed.collect::<Vec<_>>());
    let both = [alice.clone(), bob.clone(), user("carol")];
    let blocks = store.blocks_of(&both, &both).await.expect("they are read");
    let left: Vec<_> = blocks
        .iter()
        .map(|it| (it.by.as_str(), it.user.as_str()))
        .collect();
    assert_eq!(left, [("alice", "carol")]);
    let anew = user("b\u{f6}b");
    let holder = store.claim_look(&look, &anew).await.expect("it is claimed");
    assert_eq!(holder, anew, "the look is free");
}
