//! The rules by which a budget is used up and refilled.

use std::time::Duration;

use super::{
    gcra,
    state::{Decision, RateState},
    window,
};

/// A limit on how often an action may be done.
///
/// ```
/// use std::time::Duration;
/// use chat_core::rate::{Decision, RatePolicy, RateState};
///
/// let twice_a_minute = RatePolicy::Window {
///     limit: 2,
///     window: Duration::from_secs(60),
///     mute: Duration::from_secs(5),
/// };
/// let (mut state, at) = (RateState::default(), Duration::from_secs);
/// assert_eq!(twice_a_minute.decide(&mut state, at(0)), Decision::Allowed);
/// assert_eq!(twice_a_minute.decide(&mut state, at(1)), Decision::Allowed);
/// assert_eq!(twice_a_minute.decide(&mut state, at(2)), Decision::MutedNow { retry_after: at(5) });
/// assert_eq!(twice_a_minute.decide(&mut state, at(4)), Decision::Muted { retry_after: at(3) });
/// assert_eq!(twice_a_minute.decide(&mut state, at(7)), Decision::Allowed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatePolicy {
    /// The old server's rule: `limit` actions per window. One more is refused and mutes for `mute`,
    /// after which a new window begins.
    Window {
        /// The number of actions in a window; 0 counts as 1.
        limit: u32,
        /// The length of the window, which begins with the first action.
        window: Duration,
        /// The length of the mute after one action too many; zero for no mute, only the wait for the
        /// window's end.
        mute: Duration,
    },
    /// A steady rate with a burst (GCRA).
    Steady {
        /// The time in which the budget regains one action.
        interval: Duration,
        /// The number of actions that may come at once; 0 counts as 1.
        burst: u32,
    },
}

impl RatePolicy {
    /// Decides one request, made `now`, and updates `state` for later requests.
    ///
    /// `now` is a time that never goes back, as of [`Clock::monotonic`](crate::Clock::monotonic). A
    /// state that another kind of policy left behind counts as the default, and no wait is longer
    /// than this policy's own, whatever the state contains.
    pub fn decide(&self, state: &mut RateState, now: Duration) -> Decision {
        match *self {
            Self::Window {
                limit,
                window,
                mute,
            } => window::decide(limit, window, mute, state, now),
            Self::Steady { interval, burst } => gcra::decide(interval, burst, state, now),
        }
    }
}
