//! Members of a room, and what a member has set for it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Role, Seq, UserId, Watermarks, precision::whole_micros};

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// The role in the room.
    pub role: Role,
    /// The time of joining; for a first member that of the room.
    pub joined_at: DateTime<Utc>,
    /// The number of the entry by which the member joined; 0 for a first member.
    pub joined_seq: Seq,
    /// How far the member has received and read.
    #[serde(flatten)]
    pub watermarks: Watermarks,
}

/// What a member is notified of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[repr(u8)]
pub enum Notify {
    /// Every message.
    #[default]
    All = 0,
    /// Messages that mention the member.
    Mentions = 1,
    /// Nothing.
    None = 2,
}

impl Notify {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::All, Self::Mentions, Self::None];

    /// Its number, for stores that keep numbers. It never changes.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The one with this number; `None` for one that is newer than this code.
    pub fn numbered(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|notify| notify.number() == number)
    }
}

/// A room as one of its members has it set; the same on all devices of that member, and shown to nobody else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// The role in the room.
    pub role: Role,
    /// What the member is notified of. Default: every message.
    pub notify: Notify,
    /// Whether the member has pinned the room.
    pub pinned: bool,
    /// Whether the member has hidden the room, until the next message in it.
    pub hidden: bool,
    /// No notifications until this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<DateTime<Utc>>,
}

/// A change of one's own settings for a room; what is absent stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeChange {
    /// What to be notified of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// Pinned, or not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Hidden until the next message, or not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// No notifications until this moment; `null` for notifications again.
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<DateTime<Utc>>))]
    pub muted_until: Option<Option<DateTime<Utc>>>,
}

impl MeChange {
    /// The change with its time in whole microseconds, the precision that every store keeps.
    #[must_use]
    pub fn in_micros(self) -> Self {
        let muted_until = self.muted_until.map(|until| until.map(whole_micros));
        Self {
            muted_until,
            ..self
        }
    }
}

/// A field that distinguishes `null` from its absence.
#[expect(
    clippy::option_option,
    clippy::ref_option,
    reason = "serde asks for these signatures"
)]
mod nullable {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(from).map(Some)
    }
}
