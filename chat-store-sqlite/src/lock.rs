//! The file on the disk: its canonical name, its locks, and whether it still exists.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::open_error::{OpenError, io_failed};

/// The name of a file beside this one, such as that of its log: `beside(path, "-wal")`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Resolves all links to the one name of the file, which need not exist yet.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    /// The number of links in a row that Linux follows.
    const LINKS: usize = 40;
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found.map_err(|error| io_failed(path, error)),
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = folder(&path).join(target);
    }
    let name = path.file_name().ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "no file is named");
        io_failed(&path, error)
    })?;
    let found = folder(&path).canonicalize();
    found.map(|folder| folder.join(name)).map_err(|error| {
        let path = folder(&path).to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => OpenError::NoFolder { path },
            _ => io_failed(&path, error),
        }
    })
}

/// The folder that contains a file.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Opens a file for writing. A missing file is created, and only its owner can read and write it.
pub(crate) fn open_or_make(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| io_failed(path, error))
}

/// Keeps every other opener away from the file until it is dropped, however the process ends.
///
/// One lock is on a file beside the store, because earlier versions of this crate look there;
/// another is on the file itself, which may have further names through hard links. `SQLite` knows
/// neither lock: its own exclusive mode would shut out our readers.
#[derive(Debug)]
pub(crate) struct Lock {
    pub(crate) path: PathBuf,
    _beside: File,
    /// Closed after all connections: closing a file releases the locks that `SQLite` has on it.
    _itself: File,
    identity: Option<Identity>,
    gone: AtomicBool,
}

/// The device and inode numbers by which the system identifies a file.
type Identity = (u64, u64);

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn identity(found: &fs::Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Option<Identity> {
    None
}

impl Lock {
    /// Locks the file, and creates it if it doesn't exist.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let path = resolve(path)?;
        let name = beside(&path, ".lock");
        let beside = open_or_make(&name)?;
        take(&beside, &name, &path)?;
        let itself = open_or_make(&path)?;
        // On other systems this lock would keep out SQLite itself.
        #[cfg(unix)]
        take(&itself, &path, &path)?;
        let found = itself.metadata().map_err(|error| io_failed(&path, error))?;
        Ok(Self {
            identity: identity(&found),
            path,
            _beside: beside,
            _itself: itself,
            gone: AtomicBool::new(false),
        })
    }

    /// Checks whether the file still exists under its name, and logs a change of the answer.
    pub(crate) fn look(&self) -> bool {
        let found = fs::metadata(&self.path);
        let there =
            self.identity.is_none() || found.is_ok_and(|found| identity(&found) == self.identity);
        if self.gone.swap(!there, Ordering::Relaxed) == there {
            let path = self.path.display();
            if there {
                tracing::info!("{path} is there again");
            } else {
                tracing::error!(
                    "{path} was removed or replaced while the store has it open; nothing is written \
                     any more: put the file back, or stop the program and restore a backup"
                );
            }
        }
        there
    }

    /// The result of the last [`look`](Self::look).
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// Keeps others from opening a file that is only read. It creates no file.
#[derive(Debug)]
pub(crate) struct Hold(#[expect(dead_code, reason = "held")] Vec<File>);

impl Hold {
    /// Holds the file; `None` while a program has it open.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, OpenError> {
        let mut held = Vec::new();
        let names = if cfg!(unix) {
            vec![beside(path, ".lock"), path.to_owned()]
        } else {
            vec![beside(path, ".lock")]
        };
        for name in names {
            let file = match File::open(&name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(|error| io_failed(&name, error))?,
            };
            match take(&file, &name, path) {
                Ok(()) => held.push(file),
                Err(OpenError::Locked { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Self(held)))
    }
}

fn take(file: &File, name: &Path, path: &Path) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io_failed(name, error)),
    }
}

/// Logs a warning about risks of data loss and disclosure: a file that is mounted by itself, so
/// that its log is lost with the container, and a file that everybody on the machine can read.
pub(crate) fn warn_of_risks(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
        if device(path) != device(folder(path)) || is_mount_point(path) {
            tracing::warn!(
                "only {path} is mounted, and not its folder: the newest messages stand in {path}-wal, \
                 outside of the mount, and go with the container; mount the folder",
                path = path.display()
            );
        }
        if fs::metadata(path).is_ok_and(|found| found.mode() & 0o007 != 0) {
            tracing::warn!(
                "every user of this machine may open {path}: chmod 600 {path}",
                path = path.display()
            );
        }
    }
}

/// Whether a mount point is exactly here. A bind mount has the same device as its folder.
#[cfg(unix)]
fn is_mount_point(path: &Path) -> bool {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // In these names a blank, a tab, a line feed and a backslash are written as octal numbers.
    let mut escaped = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => {
                // Writing to a string doesn't fail.
                let _ = write!(escaped, "\\{byte:03o}");
            }
            byte => escaped.push(char::from(*byte)),
        }
    }
    let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.any(|point| point == escaped)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_mounted_by_itself_is_recognized() {
        assert!(is_mount_point(Path::new("/proc")));
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_mount_point(&folder.path().join("chat.db")));
    }
}
