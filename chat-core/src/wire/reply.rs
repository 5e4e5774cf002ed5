//! The answers to commands: a reply, or the error that kept the command from being carried out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorBody};
use crate::model::{
    Cursor, Entry, Epoch, InboxPlace, InboxRoom, Invite, Me, Member, Membership, MessageId,
    Presence, Reason, Role, Room, RoomId, Seq, SessionId, UserId, Watermarks,
};

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Answer {
    /// The command was carried out.
    Reply {
        /// The command's number.
        id: u64,
        /// The result of the command.
        result: Reply,
    },
    /// The command was not carried out.
    Error {
        /// The command's number; absent when it could not be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// The error.
        error: ErrorBody,
    },
}

impl Answer {
    /// The answer to command `id`.
    pub fn new(id: u64, result: Result<Reply, Error>) -> Self {
        match result {
            Ok(result) => Self::Reply { id, result },
            Err(error) => Self::Error {
                id: Some(id),
                error: (&error).into(),
            },
        }
    }
}

macro_rules! replies {
    ($($(#[$doc:meta])* $variant:ident($type:ty),)+) => {
        /// The reply to a command that was carried out.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        #[non_exhaustive]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Reply { $($(#[$doc])* $variant($type),)+ }

        $(impl From<$type> for Reply {
            fn from(reply: $type) -> Self {
                Self::$variant(reply)
            }
        })+
    };
}

replies! {
    /// To `hello`.
    Welcome(Welcome),
    /// To `renew`.
    Renewed(Renewed),
    /// To `open`, `room`, `create`, `update`, `join` and `accept`.
    Room(RoomView),
    /// To `inbox`.
    Inbox(InboxPage),
    /// To `me`: all that the user has set for the room.
    Me(Me),
    /// To `directory`.
    Directory(Directory),
    /// To `invite`.
    Invite(Invite),
    /// To `invites`.
    Invites(InviteList),
    /// To `ban` and `mute`.
    Sanctioned(Sanctioned),
    /// To `bans` and `mutes`.
    Sanctions(SanctionList),
    /// To `rooms`.
    Rooms(RoomList),
    /// To `send`, `edit` and `delete`: the entry is stored for good.
    Sent(Sent),
    /// To `history`.
    History(HistoryPage),
    /// To `resume`; what was missed has been sent as events before this reply.
    Resumed(Resumed),
    /// To `receipt`: the user's watermarks as they stand now.
    Receipt(Watermarks),
    /// To `members`.
    Members(MemberList),
    /// To `add` and `role`: the member as they are now.
    Member(Member),
    /// To `presence`.
    Presence(PresenceOfUsers),
    /// To `online`.
    Online(OnlineUsers),
    /// To `blocks`.
    Blocks(BlockList),
    /// To `typing`, `remove`, `leave`, `uninvite`, `unban`, `unmute`, `block` and `unblock`.
    Ok(Done),
    /// To `ping`.
    Pong(Pong),
}

/// A connection that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Welcome {
    /// The user that the token stands for.
    pub user: UserId,
    /// This connection.
    pub session: SessionId,
    /// The end of the login; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A connection whose token was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Renewed {
    /// The end of the login; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// One page of a user's rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomList {
    /// The rooms, in ascending order of id.
    pub rooms: Vec<Membership>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// One page of a user's inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxPage {
    /// The rooms, the one with the newest message first.
    pub rooms: Vec<InboxRoom>,
    /// Where the next page begins; absent after the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<InboxPlace>,
}

/// One page of the directory of channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Directory {
    /// The channels, in ascending order of id.
    pub rooms: Vec<Room>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// One page of the invitations into a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteList {
    /// The invitations, in ascending order of id.
    pub invites: Vec<Invite>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// A user who is banned from a room, or muted in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sanctioned {
    /// The user.
    pub user: UserId,
    /// The user who decided.
    pub by: UserId,
    /// The server's clock at the time.
    pub at: DateTime<Utc>,
    /// The end; absent when only lifting it ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// The reason.
    pub reason: Reason,
}

/// One page of the users who are banned from a room, or muted in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SanctionList {
    /// The users, in ascending order of their names; of several sanctions against one the one that ends last.
    pub users: Vec<Sanctioned>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// One page of the members of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberList {
    /// The members, in ascending order of their names.
    pub members: Vec<Member>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// One page of the users whom a user has blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockList {
    /// The blocks, in ascending order of the names of those who are blocked.
    pub blocks: Vec<BlockView>,
    /// True if there are more after the last one.
    pub more: bool,
}

/// The block of a user, as the one who blocks sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockView {
    /// The user who is blocked.
    pub user: UserId,
    /// The server's clock when the block began.
    pub at: DateTime<Utc>,
}

/// The end of a catch-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resumed {
    /// The position reached.
    pub cursor: Cursor,
}

/// The presence of several users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PresenceOfUsers {
    /// In the order in which the users were named.
    pub users: Vec<Presence>,
}

/// The users who are online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OnlineUsers {
    /// Each user once, in ascending order.
    pub users: Vec<UserId>,
}

/// The command has had its effect, and there is nothing else to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done {}

/// The sign of life that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pong {}

/// A room with what a client needs to show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomView {
    /// The room.
    pub room: Room,
    /// How the user has it set.
    pub me: Me,
    /// Its members, and how far each has received and read. Empty for a room of more than 100 members, whose
    /// members `members` lists.
    pub members: Vec<MemberView>,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberView {
    /// The user, and whether they are online.
    #[serde(flatten)]
    pub presence: Presence,
    /// The role in the room.
    pub role: Role,
    /// How far they have received and read.
    #[serde(flatten)]
    pub watermarks: Watermarks,
}

/// The place of an entry that is stored for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sent {
    /// The room.
    pub room: RoomId,
    /// The server's id of the entry.
    pub id: MessageId,
    /// The number of the entry in its room.
    pub seq: Seq,
    /// The server's clock when the entry was first accepted.
    pub at: DateTime<Utc>,
    /// Whether an earlier send with the same client message id had stored it already.
    pub duplicate: bool,
}

/// A page of a room's log, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPage {
    /// The incarnation of the log that the numbers count in.
    pub epoch: Epoch,
    /// The entries.
    pub entries: Vec<Arc<Entry>>,
    /// Whether there are entries before the first one.
    pub older: bool,
    /// Whether there are entries after the last one.
    pub newer: bool,
}
