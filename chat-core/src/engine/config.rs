//! The settings of an engine, with their defaults.

use std::time::Duration;

use super::deliver::outbox::OutboxLimits;
use crate::rate::RatePolicy;

/// All settings of an engine.
///
/// ```
/// use chat_core::Config;
///
/// let config = Config { send_limit: None, ..Config::default() };
/// assert_eq!(config.text_chars, 4_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The longest text, in characters. Default 4,000.
    pub text_chars: usize,
    /// The longest text, in bytes of UTF-8. Default 16 KiB.
    pub text_bytes: usize,
    /// How often a user may send or edit. Default 5 in 60 s, then muted for 5 s.
    pub send_limit: Option<RatePolicy>,
    /// The rate at which a user may make rooms: groups, channels, or direct rooms by opening them or by a
    /// first message. Default one a second, 30 at once.
    pub room_limit: Option<RatePolicy>,
    /// The number of members that a room may have. Default 10,000.
    pub room_members: usize,
    /// How often the other members are notified that a user types. Default every 3 s.
    pub typing_throttle: Duration,
    /// The time after which typing that isn't renewed ends. Default 6 s.
    pub typing_expiry: Duration,
    /// The limits of what may wait for one device.
    pub outbox: OutboxLimits,
    /// How many devices a user may have connected to this node. Default 20.
    pub sessions_per_user: usize,
    /// How long a device counts as online after its node last renewed the lease. Default 45 s.
    pub presence_lease: Duration,
    /// How often a node renews the leases of its devices. Default 15 s.
    pub presence_refresh: Duration,
    /// How long changes of presence are gathered before they are published. Default 200 ms.
    pub presence_window: Duration,
    /// How many entries a history page has when the caller doesn't say. Default 50.
    pub history_page: usize,
    /// How many entries a history page has at most. Default 200.
    pub history_max: usize,
    /// How many missed entries of a room are sent again; more are a gap. Default 300.
    pub resume_max: usize,
    /// How many entries may wait to be stored before more are refused. Default 8,192.
    pub append_queue: usize,
    /// How often a node asks the store whether a hint of another node was lost. Default 30 s.
    pub position_check: Duration,
    /// The treatment of new logins when the log of decisions could not be read for 60 s. Default
    /// [`Refuse`](PolicyStale::Refuse).
    pub policy_stale: PolicyStale,
    /// The time for which decisions are kept that are not in force any more: the record of who did what.
    /// Default 400 days.
    pub audit_keep: Duration,
    /// Whether of the users whose names [look](crate::Look) alike only the first to log in is let in. Default
    /// false.
    pub unique_looks: bool,
    /// Whom users see when they ask who is online. Admins see everybody. Default [`All`](OnlineList::All).
    pub online_list: OnlineList,
}

/// Whom users see when they ask who is online.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnlineList {
    /// Everybody.
    #[default]
    All,
    /// Those who share a room with them. All others are as if they were offline.
    Rooms,
    /// No list; the presence of users with whom the caller shares a room, by name.
    Off,
}

/// The treatment of new logins while a node can't know of new revocations and bans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PolicyStale {
    /// They are refused with [`Error::AuthUnavailable`](crate::Error::AuthUnavailable).
    #[default]
    Refuse,
    /// They are accepted by the decisions that the node knows.
    Allow,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            text_chars: 4_000,
            text_bytes: 16 << 10,
            send_limit: Some(RatePolicy::Window {
                limit: 5,
                window: Duration::from_mins(1),
                mute: Duration::from_secs(5),
            }),
            room_limit: Some(RatePolicy::Steady {
                interval: Duration::from_secs(1),
                burst: 30,
            }),
            room_members: 10_000,
            typing_throttle: Duration::from_secs(3),
            typing_expiry: Duration::from_secs(6),
            outbox: OutboxLimits::default(),
            sessions_per_user: 20,
            presence_lease: Duration::from_secs(45),
            presence_refresh: Duration::from_secs(15),
            presence_window: Duration::from_millis(200),
            history_page: 50,
            history_max: 200,
            resume_max: 300,
            append_queue: 8_192,
            position_check: Duration::from_secs(30),
            policy_stale: PolicyStale::default(),
            audit_keep: Duration::from_hours(400 * 24),
            unique_looks: false,
            online_list: OnlineList::default(),
        }
    }
}

impl Config {
    /// How many items a page has: what is asked within what is allowed.
    pub(crate) fn page_limit(&self, asked: Option<usize>) -> usize {
        asked
            .unwrap_or(self.history_page)
            .clamp(1, self.history_max)
    }

    /// The most bytes of a page: half of an outbox, in which other frames wait as well.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.outbox.bytes / 2
    }

    /// What may be sent again to one connection, all rooms together: half of its outbox, since the
    /// connection is not read meanwhile.
    pub(crate) fn resume_budget(&self) -> OutboxLimits {
        let OutboxLimits { frames, bytes } = self.outbox;
        OutboxLimits {
            frames: frames / 2,
            bytes: bytes / 2,
        }
    }
}
