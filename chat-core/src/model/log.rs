//! The entries of a room's log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    model::precision::whole_micros,
    model::{ClientMessageId, Effect, EntryBody, MessageId, Role, RoomId, Seq, UserId},
};

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
    /// The user who caused it.
    pub author: UserId,
    /// The author's own id of it.
    pub client_id: ClientMessageId,
    /// The server's clock at the time; to be shown, never to order by.
    pub at: DateTime<Utc>,
    /// The body: what the entry says.
    pub body: EntryBody,
}

impl Entry {
    /// Roughly how many bytes it takes, here and on the wire.
    pub(crate) fn size(&self) -> usize {
        /// Of its JSON beside the text.
        const REST: usize = 300;
        let said = match &self.body {
            EntryBody::Room(_) | EntryBody::Notice(_) => self.body.flatten().text,
            body => body.text().cloned(),
        };
        REST + said.map_or(0, |text| text.len())
    }

    /// True if it says something of an entry before this number.
    pub(crate) fn tells_of_before(&self, first: Seq) -> bool {
        matches!(self.body.effect(), Effect::Replace { target, .. } if target < first)
    }

    /// The entry without its text.
    pub(crate) fn without_text(&self) -> Self {
        let mut silent = self.clone();
        if let EntryBody::Message { text, .. } | EntryBody::Edit { text, .. } = &mut silent.body {
            *text = "".into();
        }
        silent
    }

    /// The entry as a member sees it who reads from this number on: an edit of an earlier message has no text.
    pub(crate) fn seen_from(self: Arc<Self>, first: Seq) -> Arc<Self> {
        if self.tells_of_before(first) {
            Arc::new(self.without_text())
        } else {
            self
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
    /// The user who causes it.
    pub author: UserId,
    /// The author's own id of it.
    pub client_id: ClientMessageId,
    /// The server's clock.
    pub at: DateTime<Utc>,
    /// What happens.
    pub body: EntryBody,
    /// The least role that the author must have in a group just before the number; the other rules of
    /// [`is_allowed`](Self::is_allowed) hold then as well. `None` asks for no right, and a direct room for
    /// none either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Role>,
    /// The most members that the room may have when the entry has made its user a member. `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_members: Option<u64>,
}

impl NewEntry {
    /// The entry with its times in whole microseconds, the precision that every store keeps.
    #[must_use]
    pub fn in_micros(self) -> Self {
        Self {
            at: whole_micros(self.at),
            body: self.body.in_micros(),
            ..self
        }
    }

    /// The entry it becomes under number `seq`.
    pub fn numbered(self, seq: Seq) -> Entry {
        let Self {
            room,
            id,
            author,
            client_id,
            at,
            body,
            require: _,
            max_members: _,
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
