//! Time and ids as the engine gets them, so that a test can decide both.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// The clock of an engine.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock: for what people see. It may jump.
    fn now(&self) -> DateTime<Utc>;

    /// Time that never goes back, since some fixed moment: for limits and leases.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock, to the microsecond, which is what stores keep.
#[derive(Debug)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when [`advance`](Self::advance) is called.
///
/// ```
/// use std::time::Duration;
/// use chat_core::{Clock, ManualClock};
///
/// let clock = ManualClock::default();
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.monotonic(), Duration::from_secs(5));
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    elapsed: Mutex<Duration>,
}

impl ManualClock {
    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source of an engine's ids.
pub trait IdGen: fmt::Debug + Send + Sync + 'static {
    /// An id that no other call, here or on another node, gives.
    fn next(&self) -> Uuid;
}

/// `UUIDv7`: a time and 74 random bits, so ids of one node sort roughly by age.
#[derive(Debug, Default)]
pub struct RandomIds;

impl IdGen for RandomIds {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that makes random ids"
    )]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// 1, 2, 3, ...: the same ids in every run of a test.
#[derive(Debug, Default)]
pub struct CountingIds(AtomicU64);

impl IdGen for CountingIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }
}
