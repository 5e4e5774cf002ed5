//! The end of a login on a live connection, and the warning before it.

use std::{future, time::Duration};

use chat_core::{Clock, Principal};
use chrono::{DateTime, TimeDelta, Utc};

/// The time before the end at which the client is warned; half of the remaining time, if that is
/// less.
const WARN_BEFORE: TimeDelta = TimeDelta::seconds(60);

/// The longest sleep. After it the wall clock is read again, because it may have jumped.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The end of a login, and the time of the warning to its client.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    ends: Option<DateTime<Utc>>,
    /// `None` once the client has been warned.
    warn: Option<DateTime<Utc>>,
}

/// The event that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The client is to be warned that the login ends at this time.
    Warning(DateTime<Utc>),
    /// The login has ended.
    End,
}

impl Expiry {
    pub(crate) fn new(principal: &Principal, now: DateTime<Utc>) -> Self {
        let ends = principal.expires_at;
        let warn = ends.map(|ends| ends - ((ends - now) / 2).min(WARN_BEFORE));
        Self { ends, warn }
    }

    /// Whether the login has ended.
    pub(crate) fn is_over(&self, clock: &dyn Clock) -> bool {
        self.ends.is_some_and(|ends| ends <= clock.now())
    }

    /// Waits until an event is due; forever if the login has no end.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses no event.
    pub(crate) async fn due(&mut self, clock: &dyn Clock) -> Due {
        let Some(ends) = self.ends else {
            return future::pending().await;
        };
        loop {
            let now = clock.now();
            if ends <= now {
                return Due::End;
            }
            if self.warn.is_some_and(|warn| warn <= now) {
                self.warn = None;
                return Due::Warning(ends);
            }
            let next = self.warn.unwrap_or(ends);
            let wait = (next - now).to_std().unwrap_or_default();
            tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chat_core::{ManualClock, UserId};

    use super::*;

    fn login_of(seconds: i64) -> Principal {
        Principal {
            expires_at: Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)),
            ..Principal::trusted(UserId::new("alice").unwrap())
        }
    }

    /// The events that are due after each of these steps of the clock, in seconds.
    async fn after(expiry: &mut Expiry, clock: &Arc<ManualClock>, steps: &[u64]) -> Vec<Due> {
        let mut due = Vec::new();
        for step in steps {
            clock.advance(Duration::from_secs(*step));
            let waiting = expiry.due(&**clock);
            due.extend(tokio::time::timeout(LOOK_AGAIN * 2, waiting).await.ok());
        }
        due
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_warned_a_minute_before_the_end_and_once() {
        let clock = Arc::new(ManualClock::default());
        let mut expiry = Expiry::new(&login_of(600), clock.now());
        let due = after(&mut expiry, &clock, &[539, 1, 1, 58]).await;
        assert_eq!(due, [Due::Warning(clock.now() + TimeDelta::seconds(1))]);
        assert!(!expiry.is_over(&*clock));
        assert_eq!(after(&mut expiry, &clock, &[1]).await, [Due::End]);
        assert!(expiry.is_over(&*clock));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_login_is_warned_of_half_way() {
        let clock = Arc::new(ManualClock::default());
        let mut expiry = Expiry::new(&login_of(10), clock.now());
        let due = after(&mut expiry, &clock, &[4, 1, 5]).await;
        assert_eq!(due.len(), 2, "{due:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_past_the_end_is_noticed() {
        let clock = Arc::new(ManualClock::default());
        let mut expiry = Expiry::new(&login_of(3_600), clock.now());
        let ended = async {
            assert!(matches!(expiry.due(&*clock).await, Due::End));
            tokio::time::Instant::now()
        };
        let start = tokio::time::Instant::now();
        let jump = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            clock.advance(Duration::from_hours(2));
        };
        let (ended, ()) = tokio::join!(ended, jump);
        assert!(ended - start <= LOOK_AGAIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_without_an_end_never_ends() {
        let clock = Arc::new(ManualClock::default());
        let alice = Principal::trusted(UserId::new("alice").unwrap());
        let mut expiry = Expiry::new(&alice, clock.now());
        assert_eq!(after(&mut expiry, &clock, &[1_000_000]).await, []);
    }
}
