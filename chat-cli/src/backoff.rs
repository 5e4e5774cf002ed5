//! The wait before the next attempt to connect.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};

/// Exponential back-off with full jitter: a random wait between nothing and a ceiling that doubles.
///
/// Full jitter spreads the clients of a server that went down over the whole wait, which costs the
/// server the least ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    rng: StdRng,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration, rng: StdRng) -> Self {
        Self {
            base,
            cap,
            failures: 0,
            rng,
        }
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let ceiling = self
            .base
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(self.cap);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(self.rng.random_range(0.0..=1.0))
    }

    /// Begins anew after a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    const BASE: Duration = Duration::from_millis(500);
    const CAP: Duration = Duration::from_secs(30);

    proptest! {
        #[test]
        fn a_wait_is_never_above_the_doubling_ceiling(seed: u64, failures in 1..200_u32) {
            let mut backoff = Backoff::new(BASE, CAP, StdRng::seed_from_u64(seed));
            for n in 0..failures {
                let ceiling = BASE.saturating_mul(2_u32.saturating_pow(n)).min(CAP);
                prop_assert!(backoff.next() <= ceiling);
            }
            backoff.reset();
            prop_assert!(backoff.next() <= BASE);
        }
    }

    #[test]
    fn waits_use_the_whole_range() {
        let mut backoff = Backoff::new(BASE, CAP, StdRng::seed_from_u64(1));
        let waits: Vec<_> = (0..1_000).map(|_| backoff.next()).skip(10).collect();
        assert!(waits.iter().any(|wait| *wait < CAP / 10));
        assert!(waits.iter().any(|wait| *wait > CAP * 9 / 10));
    }
}
