//! Reading a room's log at a known position, so that the store is asked as little as can be.
//!
//! What a log shows is a function of its epoch and its newest number. So a reader asks the store for
//! those two first, and may then believe whatever says that it stands just there: the cache's window,
//! or what another reader of this node is reading. On one node alone the store is quicker than that.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::{Shared, metrics::Source, rooms::LiveRoom, windows::Windows};
use crate::{
    error::Error,
    log::{Cursor, Entry, Page, Seq},
    port::{BackendError, WINDOW},
};

/// A read that all who want the same wait for. It goes on when they give up; if it fails or takes
/// too long, it is as if it had never been, and each of them reads alone.
type Flight<T> = watch::Receiver<Option<T>>;

/// The longest that anybody waits for a read of somebody else.
const PATIENCE: Duration = Duration::from_secs(1);

async fn landed<T: Clone>(mut flight: Flight<T>) -> Option<T> {
    let landed = flight.wait_for(Option::is_some);
    let there = timeout(PATIENCE, landed).await.ok()?.ok()?;
    there.clone()
}

pub(crate) type Entries = Arc<[Arc<Entry>]>;

/// What is being read of a room.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    head: Mutex<Head>,
    newest: Mutex<Weak<Newest>>,
}

#[derive(Debug, Default)]
struct Head {
    /// The newest read of where the log ends.
    flight: Option<Flight<Cursor>>,
    begun: bool,
}

/// The newest entries of a log that ends at `at`: for the cache, and for all who miss them there.
#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) at: Cursor,
    flight: OnceLock<Flight<Entries>>,
}

impl Reading {
    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that others at the same position hold, or a new one.
    fn newest(&self, at: Cursor) -> Arc<Newest> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newest) = newest.upgrade().filter(|newest| newest.at == at) {
            return newest;
        }
        let new = Arc::new(Newest {
            at,
            flight: OnceLock::new(),
        });
        *newest = Arc::downgrade(&new);
        new
    }
}

impl Shared {
    /// A page of a room's log, and where the log ended when it was read.
    pub(crate) async fn page(
        &self,
        room: &Arc<LiveRoom>,
        page: Page,
        limit: usize,
    ) -> Result<(Vec<Arc<Entry>>, Cursor), Error> {
        if self.windows.is_some() {
            let head = self.head(room).await?;
            let entries = self
                .entries(room, head, page.range(head.seq, limit))
                .await?;
            return Ok((entries, head));
        }
        let entries = self.stored(self.store.page(&room.id, page, limit).await)?;
        let last = entries.last().map_or(Seq::ZERO, |entry| entry.seq);
        let (epoch, seq) = (room.epoch, last.max(room.published()));
        Ok((entries, Cursor { epoch, seq }))
    }

    /// Where a room's log ends now. Of many who ask at once, those wait for one answer who came
    /// before it was asked for, so it is never older than the question.
    pub(crate) async fn head(&self, room: &Arc<LiveRoom>) -> Result<Cursor, Error> {
        if self.windows.is_some()
            && let Some(head) = landed(self.head_flight(room)).await
        {
            return Ok(head);
        }
        let room = self.stored(self.store.room(&room.id).await)?;
        Ok(room.ok_or(Error::NoRoom)?.cursor())
    }

    /// The read that begins next, when the one before it, if there is one, has ended.
    fn head_flight(&self, room: &Arc<LiveRoom>) -> Flight<Cursor> {
        let mut head = room.reading.head();
        if !head.begun
            && let Some(flight) = &head.flight
        {
            return flight.clone();
        }
        let (done, flight) = watch::channel(None);
        let before = head.flight.replace(flight.clone());
        head.begun = false;
        let (store, room) = (Arc::clone(&self.store), Arc::clone(room));
        tokio::spawn(async move {
            if let Some(before) = before {
                landed(before).await;
            }
            room.reading.head().begun = true;
            if let Ok(Some(found)) = store.room(&room.id).await {
                done.send_replace(Some(found.cursor()));
            }
        });
        flight
    }

    /// These entries of a room's log, about which the store has just said that it ends at `head`.
    pub(crate) async fn entries(
        &self,
        room: &Arc<LiveRoom>,
        head: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let above = head.seq.0.saturating_sub(range.start().0);
        if let Some(windows) = &self.windows
            && usize::try_from(above).is_ok_and(|above| above < WINDOW)
            && let Some(entries) = self.newest(windows, room, head, &range).await
        {
            return Ok(entries);
        }
        let before = Seq(range.start().0.saturating_sub(1));
        let count = range.end().0 - before.0;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let page = Page::After(before);
        self.stored(self.store.page(&room.id, page, count).await)
    }

    /// From the cache, or else from a read of the newest entries that is shared with others.
    async fn newest(
        &self,
        windows: &Windows,
        room: &Arc<LiveRoom>,
        head: Cursor,
        range: &RangeInclusive<Seq>,
    ) -> Option<Vec<Arc<Entry>>> {
        // Held from before the cache is asked: who misses there what others have read meanwhile
        // finds it here.
        let newest = room.reading.newest(head);
        let mut windows = Some(windows);
        if newest.flight.get().is_none() {
            let window = self.cache.window(&room.id, head, range.clone()).await;
            if let Ok(found) = self.cached(window) {
                let sound = found.and_then(|found| cut(room, &found, range));
                if sound.is_some() {
                    self.metrics.window_reads.count(Source::Cache);
                    return sound;
                }
            } else {
                windows = None;
            }
        }
        let mut from = Source::Reader;
        let flight = newest.flight.get_or_init(|| {
            from = Source::Store;
            self.newest_flight(windows, room, &newest)
        });
        self.metrics.window_reads.count(from);
        let entries = landed(flight.clone()).await?;
        cut(room, &entries, range)
    }

    fn newest_flight(
        &self,
        windows: Option<&Windows>,
        room: &Arc<LiveRoom>,
        newest: &Arc<Newest>,
    ) -> Flight<Entries> {
        let (done, flight) = watch::channel(None);
        let (store, windows) = (Arc::clone(&self.store), windows.cloned());
        let (room, newest) = (Arc::clone(room), Arc::clone(newest));
        tokio::spawn(async move {
            let page = Page::Before(newest.at.seq.next());
            if let Ok(entries) = store.page(&room.id, page, WINDOW).await {
                let entries: Entries = entries.into();
                done.send_replace(Some(Arc::clone(&entries)));
                let whole = entries.last().map(|last| last.seq) == Some(newest.at.seq);
                if let Some(windows) = windows.filter(|_| whole) {
                    windows.fill(room, newest, entries);
                }
            }
        });
        flight
    }
}

/// The entries `range` of a room, if they are there: what comes from outside is not believed.
fn cut(
    room: &LiveRoom,
    entries: &[Arc<Entry>],
    range: &RangeInclusive<Seq>,
) -> Option<Vec<Arc<Entry>>> {
    let first = entries.first()?.seq.0;
    let from = usize::try_from(range.start().0.checked_sub(first)?).ok()?;
    let to = usize::try_from(range.end().0.checked_sub(first)?).ok()?;
    let entries = entries.get(from..=to)?;
    let in_a_row = std::iter::zip(entries, range.start().0..)
        .all(|(entry, seq)| entry.room == room.id && entry.seq.0 == seq);
    in_a_row.then(|| entries.to_vec())
}
