//! Rooms, and how a room looks to one of its members.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    model::precision::whole_micros,
    model::{Cursor, Details, Epoch, Member, Role, RoomId, RoomKind, Seq, UserId, Watermarks},
};

/// A room as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Direct, a group or a channel.
    #[serde(default)]
    pub kind: RoomKind,
    /// The incarnation of its log.
    pub epoch: Epoch,
    /// The number of its newest entry; 0 when it has none.
    pub head: Seq,
    /// The server's clock when it was made.
    pub created_at: DateTime<Utc>,
    /// The user who made it; absent in rooms from before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<UserId>,
    /// What it says about itself.
    #[serde(flatten)]
    pub details: Details,
    /// How many members it has.
    #[serde(default)]
    pub members: u64,
}

impl Room {
    /// Roughly how many bytes it takes on the wire.
    pub(crate) fn size(&self) -> usize {
        /// Of its JSON beside its details.
        const REST: usize = 600;
        REST + self.details.size()
    }

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
    /// Direct, a group or a channel.
    pub kind: RoomKind,
    /// The epoch it gets, unless it exists already.
    pub epoch: Epoch,
    /// Its first members; for a direct room its two users.
    pub members: Vec<UserId>,
    /// The user who makes it, and who owns it unless it is direct, whether or not `members` names them.
    pub created_by: Option<UserId>,
    /// Its name, topic, data and settings.
    pub details: Details,
    /// The server's clock.
    pub created_at: DateTime<Utc>,
}

impl NewRoom {
    /// The first members with their roles, each once, in ascending order.
    pub fn first_members(&self) -> Vec<Member> {
        let owner = self.created_by.as_ref();
        let owner = owner.filter(|_| self.kind != RoomKind::Direct);
        let users: BTreeSet<&UserId> = self.members.iter().chain(owner).collect();
        let member = |user: &UserId| Member {
            user: user.clone(),
            role: if owner == Some(user) {
                Role::Owner
            } else {
                Role::Member
            },
            joined_at: whole_micros(self.created_at),
            joined_seq: Seq::ZERO,
            watermarks: Watermarks::default(),
        };
        users.into_iter().map(member).collect()
    }

    /// The room that it becomes.
    pub fn made(self) -> Room {
        let members = u64::try_from(self.first_members().len()).unwrap_or(u64::MAX);
        Room {
            id: self.id,
            kind: self.kind,
            epoch: self.epoch,
            head: Seq::ZERO,
            created_at: whole_micros(self.created_at),
            created_by: self.created_by,
            details: self.details,
            members,
        }
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
