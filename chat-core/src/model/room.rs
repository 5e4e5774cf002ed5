//! Rooms, and how a room looks to one of its members.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    model::precision::whole_micros,
    model::{Cursor, Epoch, Member, Role, RoomId, Seq, UserId, Watermarks},
};

/// A room as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Room {
    /// Its id, which also shows its kind.
    pub id: RoomId,
    /// The incarnation of its log.
    pub epoch: Epoch,
    /// The number of its newest entry; 0 when it has none.
    pub head: Seq,
    /// The server's clock when it was made.
    pub created_at: DateTime<Utc>,
}

impl Room {
    /// The position after its newest entry.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch,
            seq: self.head,
        }
    }
}

/// A room on its way to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRoom {
    /// Its id.
    pub id: RoomId,
    /// The epoch it gets, unless it exists already.
    pub epoch: Epoch,
    /// Its first members; for a direct room its two users.
    pub members: Vec<UserId>,
    /// The member of a group to whom it belongs, whether or not `members` names them; none in a direct
    /// room.
    #[serde(default)]
    pub owner: Option<UserId>,
    /// The server's clock.
    pub created_at: DateTime<Utc>,
}

impl NewRoom {
    /// The first members with their roles, each once, in ascending order.
    pub fn first_members(&self) -> Vec<Member> {
        let users: BTreeSet<&UserId> = self.members.iter().chain(&self.owner).collect();
        let member = |user: &UserId| Member {
            user: user.clone(),
            role: match &self.owner {
                Some(owner) if owner == user => Role::Owner,
                _ => Role::Member,
            },
        };
        users.into_iter().map(member).collect()
    }

    /// The room with its time in whole microseconds, the precision that every store keeps.
    #[must_use]
    pub fn in_micros(self) -> Self {
        let created_at = whole_micros(self.created_at);
        Self { created_at, ..self }
    }
}

/// A room in a user's list of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Membership {
    /// The room.
    #[serde(flatten)]
    pub room: Room,
    /// How far this member has received and read.
    #[serde(flatten)]
    pub watermarks: Watermarks,
    /// How many messages of others stand after `read`; counting stops at [`UNREAD_CAP`].
    pub unread: u64,
}

/// The number at which counting unread messages stops: an application shows "999+".
pub const UNREAD_CAP: u64 = 1_000;
