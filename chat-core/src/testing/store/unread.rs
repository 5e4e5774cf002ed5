//! Unread counts: the number of messages that a member has not read.

use super::common::*;
use crate::UNREAD_CAP;

impl TestRoom {
    async fn unread(&self, name: &str) -> u64 {
        self.membership(name).await.expect("a member").unread
    }

    async fn read(&self, name: &str, upto: u64) {
        self.receipt(name, Mark::Read, upto).await;
    }
}

pub(super) async fn unread_counts_messages_of_others_after_read(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    assert_eq!(
        room.unread("bob").await,
        0,
        "nothing is unread in an empty room"
    );
    for author in ["alice", "bob", "carol", "alice", "bob"] {
        room.add(author, text("hello")).await;
    }
    let counts = |message: &'static str, expected: [u64; 3]| {
        let room = &room;
        async move {
            let found = [
                room.unread("alice").await,
                room.unread("bob").await,
                room.unread("carol").await,
            ];
            assert_eq!(found, expected, "unread of alice, bob, carol: {message}");
        }
    };
    counts("one's own messages don't count", [3, 3, 4]).await;
    room.read("bob", 3).await;
    counts(
        "only what stands after the read watermark, of this user",
        [3, 1, 4],
    )
    .await;
    room.receipt("carol", Mark::Delivered, 5).await;
    counts("what is delivered is not yet read", [3, 1, 4]).await;
    room.read("bob", 5).await;
    counts("nothing after the newest", [3, 0, 4]).await;
    room.add("carol", text("more")).await;
    counts("what comes later counts", [4, 1, 4]).await;
}

pub(super) async fn unread_does_not_count_edits_deletions_and_members(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(2).await;
    for body in [edit(1, "better"), joined("dave"), left("dave")] {
        room.add("alice", body).await;
    }
    assert_eq!(
        room.unread("bob").await,
        2,
        "edits and members coming and going don't count"
    );
    room.add("alice", delete(2)).await;
    assert_eq!(room.unread("bob").await, 1, "deletions don't count");
    room.read("bob", 2).await;
    assert_eq!(
        room.unread("bob").await,
        0,
        "an edit doesn't make a read message unread"
    );
}

pub(super) async fn unread_does_not_count_deleted_messages(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(3).await;
    room.read("bob", 1).await;
    room.add("alice", edit(3, "better")).await;
    assert_eq!(room.unread("bob").await, 2, "an edited message counts once");
    room.add("alice", delete(3)).await;
    assert_eq!(
        room.unread("bob").await,
        1,
        "a deleted message doesn't count"
    );
    room.add("alice", delete(1)).await;
    assert_eq!(
        room.unread("bob").await,
        1,
        "one that was read before didn't count anyway"
    );
}

pub(super) async fn unread_stops_at_the_cap(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let cap = usize::try_from(UNREAD_CAP).unwrap();
    room.fill(cap - 1).await;
    for _ in 0..5 {
        room.add("bob", text("mine")).await;
    }
    assert_eq!(
        room.unread("bob").await,
        UNREAD_CAP - 1,
        "up to the cap it is exact"
    );
    room.fill(1).await;
    assert_eq!(
        room.unread("bob").await,
        UNREAD_CAP,
        "up to the cap it is exact"
    );
    room.fill(3).await;
    assert_eq!(
        room.unread("bob").await,
        UNREAD_CAP,
        "counting stops at the cap"
    );
    room.read("bob", 3).await;
    assert_eq!(
        room.unread("bob").await,
        UNREAD_CAP,
        "reading goes from the real number"
    );
    room.read("bob", 4).await;
    assert_eq!(
        room.unread("bob").await,
        UNREAD_CAP - 1,
        "and comes below the cap"
    );
}
