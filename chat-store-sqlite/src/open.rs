//! Opening a file of which nothing is known: whose it is, and whether it is whole.

use std::{
    error::Error,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode};

use crate::{
    connection,
    schema::{self, APPLICATION_ID, VERSION},
};

/// Why a file can't be opened, and what to do. A file that is refused is left as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process; stop that one, or choose another file", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this crate wrote it.
    #[error(
        "{} has version {found} of the schema, and this program knows versions up to {known}; \
         run the newer program, or choose another file", path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this code can read.
        known: i64,
    },
    /// It is not an `SQLite` database.
    #[error("{} is not a database; choose another file", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// It is a database, of some other application.
    #[error("{} is the database of another application; choose another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Part of it is missing or makes no sense.
    #[error("{} is damaged ({detail}); put back a backup, or move it away to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The folder that it is to be in doesn't exist.
    #[error("there is no folder {}; make it, or choose another file", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file, or the folder that it is in, may not be written.
    #[error("{} may not be written; allow it for the file and its folder, or choose another file", path.display())]
    NoPermission {
        /// The file.
        path: PathBuf,
    },
    /// There is no room for it.
    #[error("there is no room on the disk for {}; free some, or choose another disk", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Anything else; the source says what.
    #[error("{} can't be opened", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What the system or `SQLite` said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A file up to this size, in bytes, is checked page by page: 5 to 7 ms a MiB, measured on a busy machine.
const CHECKED_WHOLE: u64 = 4 << 20;

/// A file that is open, ours, and of the version of this code.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    /// Nobody else opens the file before this is dropped, however the process ends.
    pub(crate) lock: File,
}

pub(crate) fn open(path: &Path) -> Result<Opened, OpenError> {
    let path = resolve(path)?;
    let lock = lock(&path)?;
    if holds_something(&path)? {
        check(&path)?;
    }
    let mut connection = connection::writer(&path).map_err(|error| failed(&path, error))?;
    schema::migrate(&mut connection).map_err(|error| failed(&path, error))?;
    Ok(Opened {
        path,
        connection,
        lock,
    })
}

/// The one name of the file, whatever links lead to it: the lock hangs on the name.
fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found.map_err(|error| io_failed(path, error)),
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "no file is named");
        io_failed(path, error)
    })?;
    let found = folder.canonicalize();
    found.map(|folder| folder.join(name)).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            let path = folder.to_owned();
            OpenError::NoFolder { path }
        } else {
            io_failed(path, error)
        }
    })
}

/// A lock that ends with the process. It lies on a file beside, because `SQLite`'s own exclusive
/// mode would shut out our readers.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside)
        .map_err(|error| io_failed(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io_failed(path, error)),
    }
}

/// Whether there is a file with something in it, which must then begin as a database does.
fn holds_something(path: &Path) -> Result<bool, OpenError> {
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

/// Refuses a database that isn't ours, is too new or is damaged, without writing to it.
fn check(path: &Path) -> Result<(), OpenError> {
    let damaged = |detail| OpenError::Damaged {
        path: path.to_owned(),
        detail,
    };
    let sql = |error| failed(path, error);
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let probe = connection::probe(path, has_log).map_err(sql)?;
    let number = |pragma| connection::number(&probe, pragma).map_err(sql);

    let known = i64::try_from(VERSION).unwrap_or(i64::MAX);
    let (application, found) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION_ID {
        let query = "SELECT 1 FROM sqlite_schema";
        let used = probe.prepare(query).and_then(|mut query| query.exists([]));
        // Without a table it is one of ours that was never finished.
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

/// Reads the first and the last row by way of each index: a look at all roots and at what was
/// written last, whatever the size.
fn ends(probe: &Connection) -> rusqlite::Result<()> {
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

/// What a failure of `SQLite` while opening means.
pub(crate) fn failed(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged {
            path,
            detail: error.to_string(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
        Some(ErrorCode::DiskFull) => OpenError::DiskFull { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            OpenError::NoPermission { path }
        }
        _ => OpenError::Other {
            path,
            source: error.into(),
        },
    }
}

/// What a failure of the system while opening means.
pub(crate) fn io_failed(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NoPermission { path }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::DiskFull { path },
        _ => OpenError::Other {
            path,
            source: error.into(),
        },
    }
}
