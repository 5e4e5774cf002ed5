//! Receipts: the watermarks of each member.

use super::common::*;
use crate::Mark::{Delivered, Read};

fn marks(delivered: u64, read: u64) -> Watermarks {
    Watermarks {
        delivered: Seq(delivered),
        read: Seq(read),
    }
}

pub(super) async fn a_receipt_moves_the_watermark(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    let mut from = marks(0, 0);
    for (mark, upto, to) in [
        (Delivered, 1, marks(1, 0)),
        (Delivered, 3, marks(3, 0)),
        (Read, 2, marks(3, 2)),
        (Read, 5, marks(5, 5)),
    ] {
        assert_eq!(
            room.receipt("bob", mark, upto).await,
            Change::Moved { from, to },
            "a receipt tells from where to where the watermarks moved"
        );
        assert_eq!(room.marks("bob").await, to, "and that is where they stand");
        from = to;
    }
}

pub(super) async fn read_implies_delivered(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    room.receipt("bob", Read, 3).await;
    assert_eq!(
        room.marks("bob").await,
        marks(3, 3),
        "read implies delivered"
    );
}

pub(super) async fn delivered_does_not_imply_read(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    room.receipt("bob", Delivered, 3).await;
    assert_eq!(
        room.marks("bob").await,
        marks(3, 0),
        "delivered does not imply read"
    );
}

pub(super) async fn readers_are_the_members_who_have_read_up_to_the_entry(h: &dyn StoreHarness) {
    let members = users(["alice", "bob", "carol", "dave", "erin"]);
    let room = TestRoom::with(h, "group", members).await;
    room.fill(5).await;
    room.receipt("bob", Read, 3).await;
    room.receipt("carol", Read, 5).await;
    room.receipt("dave", Delivered, 5).await;
    room.receipt("erin", Read, 4).await;
    let readers = async |seq, after: Option<&str>, limit| {
        let after = after.map(user);
        let page = room
            .store
            .readers(&room.id, Seq(seq), after.as_ref(), limit);
        page.await.expect("the readers are read")
    };
    let names = async |seq, after, limit| {
        let readers = readers(seq, after, limit).await.into_iter();
        let names: Vec<_> = readers.map(|it| it.user.to_string()).collect();
        names.join(" ")
    };
    assert_eq!(
        names(3, None, 9).await,
        "bob carol erin",
        "at it, or beyond"
    );
    assert_eq!(names(4, None, 9).await, "carol erin");
    assert_eq!(names(6, None, 9).await, "");
    assert_eq!(names(1, None, 2).await, "bob carol", "at most so many");
    assert_eq!(names(1, Some("bob"), 9).await, "carol erin", "after one");
    assert_eq!(names(1, Some("c"), 1).await, "carol");
    assert_eq!(names(1, None, 0).await, "");
    let carol = readers(5, None, 9).await;
    assert_eq!(carol, [room.member("carol").await.expect("a member")]);
    room.add("alice", left("carol")).await;
    assert_eq!(names(3, None, 9).await, "bob erin", "members only");
    let nowhere = h.store().readers(&room_id("none"), Seq(1), None, 9).await;
    assert_eq!(nowhere.expect("they are read"), []);
}

pub(super) async fn watermarks_never_go_back(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    room.receipt("bob", Delivered, 4).await;
    room.receipt("bob", Read, 3).await;
    for (mark, upto) in [(Read, 2), (Delivered, 2), (Delivered, 0), (Read, 0)] {
        room.receipt("bob", mark, upto).await;
        assert_eq!(
            room.marks("bob").await,
            marks(4, 3),
            "watermarks never go back"
        );
    }
    room.receipt("bob", Read, 4).await;
    assert_eq!(
        room.marks("bob").await,
        marks(4, 4),
        "each goes on by itself"
    );
}

pub(super) async fn a_receipt_beyond_the_head_counts_up_to_the_head(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    for (number, upto) in [(1, 2), (2, 1_000_000), (3, Seq::MAX.0), (4, u64::MAX)] {
        room.fill(1).await;
        room.receipt("bob", Delivered, upto).await;
        assert_eq!(
            room.marks("bob").await,
            marks(number, number - 1),
            "a receipt beyond the head counts up to the head, and not for what comes later"
        );
        room.receipt("bob", Read, upto).await;
        assert_eq!(
            room.marks("bob").await,
            marks(number, number),
            "of both kinds"
        );
    }
}

pub(super) async fn a_receipt_that_moves_nothing_is_unchanged(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let nothing = Change::Unchanged(marks(0, 0));
    assert_eq!(
        room.receipt("bob", Read, 7).await,
        nothing,
        "in an empty room"
    );
    room.fill(5).await;
    assert_eq!(
        room.receipt("bob", Delivered, 0).await,
        nothing,
        "up to before the first"
    );
    room.receipt("bob", Delivered, 4).await;
    room.receipt("bob", Read, 3).await;
    for (mark, upto) in [(Delivered, 4), (Read, 3), (Delivered, 1), (Read, 2)] {
        assert_eq!(
            room.receipt("bob", mark, upto).await,
            Change::Unchanged(marks(4, 3)),
            "a receipt that moves nothing is Unchanged, and tells how things stand"
        );
    }
}

pub(super) async fn a_receipt_in_a_room_that_does_not_exist_is_unchanged(h: &dyn StoreHarness) {
    let (store, none) = (h.store(), room_id("alice,bob"));
    for mark in [Delivered, Read] {
        let change = store.advance(&none, &user("bob"), mark, Seq(3)).await;
        assert_eq!(
            change.unwrap(),
            Change::Unchanged(Watermarks::default()),
            "a receipt in a room that doesn't exist is Unchanged"
        );
    }
    let room = TestRoom::new(h, "alice,bob").await;
    room.fill(5).await;
    assert_eq!(room.marks("bob").await, marks(0, 0), "and leaves no trace");
}

pub(super) async fn receipts_at_once_are_all_counted(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(24).await;
    let names = ["alice", "bob", "carol"];
    let send = |n: usize| {
        let (room, name) = (room.clone(), names[n % 3]);
        // Each number occurs once per user and mark, and the highest are not the last.
        let upto = u64::try_from(n / 6 * 5 % 12 + 1).unwrap_or_default();
        async move {
            if (n / 3).is_multiple_of(2) {
                (name, room.receipt(name, Delivered, upto + 12).await)
            } else {
                (name, room.receipt(name, Read, upto).await)
            }
        }
    };
    let changes = at_once((0..72).map(send)).await;
    for name in names {
        assert_eq!(
            room.marks(name).await,
            marks(24, 12),
            "receipts at once are all counted"
        );
        let mut moves: Vec<(Watermarks, Watermarks)> = Vec::new();
        for (who, change) in &changes {
            match change {
                Change::Moved { from, to } if *who == name => moves.push((*from, *to)),
                _ => {}
            }
        }
        moves.sort_by_key(|(_, to)| (to.delivered, to.read));
        let mut at = marks(0, 0);
        for (from, to) in moves {
            assert_eq!(from, at, "each move begins where the one before it ended");
            at = to;
        }
        assert_eq!(at, marks(24, 12), "the last move ends where things stand");
    }
}

pub(super) async fn watermarks_come_in_the_order_asked(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    room.receipt("alice", Read, 2).await;
    room.receipt("carol", Delivered, 4).await;
    let asked = users(["carol", "stranger", "alice", "bob", "alice"]);
    let found = room.store.watermarks(&room.id, &asked).await.unwrap();
    assert_eq!(
        found,
        [
            marks(4, 0),
            marks(0, 0),
            marks(2, 2),
            marks(0, 0),
            marks(2, 2)
        ],
        "in the order asked; zero for one who never sent a receipt"
    );
    let none = room.store.watermarks(&room.id, &[]).await.unwrap();
    assert_eq!(none, [], "nobody asked, nothing answered");
}

pub(super) async fn watermarks_belong_to_one_room_and_one_user(h: &dyn StoreHarness) {
    let (room, other) = (
        TestRoom::new(h, "group").await,
        TestRoom::new(h, "other").await,
    );
    room.fill(5).await;
    other.fill(5).await;
    room.receipt("bob", Read, 3).await;
    assert_eq!(
        room.marks("alice").await,
        marks(0, 0),
        "another member's stay"
    );
    assert_eq!(
        room.marks("Bob").await,
        marks(0, 0),
        "names are told apart by case"
    );
    assert_eq!(
        other.marks("bob").await,
        marks(0, 0),
        "those in another room stay"
    );
    let moved = other.receipt("bob", Read, 1).await;
    assert_eq!(
        moved,
        Change::Moved {
            from: marks(0, 0),
            to: marks(1, 1)
        }
    );
    assert_eq!(room.marks("bob").await, marks(3, 3));
}

pub(super) async fn watermarks_outlive_joining_again(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    room.receipt("bob", Delivered, 4).await;
    room.receipt("bob", Read, 3).await;
    for author in ["carol", "alice"] {
        room.add(author, joined("bob")).await;
        assert_eq!(
            room.marks("bob").await,
            marks(4, 3),
            "a member who joins again has read what they had read"
        );
    }
    let listed = room.membership("bob").await.expect("a member");
    assert_eq!(listed.watermarks, marks(4, 3), "also in the list of rooms");
}

pub(super) async fn watermarks_outlive_leaving_and_coming_back(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    room.receipt("bob", Delivered, 4).await;
    room.receipt("bob", Read, 3).await;
    room.add("bob", left("bob")).await;
    room.add("alice", joined("bob")).await;
    assert_eq!(
        room.marks("bob").await,
        marks(4, 3),
        "watermarks never go back"
    );
    let listed = room.membership("bob").await.expect("a member again");
    assert_eq!(listed.watermarks, marks(4, 3), "also in the list of rooms");
    assert_eq!(listed.unread, 2, "and unread is counted from there");
}

pub(super) async fn a_message_has_the_times_of_the_first_receipts_that_passed_it(
    h: &dyn StoreHarness,
) {
    let room = TestRoom::new(h, "alice,bob").await;
    room.fill(4).await;
    room.receipt("bob", Delivered, 2).await;
    let first = room.times("bob", &[1, 2, 3]).await;
    for times in &first[..2] {
        assert!(times.delivered.is_some(), "the time is known");
        assert_eq!(times.read, None, "delivered does not imply read");
    }
    assert_eq!(first[2], ReceiptTimes::default(), "up to the watermark");
    // Some stores keep milliseconds only.
    tokio::time::sleep(Duration::from_millis(20)).await;
    room.receipt("bob", Read, 3).await;
    let second = room.times("bob", &[3, 1]).await;
    assert_eq!(
        second[1].delivered, first[0].delivered,
        "a message keeps the time of the first receipt"
    );
    assert!(
        second[1].read > second[1].delivered,
        "and has another one for each mark"
    );
    assert_eq!(
        second[0].read.is_some(),
        second[0].delivered.is_some(),
        "read implies delivered"
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    room.receipt("bob", Read, 4).await;
    assert_eq!(
        room.times("bob", &[3, 1]).await,
        second,
        "whatever receipts follow"
    );
}

pub(super) async fn what_no_receipt_has_passed_has_no_times(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "alice,bob").await;
    room.fill(2).await;
    let other = TestRoom::new(h, "alice,carol").await;
    other.fill(2).await;
    room.receipt("bob", Read, 1).await;
    let none = ReceiptTimes::default();
    for (room, name, seqs) in [
        (&room, "bob", &[2, 3][..]),
        (&room, "alice", &[1, 2]),
        (&other, "bob", &[1, 2]),
        (&other, "carol", &[1, 2]),
    ] {
        assert_eq!(
            room.times(name, seqs).await,
            [none, none],
            "what no receipt has passed has no times: {name} {seqs:?}"
        );
    }
    assert_eq!(room.times("bob", &[]).await, [], "none asked, none given");
    let (store, absent) = (h.store(), room_id("dave,erin"));
    let times = store.receipt_times(&absent, &user("erin"), &[Seq(1)]).await;
    assert_eq!(times.unwrap(), [none], "nor has what is not there");
}
