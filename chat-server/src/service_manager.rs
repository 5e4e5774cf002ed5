//! Reports to systemd, where it asks for that by `NOTIFY_SOCKET`: that the server listens, that it stops, and
//! that it lives.

use sd_notify::NotifyState;

/// Reports that the server listens; then, as often as `WatchdogSec` wants, that it lives. Call it inside a tokio
/// runtime.
pub fn ready() {
    report(NotifyState::Ready);
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return;
    };
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(patience / 2);
        loop {
            ticks.tick().await;
            report(NotifyState::Watchdog);
        }
    });
}

/// Reports that the server stops.
pub fn stopping() {
    report(NotifyState::Stopping);
}

fn report(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager can't be notified");
    }
}
