//! Reading a room's log, page by page.

use std::sync::Arc;

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, Entry, MessageId, Page, RoomId, Seq},
    wire::{Error, HistoryPage, command::History},
};

impl Actor {
    /// Reads a page of a room's log; it says whether there is more on either side.
    ///
    /// A page has at most [`history_max`](crate::Config::history_max) entries, and fewer where they
    /// are long, so that it fits into an outbox.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    ///
    /// If the room's [history](crate::History) begins with joining, earlier entries are as if there
    /// were none.
    pub async fn history(
        &self,
        room: &RoomId,
        page: Page,
        limit: Option<usize>,
    ) -> Result<HistoryPage, Error> {
        let Parts {
            access,
            reads,
            config,
            ..
        } = &*self.parts;
        let (live, in_room) = access.enter_as(&self.principal, Action::Read, room).await?;
        let floor = in_room.first_readable(&live).max(Seq(1));
        let page = page.from(floor);
        let limit = config.page_limit(limit);
        let (entries, at) = reads.page(&live, page, limit).await?;
        let mut entries = in_room.readable(&live, self.user(), entries);
        fit(&mut entries, page, config.reply_bytes());
        let head = at.seq;
        let (older, newer) = match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => (first.seq > floor, last.seq < head),
            _ => match page {
                Page::Before(seq) => (false, head >= floor && seq <= head),
                Page::After(seq) => (head >= floor && seq >= floor, false),
                Page::Newest | Page::Around(_) => (false, false),
            },
        };
        Ok(HistoryPage {
            epoch: at.epoch,
            entries,
            older,
            newer,
        })
    }

    /// The entry of a room with this id, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, Error> {
        let Parts { access, store, .. } = &*self.parts;
        let (live, in_room) = access.enter_as(&self.principal, Action::Read, room).await?;
        let floor = in_room.first_readable(&live);
        let found = store.find(room, id).await?;
        let found = found.filter(|entry| entry.seq >= floor);
        Ok(found.map(|entry| entry.seen_from(floor)))
    }
}

/// Drops entries from the far end of a page until it has at most `bytes`, or one entry.
fn fit(entries: &mut Vec<Arc<Entry>>, page: Page, bytes: usize) {
    let mut total: usize = entries.iter().map(|entry| entry.size()).sum();
    while total > bytes && entries.len() > 1 {
        let distance = |at: usize| match page {
            Page::Newest | Page::Before(_) => usize::from(at == 0),
            Page::After(_) => usize::from(at != 0),
            Page::Around(seq) => {
                usize::try_from(entries[at].seq.0.abs_diff(seq.0)).unwrap_or(usize::MAX)
            }
        };
        let last = entries.len() - 1;
        let far = if distance(0) > distance(last) {
            0
        } else {
            last
        };
        total -= entries.remove(far).size();
    }
}

impl Act for History {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.history(&self.room, self.page, self.limit).await);
    }
}
