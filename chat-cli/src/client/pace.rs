//! Keeps the client below the server's limit of frames.

use std::time::Duration;

use chat_core::rate::{RatePolicy, RateState};
use tokio::time::Instant;

/// 40 frames a second, and 10 at once after a pause; a server closes a connection that sends more
/// than 50 in a second.
const LIMIT: RatePolicy = RatePolicy::Steady {
    interval: Duration::from_millis(25),
    burst: 10,
};

/// The frames that a connection may send.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    state: RateState,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            start: now,
            state: RateState::default(),
        }
    }

    /// The time at which a frame may go; `None` when it may go now.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        // Decided on a copy, so that asking spends nothing.
        let mut state = self.state;
        let decision = LIMIT.decide(&mut state, now - self.start);
        decision.retry_after().map(|wait| now + wait)
    }

    /// Counts a frame that goes now.
    pub(super) fn spend(&mut self, now: Instant) {
        let _ = LIMIT.decide(&mut self.state, now - self.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_frames_than_the_server_allows() {
        let mut pace = Pace::new(Instant::now());
        let mut sent = Vec::new();
        while sent.len() < 300 {
            let now = Instant::now();
            if let Some(when) = pace.wait(now) {
                tokio::time::sleep_until(when).await;
            } else {
                pace.spend(now);
                sent.push(now);
            }
        }
        for (n, start) in sent.iter().enumerate() {
            let within = sent[n..]
                .iter()
                .take_while(|at| **at < *start + Duration::from_secs(1))
                .count();
            assert!(within <= 50, "{within} frames");
        }
        assert!(
            sent[299] - sent[0] < Duration::from_secs(8),
            "and is no slower than it must"
        );
    }
}
