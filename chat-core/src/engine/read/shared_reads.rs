//! Reading a room's log at a known position, so that the store is asked as little as can be.
//!
//! What a log shows is a function of its epoch and its newest number. So a reader asks the store for
//! those two first, and may then believe whatever stands at exactly that position: the cache's window,
//! or what another reader of this node is reading. On one node alone the store is quicker than that.

use std::{ops::RangeInclusive, sync::Arc};

use tokio::sync::watch;

use crate::{
    engine::{
        metrics::{Metrics, Source},
        state::{
            flights::{Entries, Flight, Newest, landed},
            rooms::LiveRoom,
            window_writes::WindowWrites,
        },
    },
    model::{Cursor, Entry, Page, Seq},
    port::{BackendError, Cache, Store, WINDOW},
    wire::Error,
};

#[derive(Debug)]
pub(crate) struct SharedReads {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cache: Arc<dyn Cache>,
    /// With other nodes only.
    pub(crate) windows: Option<WindowWrites>,
    pub(crate) metrics: Arc<Metrics>,
}

impl SharedReads {
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
        let entries = self.store.page(&room.id, page, limit).await?;
        let last = entries.last().map_or(Seq::ZERO, |entry| entry.seq);
        let (epoch, seq) = (room.epoch, last.max(room.published()));
        Ok((entries, Cursor { epoch, seq }))
    }

    /// Where a room's log ends now. Callers who ask at the same time share one read of the store; a read that
    /// has begun before the question is not shared, so the answer is never older than the question.
    pub(crate) async fn head(&self, room: &Arc<LiveRoom>) -> Result<Cursor, Error> {
        if self.windows.is_some()
            && let Some(head) = landed(self.head_flight(room)).await
        {
            return Ok(head);
        }
        let room = self.store.room(&room.id).await?;
        Ok(room.ok_or(Error::NoRoom)?.cursor())
    }

    /// The read that begins next, once the one before it, if there is one, has ended.
    fn head_flight(&self, room: &Arc<LiveRoom>) -> Flight<Cursor> {
        let mut head = room.flights.head();
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
            room.flights.head().begun = true;
            if let Ok(Some(found)) = store.room(&room.id).await {
                done.send_replace(Some(found.cursor()));
            }
        });
        flight
    }

    /// These entries of a room's log, which the store has just said to end at `head`.
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
        self.store.page(&room.id, page, count).await
    }

    /// The entries from the cache, or else from a read of the newest entries that is shared with others.
    async fn newest(
        &self,
        windows: &WindowWrites,
        room: &Arc<LiveRoom>,
        head: Cursor,
        range: &RangeInclusive<Seq>,
    ) -> Option<Vec<Arc<Entry>>> {
        // Held from before the cache is asked: a reader that misses there what others have read meanwhile
        // finds it here.
        let newest = room.flights.newest(head);
        let mut windows = Some(windows);
        if newest.flight.get().is_none() {
            let window = self.cache.window(&room.id, head, range.clone()).await;
            if let Ok(found) = window {
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
        windows: Option<&WindowWrites>,
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

/// The entries `range` of a room, if they are there: an answer of the cache is checked, not believed.
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
