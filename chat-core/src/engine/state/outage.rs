//! Outages of a backend: one line in the log when it begins and one when it is over, not one per call.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    metrics::Counters,
    port::{BackendError, BackendErrorKind},
};

/// For how long nothing may fail until a backend counts as back: one of which a part is away
/// answers now and then.
const QUIET: Duration = Duration::from_secs(5);

/// Whether a backend is away, as far as its answers tell.
#[derive(Debug)]
pub(crate) struct Outage {
    /// What it means that it is away.
    meaning: &'static str,
    /// So that a call that succeeds, as nearly all do, takes no lock.
    away: AtomicBool,
    last_failure: Mutex<Duration>,
    pub(crate) failures: Counters<BackendErrorKind>,
}

impl Outage {
    pub(crate) fn new(meaning: &'static str) -> Self {
        Self {
            meaning,
            away: AtomicBool::new(false),
            last_failure: Mutex::default(),
            failures: Counters::default(),
        }
    }

    /// Notes how a call ended at `now`, and logs it if that is news.
    pub(crate) fn note(&self, now: Duration, failure: Option<&BackendError>) {
        match failure {
            Some(error) => {
                self.failures.count(error.kind);
                *self.last_failure() = now;
                if self.away.swap(true, Ordering::Relaxed) {
                    tracing::debug!(%error, "{}", self.meaning);
                } else {
                    tracing::warn!(%error, "{}", self.meaning);
                }
            }
            None if !self.away.load(Ordering::Relaxed) => {}
            None => {
                let quiet = now.saturating_sub(*self.last_failure()) >= QUIET;
                if quiet && self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("it is over: {}", self.meaning);
                }
            }
        }
    }

    /// Whether it is away.
    pub(crate) fn is_on(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    fn last_failure(&self) -> std::sync::MutexGuard<'_, Duration> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing::{
        Event, Level, Metadata, Subscriber,
        span::{Attributes, Id, Record},
    };

    use super::*;
    use crate::port::{BackendErrorKind, Retry};

    /// Collects the levels of what is logged.
    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl Subscriber for Levels {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::INFO
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn each_change_is_one_line_however_many_calls_fail_or_only_some() {
        let error = BackendError {
            kind: BackendErrorKind::Unavailable,
            retry: Retry::Safe,
            backend: "test",
            operation: "call",
            source: None,
        };
        let levels = Levels::default();
        let logged = levels.clone();
        tracing::subscriber::with_default(levels, || {
            let outage = Outage::new("calls fail");
            let mut now = Duration::from_secs(1);
            for _ in 0..2 {
                outage.note(now, None);
                for _ in 0..100 {
                    outage.note(now, Some(&error));
                    outage.note(now, None);
                    now += Duration::from_millis(100);
                }
                now += QUIET;
                outage.note(now, None);
                outage.note(now, None);
            }
        });
        let expected = [Level::WARN, Level::INFO, Level::WARN, Level::INFO];
        assert_eq!(*logged.0.lock().unwrap(), expected);
    }
}
