//! Settings of the connections to the file, and checkpoints of its write-ahead log.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// The time that a call waits for a lock that another program, such as a backup, holds on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// The page cache in KiB. The writer's cache holds the upper levels of all indexes.
const WRITER_CACHE: i64 = 64 * 1024;
const READER_CACHE: i64 = 16 * 1024;

/// The length of the write-ahead log at which the writer copies it into the file, in pages of 4
/// KiB. With half this length a batch takes a tenth longer, because pages that many batches change
/// are copied more often; with twice this length it is no faster.
pub(crate) const CHECKPOINT_PAGES: i64 = 8_000;

/// The size to which a grown write-ahead log is truncated, in bytes.
const LOG_LIMIT: i64 = 64 << 20;

fn open(path: &Path, flags: OpenFlags, cache: i64) -> rusqlite::Result<Connection> {
    // Only one thread at a time uses a connection, as NO_MUTEX requires.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cache_size", -cache)?;
    // Reads are not memory-mapped: a failing disk would end the process instead of the query.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Opens the connection that writes, and creates the file if it doesn't exist.
pub(crate) fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(path, flags, WRITER_CACHE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL would lose acknowledged messages in a power cut, and group commit makes FULL as fast.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer runs checkpoints itself, after its callers have their answers.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    // Deleted content is overwritten in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// Opens a connection that reads beside the writer.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens a connection that examines an unknown file and leaves it unchanged.
///
/// A file without a write-ahead log is opened as immutable, because otherwise an empty log would be
/// created beside it.
pub(crate) fn probe(path: &Path, has_log: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    if has_log {
        return open(path, flags, READER_CACHE);
    }
    // Every byte is escaped as %XX, because some have a meaning in a URI.
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let hex = |half: u8| char::from_digit(u32::from(half), 16);
    let escaped: String = bytes
        .flat_map(|byte| [Some('%'), hex(byte >> 4), hex(byte & 15)])
        .flatten()
        .collect();
    let uri = format!("file:{escaped}?immutable=1");
    let flags = flags | OpenFlags::SQLITE_OPEN_URI;
    open(Path::new(&uri), flags, READER_CACHE)
}

/// Reads a number that `SQLite` keeps about the file.
pub(crate) fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

/// Whether the file system supports a write-ahead log for this file.
pub(crate) fn has_write_ahead_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(mode == "wal")
}

/// The state of the write-ahead log after a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    /// A reader uses an older state, so the checkpoint is not complete.
    pub(crate) busy: bool,
    /// The number of pages in the log.
    pub(crate) pages: i64,
    /// The number of these pages that are also in the file.
    pub(crate) copied: i64,
}

/// Runs a checkpoint in this mode; `NOOP` only reads the state of the log.
pub(crate) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Log> {
    connection
        .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row((), |found| {
            Ok(Log {
                busy: found.get(0)?,
                pages: found.get(1)?,
                copied: found.get(2)?,
            })
        })
}

/// Runs an operation that fails at once, instead of waiting, when another connection holds a lock.
pub(crate) fn without_waiting<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(Duration::ZERO)?;
    let done = work(connection);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_refuses_a_write_ahead_log_is_noticed() {
        // Memory refuses it as a file system without shared memory does: silently.
        let refusing = Connection::open_in_memory().unwrap();
        refusing.pragma_update(None, "journal_mode", "WAL").unwrap();
        assert!(!has_write_ahead_log(&refusing).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let connection = writer(&folder.path().join("chat.db")).unwrap();
        assert!(has_write_ahead_log(&connection).unwrap());
    }
}
