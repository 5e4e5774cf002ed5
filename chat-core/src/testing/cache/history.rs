//! Windows: the newest entries of rooms, for a reader that knows where the log ends.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use super::common::*;
use crate::{
    model::{ClientMessageId, Cursor, Entry, EntryBody, Epoch, MessageId, Role, RoomId, Seq},
    port::WINDOW,
};

/// A room as one node of the harness sees it, in one incarnation of its log.
struct TestRoom {
    cache: Arc<dyn Cache>,
    id: RoomId,
    epoch: Epoch,
}

impl TestRoom {
    async fn new(h: &dyn CacheHarness, name: &str) -> Self {
        Self {
            cache: h.cache().await,
            id: RoomId::new(name).unwrap(),
            epoch: Epoch(Uuid::from_u128(1)),
        }
    }

    /// The same room, after its log began anew.
    fn anew(&self) -> Self {
        Self {
            cache: Arc::clone(&self.cache),
            id: self.id.clone(),
            epoch: Epoch(Uuid::from_u128(2)),
        }
    }

    fn entry(&self, seq: u64, body: EntryBody) -> Arc<Entry> {
        Arc::new(Entry {
            room: self.id.clone(),
            seq: Seq(seq),
            id: MessageId(Uuid::from_u128(seq.into())),
            author: user("alice"),
            client_id: ClientMessageId::new(format!("c{seq}")).unwrap(),
            at: DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_234_567),
            body,
        })
    }

    /// Messages with these numbers; the text of each contains its number.
    fn messages(&self, seqs: impl IntoIterator<Item = u64>) -> Vec<Arc<Entry>> {
        let message = |seq: u64| self.entry(seq, EntryBody::message(seq.to_string()));
        seqs.into_iter().map(message).collect()
    }

    fn edit(&self, seq: u64) -> Arc<Entry> {
        let (target, text) = (Seq(1), "better".into());
        self.entry(seq, EntryBody::Edit { target, text })
    }

    fn delete(&self, seq: u64) -> Arc<Entry> {
        self.entry(seq, EntryBody::Delete { target: Seq(1) })
    }

    async fn fill(&self, newest: &[Arc<Entry>]) {
        let (epoch, seq) = (self.epoch, newest.last().unwrap().seq);
        let filled = self.cache.fill(&self.id, Cursor { epoch, seq }, newest);
        filled.await.unwrap();
    }

    async fn extend(&self, entries: &[Arc<Entry>]) {
        let extended = self.cache.extend(&self.id, self.epoch, entries);
        extended.await.unwrap();
    }

    /// The answer to a reader that has read from the store that the log ends at `seq`.
    async fn at(&self, seq: u64, range: RangeInclusive<u64>) -> Option<Vec<Arc<Entry>>> {
        let (epoch, seq) = (self.epoch, Seq(seq));
        let range = Seq(*range.start())..=Seq(*range.end());
        let window = self.cache.window(&self.id, Cursor { epoch, seq }, range);
        window.await.unwrap()
    }

    /// Fails unless the window holds these entries, and not the one before them.
    async fn assert_holds(&self, entries: &[Arc<Entry>], rule: &str) {
        let (first, last) = (entries[0].seq.0, entries[entries.len() - 1].seq.0);
        let found = self.at(last, first..=last).await;
        assert_eq!(found.as_deref(), Some(entries), "{rule}");
        let more = self.at(last, first - 1..=last).await;
        assert_eq!(more, None, "{rule}: and no more");
    }

    async fn assert_stands_nowhere_near(&self, seqs: RangeInclusive<u64>, rule: &str) {
        for seq in seqs {
            assert_eq!(self.at(seq, seq..=seq).await, None, "{rule}: at {seq}");
        }
    }
}

pub(super) async fn a_window_gives_the_entries_it_was_filled_with(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "alice,bob").await;
    let entries = room.messages(11..=60);
    room.fill(&entries).await;
    let other_node = TestRoom::new(h, "alice,bob").await;
    for range in [11..=60, 11..=11, 60..=60, 30..=40] {
        let found = other_node.at(60, range.clone()).await;
        assert_eq!(found, Some(room.messages(range)));
    }
}

pub(super) async fn a_forgotten_window_is_not_given(h: &dyn CacheHarness) {
    let (room, other) = (
        TestRoom::new(h, "team").await,
        TestRoom::new(h, "club").await,
    );
    for room in [&room, &other] {
        room.fill(&room.messages(1..=9)).await;
    }
    for _ in 0..2 {
        room.cache.forget_room(&room.id).await.unwrap();
        room.assert_stands_nowhere_near(1..=9, "a window that is forgotten")
            .await;
    }
    assert_eq!(
        other.at(9, 1..=9).await,
        Some(other.messages(1..=9)),
        "others stay"
    );
    room.fill(&room.messages(1..=3)).await;
    assert_eq!(
        room.at(3, 1..=3).await,
        Some(room.messages(1..=3)),
        "it is filled again"
    );
}

pub(super) async fn entries_come_back_as_they_were_given(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "Zoë,李雷").await;
    let text = "\"quoted\" \\ \0 \u{1f600}\n\u{2028}: 1 2 \r\n";
    let edited_at = Some(DateTime::UNIX_EPOCH + TimeDelta::microseconds(-1));
    let (target, user) = (Seq(1), user("bob"));
    let bodies = [
        EntryBody::message(text),
        EntryBody::Message {
            text: text.into(),
            edited_at,
        },
        EntryBody::Edit {
            target,
            text: text.into(),
        },
        EntryBody::Delete { target },
        EntryBody::Deleted,
        EntryBody::Joined {
            user: user.clone(),
            role: Role::Moderator,
        },
        EntryBody::Left {
            user,
            why: crate::LeftWhy::Removed,
        },
    ];
    let entries: Vec<_> = std::iter::zip(1.., bodies)
        .map(|(seq, body)| room.entry(seq, body))
        .collect();
    room.fill(&entries).await;
    room.assert_holds(&entries, "filled").await;
    let other = TestRoom::new(h, "garden").await;
    other.fill(&other.messages([10])).await;
    for (entry, seq) in entries.iter().zip(11..) {
        let entry = other.entry(seq, entry.body.clone());
        other.extend(std::slice::from_ref(&entry)).await;
        let found = other.at(seq, seq..=seq).await;
        assert_eq!(found, Some(vec![entry]), "extended");
    }
}

pub(super) async fn a_window_that_stands_elsewhere_is_not_given(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    let rule = "there is none";
    room.assert_stands_nowhere_near(0..=3, rule).await;
    room.fill(&room.messages(1..=10)).await;
    for elsewhere in [0, 9, 11, 12, 1_000] {
        for range in [1..=9, 9..=9, elsewhere..=elsewhere] {
            let found = room.at(elsewhere, range.clone()).await;
            assert_eq!(found, None, "{range:?} at {elsewhere}, stands at 10");
        }
    }
    let anew = room.anew();
    assert_eq!(anew.at(10, 1..=10).await, None, "another epoch");
}

pub(super) async fn what_a_window_does_not_hold_whole_is_not_given(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    let entries = room.messages(6..=10);
    room.fill(&entries).await;
    room.assert_holds(&entries, "filled").await;
    #[expect(clippy::reversed_empty_ranges, reason = "it is asked for")]
    let ranges = [1..=10, 1..=5, 0..=0, 10..=11, 11..=11, 8..=7, 11..=10];
    for range in ranges {
        let found = room.at(10, range.clone()).await;
        assert_eq!(found, None, "{range:?} of 6..=10");
    }
}

pub(super) async fn a_window_has_at_most_its_newest_entries(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    let max = u64::try_from(WINDOW).unwrap();
    room.fill(&room.messages(1..=max + 7)).await;
    room.assert_holds(&room.messages(8..=max + 7), "filled")
        .await;
    room.extend(&room.messages(max + 8..=max + 30)).await;
    room.assert_holds(&room.messages(31..=max + 30), "extended")
        .await;
}

pub(super) async fn filling_from_further_back_changes_nothing(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    room.fill(&room.messages(5..=12)).await;
    room.fill(&room.messages(1..=9)).await;
    room.assert_holds(&room.messages(5..=12), "stands further on")
        .await;
    assert_eq!(room.at(9, 9..=9).await, None);
}

pub(super) async fn filling_from_there_or_further_on_replaces_the_window(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    room.fill(&room.messages(1..=9)).await;
    // The entries are read later, so their content may be newer.
    let mut newer = room.messages(4..=9);
    newer[0] = room.entry(4, EntryBody::Deleted);
    room.fill(&newer).await;
    room.assert_holds(&newer, "there").await;
    for last in [12, 100] {
        let further = room.messages(last - 5..=last);
        room.fill(&further).await;
        room.assert_holds(&further, "further on").await;
        assert_eq!(room.at(9, 9..=9).await, None, "it left where it stood");
    }
}

pub(super) async fn a_window_of_another_epoch_gives_way_to_a_fill(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    room.fill(&room.messages(1..=9)).await;
    let anew = room.anew();
    anew.fill(&anew.messages(1..=3)).await;
    anew.assert_holds(&anew.messages(1..=3), "it began anew")
        .await;
    room.assert_stands_nowhere_near(1..=9, "it is gone").await;
}

pub(super) async fn a_window_takes_the_entries_that_follow(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    let mut entries = room.messages(1..=8);
    let user = user("carol");
    entries.push(room.entry(
        9,
        EntryBody::Joined {
            user: user.clone(),
            role: Role::Moderator,
        },
    ));
    entries.push(room.entry(
        10,
        EntryBody::Left {
            user,
            why: crate::LeftWhy::Removed,
        },
    ));
    room.fill(&entries[..3]).await;
    let other_node = TestRoom::new(h, "garden").await;
    other_node.extend(&entries[3..4]).await;
    room.assert_holds(&entries[..4], "one entry").await;
    assert_eq!(room.at(3, 1..=3).await, None, "it left where it stood");
    other_node.extend(&entries[4..]).await;
    room.assert_holds(&entries, "many").await;
}

pub(super) async fn an_entry_that_does_not_follow_changes_nothing(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    room.extend(&room.messages(1..=3)).await;
    let rule = "there was no window";
    room.assert_stands_nowhere_near(1..=3, rule).await;
    room.fill(&room.messages(1..=5)).await;
    room.extend(&room.messages([7, 8])).await;
    room.assert_holds(&room.messages(1..=5), "after a gap")
        .await;
    let mut again = room.messages([3, 5]);
    again[1] = room.entry(5, EntryBody::message("otherwise"));
    room.extend(&again).await;
    room.assert_holds(&room.messages(1..=5), "there already")
        .await;
    let anew = room.anew();
    anew.extend(&anew.messages([6])).await;
    room.assert_holds(&room.messages(1..=5), "another epoch")
        .await;
    room.extend(&room.messages([4, 6, 8])).await;
    room.assert_holds(&room.messages(1..=6), "those that follow are taken")
        .await;
    room.extend(&[]).await;
    room.assert_holds(&room.messages(1..=6), "nothing").await;
}

pub(super) async fn an_edit_or_deletion_leaves_nothing_but_itself(h: &dyn CacheHarness) {
    for (name, change) in [
        ("edited", TestRoom::edit as fn(&TestRoom, u64) -> Arc<Entry>),
        ("deleted", TestRoom::delete),
    ] {
        let room = TestRoom::new(h, name).await;
        room.fill(&room.messages(1..=5)).await;
        room.extend(&[change(&room, 6)]).await;
        room.assert_holds(&[change(&room, 6)], "following").await;
        assert_eq!(room.at(5, 1..=5).await, None, "what stood before is gone");
        room.extend(&[change(&room, 9)]).await;
        room.assert_holds(&[change(&room, 9)], "after a gap").await;
        let mut rest = room.messages(10..=12);
        room.extend(&rest).await;
        rest.insert(0, change(&room, 9));
        room.assert_holds(&rest, "it grows again").await;
        let mixed = [
            room.messages([13]),
            vec![change(&room, 14)],
            room.messages([15]),
        ]
        .concat();
        room.extend(&mixed).await;
        room.assert_holds(&mixed[1..], "among others").await;
        let anew = room.anew();
        anew.extend(&[change(&anew, 2)]).await;
        anew.assert_holds(&[change(&anew, 2)], "another epoch")
            .await;
    }
}

pub(super) async fn what_was_edited_or_deleted_does_not_come_back_late(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    room.extend(&[room.delete(6)]).await;
    room.fill(&room.messages(1..=5)).await;
    let rule = "read before the deletion, filled after it";
    room.assert_holds(&[room.delete(6)], rule).await;
    room.assert_stands_nowhere_near(1..=5, rule).await;
}

pub(super) async fn an_edit_or_deletion_that_is_past_changes_nothing(h: &dyn CacheHarness) {
    let room = TestRoom::new(h, "garden").await;
    let mut entries = room.messages(1..=8);
    entries[5] = room.edit(6);
    entries[7] = room.delete(8);
    room.fill(&entries).await;
    room.extend(&[room.edit(6), room.delete(8)]).await;
    room.assert_holds(&entries, "filled after it").await;
}

pub(super) async fn windows_of_different_rooms_do_not_touch_each_other(h: &dyn CacheHarness) {
    let names = ["a,b", "a", "A", "a:b", "b,{a}", "a*", "李雷", "a b"];
    for (name, last) in std::iter::zip(names, 10..) {
        let room = TestRoom::new(h, name).await;
        room.fill(&room.messages(5..=last)).await;
    }
    let room = TestRoom::new(h, "a").await;
    room.extend(&[room.delete(12)]).await;
    for (name, last) in std::iter::zip(names, 10..).filter(|(name, _)| *name != "a") {
        let room = TestRoom::new(h, name).await;
        room.assert_holds(&room.messages(5..=last), name).await;
    }
}

pub(super) async fn a_window_has_no_hole_however_many_write_at_once(h: &dyn CacheHarness) {
    let last = u64::try_from(CROWD).unwrap();
    let room = TestRoom::new(h, "garden").await;
    room.fill(&room.messages([1])).await;
    let mut calls = JoinSet::new();
    for seq in 2..=last {
        let room = TestRoom::new(h, "garden").await;
        calls.spawn(async move {
            // Each entry is added several times, and some late ones come after their successors.
            for seq in [seq, 2 + (seq * 7) % (last - 1), seq] {
                room.extend(&room.messages([seq])).await;
                if seq % 10 == 0 {
                    room.fill(&room.messages(1..=seq)).await;
                }
            }
        });
    }
    for seq in (2..=last).rev() {
        if let Some(found) = room.at(seq, 1..=seq).await {
            assert_eq!(found, room.messages(1..=seq), "while others write");
        }
    }
    calls.join_all().await;
    let mut found = Vec::new();
    for seq in 1..=last {
        found.extend(room.at(seq, 1..=seq).await);
    }
    assert_eq!(found.len(), 1, "it stands in one place");
    let seq = found[0].last().unwrap().seq.0;
    assert!(seq >= last / 10 * 10, "{seq}: it never goes back");
    assert_eq!(found[0], room.messages(1..=seq));
}
