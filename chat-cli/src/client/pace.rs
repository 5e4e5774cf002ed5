//! Keeps the client below the server's limit of frames.

use std::time::Duration;

use tokio::time::Instant;

/// The interval of 40 frames a second; a server closes a connection that sends more than 50.
const INTERVAL: Duration = Duration::from_millis(25);

/// Frames that may go at once after a pause.
const BURST: u32 = 10;

/// The theoretical arrival time of the next frame, as GCRA has it.
#[derive(Debug)]
pub(super) struct Pace(Instant);

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self(now)
    }

    /// The time at which a frame may go; `None` when it may go now.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        let allowed = self.0.checked_sub(INTERVAL * (BURST - 1)).unwrap_or(now);
        (allowed > now).then_some(allowed)
    }

    /// Counts a frame that goes now.
    pub(super) fn spend(&mut self, now: Instant) {
        self.0 = self.0.max(now) + INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_holds_more_than_the_server_allows() {
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
