//! Time and ids as the engine gets them, so that a test can decide both.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Local, SubsecRound, TimeZone, Utc};
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

/// A moment as the Node backend wrote it into its messages, in this machine's local time:
/// `5/3/2026, 9:07:04 pm`, the day first, no zeros before the day, the month and the hour.
///
/// For `chat-store-mongo` and `chat-server`, which keep that backend's documents and clients working.
#[doc(hidden)]
pub fn old_time(at: DateTime<Utc>) -> String {
    as_old_time(&at.with_timezone(&Local))
}

fn as_old_time<Z: TimeZone<Offset: fmt::Display>>(at: &DateTime<Z>) -> String {
    at.format("%-d/%-m/%Y, %-I:%M:%S %P").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    #[test]
    fn times_read_as_the_node_backend_wrote_them() {
        let india = FixedOffset::east_opt(5 * 3_600 + 1_800).unwrap();
        for (utc, text) in [
            ("2026-03-05T15:37:04Z", "5/3/2026, 9:07:04 pm"),
            ("2026-12-31T18:30:00Z", "1/1/2027, 12:00:00 am"),
            ("2026-11-22T06:30:59.999Z", "22/11/2026, 12:00:59 pm"),
            ("2026-01-09T00:00:00Z", "9/1/2026, 5:30:00 am"),
        ] {
            let at: DateTime<Utc> = utc.parse().unwrap();
            assert_eq!(as_old_time(&at.with_timezone(&india)), text, "{utc}");
        }
    }
}
