//! Admission of entries: what the store can't take soon is refused at once, while its sender can still do
//! something else, and before memory fills up with it.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How many entries a batch has at most: beyond it, latency grows and the rate does not.
pub(crate) const BATCH: usize = 1_024;

/// An entry that would wait for longer is refused, and the sender that finds the queue full is asked to
/// wait for this time. A store that stalls for a moment is worth waiting for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The longest that a sender is asked to wait: when a stall ends, the rest goes quickly.
const LONGEST: Duration = Duration::from_secs(5);

/// How the store takes its batches, one after the other. All times are in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// When the store was given the batch that it has; 0 when it has none.
    begun: AtomicU64,
    /// What the batch before it took; 0 when nothing waited after it.
    took: AtomicU64,
}

impl Admission {
    /// The store is given a batch.
    pub(crate) fn begin(&self, now: Duration) {
        self.begun.store(nanoseconds(now).max(1), Relaxed);
    }

    /// The store has answered.
    pub(crate) fn end(&self, took: Duration) {
        self.took.store(nanoseconds(took), Relaxed);
        self.begun.store(0, Relaxed);
    }

    /// Nothing waits: what was slow is over.
    pub(crate) fn caught_up(&self) {
        self.took.store(0, Relaxed);
    }

    /// How long to wait instead, if an entry that came now, behind `queued` others, would wait too long at
    /// the pace of the last batch, or of the one that isn't done yet.
    pub(crate) fn refuses(&self, now: Duration, queued: usize) -> Option<Duration> {
        let elapsed = match self.begun.load(Relaxed) {
            0 => Duration::ZERO,
            begun => now.saturating_sub(Duration::from_nanos(begun)),
        };
        let each = elapsed.max(Duration::from_nanos(self.took.load(Relaxed)));
        let batches = u32::try_from(queued.div_ceil(BATCH)).unwrap_or(u32::MAX);
        let wait = elapsed.saturating_add(each.saturating_mul(batches));
        (wait > PATIENCE).then_some(wait.min(LONGEST))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_store_that_has_nothing_is_given_more_however_slow_it_was() {
        let admission = Admission::default();
        assert_eq!(admission.refuses(MS(7), 0), None);
        admission.begin(MS(0));
        assert_eq!(admission.refuses(MS(9_000), 0), Some(LONGEST));
        admission.end(MS(9_000));
        assert_eq!(admission.refuses(MS(9_000), 0), None);
    }

    #[test]
    fn the_more_is_queued_the_sooner_a_stall_is_too_long() {
        for (queued, elapsed) in [(0, 2_000), (1, 1_000), (BATCH + 1, 666), (5 * BATCH, 333)] {
            let admission = Admission::default();
            admission.begin(MS(500));
            assert_eq!(admission.refuses(MS(500 + elapsed), queued), None);
            let wait = admission.refuses(MS(500 + elapsed + 3), queued);
            assert!(wait > Some(PATIENCE), "{queued}: {wait:?}");
        }
    }

    #[test]
    fn what_is_queued_counts_at_the_pace_of_the_batch_before() {
        let admission = Admission::default();
        admission.begin(MS(0));
        admission.end(MS(700));
        admission.begin(MS(700));
        assert_eq!(admission.refuses(MS(701), 2 * BATCH), None);
        assert_eq!(admission.refuses(MS(701), 3 * BATCH), Some(MS(2_101)));
    }
}
