//! Files that are read again while the server runs: when the process gets SIGHUP, and when they change.

use std::{
    fmt::Debug,
    path::Path,
    sync::{
        Weak,
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
    /// The value that they hold.
    type Value;

    /// The value's name in the log.
    const NAME: &'static str;

    /// Their names.
    fn files(&self) -> impl Iterator<Item = &Path>;

    /// Reads them.
    ///
    /// # Errors
    ///
    /// The first fault of one of them.
    fn read(&self) -> Result<Self::Value, FileError>;
}

/// A value in use that comes from files, and whether the last attempt to read them again failed.
#[derive(Debug)]
pub(crate) struct Reloading<S: Source> {
    source: S,
    value: Weak<ArcSwap<S::Value>>,
    failing: AtomicBool,
    pub(crate) failures: Counter,
}

/// What tells one version of a file from another.
type Version = Option<(SystemTime, u64)>;

impl<S: Source> Reloading<S> {
    pub(crate) fn new(source: S, value: Weak<ArcSwap<S::Value>>) -> Self {
        Self {
            source,
            value,
            failing: AtomicBool::new(false),
            failures: Counter::default(),
        }
    }

    /// Whether the value in use is older than the files, which can't be used.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Follows the files until nobody uses the value any more.
    pub(crate) async fn follow(&self) {
        let mut hangup = Hangup::new();
        let mut seen = self.versions();
        while self.value.strong_count() > 0 {
            let asked = tokio::time::timeout(LOOK, hangup.next()).await.is_ok();
            let versions = self.versions();
            if asked || versions != seen {
                seen = versions;
                self.read();
            }
        }
    }

    fn versions(&self) -> Vec<Version> {
        self.source.files().map(version).collect()
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

fn version(file: &Path) -> Version {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The signal that asks a server to read its files again; never, where the system has none.
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
