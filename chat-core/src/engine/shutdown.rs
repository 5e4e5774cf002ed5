//! Shutting an engine down: draining it, and closing it for good.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::parts::Parts;
use crate::wire::CloseReason;

/// How long [`close`] waits for sessions to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Refuses new sessions, closes all others spread out over `within`, and waits until what was accepted is
/// stored.
pub(crate) async fn drain(parts: &Parts, within: Duration) {
    /// How fast connections are closed: 1,000 a second, which is 10,000 in 10 s.
    const BETWEEN: Duration = Duration::from_millis(1);
    const FLUSH: Duration = Duration::from_secs(1);
    parts.begin_to_drain();
    let closing = async {
        let devices = parts.hub.devices();
        let count = u32::try_from(devices.len()).unwrap_or(u32::MAX).max(1);
        let between = BETWEEN.min(within / 2 / count);
        for device in devices {
            device.close(CloseReason::Shutdown);
            tokio::time::sleep(between).await;
        }
        while !parts.hub.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let deadline = Instant::now() + within;
    if timeout_at(deadline, closing).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    // Also when the connections took all the time, what is queued gets a moment.
    let deadline = deadline.max(Instant::now() + FLUSH);
    if timeout_at(deadline, parts.queue.flush()).await.is_err() {
        tracing::warn!("the store did not take in time what was accepted");
    }
}

/// Drains the engine, stops its tasks and lets go of its store and its cache.
pub(crate) async fn close(parts: &Parts) {
    drain(parts, CLOSE_WITHIN).await;
    parts.queue.close().await;
    parts.tasks.stop().await;
    tokio::join!(parts.watched_store.let_go(), parts.watched_cache.let_go());
}
