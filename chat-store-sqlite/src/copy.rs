//! Backup and restore: complete, checked copies of a store's file.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use crate::{
    doctor::{self, Finding},
    lock::{Hold, Lock, beside, folder, open_or_make, resolve},
    log_mark, open,
    open_error::{OpenError, failed, io_failed},
    schema,
};

/// The number of pages of 4 KiB that are copied between two progress reports.
const PAGES: i32 = 1_024;

/// The time that a copy waits for a lock of another program.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The progress of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The number of pages copied so far.
    pub done: u64,
    /// The number of pages in total.
    pub all: u64,
}

/// The reason why a copy failed. Existing files are unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// One of the files can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file of this name exists already.
    #[error("{} is there already; choose another name, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The source and the target are the same file.
    #[error("{} is the store itself; name the backup", path.display())]
    Same {
        /// The file.
        path: PathBuf,
    },
    /// The content of the file is damaged.
    #[error("{} is damaged: {}", path.display(), List(findings))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The faults that were found.
        findings: Vec<Finding>,
    },
}

struct List<'a>(&'a [Finding]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (at, finding) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{finding}", if at == 0 { "" } else { "; " })?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, "; and {more} more"),
            _ => Ok(()),
        }
    }
}

/// Copies the file of a store to a new file. A program may have the store open meanwhile.
///
/// The copy holds everything that had been acknowledged when the call began, in one file, and is
/// checked before it gets its name. Reads and writes of the store go on; its log grows meanwhile.
///
/// # Errors
///
/// [`CopyError`] says what to do; no copy exists then.
///
/// # Cancel safety
///
/// A dropped call still runs to its end.
pub async fn backup(
    store: impl AsRef<Path>,
    copy: impl AsRef<Path>,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<(), CopyError> {
    let (store, copy) = (store.as_ref().to_owned(), copy.as_ref().to_owned());
    on_a_thread(store.clone(), move || back_up(&store, &copy, progress)).await
}

/// Replaces a store that no program has open by a backup. Returns the new name of the file that was
/// replaced, if there was one.
///
/// The backup is checked before anything is replaced, and is not changed. Each room gets a new
/// epoch, so that devices forget entries that the backup doesn't have. The log that a killed
/// program left beside the store is moved away with the store, so it can't change the restored
/// data. A crash during the call leaves either the old store, or a store that refuses to open until
/// the call is repeated.
///
/// # Errors
///
/// [`CopyError`] says what to do; [`OpenError::Locked`] while a program has the store open.
///
/// # Cancel safety
///
/// A dropped call still runs to its end.
pub async fn restore(
    backup: impl AsRef<Path>,
    store: impl AsRef<Path>,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Option<PathBuf>, CopyError> {
    let (backup, store) = (backup.as_ref().to_owned(), store.as_ref().to_owned());
    on_a_thread(store.clone(), move || put_back(&backup, &store, progress)).await
}

async fn on_a_thread<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let source = error.into();
        Err(OpenError::Other { path, source }.into())
    })
}

fn back_up(store: &Path, copy: &Path, mut progress: impl FnMut(Progress)) -> Result<(), CopyError> {
    let (source, _lock) = open_source(store)?;
    let copy = resolve(copy)?;
    if copy.exists() {
        return Err(CopyError::Exists { path: copy });
    }
    let part = beside(&copy, ".part");
    let done = copy_pages(&source, store, &part, &mut progress)
        .and_then(|target| finish(target, &part, store))
        .and_then(|()| rename(&part, &copy).map_err(CopyError::from));
    if done.is_err() {
        fs::remove_file(&part).ok();
    }
    done
}

fn put_back(
    backup: &Path,
    store: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Option<PathBuf>, CopyError> {
    let (source, _backup_lock) = open_source(backup)?;
    let was_there = resolve(store)?.exists();
    let lock = Lock::take(store)?;
    let store = &lock.path;
    if resolve(backup)? == *store {
        return Err(CopyError::Same {
            path: store.clone(),
        });
    }
    let part = beside(store, ".part");
    let done = copy_pages(&source, backup, &part, &mut progress).and_then(|target| {
        let fresh = "UPDATE room SET epoch = randomblob(16)";
        target
            .execute(fresh, ())
            .map_err(|error| failed(&part, error))?;
        finish(target, &part, backup)
    });
    if let Err(error) = done {
        fs::remove_file(&part).ok();
        if !was_there {
            fs::remove_file(store).ok();
        }
        return Err(error);
    }
    // From here on the store refuses to open until the restoration is complete.
    let restoring = beside(store, open::RESTORING);
    rename(&part, &restoring)?;
    let log = beside(store, "-wal");
    let mut kept = None;
    let holds = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
    if holds(store) || holds(&log) {
        let names = (1..=u32::MAX).map(|number| beside(store, &format!(".replaced-{number}")));
        let mut free = names.filter(|name| !name.exists());
        let name = free.next().unwrap_or_else(|| beside(store, ".replaced"));
        if log.exists() {
            rename(&log, &beside(&name, "-wal"))?;
        }
        rename(store, &name)?;
        kept = Some(name);
    }
    match fs::remove_file(beside(store, "-shm")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_failed(&beside(store, "-shm"), error).into());
        }
        _ => {}
    }
    rename(&restoring, store)?;
    Ok(kept)
}

/// Opens a file for reading, whether or not a program has it open. If none has, the file is held.
fn open_source(path: &Path) -> Result<(Connection, Option<Hold>), CopyError> {
    let (connection, lock) = open::look(path)?;
    let snapshot = "BEGIN; SELECT 1 FROM sqlite_schema";
    connection
        .execute_batch(snapshot)
        .map_err(|error| failed(path, error))?;
    Ok((connection, lock))
}

/// Copies all pages to a new file. The source is in a transaction, so it doesn't change meanwhile.
fn copy_pages(
    source: &Connection,
    named: &Path,
    part: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<Connection, CopyError> {
    // An interrupted copy may have left these files.
    for ending in ["", "-journal"] {
        fs::remove_file(beside(part, ending)).ok();
    }
    drop(open_or_make(part)?);
    let to_part = |error| failed(part, error);
    let mut target =
        Connection::open_with_flags(part, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(to_part)?;
    let copying = Backup::new(source, &mut target).map_err(to_part)?;
    let mut waited = Duration::ZERO;
    loop {
        let step = copying.step(PAGES).map_err(|error| failed(named, error))?;
        let at = copying.progress();
        let (all, left) = (at.pagecount.unsigned_abs(), at.remaining.unsigned_abs());
        progress(Progress {
            done: u64::from(all.saturating_sub(left)),
            all: u64::from(all),
        });
        match step {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => {
                waited += PAUSE;
                if waited > PATIENCE {
                    let path = named.to_owned();
                    return Err(OpenError::Locked { path }.into());
                }
                thread::sleep(PAUSE);
            }
            _ => waited = Duration::ZERO,
        }
    }
    drop(copying);
    Ok(target)
}

/// Makes the copy independent of its source, checks it, and syncs it to the disk.
fn finish(mut target: Connection, part: &Path, source: &Path) -> Result<(), CopyError> {
    let to_part = |error| failed(part, error);
    target
        .pragma_update(None, "journal_mode", "DELETE")
        .map_err(to_part)?;
    schema::migrate(&mut target).map_err(to_part)?;
    log_mark::detach(&target).map_err(to_part)?;
    let findings = doctor::examine_open(&target).map_err(to_part)?;
    if !findings.is_empty() {
        return Err(CopyError::Damaged {
            path: source.to_owned(),
            findings,
        });
    }
    target.close().map_err(|(_, error)| to_part(error))?;
    let file = File::open(part).and_then(|file| file.sync_all());
    file.map_err(|error| io_failed(part, error).into())
}

/// Renames a file, and syncs the folder so that the new name survives a power cut.
fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    let renamed = fs::rename(from, to).and_then(|()| {
        // Other systems can't open a folder, and don't need to.
        if cfg!(unix) {
            File::open(folder(to))?.sync_all()?;
        }
        Ok(())
    });
    renamed.map_err(|error| io_failed(to, error))
}
