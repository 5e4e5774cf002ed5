//! A pool of connections that read in parallel, and beside the writer.

use std::sync::{Arc, Mutex, PoisonError};

use chat_core::port::{BackendError, BackendErrorKind, Retry};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{
    connection,
    error::{BACKEND, Failure},
    lock::Lock,
};

/// The number of reads that run at the same time; further ones wait.
const CONNECTIONS: usize = 4;

#[derive(Debug)]
pub(crate) struct Readers {
    lock: Arc<Lock>,
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn open(lock: Arc<Lock>) -> rusqlite::Result<Self> {
        let idle: Vec<_> = (0..CONNECTIONS)
            .map(|_| connection::reader(&lock.path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            lock,
            free: Arc::new(Semaphore::new(idle.len())),
            idle: Arc::new(Mutex::new(idle)),
        })
    }

    /// Runs `query` on one snapshot of the file, outside the async threads.
    ///
    /// # Cancel safety
    ///
    /// The query of a dropped call still runs to its end, and its connection returns to the pool.
    pub(crate) async fn read<T, F>(
        &self,
        operation: &'static str,
        query: F,
    ) -> Result<T, BackendError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let gone = |reason: &'static str| {
            BackendError::new(
                BACKEND,
                BackendErrorKind::Unavailable,
                Retry::Safe,
                operation,
                reason,
            )
        };
        if self.lock.is_gone() {
            return Err(Failure::moved().of(operation));
        }
        let permit = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .map_err(|_| gone("the store is closed"))?;
        let taken = lock(&self.idle).pop();
        let mut connection = taken.ok_or_else(|| gone("no connection is left"))?;
        let idle = Arc::clone(&self.idle);
        let reading = tokio::task::spawn_blocking(move || {
            let answer = connection
                .transaction()
                .and_then(|snapshot| query(&snapshot));
            lock(&idle).push(connection);
            drop(permit);
            answer
        });
        reading
            .await
            .map_err(|_| gone("the runtime is shutting down"))?
            .map_err(|error| Failure::before(error).of(operation))
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
