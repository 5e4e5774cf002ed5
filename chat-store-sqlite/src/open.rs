//! Opens an unknown file, after checking that it is a sound store of this crate.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use rusqlite::Connection;

use crate::{
    connection,
    lock::{Hold, Lock, beside, resolve, warn_of_risks},
    log_mark,
    open_error::{OpenError, failed, io_failed},
    schema::{self, APPLICATION_ID, VERSION},
};

/// The largest file that is checked page by page, in bytes: 5 to 7 ms per MiB, measured on a busy
/// machine.
const CHECKED_WHOLE: u64 = 4 << 20;

/// The suffix of the copy that is about to replace the file.
pub(crate) const RESTORING: &str = ".restoring";

/// An open file of this crate, with the schema version of this code.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    /// Keeps every other opener away from the file until it is dropped, however the process ends.
    pub(crate) lock: Lock,
}

pub(crate) fn open(path: &Path) -> Result<Opened, OpenError> {
    let was_there = resolve(path)?.exists();
    let lock = Lock::take(path)?;
    match prepare(&lock.path) {
        Ok(connection) => Ok(Opened { connection, lock }),
        Err(error) => {
            // The lock has created the file.
            if !was_there && !holds_bytes(&lock.path) {
                fs::remove_file(&lock.path).ok();
            }
            Err(error)
        }
    }
}

fn prepare(path: &Path) -> Result<Connection, OpenError> {
    if beside(path, RESTORING).exists() {
        let path = path.to_owned();
        return Err(OpenError::UnfinishedRestore { path });
    }
    inspect(path)?;
    let sql = |error| failed(path, error);
    let mut connection = connection::writer(path).map_err(sql)?;
    if !connection::has_write_ahead_log(&connection).map_err(sql)? {
        let path = path.to_owned();
        return Err(OpenError::NoWriteAheadLog { path });
    }
    schema::migrate(&mut connection).map_err(sql)?;
    log_mark::ensure(&connection).map_err(sql)?;
    warn_of_risks(path);
    Ok(connection)
}

/// Opens a connection that reads a file, whether or not another program has it open, and writes
/// nothing. If no program has it open, none can open it while the returned [`Hold`] exists.
pub(crate) fn look(path: &Path) -> Result<(Connection, Option<Hold>), OpenError> {
    let path = &resolve(path)?;
    let sql = |error| failed(path, error);
    if !path.exists() {
        let path = path.clone();
        return Err(OpenError::NoFile { path });
    }
    let Some(hold) = Hold::of(path)? else {
        return Ok((connection::reader(path).map_err(sql)?, None));
    };
    inspect(path)?;
    let has_log = holds_bytes(&beside(path, "-wal"));
    let connection = connection::probe(path, has_log).map_err(sql)?;
    Ok((connection, Some(hold)))
}

/// Refuses anything but a sound store with the log that belongs to it. Writes nothing.
fn inspect(path: &Path) -> Result<(), OpenError> {
    let has_log = holds_bytes(&beside(path, "-wal"));
    if !begins_as_a_database(path)? {
        return if has_log {
            let path = path.to_owned();
            Err(OpenError::LostFile { path })
        } else {
            Ok(())
        };
    }
    match check(path, has_log) {
        // The file is sound without the log and unsound with it, so the log belongs to another
        // file.
        Err(
            error @ (OpenError::Damaged { .. }
            | OpenError::Foreign { .. }
            | OpenError::ForeignLog { .. }
            | OpenError::NotADatabase { .. }),
        ) if has_log && check(path, false).is_ok() => {
            let detail = match error {
                OpenError::Damaged { detail, .. } | OpenError::ForeignLog { detail, .. } => detail,
                _ => "together they make no sense".to_owned(),
            };
            let path = path.to_owned();
            Err(OpenError::ForeignLog { path, detail })
        }
        checked => checked,
    }
}

fn holds_bytes(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// Whether the file exists and isn't empty; refuses content that doesn't begin like a database.
fn begins_as_a_database(path: &Path) -> Result<bool, OpenError> {
    const BEGINNING: &[u8; 16] = b"SQLite format 3\0";

    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_failed(path, error)),
    };
    let mut beginning = Vec::new();
    let read = file.by_ref().take(16).read_to_end(&mut beginning);
    read.map_err(|error| io_failed(path, error))?;
    if beginning.is_empty() {
        return Ok(false);
    }
    if beginning != BEGINNING {
        return Err(OpenError::NotADatabase {
            path: path.to_owned(),
        });
    }
    Ok(true)
}

/// Refuses a database of another application, of a newer version, or with damage. Writes nothing.
fn check(path: &Path, has_log: bool) -> Result<(), OpenError> {
    let damaged = |detail| OpenError::Damaged {
        path: path.to_owned(),
        detail,
    };
    let sql = |error| failed(path, error);
    let probe = connection::probe(path, has_log).map_err(sql)?;
    let number = |pragma| connection::number(&probe, pragma).map_err(sql);

    let known = i64::try_from(VERSION).unwrap_or(i64::MAX);
    let (application, found) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION_ID {
        let query = "SELECT 1 FROM sqlite_schema";
        let used = probe.prepare(query).and_then(|mut query| query.exists([]));
        // A database without tables is a store whose creation was interrupted.
        return if application != 0 || found != 0 || used.map_err(sql)? {
            Err(OpenError::Foreign {
                path: path.to_owned(),
            })
        } else {
            Ok(())
        };
    }
    if found > known {
        return Err(OpenError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }

    let marks = log_mark::read(&probe).map_err(sql)?;
    if has_log
        && let Ok(alone) = connection::probe(path, false).and_then(|alone| log_mark::read(&alone))
        && !log_mark::fit(marks.as_ref(), alone.as_ref())
    {
        return Err(OpenError::ForeignLog {
            path: path.to_owned(),
            detail: "their marks differ".to_owned(),
        });
    }

    let size = fs::metadata(path)
        .map_err(|error| io_failed(path, error))?
        .len();
    let pages = number("page_count")?;
    let whole = u64::try_from(pages.saturating_mul(number("page_size")?)).unwrap_or(0);
    if !has_log && size < whole {
        return Err(damaged(format!(
            "{} of {whole} bytes are missing",
            whole - size
        )));
    }
    let finding = if whole <= CHECKED_WHOLE {
        probe.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    } else {
        ends(&probe).map(|()| "ok".to_owned())
    };
    match finding.map_err(sql)? {
        ok if ok == "ok" => Ok(()),
        finding => Err(damaged(finding)),
    }
}

/// Reads the first row of each table, and the first and the last row of each index, which checks all root
/// pages and the newest rows, whatever the size of the file.
fn ends(probe: &Connection) -> rusqlite::Result<()> {
    let mut tables = probe.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let mut found = tables.query([])?;
    while let Some(table) = found.next()? {
        let table: String = table.get(0)?;
        let query = format!("SELECT * FROM {table} NOT INDEXED LIMIT 1");
        probe.prepare(&query)?.query([])?.next()?;
    }
    let mut indexes = probe.prepare(
        "SELECT tables.name, group_concat(columns.name) \
         FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS indexes, \
         pragma_index_info(indexes.name) AS columns \
         WHERE tables.type = 'table' AND indexes.partial = 0 GROUP BY tables.name, indexes.name",
    )?;
    let mut found = indexes.query([])?;
    while let Some(index) = found.next()? {
        let (table, columns): (String, String) = (index.get(0)?, index.get(1)?);
        for end in [columns.clone(), columns.replace(',', " DESC,") + " DESC"] {
            let query = format!("SELECT * FROM {table} ORDER BY {end} LIMIT 1");
            probe.prepare(&query)?.query([])?.next()?;
        }
    }
    Ok(())
}
