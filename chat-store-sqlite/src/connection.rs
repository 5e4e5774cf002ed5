//! How connections are set up.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// How long to wait for a lock that a foreign program holds on the file, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Page cache in KiB: the writer's holds the upper levels of all indexes.
const WRITER_CACHE: i64 = 64 * 1024;
const READER_CACHE: i64 = 16 * 1024;

/// Write-ahead log at which the writer copies it into the file, in pages of 4 KiB. With half of it a batch
/// costs a tenth more, for pages that many batches change are copied more often; with twice as
/// much no less.
pub(crate) const CHECKPOINT_PAGES: i64 = 8_000;

/// What a grown write-ahead log is cut back to, in bytes.
const LOG_LIMIT: i64 = 64 << 20;

fn open(path: &Path, flags: OpenFlags, cache: i64) -> rusqlite::Result<Connection> {
    // One thread at a time uses a connection, which is what NO_MUTEX asks for.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cache_size", -cache)?;
    // No memory-mapped reads: a failing disk would end the process instead of the query.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// The connection that writes. Makes the file if there is none.
pub(crate) fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(path, flags, WRITER_CACHE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL would lose acknowledged messages in a power cut, and group commit makes FULL as fast.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer does that, after its callers have their answers.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    // What was deleted is overwritten in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// A connection that reads beside the writer.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A connection that looks at a file of which nothing is known, and leaves it as it is.
///
/// A file without a write-ahead log is opened as one that can't change, for otherwise an empty log
/// would be made beside it.
pub(crate) fn probe(path: &Path, has_log: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    if has_log {
        return open(path, flags, READER_CACHE);
    }
    // With all that could mean something in a URI as %XX.
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

/// A number that `SQLite` keeps about the file.
pub(crate) fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

/// Whether the file system could give the file a write-ahead log.
pub(crate) fn has_write_ahead_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(mode == "wal")
}

/// How the write-ahead log stands after a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    /// A reader holds an older state, so the checkpoint is not complete.
    pub(crate) busy: bool,
    /// Pages in the log.
    pub(crate) pages: i64,
    /// How many of them are in the file too.
    pub(crate) copied: i64,
}

/// A checkpoint; `NOOP` only looks.
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

/// Does something without waiting for locks of others.
pub(crate) fn without_waiting<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(Duration::ZERO)?;
    let done = work(connection);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    done
}
