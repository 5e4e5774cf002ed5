//! The pace of renewals: how often the login of one connection may be replaced.

use std::time::Duration;

use chat_core::Error;
use tokio::time::Instant;

/// The time that has to pass between two renewals.
const BETWEEN: Duration = Duration::from_secs(10);

/// The renewals of one connection.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    last: Option<Instant>,
}

impl Renewals {
    /// Takes note of a renewal, also of one that fails.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] less than 10 s after the previous one.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let next = self.last.map(|last| last + BETWEEN);
        if let Some(retry_after) = next.and_then(|next| next.checked_duration_since(now)) {
            return Err(Error::RateLimited {
                retry_after,
                muted_for: None,
            });
        }
        self.last = Some(now);
        Ok(())
    }
}
