//! The part of the room's log before what is on the screen, and whether the user has seen it. No
//! input or output.

use std::sync::Arc;

use chat_core::{Entry, EntryBody, HistoryPage, Seq, UserId};

/// The entries that are not shown.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Entries that were read from the server and are not shown, in ascending order.
    entries: Vec<Arc<Entry>>,
    /// Whether the server has entries before them.
    older: bool,
    /// The first entry on the screen.
    start: Seq,
    /// The first entry that the user has seen nowhere, if there is one before the screen. A read
    /// receipt covers all entries up to its own, so none is sent until this is shown.
    unseen_from: Option<Seq>,
    /// The number of entries that were asked of the server.
    asked: Option<usize>,
}

/// Messages of others that the user has not seen and that are not shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    pub(crate) count: usize,
    /// Whether there may be more before them.
    pub(crate) more: bool,
}

/// The entries before those on the screen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum More {
    Entries(Vec<Arc<Entry>>),
    /// To be asked of the server: entries before this one.
    Ask(Seq),
    Nothing,
}

impl Past {
    /// Takes the newest page of the log, of which the last `last` entries are shown; gives these,
    /// and what the user `me`, who has read up to `read`, does not see.
    pub(crate) fn begin(
        &mut self,
        page: HistoryPage,
        last: usize,
        me: &UserId,
        read: Seq,
    ) -> (Vec<Arc<Entry>>, Option<Unseen>) {
        let mut entries = page.entries;
        let end = entries.last().map_or(Seq::ZERO, |entry| entry.seq).next();
        let first = entries.first().map_or(end, |entry| entry.seq);
        let shown = entries.split_off(entries.len().saturating_sub(last));
        let unseen = |entry: &&Arc<Entry>| {
            let is_message = matches!(entry.body, EntryBody::Message { .. });
            entry.seq > read && is_message && entry.author != *me
        };
        let count = entries.iter().filter(unseen).count();
        let more = page.older && first > read.next();
        *self = Self {
            start: shown.first().map_or(end, |entry| entry.seq),
            unseen_from: (count > 0 || more).then(|| read.next()),
            older: page.older,
            asked: None,
            entries,
        };
        let unseen = self.unseen_from.map(|_| Unseen { count, more });
        (shown, unseen)
    }

    /// The server left entries out of what it sent.
    pub(crate) fn skip(&mut self, from: Seq, to: Seq) {
        *self = Self {
            entries: Vec::new(),
            older: true,
            start: to.next(),
            unseen_from: Some(self.unseen_from.map_or(from, |unseen| unseen.min(from))),
            asked: None,
        };
    }

    /// Whether the user has seen everything up to the end of the screen.
    pub(crate) fn is_seen(&self) -> bool {
        self.unseen_from.is_none()
    }

    /// Whether an answer of the server is awaited.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The server gave no answer.
    pub(crate) fn refused(&mut self) {
        self.asked = None;
    }

    /// At most `count` entries before the screen, which are on it from now on.
    pub(crate) fn more(&mut self, count: usize) -> More {
        if self.entries.is_empty() {
            if !self.older {
                return More::Nothing;
            }
            self.asked = Some(count);
            return More::Ask(self.start);
        }
        let at = self.entries.len().saturating_sub(count.max(1));
        let entries = self.entries.split_off(at);
        self.start = entries.first().map_or(self.start, |entry| entry.seq);
        let nothing_before = self.entries.is_empty() && !self.older;
        self.unseen_from = self
            .unseen_from
            .filter(|unseen| *unseen < self.start && !nothing_before);
        More::Entries(entries)
    }

    /// The answer of the server; `None` when nobody waits for it any more, or it has nothing.
    pub(crate) fn came(&mut self, page: HistoryPage) -> Option<Vec<Arc<Entry>>> {
        let count = self.asked.take()?;
        self.entries = page.entries;
        self.entries.retain(|entry| entry.seq < self.start);
        self.older = page.older;
        match self.more(count) {
            More::Entries(entries) => Some(entries),
            More::Ask(_) | More::Nothing => {
                self.asked = None;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::{ClientMessageId, Epoch, IdGen as _, MessageId, RandomIds, RoomId};
    use chrono::DateTime;

    fn entries(seqs: std::ops::RangeInclusive<u64>) -> Vec<Arc<Entry>> {
        let entry = |seq| {
            Arc::new(Entry {
                room: RoomId::new("alice,bob").unwrap(),
                seq: Seq(seq),
                id: MessageId(RandomIds.next()),
                author: UserId::new("bob").unwrap(),
                client_id: ClientMessageId::new("x").unwrap(),
                at: DateTime::UNIX_EPOCH,
                body: EntryBody::message("hi"),
            })
        };
        seqs.map(entry).collect()
    }

    fn page(seqs: std::ops::RangeInclusive<u64>, older: bool) -> HistoryPage {
        HistoryPage {
            epoch: Epoch(RandomIds.next()),
            entries: entries(seqs),
            older,
            newer: false,
        }
    }

    fn begin(page: HistoryPage, last: usize, read: u64) -> (Past, usize, Option<Unseen>) {
        let mut past = Past::default();
        let me = UserId::new("alice").unwrap();
        let (shown, unseen) = past.begin(page, last, &me, Seq(read));
        (past, shown.len(), unseen)
    }

    fn seqs(more: More) -> Vec<u64> {
        let More::Entries(entries) = more else {
            panic!("{more:?}");
        };
        entries.iter().map(|entry| entry.seq.0).collect()
    }

    #[test]
    fn fifty_unread_of_which_twenty_are_shown_leave_thirty_to_be_seen() {
        let (mut past, shown, unseen) = begin(page(1..=50, false), 20, 0);
        assert_eq!(shown, 20);
        let expected = Unseen {
            count: 30,
            more: false,
        };
        assert_eq!(unseen, Some(expected));
        assert_eq!(seqs(past.more(25)), (6..=30).collect::<Vec<_>>());
        assert!(!past.is_seen());
        assert_eq!(seqs(past.more(25)), (1..=5).collect::<Vec<_>>());
        assert!(past.is_seen());
        assert_eq!(past.more(25), More::Nothing);
    }

    #[test]
    fn messages_that_were_read_before_do_not_count_as_unseen() {
        let (past, shown, unseen) = begin(page(1..=50, true), 20, 30);
        assert_eq!((shown, unseen), (20, None));
        assert!(past.is_seen());
    }

    #[test]
    fn entries_before_the_first_page_are_requested_from_the_server() {
        let (mut past, _, unseen) = begin(page(101..=300, true), 20, 90);
        let expected = Unseen {
            count: 180,
            more: true,
        };
        assert_eq!(unseen, Some(expected));
        assert_eq!(seqs(past.more(180)).len(), 180);
        assert!(!past.is_seen());
        assert_eq!(past.more(50), More::Ask(Seq(101)));
        let came = past.came(page(51..=100, true)).unwrap();
        assert_eq!(came.len(), 50);
        assert!(past.is_seen(), "91 was the first");
        assert_eq!(past.came(page(1..=50, false)), None, "nobody asked");
    }

    #[test]
    fn skipped_entries_do_not_count_as_seen() {
        let (mut past, _, _) = begin(page(1..=5, false), 20, 5);
        past.skip(Seq(6), Seq(10_000));
        assert!(!past.is_seen());
        assert_eq!(past.more(50), More::Ask(Seq(10_001)));
        let (mut past, shown, unseen) = begin(page(7..=7, true), 0, 7);
        assert_eq!((shown, unseen), (0, None));
        assert_eq!(seqs(past.more(50)), [7]);
    }
}
