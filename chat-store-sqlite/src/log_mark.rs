//! A mark that binds the file and its write-ahead log to each other.
//!
//! `SQLite` can't detect that a log belongs to another file: when a backup is put back beside the
//! log of a killed program, it mixes the two. So the file has a mark, which changes with the first
//! transaction after the whole log has been copied into the file. The new mark is in the log only,
//! together with the mark before it. At any moment the file by itself has one of these two marks;
//! if it has neither, the log belongs to another file.
//!
//! The table is not a version of the schema: a program that doesn't know it can use the file.
//!
//! `docs/adr/0017-a-mark-binds-the-file-and-its-log.md` has the reasons.

use rusqlite::{Connection, OptionalExtension};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS log_mark (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    mark   BLOB    NOT NULL,
    before BLOB                         -- the mark of the file when this log began
) STRICT;
INSERT OR IGNORE INTO log_mark (id, mark) VALUES (1, randomblob(16))";

/// Gives the file a mark if it has none.
pub(crate) fn ensure(connection: &Connection) -> rusqlite::Result<()> {
    let known = "SELECT 1 FROM sqlite_schema WHERE name = 'log_mark'";
    if connection.prepare(known)?.exists(())? {
        return Ok(());
    }
    connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLE}; COMMIT"))
}

/// Gives the next log a new mark, as part of its first transaction.
pub(crate) fn renew(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE log_mark SET before = mark, mark = randomblob(16)")?
        .execute(())
        .map(drop)
}

/// Gives a copy a new mark, so that no existing log belongs to it.
pub(crate) fn detach(connection: &Connection) -> rusqlite::Result<()> {
    ensure(connection)?;
    connection
        .execute(
            "UPDATE log_mark SET before = NULL, mark = randomblob(16)",
            (),
        )
        .map(drop)
}

/// The current mark, and the one before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    mark: Vec<u8>,
    before: Option<Vec<u8>>,
}

/// Reads the marks, with or without the log, depending on the connection.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Option<Marks>> {
    let known = "SELECT 1 FROM sqlite_schema WHERE name = 'log_mark'";
    if !connection.prepare(known)?.exists(())? {
        return Ok(None);
    }
    connection
        .query_row("SELECT mark, before FROM log_mark", (), |found| {
            Ok(Marks {
                mark: found.get(0)?,
                before: found.get(1)?,
            })
        })
        .optional()
}

/// Whether a log with the marks `with_log` belongs to the file, which has the marks `alone`.
pub(crate) fn fit(with_log: Option<&Marks>, alone: Option<&Marks>) -> bool {
    match (with_log, alone) {
        (None, None) => true,
        // The log was written by a program that gave the file its first mark.
        (Some(with_log), None) => with_log.before.is_none(),
        (None, Some(_)) => false,
        (Some(with_log), Some(alone)) => {
            alone.mark == with_log.mark || Some(&alone.mark) == with_log.before.as_ref()
        }
    }
}
