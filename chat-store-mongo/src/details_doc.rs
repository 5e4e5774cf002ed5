//! The details of a room, as a part of a document.

use chat_core::{Data, Details, RoomName, Settings, Topic};
use serde::{Deserialize, Serialize};

/// The details of a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DetailsDoc {
    name: RoomName,
    /// The name as the directory compares it.
    folded: String,
    topic: Topic,
    /// As JSON text: it holds keys and numbers that no document can hold.
    #[serde(with = "as_json")]
    data: Data,
    archived: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Settings>,
}

impl DetailsDoc {
    pub(crate) fn of(details: &Details) -> Self {
        let Details {
            name,
            topic,
            data,
            archived,
            settings,
        } = details.clone();
        Self {
            folded: name.folded(),
            name,
            topic,
            data,
            archived,
            settings,
        }
    }

    pub(crate) fn details(self) -> Details {
        Details {
            name: self.name,
            topic: self.topic,
            data: self.data,
            archived: self.archived,
            settings: self.settings,
        }
    }
}

/// The application's data as JSON text.
mod as_json {
    use chat_core::Data;
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    pub(super) fn serialize<S: Serializer>(data: &Data, to: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(data).map_err(ser::Error::custom)?;
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Data, D::Error> {
        let text = String::deserialize(from)?;
        serde_json::from_str(&text).map_err(de::Error::custom)
    }
}
