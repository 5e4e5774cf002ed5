//! Events: what a user's devices are sent of the user's rooms.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{
    Announcement, Cursor, Entry, Epoch, InboxRoom, Me, Presence, RoomId, Seq, UserId, Watermarks,
};

/// The reason why entries were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum GapReason {
    /// More was missed than is sent again; the history has it.
    TooMany,
    /// The log began anew; drop what is known of the room.
    NewEpoch,
}

/// What has become of a room in a user's inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RoomNews {
    /// The user has become a member.
    Added,
    /// The user is a member no longer, and has nothing unread or set in it.
    Removed,
    /// What the inbox shows of the room has changed: a message has brought it back after it was hidden, another
    /// device of the user has read it, or it is set in another way.
    Changed,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Event {
    /// A room's log has grown. Entries of a room come in order of `seq`, each once.
    Entry(Arc<Entry>),
    /// Entries `from` to `to` were skipped; the history has them.
    Gap {
        /// The room.
        room: RoomId,
        /// The incarnation of the log that the numbers count in.
        epoch: Epoch,
        /// The first one skipped.
        from: Seq,
        /// The last one skipped.
        to: Seq,
        /// Why they were skipped.
        reason: GapReason,
    },
    /// A room named in `hello` is caught up; what follows is live.
    Resumed {
        /// The room.
        room: RoomId,
        /// The position reached.
        cursor: Cursor,
    },
    /// A room named in `hello` can't be resumed, for the user is not in it.
    Closed {
        /// The room.
        room: RoomId,
    },
    /// The user's inbox has changed otherwise than by an entry that the user is sent.
    Room {
        /// What has become of the room.
        why: RoomNews,
        /// The room.
        #[serde(flatten)]
        room: Box<InboxRoom>,
    },
    /// The user has changed on another device how a room is set.
    Me {
        /// The room.
        room: RoomId,
        /// All that the user has set for it.
        #[serde(flatten)]
        me: Me,
    },
    /// A member has received or read more.
    Receipt {
        /// The room.
        room: RoomId,
        /// The member.
        user: UserId,
        /// How far they had got before.
        was: Watermarks,
        /// How far they have got.
        #[serde(flatten)]
        now: Watermarks,
    },
    /// A member is typing, or has stopped.
    Typing {
        /// The room.
        room: RoomId,
        /// The member; never the user who receives the event.
        user: UserId,
        /// Typing, or stopped.
        active: bool,
    },
    /// A user who shares a room with this one came online or went.
    Presence(Presence),
    /// An administrator says something to everybody who is connected.
    Announcement {
        /// The text.
        text: Announcement,
        /// The server's clock.
        at: DateTime<Utc>,
    },
    /// The login of this connection ends soon: renew it, or come back with another token.
    Expiring {
        /// The end of the login.
        expires_at: DateTime<Utc>,
    },
}
