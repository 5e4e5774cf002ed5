//! The errors of opening a file, with their remedies.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

/// The reason why a file can't be opened, and the remedy. A refused file is left unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the file open, possibly under another name.
    #[error("{} is in use by another process; stop that one, or choose another file", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this crate wrote the file.
    #[error(
        "{} has version {found} of the schema, and this program knows versions up to {known}; \
         run the newer program, or choose another file", path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest version that this code can read.
        known: i64,
    },
    /// The file is not an `SQLite` database.
    #[error("{} is not a database; choose another file", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is the database of another application.
    #[error("{} is the database of another application; choose another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Part of the file is missing or inconsistent.
    #[error(
        "{0} is damaged ({detail}); restore a backup, or move {0}, {0}-wal and {0}-shm away together \
         to start anew", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault that was found.
        detail: String,
    },
    /// The write-ahead log beside the file belongs to another file, for example because a backup
    /// was put back beside the log of a killed program.
    #[error(
        "{0}-wal does not belong to {0} ({detail}); if you have put back a backup and want it as it is, \
         move {0}-wal and {0}-shm away; otherwise put back the file that was there before",
        path.display()
    )]
    ForeignLog {
        /// The file.
        path: PathBuf,
        /// The evidence.
        detail: String,
    },
    /// A write-ahead log with messages exists, but its file doesn't.
    #[error(
        "{0} is missing or empty, and {0}-wal holds messages; put the file back that {0}-wal belongs \
         to, or move {0}-wal and {0}-shm away to start anew", path.display()
    )]
    LostFile {
        /// The file.
        path: PathBuf,
    },
    /// The restoration of a backup to this file was interrupted.
    #[error("restoring {0} was interrupted; run it again", path.display())]
    UnfinishedRestore {
        /// The file.
        path: PathBuf,
    },
    /// The file system, such as some network file systems, doesn't support a database with several
    /// connections.
    #[error(
        "the file system of {} has no shared memory for a write-ahead log; choose a local disk",
        path.display()
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
    },
    /// The file to read doesn't exist.
    #[error("there is no file {}; correct the name", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// The folder of the file doesn't exist.
    #[error("there is no folder {}; make it, or choose another file", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// No permission to write this file, which is the store's own or one beside it.
    #[error("{} may not be written; allow it for the file and its folder, or choose another file", path.display())]
    NoPermission {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("there is no room on the disk for {}; free some, or choose another disk", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Any other failure; see the source.
    #[error("{} can't be opened", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The error of the system or of `SQLite`.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Translates a failure of `SQLite` while opening.
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

/// Translates a failure of the system while opening.
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
