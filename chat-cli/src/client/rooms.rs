//! The position of the consumer in each room, and what is missing. No input or output.

use std::{collections::BTreeMap, sync::Arc};

use chat_core::{
    Cursor, Entry, EntryBody, Epoch, GapReason, HistoryPage, Room, RoomCursor, RoomId, Seq, UserId,
};

/// Missing entries that are read from the history; more are skipped, with a notice.
const CATCH_UP: u64 = 10_000;

/// Bytes of cursors in a `hello`. Rooms that do not fit are caught up from the listing of rooms.
const HELLO_BYTES: usize = 32 * 1024;

/// All rooms that the client knows.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    /// The user, once a server has said who that is.
    me: Option<UserId>,
    feeds: BTreeMap<RoomId, Feed>,
    /// Whether a listing was complete: a room that appears after it is new, and starts at 0.
    listed: bool,
}

#[derive(Debug)]
struct Feed {
    epoch: Option<Epoch>,
    /// The consumer has everything up to here, or it was there before the client.
    seq: Seq,
    /// The highest number known to exist.
    head: Seq,
    standing: Standing,
    /// Whether `seq` is exact. Until the first entry it is the head that the room had when the client
    /// first heard of it, and a live entry at or below it may still be on its way.
    exact: bool,
}

/// The state of a room on the present connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing yet. Its epoch may have changed, so its entries wait.
    Unsure,
    /// The server is sending the entries that were missed.
    Resuming,
    /// The server sends its entries as they come.
    Live,
}

/// Something about a room that the consumer has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The log began anew.
    Reset(RoomId, Epoch),
    /// So much was missed that these entries are left out.
    Skipped(RoomId, Seq, Seq),
}

impl Feed {
    fn restart(&mut self, epoch: Epoch, head: Seq) {
        self.epoch = Some(epoch);
        self.seq = Seq::ZERO;
        self.head = head;
        self.exact = true;
    }

    /// Takes note of the epoch; `true` when it changed.
    fn learn(&mut self, epoch: Epoch, head: Seq) -> bool {
        let anew = self.epoch.is_some_and(|known| known != epoch);
        if anew {
            self.restart(epoch, head);
        } else {
            self.epoch = Some(epoch);
            self.head = self.head.max(head);
        }
        anew
    }

    fn behind(&self) -> bool {
        self.standing == Standing::Live && (self.epoch.is_none() || self.seq < self.head)
    }
}

impl Rooms {
    /// The server takes the client for this user.
    pub(crate) fn welcomed(&mut self, me: &UserId) {
        self.me = Some(me.clone());
    }

    /// The connection is lost.
    pub(crate) fn disconnected(&mut self) {
        for feed in self.feeds.values_mut() {
            feed.standing = Standing::Unsure;
        }
    }

    /// The cursors from which the server is to resume; these rooms count as resuming from now on.
    pub(crate) fn resume(&mut self) -> Vec<RoomCursor> {
        /// Bytes of a cursor's JSON beside the name of the room.
        const CURSOR: usize = 100;
        let mut cursors = Vec::new();
        let mut bytes = 0;
        for (room, feed) in &mut self.feeds {
            let Some(epoch) = feed.epoch else { continue };
            bytes += CURSOR + room.as_str().len();
            if bytes > HELLO_BYTES {
                break;
            }
            feed.standing = Standing::Resuming;
            cursors.push(RoomCursor {
                room: room.clone(),
                cursor: Cursor {
                    epoch,
                    seq: feed.seq,
                },
            });
        }
        cursors
    }

    /// Takes a room as the server lists it, or as it was opened.
    pub(crate) fn learn(&mut self, room: &Room) -> Option<Notice> {
        let first = !self.listed;
        let feed = self.feeds.entry(room.id.clone()).or_insert_with(|| Feed {
            epoch: Some(room.epoch),
            seq: if first { room.head } else { Seq::ZERO },
            head: room.head,
            standing: Standing::Live,
            exact: !first,
        });
        if feed.standing == Standing::Unsure {
            feed.standing = Standing::Live;
        }
        feed.learn(room.epoch, room.head)
            .then(|| Notice::Reset(room.id.clone(), room.epoch))
    }

    /// Takes a room that the user opens or has come into. The entries in it already are read as history.
    pub(crate) fn opened(&mut self, room: &Room) -> Option<Notice> {
        self.feeds.entry(room.id.clone()).or_insert_with(|| Feed {
            epoch: Some(room.epoch),
            seq: room.head,
            head: room.head,
            standing: Standing::Live,
            exact: false,
        });
        self.learn(room)
    }

    /// Every room has been listed.
    pub(crate) fn all_listed(&mut self) {
        self.listed = true;
        // Those that entries have brought, and that the listing does not have, were made meanwhile.
        for feed in self.feeds.values_mut().filter(|feed| feed.epoch.is_none()) {
            feed.standing = Standing::Live;
        }
    }

    /// The user is no longer a member of the room.
    pub(crate) fn forget(&mut self, room: &RoomId) {
        self.feeds.remove(room);
    }

    /// The user was no member of this room when it looked like this. One who has come back since has
    /// entries above its head.
    pub(crate) fn removed(&mut self, room: &Room) {
        let feed = self.feeds.get(&room.id);
        if feed.is_some_and(|feed| feed.head <= room.head) {
            self.forget(&room.id);
        }
    }

    /// Takes an entry that came live. `true` when it is the next one, for the consumer.
    ///
    /// Without `space` for it, it counts as missed and is read from the history later. The entry by which
    /// the user leaves a room is the last one, also when others are missing: they can't be read any more.
    pub(crate) fn entry(&mut self, entry: &Entry, space: bool) -> bool {
        let before = Seq(entry.seq.0.saturating_sub(1));
        let listed = self.listed;
        let me = self.me.as_ref();
        let (joins, leaves) = match &entry.body {
            EntryBody::Joined { user, .. } => (Some(user) == me, false),
            EntryBody::Left { user, .. } => (false, Some(user) == me),
            _ => (false, false),
        };
        if leaves && !self.feeds.contains_key(&entry.room) {
            return false;
        }
        let feed = self.feeds.entry(entry.room.clone()).or_insert(Feed {
            epoch: None,
            // What was before the user came in is history.
            seq: if listed && !joins { Seq::ZERO } else { before },
            head: entry.seq,
            // Before the first listing its epoch is on its way; after it, a page has it.
            standing: if listed {
                Standing::Live
            } else {
                Standing::Unsure
            },
            exact: true,
        });
        if !feed.exact && entry.seq <= feed.seq {
            feed.seq = before;
            feed.exact = true;
        }
        feed.head = feed.head.max(entry.seq);
        let next = feed.standing != Standing::Unsure
            && feed.epoch.is_some()
            && entry.seq == feed.seq.next();
        let given = space && (next || leaves && entry.seq > feed.seq);
        if given {
            feed.seq = entry.seq;
            feed.exact = true;
        }
        if leaves {
            self.forget(&entry.room);
        }
        given
    }

    /// The server skipped entries up to `to`, or began the log anew.
    pub(crate) fn gap(
        &mut self,
        room: &RoomId,
        epoch: Epoch,
        to: Seq,
        reason: GapReason,
    ) -> Option<Notice> {
        let feed = self.feeds.get_mut(room)?;
        if reason == GapReason::NewEpoch {
            // The epoch may be the same when the server lost entries that the client has seen.
            feed.restart(epoch, to);
            return Some(Notice::Reset(room.clone(), epoch));
        }
        feed.learn(epoch, to)
            .then(|| Notice::Reset(room.clone(), epoch))
    }

    /// The server has sent all that it sends of what was missed.
    pub(crate) fn resumed(&mut self, room: &RoomId, cursor: Cursor) -> Option<Notice> {
        let feed = self.feeds.get_mut(room)?;
        feed.standing = Standing::Live;
        feed.learn(cursor.epoch, cursor.seq)
            .then(|| Notice::Reset(room.clone(), cursor.epoch))
    }

    /// A room of which entries are missing, and the number after which they are missing.
    pub(crate) fn behind(&self) -> Option<(RoomId, Seq)> {
        let (room, feed) = self.feeds.iter().find(|(_, feed)| feed.behind())?;
        Some((room.clone(), feed.seq))
    }

    /// Skips the entries of one room that are too many to catch up with.
    pub(crate) fn skip(&mut self) -> Option<Notice> {
        let (room, feed) = self
            .feeds
            .iter_mut()
            .find(|(_, feed)| feed.behind() && feed.head.0 - feed.seq.0 > CATCH_UP)?;
        let from = feed.seq.next();
        feed.seq = Seq(feed.head.0 - CATCH_UP);
        Some(Notice::Skipped(room.clone(), from, feed.seq))
    }

    /// A page after the position came in; gives what the consumer gets, at most `space` entries.
    pub(crate) fn page(
        &mut self,
        room: &RoomId,
        page: HistoryPage,
        space: usize,
    ) -> (Option<Notice>, Vec<Arc<Entry>>) {
        let Some(feed) = self.feeds.get_mut(room) else {
            return (None, Vec::new());
        };
        let last = page.entries.last().map_or(Seq::ZERO, |entry| entry.seq);
        let head = if page.newer { last.next() } else { last };
        if feed.learn(page.epoch, head) {
            return (Some(Notice::Reset(room.clone(), page.epoch)), Vec::new());
        }
        let new: Vec<_> = page
            .entries
            .into_iter()
            .filter(|entry| entry.seq > feed.seq)
            .take(space)
            .collect();
        if let Some(entry) = new.last() {
            feed.seq = entry.seq;
            feed.exact = true;
        }
        (None, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::{ClientMessageId, Details, IdGen as _, MessageId, RandomIds, Role, RoomKind};
    use chrono::DateTime;

    fn id() -> RoomId {
        RoomId::new("alice,bob").unwrap()
    }

    fn room(epoch: Epoch, head: u64) -> Room {
        Room {
            id: id(),
            epoch,
            head: Seq(head),
            created_at: DateTime::UNIX_EPOCH,
            kind: RoomKind::Direct,
            created_by: None,
            details: Details::default(),
            members: 2,
        }
    }

    fn entry(seq: u64) -> Arc<Entry> {
        saying(seq, EntryBody::message("hi"))
    }

    fn saying(seq: u64, body: EntryBody) -> Arc<Entry> {
        Arc::new(Entry {
            room: id(),
            seq: Seq(seq),
            id: MessageId(RandomIds.next()),
            author: UserId::new("bob").unwrap(),
            client_id: ClientMessageId::new("x").unwrap(),
            at: DateTime::UNIX_EPOCH,
            body,
        })
    }

    fn page(epoch: Epoch, seqs: std::ops::RangeInclusive<u64>, newer: bool) -> HistoryPage {
        HistoryPage {
            epoch,
            entries: seqs.map(entry).collect(),
            older: false,
            newer,
        }
    }

    fn known(epoch: Epoch, head: u64) -> Rooms {
        let mut rooms = Rooms::default();
        assert_eq!(rooms.learn(&room(epoch, head)), None);
        rooms.all_listed();
        rooms
    }

    #[test]
    fn a_gap_is_paged_and_a_repeated_entry_is_given_once() {
        let epoch = Epoch(RandomIds.next());
        let mut rooms = known(epoch, 2);
        assert!(rooms.entry(&entry(3), true));
        assert!(!rooms.entry(&entry(3), true), "seen");
        assert!(!rooms.entry(&entry(6), true), "4 and 5 first");
        assert_eq!(rooms.behind(), Some((id(), Seq(3))));
        let (_, entries) = rooms.page(&id(), page(epoch, 3..=6, false), 2);
        let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, [Seq(4), Seq(5)], "no more than there is space for");
        assert!(!rooms.entry(&entry(7), true));
        let (_, entries) = rooms.page(&id(), page(epoch, 6..=7, false), 9);
        assert_eq!(entries.len(), 2);
        assert_eq!(rooms.behind(), None);
        assert!(!rooms.entry(&entry(8), false), "no space");
        assert_eq!(rooms.behind(), Some((id(), Seq(7))));
    }

    #[test]
    fn a_log_that_began_anew_is_reset_and_read_from_its_beginning() {
        let (old, new) = (Epoch(RandomIds.next()), Epoch(RandomIds.next()));
        let reset = Some(Notice::Reset(id(), new));
        let mut rooms = known(old, 9);
        assert_eq!(rooms.gap(&id(), new, Seq(2), GapReason::NewEpoch), reset);
        assert_eq!(rooms.behind(), Some((id(), Seq::ZERO)));
        let mut rooms = known(old, 9);
        rooms.disconnected();
        assert!(!rooms.entry(&entry(10), true), "it may be of another log");
        assert_eq!(rooms.learn(&room(new, 10)), reset);
        assert_eq!(rooms.behind(), Some((id(), Seq::ZERO)));
        let mut rooms = known(old, 9);
        assert_eq!(
            rooms.page(&id(), page(new, 1..=2, false), 9),
            (reset, Vec::new())
        );
        // The same log, but the server lost the end of it.
        let lost = rooms.gap(&id(), new, Seq(1), GapReason::NewEpoch);
        assert_eq!(lost, Some(Notice::Reset(id(), new)));
        assert_eq!(rooms.behind(), Some((id(), Seq::ZERO)));
    }

    #[test]
    fn more_than_the_catch_up_limit_is_skipped_with_a_notice() {
        let epoch = Epoch(RandomIds.next());
        let mut rooms = known(epoch, 5);
        assert_eq!(
            rooms.gap(&id(), epoch, Seq(20_000), GapReason::TooMany),
            None
        );
        assert_eq!(
            rooms.skip(),
            Some(Notice::Skipped(id(), Seq(6), Seq(10_000)))
        );
        assert_eq!(rooms.skip(), None);
        assert_eq!(rooms.behind(), Some((id(), Seq(10_000))));
    }

    /// The rooms of Alice, who is in none and hears of all of them.
    fn alone() -> (Rooms, UserId) {
        let alice = UserId::new("alice").unwrap();
        let mut rooms = Rooms::default();
        rooms.welcomed(&alice);
        rooms.all_listed();
        (rooms, alice)
    }

    #[test]
    fn a_room_that_the_user_comes_into_is_followed_from_there_whichever_news_is_first() {
        let epoch = Epoch(RandomIds.next());
        let joined = |user| EntryBody::Joined {
            user,
            role: Role::Member,
        };
        let (mut rooms, alice) = alone();
        let entry_first = saying(7, joined(alice.clone()));
        assert!(!rooms.entry(&entry_first, true), "the epoch is not known");
        assert_eq!(rooms.behind(), Some((id(), Seq(6))));
        rooms.opened(&room(epoch, 7));
        let (_, entries) = rooms.page(&id(), page(epoch, 7..=7, false), 9);
        assert_eq!(entries.len(), 1);
        let (mut rooms, alice) = alone();
        rooms.opened(&room(epoch, 8));
        assert!(rooms.entry(&saying(7, joined(alice)), true));
        assert!(rooms.entry(&entry(8), true));
        // A room that somebody else makes has no such entry.
        let (mut rooms, _) = alone();
        rooms.entry(&entry(2), true);
        assert_eq!(rooms.behind(), Some((id(), Seq::ZERO)));
    }

    #[test]
    fn a_room_that_the_user_leaves_is_forgotten_after_its_last_entry() {
        let epoch = Epoch(RandomIds.next());
        let left = |user| EntryBody::Left {
            user,
            why: chat_core::LeftWhy::Removed,
        };
        let (mut rooms, alice) = alone();
        rooms.opened(&room(epoch, 0));
        rooms.entry(&entry(3), true);
        assert!(
            rooms.entry(&saying(4, left(alice.clone())), true),
            "1 to 3 can't be read any more"
        );
        assert_eq!((rooms.behind(), rooms.resume().len()), (None, 0));
        assert!(!rooms.entry(&saying(4, left(alice)), true), "given once");
        assert_eq!(rooms.resume().len(), 0);
    }

    #[test]
    fn a_removal_that_is_older_than_the_return_is_ignored() {
        let epoch = Epoch(RandomIds.next());
        let mut rooms = known(epoch, 5);
        rooms.removed(&room(epoch, 4));
        assert_eq!(rooms.resume().len(), 1);
        rooms.removed(&room(epoch, 5));
        assert_eq!(rooms.resume().len(), 0);
    }

    #[test]
    fn a_hello_names_no_more_rooms_than_fit() {
        let epoch = Epoch(RandomIds.next());
        let mut rooms = Rooms::default();
        for n in 0..5_000 {
            let mut room = room(epoch, 1);
            room.id = RoomId::group(format!("{n:0>64}")).unwrap();
            rooms.learn(&room);
        }
        let cursors = serde_json::to_string(&rooms.resume()).unwrap();
        assert!(
            (20_000..60_000).contains(&cursors.len()),
            "{}",
            cursors.len()
        );
    }
}
