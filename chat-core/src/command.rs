//! What a device asks for: the inbound vocabulary of the native protocol.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ClientMessageId, RoomId, UserId},
    log::{Cursor, Page, Seq},
};

/// A position in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomCursor {
    /// The room.
    pub room: RoomId,
    /// How far its log has been received.
    #[serde(flatten)]
    pub cursor: Cursor,
}

/// A command and the client's number for it, which the reply repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Any number; replies carry it.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command {
    /// Says who is there; the first command of a connection, and only the first.
    Hello {
        /// Proves who it is. With open authentication it is the user's name.
        token: String,
        /// Rooms to resume, each from where the client left off.
        #[serde(default)]
        cursors: Vec<RoomCursor>,
    },
    /// Opens the direct room with a user, making it if need be.
    Open {
        /// The other user.
        user: UserId,
    },
    /// Lists the user's rooms, in ascending order of id.
    Rooms {
        /// Begin after this one.
        #[serde(default)]
        after: Option<RoomId>,
        /// At most so many. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Sends a message.
    Send {
        /// Where to.
        room: RoomId,
        /// What to say.
        text: String,
        /// Makes a retry safe. Without one, a retry is another message.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    },
    /// Gives one of the user's messages another text.
    Edit {
        /// Its room.
        room: RoomId,
        /// Its number.
        target: Seq,
        /// The new text.
        text: String,
        /// Makes a retry safe.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    },
    /// Takes one of the user's messages back.
    Delete {
        /// Its room.
        room: RoomId,
        /// Its number.
        target: Seq,
        /// Makes a retry safe.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    },
    /// Reads a page of a room's log.
    History {
        /// The room.
        room: RoomId,
        /// Which part. Default: the newest.
        #[serde(default = "newest")]
        page: Page,
        /// At most so many. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Asks for everything in a room after a cursor.
    Resume(RoomCursor),
    /// States how far a room has been received, or read.
    Receipt {
        /// The room.
        room: RoomId,
        /// Received or read.
        mark: crate::receipt::Mark,
        /// Up to and including this entry.
        seq: Seq,
    },
    /// Says that the user is typing. Said again while it lasts; it ends by itself.
    Typing {
        /// Where.
        room: RoomId,
    },
    /// Asks whether users are online.
    Presence {
        /// At most 100 of them.
        users: Vec<UserId>,
    },
    /// Asks who is online at all.
    Online,
    /// Asks for a sign of life.
    Ping,
}

impl Command {
    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Open { .. } => "open",
            Self::Rooms { .. } => "rooms",
            Self::Send { .. } => "send",
            Self::Edit { .. } => "edit",
            Self::Delete { .. } => "delete",
            Self::History { .. } => "history",
            Self::Resume(_) => "resume",
            Self::Receipt { .. } => "receipt",
            Self::Typing { .. } => "typing",
            Self::Presence { .. } => "presence",
            Self::Online => "online",
            Self::Ping => "ping",
        }
    }
}

fn newest() -> Page {
    Page::Newest
}
