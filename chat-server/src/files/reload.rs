//! Files that are read again while the server runs: when the process gets SIGHUP, and when the
//! files change.

use std::{
    fmt::Debug,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use chat_core::metrics::Counter;

use super::FileError;

/// The interval at which the files are checked for changes.
const LOOK: Duration = Duration::from_secs(10);

/// One or more files that are read together.
pub(crate) trait Source: Debug {
    /// The value that the files hold.
    type Value;

    /// The value's name in the log.
    const NAME: &'static str;

    /// The paths of the files.
    fn files(&self) -> impl Iterator<Item = &Path>;

    /// Reads all files.
    ///
    /// # Errors
    ///
    /// The first file that can't be used, and the reason.
    fn read(&self) -> Result<Self::Value, FileError>;
}

/// The value in use, which may be replaced at any time.
pub(crate) type InUse<S> = Arc<ArcSwap<<S as Source>::Value>>;

/// A value in use that comes from files, and whether the last attempt to read them again failed.
#[derive(Debug)]
pub(crate) struct Reloading<S: Source> {
    source: S,
    /// Weak, so that the files are watched only while the value is in use.
    value: Weak<ArcSwap<S::Value>>,
    /// The versions of the files that were read first.
    first: Vec<Version>,
    failing: AtomicBool,
    pub(crate) failures: Counter,
}

/// The properties that differ between versions of a file; `None` for a file whose metadata can't be
/// read.
type Version = Option<(SystemTime, u64, Inode)>;

/// The inode number, and the time when the file or its permissions changed; zeros on systems that
/// have none.
type Inode = (u64, i64, i64);

impl<S: Source> Reloading<S> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    ///
    /// The first file that can't be used, and the reason.
    pub(crate) fn open(source: S) -> Result<(InUse<S>, Self), FileError> {
        // The versions are noted before the files are read, so that a change in between is not
        // missed.
        let first = versions(&source);
        let value = Arc::new(ArcSwap::from_pointee(source.read()?));
        let reloading = Self {
            source,
            value: Arc::downgrade(&value),
            first,
            failing: AtomicBool::new(false),
            failures: Counter::default(),
        };
        Ok((value, reloading))
    }

    /// Whether the last attempt to read the files again failed, so that the previous value is still
    /// in use.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Watches the files until the value is no longer in use.
    pub(crate) async fn follow(&self) {
        let mut hangup = Hangup::new();
        let mut seen = self.first.clone();
        while self.value.strong_count() > 0 {
            let asked = tokio::time::timeout(LOOK, hangup.next()).await.is_ok();
            let versions = versions(&self.source);
            if asked || versions != seen {
                seen = versions;
                self.read();
            }
        }
    }

    /// Reads the files. If one can't be used, the value stays as it is.
    fn read(&self) {
        let Some(value) = self.value.upgrade() else {
            return;
        };
        match self.source.read() {
            Ok(read) => {
                value.store(read.into());
                self.failing.store(false, Ordering::Relaxed);
                tracing::info!("{} were read again", S::NAME);
            }
            Err(error) => {
                self.failures.add(1);
                self.failing.store(true, Ordering::Relaxed);
                tracing::error!(%error, "{} stay as they were", S::NAME);
            }
        }
    }
}

fn versions(source: &impl Source) -> Vec<Version> {
    source.files().map(version).collect()
}

fn version(file: &Path) -> Version {
    let metadata = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt as _;
        (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let inode = Inode::default();
    Some((metadata.modified().ok()?, metadata.len(), inode))
}

/// The signal on which a server reads its files again. It never arrives on systems without SIGHUP.
pub(crate) struct Hangup(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangup {
    pub(crate) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listening = signal(SignalKind::hangup());
        Self(
            listening
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP can't be listened for"))
                .ok(),
        )
    }

    pub(crate) async fn next(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(not(unix))]
impl Hangup {
    pub(crate) fn new() -> Self {
        Self()
    }

    pub(crate) async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
