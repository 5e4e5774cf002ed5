//! Keys that are read again while the server runs: when the process gets SIGHUP, and when their file changes.

use std::{
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use chat_core::metrics::Counter;

use super::keys::{KeySet, Source};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Keys, and whether the last attempt to read them again failed.
#[derive(Debug)]
pub(crate) struct Reloading {
    source: Source,
    keys: Weak<ArcSwap<KeySet>>,
    failing: AtomicBool,
    pub(crate) failures: Counter,
}

/// What tells one version of a file from another.
type Version = Option<(SystemTime, u64)>;

impl Reloading {
    pub(crate) fn new(source: Source, keys: Weak<ArcSwap<KeySet>>) -> Self {
        Self {
            source,
            keys,
            failing: AtomicBool::new(false),
            failures: Counter::default(),
        }
    }

    /// Whether the keys in use are older than the file, which can't be used.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Follows the file until nobody uses the keys any more.
    pub(crate) async fn follow(&self) {
        let mut hangup = Hangup::new();
        let mut seen = self.version();
        while self.keys.strong_count() > 0 {
            let asked = tokio::time::timeout(LOOK, hangup.next()).await.is_ok();
            let version = self.version();
            if asked || version != seen {
                seen = version;
                self.read();
            }
        }
    }

    fn version(&self) -> Version {
        let metadata = std::fs::metadata(self.source.path()).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    /// Reads the file; one that can't be used leaves the keys as they are.
    fn read(&self) {
        let Some(keys) = self.keys.upgrade() else {
            return;
        };
        match self.source.read() {
            Ok(read) => {
                keys.store(read.into());
                self.failing.store(false, Ordering::Relaxed);
                tracing::info!(file = %self.source.path().display(), "the keys were read again");
            }
            Err(error) => {
                self.failures.add(1);
                self.failing.store(true, Ordering::Relaxed);
                tracing::error!(%error, "the keys stay as they were");
            }
        }
    }
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
