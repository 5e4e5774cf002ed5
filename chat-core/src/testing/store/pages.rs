//! Pages of a log, at every edge.

use super::common::*;

const BEYOND: [u64; 3] = [1_000_000, Seq::MAX.0, u64::MAX];

/// The content of a page of a room with the entries 1 to `head`, as the contract defines it.
fn expected(head: u64, page: Page, limit: usize) -> Vec<u64> {
    let all = || 1..=head;
    let newest = |numbers: Vec<u64>| numbers[numbers.len().saturating_sub(limit)..].to_vec();
    match page {
        Page::Newest => newest(all().collect()),
        Page::Before(seq) => newest(all().filter(|n| *n < seq.0).collect()),
        Page::After(seq) => all().filter(|n| *n > seq.0).take(limit).collect(),
        Page::Around(seq) if seq.0 > head => newest(all().collect()),
        Page::Around(seq) => {
            let older: Vec<u64> = all().rev().filter(|n| *n < seq.0).take(limit / 2).collect();
            let rest = all().filter(|n| *n >= seq.0);
            older.into_iter().rev().chain(rest).take(limit).collect()
        }
    }
}

/// Reads every combination of these pages and limits, and compares.
async fn check(
    room: &TestRoom,
    pages: impl IntoIterator<Item = Page>,
    limits: &[usize],
    rule: &str,
) {
    let head = room.head().await;
    for page in pages {
        for &limit in limits {
            let found = room.page(page, limit).await;
            assert_eq!(
                seqs(&found),
                expected(head, page, limit),
                "{rule}: {page:?} with limit {limit} where the newest is {head}"
            );
        }
    }
}

fn numbers(upto: u64) -> impl Iterator<Item = Seq> {
    (0..=upto).chain(BEYOND).map(Seq)
}

pub(super) async fn newest_ends_with_the_newest_entry(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    assert_eq!(
        seqs(&room.page(Page::Newest, 2).await),
        [4, 5],
        "the newest, ascending"
    );
    let rule = "Newest ends with the newest entry";
    check(&room, [Page::Newest], &[0, 1, 2, 4, 5, 6, 100], rule).await;
}

pub(super) async fn before_ends_just_below_its_number(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    assert_eq!(
        seqs(&room.page(Page::Before(Seq(4)), 2).await),
        [2, 3],
        "ascending"
    );
    let rule = "Before ends just below its number";
    check(&room, numbers(8).map(Page::Before), &[0, 1, 2, 100], rule).await;
}

pub(super) async fn after_begins_just_above_its_number(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    assert_eq!(
        seqs(&room.page(Page::After(Seq(2)), 2).await),
        [3, 4],
        "ascending"
    );
    let rule = "After begins just above its number";
    check(&room, numbers(8).map(Page::After), &[0, 1, 2, 100], rule).await;
}

pub(super) async fn around_has_the_entry_and_up_to_half_of_the_limit_older_ones(
    h: &dyn StoreHarness,
) {
    let room = TestRoom::new(h, "group").await;
    room.fill(9).await;
    for (seq, limit, page) in [
        (5, 1, vec![5]),
        (5, 2, vec![4, 5]),
        (5, 3, vec![4, 5, 6]),
        (5, 4, vec![3, 4, 5, 6]),
        (2, 6, vec![1, 2, 3, 4, 5, 6]),
        (8, 6, vec![5, 6, 7, 8, 9]),
    ] {
        let found = room.page(Page::Around(Seq(seq)), limit).await;
        assert_eq!(
            seqs(&found),
            page,
            "Around({seq}) has the entry itself and up to {limit} / 2 older ones; newer ones fill the rest"
        );
    }
    let rule = "Around has the entry and up to half of the limit older ones";
    let pages = (0..=9).map(|seq| Page::Around(Seq(seq)));
    check(&room, pages, &[0, 1, 2, 3, 4, 5, 8, 9, 10, 100], rule).await;
}

pub(super) async fn around_a_number_above_the_newest_reads_like_newest(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    for seq in [6, 7].into_iter().chain(BEYOND) {
        for limit in [0, 1, 2, 3, 5, 100] {
            assert_eq!(
                room.page(Page::Around(Seq(seq)), limit).await,
                room.page(Page::Newest, limit).await,
                "a number above the newest entry reads like Newest: {seq} with limit {limit}"
            );
        }
    }
}

pub(super) async fn a_page_has_at_most_limit_entries(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(5).await;
    let around = Page::Around(Seq(3));
    for page in [
        Page::Newest,
        Page::Before(Seq(5)),
        Page::After(Seq(1)),
        around,
    ] {
        assert_eq!(room.page(page, 0).await, [], "at most 0 entries");
        for limit in 1..=4 {
            let found = room.page(page, limit).await;
            assert_eq!(
                found.len(),
                limit,
                "{page:?} has limit entries where there are enough"
            );
        }
    }
    let all = [
        Page::Newest,
        Page::Before(Seq(6)),
        Page::After(Seq(0)),
        around,
    ];
    for limit in [6, usize::MAX - 1, usize::MAX] {
        for page in all {
            let found = room.page(page, limit).await;
            assert_eq!(
                found.len(),
                5,
                "a limit of {limit} lets all of {page:?} through"
            );
        }
    }
}

pub(super) async fn a_page_of_an_empty_room_is_empty(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    TestRoom::new(h, "other").await.fill(3).await;
    let forms = [Page::Before, Page::After, Page::Around];
    let pages = numbers(2).flat_map(|seq| forms.map(|form| form(seq)));
    for page in pages.chain([Page::Newest]) {
        assert_eq!(room.page(page, 10).await, [], "{page:?} of an empty room");
    }
}

pub(super) async fn every_page_is_right_at_every_edge(h: &dyn StoreHarness) {
    let (room, other) = (
        TestRoom::new(h, "group").await,
        TestRoom::new(h, "other").await,
    );
    for head in 0..=6 {
        let forms = [Page::Before, Page::After, Page::Around];
        let pages = numbers(head + 2).flat_map(|seq| forms.map(|form| form(seq)));
        let limits: Vec<usize> = (0..=8).chain([usize::MAX]).collect();
        check(&room, pages.chain([Page::Newest]), &limits, "every page").await;
        other.fill(2).await;
        room.fill(1).await;
    }
}

pub(super) async fn pages_show_entries_as_they_stand_now(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.fill(3).await;
    for body in [edit(1, "new"), delete(2), joined("dave")] {
        room.add("alice", body).await;
    }
    let log = room.log().await;
    for (page, part) in [
        (Page::Newest, 2..6),
        (Page::Before(Seq(5)), 0..4),
        (Page::After(Seq(1)), 1..5),
        (Page::Around(Seq(3)), 0..4),
    ] {
        assert_eq!(
            room.page(page, 4).await,
            log[part],
            "{page:?} shows what the log holds"
        );
    }
    for entry in log {
        let seq = entry.seq;
        assert_eq!(
            room.find(entry.id).await,
            Some(entry),
            "and so does find: {seq}"
        );
    }
}
