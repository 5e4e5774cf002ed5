//! The queue of writes to the cache's windows.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    flights::{Entries, Newest},
    rooms::LiveRoom,
};
use crate::model::Entry;

/// How many writes may wait; more are dropped.
const WAITING: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) room: Arc<LiveRoom>,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// The entry has been appended.
    Extend(Arc<Entry>),
    /// The entries have been read. Until they are in the cache, readers find them here.
    Fill(Arc<Newest>, Entries),
}

/// The way to the cache's windows; only nodes with other nodes beside them keep windows.
#[derive(Debug, Clone)]
pub(crate) struct WindowWrites(mpsc::Sender<Write>);

impl WindowWrites {
    pub(crate) fn queue() -> (Self, mpsc::Receiver<Write>) {
        let (writes, waiting) = mpsc::channel(WAITING);
        (Self(writes), waiting)
    }

    pub(crate) fn extend(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        self.write(Arc::clone(room), What::Extend(Arc::clone(entry)));
    }

    pub(crate) fn fill(&self, room: Arc<LiveRoom>, newest: Arc<Newest>, entries: Entries) {
        self.write(room, What::Fill(newest, entries));
    }

    fn write(&self, room: Arc<LiveRoom>, what: What) {
        if self.0.try_send(Write { room, what }).is_err() {
            tracing::debug!("a window falls behind");
        }
    }
}
