//! Files that are read again while the server runs: when the process gets SIGHUP, and when they change.

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

/// How often the files are looked at.
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
    /// The first file that can't be used, and why.
    fn read(&self) -> Result<Self::Value, FileError>;
}

/// The value in use, which may be replaced at any time.
pub(crate) type InUse<S> = Arc<ArcSwap<<S as Source>::Value>>;

/// A value in use that comes from files, and whether the last attempt to read them again failed.
#[derive(Debug)]
pub(crate) struct Reloading<S: Source> {
    source: S,
    /// Weak, so that the files are followed only while the value is in use.
    value: Weak<ArcSwap<S::Value>>,
    /// The versions of the files that were read first.
    first: Vec<Version>,
    failing: AtomicBool,
    pub(crate) failures: Counter,
}

/// What tells one version of a file from another; `None` for a file that can't be looked at.
type Version = Option<(SystemTime, u64, Inode)>;

/// The number of the file, and when it or its permissions were changed; nothing where the system has none.
type Inode = (u64, i64, i64);

impl<S: Source> Reloading<S> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    ///
    /// The first file that can't be used, and why.
    pub(crate) fn open(source: S) -> Result<(InUse<S>, Self), FileError> {
        // Before they are read, so that a change in between is not missed.
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

    /// Whether the last attempt to read the files again failed, so that the value before is still in use.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Follows the files until nobody uses the value any more.
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

    /// Reads the files; one that can't be used leaves the value as it is.
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

/// The signal that asks a server to read its files again. On systems without SIGHUP it never comes.
struct Hangup(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangup {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listening = signal(SignalKind::hangup());
        Self(
            listening
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP can't be listened for"))
                .ok(),
        )
    }

    async fn next(&mut self) {
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
    fn new() -> Self {
        Self()
    }

    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
