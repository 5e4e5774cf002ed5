//! The state of a budget, and the decision about a request.

use std::time::Duration;

/// The state of one budget between two requests; it begins as the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateState {
    pub(super) phase: Phase,
    pub(super) until: Duration,
}

impl RateState {
    /// The time from which on this state equals the default, and may be forgotten.
    pub fn until(&self) -> Duration {
        self.until
    }
}

/// The phase that ends at `until`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// No budget has been used.
    #[default]
    Fresh,
    /// A window in which this many actions were used.
    Window(u32),
    /// A mute.
    Muted,
    /// A steady budget that was used, and whose burst is full again at the end.
    Steady,
}

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The request may proceed.
    Allowed,
    /// The request has to wait.
    Refused {
        /// The exact time to wait.
        retry_after: Duration,
    },
    /// The request has to wait: it was the one too many that began the mute.
    MutedNow {
        /// The exact time to wait.
        retry_after: Duration,
    },
    /// The request has to wait until a mute ends.
    Muted {
        /// The exact time to wait.
        retry_after: Duration,
    },
}

impl Decision {
    /// The time to wait; `None` when the request is allowed.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Allowed => None,
            Self::Refused { retry_after }
            | Self::MutedNow { retry_after }
            | Self::Muted { retry_after } => Some(retry_after),
        }
    }
}
