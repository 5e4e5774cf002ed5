//! The inbox: a user's rooms in the order of their last message.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Entry, InvalidId, Me, Room, RoomId, Watermarks};

/// A room in a user's inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxRoom {
    /// The room.
    pub room: Room,
    /// How the user has it set.
    pub me: Me,
    /// How far the user has received and read.
    #[serde(flatten)]
    pub watermarks: Watermarks,
    /// The newest message that the user may read, or what is left of it; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Arc<Entry>>,
    /// The time of the newest message, or of the room when it has none: the inbox is in this order.
    pub active_at: DateTime<Utc>,
    /// How many messages of others stand after `read`; counting stops at [`UNREAD_CAP`](crate::UNREAD_CAP).
    pub unread: u64,
    /// How many of them mention the user.
    pub mentions: u64,
}

impl InboxRoom {
    /// Roughly how many bytes it takes on the wire.
    pub(crate) fn size(&self) -> usize {
        self.room.size() + self.last.as_ref().map_or(0, |last| last.size())
    }

    /// The place of the room in the inbox.
    pub fn place(&self) -> InboxPlace {
        InboxPlace {
            active_at: self.active_at,
            room: self.room.id.clone(),
        }
    }
}

/// The rooms of an inbox that are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum InboxFilter {
    /// All but the hidden ones.
    #[default]
    All,
    /// Those with unread messages, but for the hidden ones.
    Unread,
    /// Those with unread mentions, but for the hidden ones.
    Mentions,
    /// The pinned ones, but for the hidden ones.
    Pinned,
    /// The hidden ones.
    Hidden,
}

/// A place in an inbox, which is in descending order of the time of the newest message and, where that is the
/// same, in ascending order of the room's id.
///
/// As text, the time in microseconds since 1970, a colon, and the id. A room that gets a message while pages
/// are read moves to the top and so out of the later pages; its entry comes live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InboxPlace {
    /// The time of the newest message.
    pub active_at: DateTime<Utc>,
    /// The room.
    pub room: RoomId,
}

/// In a document it is a text.
#[cfg(feature = "openapi")]
mod schema {
    use utoipa::{
        PartialSchema, ToSchema,
        openapi::{ObjectBuilder, RefOr, Schema, Type},
    };

    impl PartialSchema for super::InboxPlace {
        fn schema() -> RefOr<Schema> {
            let text = ObjectBuilder::new().schema_type(Type::String);
            text.description(Some("A place in an inbox."))
                .build()
                .into()
        }
    }

    impl ToSchema for super::InboxPlace {}
}

impl fmt::Display for InboxPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.active_at.timestamp_micros(), self.room)
    }
}

impl From<InboxPlace> for String {
    fn from(place: InboxPlace) -> Self {
        place.to_string()
    }
}

impl FromStr for InboxPlace {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (at, room) = text.split_once(':').ok_or(InvalidId::NoPlace)?;
        let at = at.parse().map_err(|_| InvalidId::NoPlace)?;
        Ok(Self {
            active_at: DateTime::from_timestamp_micros(at).ok_or(InvalidId::NoPlace)?,
            room: RoomId::try_from(room.to_owned())?,
        })
    }
}

impl TryFrom<String> for InboxPlace {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_its_text_and_nothing_else_is() {
        let place = InboxPlace {
            active_at: DateTime::from_timestamp_micros(1_234_567).unwrap(),
            room: RoomId::new("a:group").unwrap(),
        };
        assert_eq!(place.to_string(), "1234567:a:group");
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in [
            "",
            "7",
            "x:room",
            ":room",
            "99999999999999999999:room",
            "7:",
        ] {
            assert!(bad.parse::<InboxPlace>().is_err(), "{bad}");
        }
    }
}
