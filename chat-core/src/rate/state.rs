//! The state of a budget, and the decision about a request.

use std::time::Duration;

/// The state of one budget between two requests; at first, the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateState {
    pub(super) phase: Phase,
    pub(super) until: Duration,
}

impl RateState {
    /// The moment from which on this state says no more than the default, and may be forgotten.
    pub fn until(&self) -> Duration {
        self.until
    }
}

/// The phase that ends at `until`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing.
    #[default]
    Fresh,
    /// A window with so many used.
    Window(u32),
    /// A mute.
    Muted,
    /// The use of a steady budget, whose burst is whole again then.
    Steady,
}

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allowed,
    /// Wait.
    Refused {
        /// The exact time to wait.
        retry_after: Duration,
    },
    /// Wait; this request was the one too many that began the mute.
    MutedNow {
        /// The exact time to wait.
        retry_after: Duration,
    },
    /// Wait; a mute is on.
    Muted {
        /// The exact time to wait.
        retry_after: Duration,
    },
}

impl Decision {
    /// How long to wait; `None` when allowed.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Allowed => None,
            Self::Refused { retry_after }
            | Self::MutedNow { retry_after }
            | Self::Muted { retry_after } => Some(retry_after),
        }
    }
}
