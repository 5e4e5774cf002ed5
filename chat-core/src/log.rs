//! The room log: entries numbered 1, 2, 3, ... and positions in it.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{ClientMessageId, Epoch, MessageId, RoomId, UserId};

/// The number of an entry in its room: 1, 2, 3, ... without a gap; 0 stands before the first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// After the last entry that there can be.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position in a room's log: everything up to and including `seq` has been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Which incarnation of the log `seq` counts in.
    pub epoch: Epoch,
    /// The last entry received.
    pub seq: Seq,
}

/// One line of a room's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Entry {
    /// The room.
    pub room: RoomId,
    /// Its number in the room.
    pub seq: Seq,
    /// The server's id of it.
    pub id: MessageId,
    /// Who caused it.
    pub author: UserId,
    /// The author's own id of it.
    pub client_id: ClientMessageId,
    /// The server's clock at the time; to be shown, never to order by.
    pub at: DateTime<Utc>,
    /// What happened.
    pub body: EntryBody,
}

impl Entry {
    /// Roughly how many bytes it takes, here and on the wire.
    pub(crate) fn size(&self) -> usize {
        /// Of its JSON beside the text.
        const REST: usize = 300;
        match &self.body {
            EntryBody::Message { text, .. } | EntryBody::Edit { text, .. } => REST + text.len(),
            _ => REST,
        }
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EntryBody {
    /// A message, with the text it has now.
    Message {
        /// The text.
        text: Arc<str>,
        /// When it was last edited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edited_at: Option<DateTime<Utc>>,
    },
    /// The author gave the message `target` another text.
    Edit {
        /// The message.
        target: Seq,
        /// Its new text.
        text: Arc<str>,
    },
    /// The author took the message `target` back; its text is gone from the store.
    Delete {
        /// The message.
        target: Seq,
    },
    /// What is left of a message, or of an edit of it, after a [`Delete`](EntryBody::Delete).
    Deleted,
    /// `user` became a member of the group.
    Joined {
        /// The new member.
        user: UserId,
    },
    /// `user` is a member no longer.
    Left {
        /// The former member.
        user: UserId,
    },
}

impl EntryBody {
    /// A message with this text, as it is first sent.
    pub fn message(text: impl Into<Arc<str>>) -> Self {
        Self::Message {
            text: text.into(),
            edited_at: None,
        }
    }

    /// Whether it changes what other entries say, or may have: an edit, a deletion, and what is left
    /// of either.
    pub fn changes_others(&self) -> bool {
        match self {
            Self::Edit { .. } | Self::Delete { .. } | Self::Deleted => true,
            Self::Message { .. } | Self::Joined { .. } | Self::Left { .. } => false,
        }
    }
}

/// An entry on its way to the store, which gives it a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEntry {
    /// The room.
    pub room: RoomId,
    /// The id it will have, unless it turns out to be a duplicate.
    pub id: MessageId,
    /// Who causes it.
    pub author: UserId,
    /// The author's own id of it.
    pub client_id: ClientMessageId,
    /// The server's clock.
    pub at: DateTime<Utc>,
    /// What happens.
    pub body: EntryBody,
}

impl NewEntry {
    /// The entry it becomes under number `seq`.
    pub fn numbered(self, seq: Seq) -> Entry {
        let Self {
            room,
            id,
            author,
            client_id,
            at,
            body,
        } = self;
        Entry {
            room,
            seq,
            id,
            author,
            client_id,
            at,
            body,
        }
    }
}

/// Which part of a room's log to read; every form gives entries in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The newest entries.
    Newest,
    /// The newest entries below this number.
    Before(Seq),
    /// The oldest entries above this number.
    After(Seq),
    /// Entries on both sides of this number, and itself.
    Around(Seq),
}
