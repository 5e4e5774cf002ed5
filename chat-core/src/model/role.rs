//! Roles: what a member is in a group.

use serde::{Deserialize, Serialize};

/// The role of a member in a group, from the least to the highest. In a direct room both are
/// [`Member`](Role::Member)s.
///
/// ```
/// use chat_core::Role;
///
/// assert!(Role::Reader < Role::Member && Role::Moderator < Role::Owner);
/// assert_eq!(Role::from_name("owner"), Some(Role::Owner));
/// ```
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[repr(u8)]
pub enum Role {
    /// Reads, and says nothing.
    Reader = 0,
    /// Reads and writes.
    #[default]
    Member = 1,
    /// A member who keeps order.
    Moderator = 2,
    /// A member to whom the group belongs.
    Owner = 3,
}

impl Role {
    /// All roles, in ascending order.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Member, Self::Moderator, Self::Owner];

    /// The name in JSON and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Its number, for stores that keep numbers. It never changes.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The role with this number; `None` for one that is newer than this code.
    pub fn numbered(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_kept_under_its_number_and_its_name() {
        for role in Role::ALL {
            assert_eq!(Role::numbered(role.number()), Some(role));
            assert_eq!(Role::from_name(role.name()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert_eq!(Role::numbered(4), None);
        assert_eq!(Role::from_name("Owner"), None);
        assert_eq!(Role::ALL.map(Role::number), [0, 1, 2, 3]);
    }
}
