//! Rate limits: pure logic, with the time passed in.

use std::time::Duration;

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatePolicy {
    /// The old server's rule: `limit` in a window; one more is refused and mutes for `mute`, after
    /// which a new window begins.
    Window {
        /// How many in a window.
        limit: u32,
        /// The window, which begins with the first.
        window: Duration,
        /// How long one too many mutes.
        mute: Duration,
    },
    /// A steady rate with a burst (GCRA).
    Steady {
        /// The time that one takes.
        interval: Duration,
        /// How many at once, at least 1.
        burst: u32,
    },
}

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allowed,
    /// Wait.
    Refused {
        /// How long exactly.
        retry_after: Duration,
    },
    /// Wait; this request was the one too many that began the mute.
    MutedNow {
        /// How long exactly.
        retry_after: Duration,
    },
    /// Wait; a mute is on.
    Muted {
        /// How long exactly.
        retry_after: Duration,
    },
}
