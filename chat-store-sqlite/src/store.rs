//! The store: sends writes to the one writer thread, and reads to the pool of readers.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chat_core::port::BackendError;
use rusqlite::Connection;

use crate::{
    lock::beside,
    open,
    open_error::{OpenError, failed, io_failed},
    readers::Readers,
    writer::Writer,
};

/// A [`Store`](chat_core::port::Store) in one `SQLite` file.
///
/// Acknowledged writes survive a power cut. Times are kept in microseconds. One process at a time
/// can open the file, under whatever name; a new file can be read by its owner only. Beside the
/// file is `<file>.lock`, which is empty and remains, and while the store is open `<file>-wal` and
/// `<file>-shm`, which belong to it: [`backup`](crate::backup) makes a complete copy at any time.
/// Two seconds after the last write the file by itself is complete.
///
/// If the file is removed or replaced while it is open, all calls fail from then on, within two
/// seconds.
///
/// Dropping the store closes it: that waits until everything submitted is on the disk, usually some
/// milliseconds.
pub struct SqliteStore {
    path: PathBuf,
    // The fields are dropped in this order, so that the writer closes last and removes the log.
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, and creates or upgrades it if necessary.
    ///
    /// A damaged file is refused as far as a check of some milliseconds can find the damage: a
    /// truncated file always, a file of up to 4 MiB page by page, a larger file at the beginnings
    /// and ends of its tables. Damage elsewhere is an error of the calls that read it.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what to do. A refused file is left unchanged.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let shown = path.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let file = open::open(&path)?;
            let (path, lock) = (file.lock.path.clone(), Arc::new(file.lock));
            let readers = Readers::open(Arc::clone(&lock)).map_err(|error| failed(&path, error))?;
            let writer =
                Writer::start(file.connection, lock).map_err(|error| io_failed(&path, error))?;
            Ok(Self {
                path,
                readers,
                writer,
            })
        });
        opening.await.unwrap_or_else(|error| {
            Err(OpenError::Other {
                path: shown,
                source: error.into(),
            })
        })
    }

    /// The size of the write-ahead log in bytes. More than some 100 MiB means that another program
    /// reads the file in one long transaction.
    pub fn log_bytes(&self) -> u64 {
        let log = fs::metadata(beside(&self.path, "-wal"));
        log.map_or(0, |found| found.len())
    }

    /// The number of rooms. The call reads the index of all rooms: some milliseconds for 100,000.
    ///
    /// # Errors
    ///
    /// [`BackendError`] when the file can't be read.
    pub async fn room_count(&self) -> Result<u64, BackendError> {
        let query = |snapshot: &Connection| {
            snapshot.query_row("SELECT count(*) FROM room", (), |found| {
                Ok(found.get::<_, i64>(0)?.unsigned_abs())
            })
        };
        self.readers.read("room_count", query).await
    }
}
