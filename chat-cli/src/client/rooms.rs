//! How far each room has been given to the consumer, and what is missing. No input or output.

use std::{collections::BTreeMap, sync::Arc};

use chat_core::{Cursor, Entry, Epoch, GapReason, HistoryPage, Room, RoomCursor, RoomId, Seq};

/// More missing entries than this are skipped, and the consumer is told.
const CATCH_UP: u64 = 10_000;

/// Bytes of cursors in a `hello`; the listing of rooms catches what does not fit.
const HELLO_BYTES: usize = 32 * 1024;

/// All rooms that the client knows.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    feeds: BTreeMap<RoomId, Feed>,
    /// Set by the first complete listing: what appears after it is new, and starts at 0.
    listed: bool,
}

#[derive(Debug)]
struct Feed {
    epoch: Option<Epoch>,
    /// Everything up to here is with the consumer, or was there before the client.
    seq: Seq,
    /// The highest number known to exist.
    head: Seq,
    standing: Standing,
    /// Whether `seq` is exact. Until the first entry it is where the room stood when first heard
    /// of, and a live entry at or below it may still be on its way.
    exact: bool,
}

/// What the present connection says of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing yet: its epoch may have changed, so its entries wait.
    Unsure,
    /// The server is sending what was missed.
    Resuming,
    /// Live.
    Live,
}

/// Something that the consumer has to be told about a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The log began anew.
    Reset(RoomId, Epoch),
    /// Too much was missed.
    Skipped(RoomId, Seq, Seq),
}

impl Feed {
    fn restart(&mut self, epoch: Epoch, head: Seq) {
        self.epoch = Some(epoch);
        self.seq = Seq::ZERO;
        self.head = head;
        self.exact = true;
    }

    /// Takes note of the epoch; `true` when it is another than before.
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
    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        for feed in self.feeds.values_mut() {
            feed.standing = Standing::Unsure;
        }
    }

    /// Where the server is to resume; those rooms are taken to be resuming from now on.
    pub(crate) fn resume(&mut self) -> Vec<RoomCursor> {
        /// Of a cursor's JSON, beside the name.
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

    /// A room as the server lists it, or as it was opened.
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

    /// A room that the user opens: what stands in it already is read as history.
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
    }

    /// The user is not in the room any more.
    pub(crate) fn forget(&mut self, room: &RoomId) {
        self.feeds.remove(room);
    }

    /// An entry came live. `true`: it is the next one, so give it to the consumer.
    ///
    /// Without `space` for it, it counts as missed and is paged later.
    pub(crate) fn entry(&mut self, entry: &Entry, space: bool) -> bool {
        let before = Seq(entry.seq.0.saturating_sub(1));
        let listed = self.listed;
        let feed = self.feeds.entry(entry.room.clone()).or_insert(Feed {
            epoch: None,
            seq: if listed { Seq::ZERO } else { before },
            head: entry.seq,
            // Before the first listing its epoch is on its way; after it, a page tells it.
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
        if next && space {
            feed.seq = entry.seq;
            feed.exact = true;
        }
        next && space
    }

    /// The server skipped entries up to `to`, or began anew.
    pub(crate) fn gap(
        &mut self,
        room: &RoomId,
        epoch: Epoch,
        to: Seq,
        reason: GapReason,
    ) -> Option<Notice> {
        let feed = self.feeds.get_mut(room)?;
        if reason == GapReason::NewEpoch {
            // Also when the epoch is the same, but the server lost what the client has seen.
            feed.restart(epoch, to);
            return Some(Notice::Reset(room.clone(), epoch));
        }
        feed.learn(epoch, to)
            .then(|| Notice::Reset(room.clone(), epoch))
    }

    /// The server has sent all it had to send of what was missed.
    pub(crate) fn resumed(&mut self, room: &RoomId, cursor: Cursor) -> Option<Notice> {
        let feed = self.feeds.get_mut(room)?;
        feed.standing = Standing::Live;
        feed.learn(cursor.epoch, cursor.seq)
            .then(|| Notice::Reset(room.clone(), cursor.epoch))
    }

    /// A room of which entries are missing, and after which number.
    pub(crate) fn behind(&self) -> Option<(RoomId, Seq)> {
        let (room, feed) = self.feeds.iter().find(|(_, feed)| feed.behind())?;
        Some((room.clone(), feed.seq))
    }

    /// Skips what is too much to catch up with.
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
