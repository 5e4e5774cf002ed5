//! Waiting for what a test means, and for its turn.

use std::time::Duration;

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{sleep, timeout},
};

/// Longer than anything in a test takes; only a test that fails waits for so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again, every 10 ms, until the condition holds.
///
/// # Panics
///
/// When it does not hold within [`PATIENCE`]; the text names it by `what`.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// The turn of a test whose timing counts, or that takes the whole machine: among the tests of one
/// program, one at a time has it, until the guard is dropped.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
