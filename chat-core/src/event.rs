//! What a device is told: the outbound vocabulary of the native protocol.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorBody},
    ids::{Epoch, MessageId, RoomId, SessionId, UserId},
    log::{Cursor, Entry, Seq},
    presence::Presence,
    receipt::Watermarks,
    room::{Membership, Room},
};

/// Anything that is sent to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outgoing {
    /// The answer to one command.
    Answer(Answer),
    /// Something that happened.
    Event(Event),
}

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Reply {
        /// The command's number.
        id: u64,
        /// What came of it.
        result: Reply,
    },
    /// It was not done.
    Error {
        /// The command's number; absent when it could not be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Why.
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

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reply {
    /// To `hello`.
    Welcome {
        /// The user that the token stands for.
        user: UserId,
        /// This connection.
        session: SessionId,
    },
    /// To `open`.
    Room(RoomView),
    /// To `rooms`.
    Rooms {
        /// One page of rooms.
        rooms: Vec<Membership>,
        /// Whether there are more after the last one.
        more: bool,
    },
    /// To `send`, `edit` and `delete`: it is stored for good.
    Sent(Sent),
    /// To `history`.
    History(HistoryPage),
    /// To `resume`; what was missed has been sent as events before this reply.
    Resumed {
        /// The position reached.
        cursor: Cursor,
    },
    /// To `receipt`: how the user's watermarks stand now.
    Receipt(Watermarks),
    /// To `presence`.
    Presence {
        /// In the order asked.
        users: Vec<Presence>,
    },
    /// To `online`.
    Online {
        /// Each once, in ascending order.
        users: Vec<UserId>,
    },
    /// To `typing`.
    Ok,
    /// To `ping`.
    Pong,
}

/// A room with what a newcomer to it wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomView {
    /// The room.
    pub room: Room,
    /// Its members, at most 200, and how far each has got.
    pub members: Vec<MemberView>,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberView {
    /// Who, and whether online.
    #[serde(flatten)]
    pub presence: Presence,
    /// How far they have got.
    #[serde(flatten)]
    pub watermarks: Watermarks,
}

/// Where a message stands now that it is stored for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sent {
    /// The room.
    pub room: RoomId,
    /// Its id.
    pub id: MessageId,
    /// Its number.
    pub seq: Seq,
    /// The server's clock when it was first accepted.
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

/// Why entries were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// More was missed than is sent again; the history has it.
    TooMany,
    /// The log began anew; drop what is known of the room.
    NewEpoch,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
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
        /// Why.
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
        /// The member; never the one who is told.
        user: UserId,
        /// Typing, or stopped.
        active: bool,
    },
    /// Somebody the user shares a room with came online or went.
    Presence(Presence),
}
