//! Reads of a room that are under way: every caller who wants the same waits for one answer of the store.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::model::{Cursor, Entry};

/// A read that all who want the same wait for. It goes on when they give up; if it fails or takes
/// too long, it is as if it had never been, and each of them reads alone.
pub(crate) type Flight<T> = watch::Receiver<Option<T>>;

/// The longest that a caller waits for the read of another caller.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for the result of a flight; `None` when it failed or took too long.
pub(crate) async fn landed<T: Clone>(mut flight: Flight<T>) -> Option<T> {
    let landed = flight.wait_for(Option::is_some);
    let there = timeout(PATIENCE, landed).await.ok()?.ok()?;
    there.clone()
}

pub(crate) type Entries = Arc<[Arc<Entry>]>;

/// The reads of one room that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    head: Mutex<HeadFlight>,
    newest: Mutex<Weak<Newest>>,
}

#[derive(Debug, Default)]
pub(crate) struct HeadFlight {
    /// The newest read of where the log ends.
    pub(crate) flight: Option<Flight<Cursor>>,
    /// Whether the store has been asked already; a question that came later needs a later read.
    pub(crate) begun: bool,
}

/// The newest entries of a log that ends at `at`: for the cache, and for all who miss them there.
#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) at: Cursor,
    pub(crate) flight: OnceLock<Flight<Entries>>,
}

impl Flights {
    pub(crate) fn head(&self) -> MutexGuard<'_, HeadFlight> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The read that others at the same position hold, or a new one.
    pub(crate) fn newest(&self, at: Cursor) -> Arc<Newest> {
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
