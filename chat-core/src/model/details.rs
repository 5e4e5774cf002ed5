//! The details of a group or a channel, and their changes: name, topic, data and settings.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    invalid_id::InvalidId,
    text::{is_invisible, nfc},
};

/// The kind of a room, which is a field of the room.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[repr(u8)]
pub enum RoomKind {
    /// Two users, for ever the same two.
    Direct = 0,
    /// Private: a user comes in by being added, or by an invitation.
    #[default]
    Group = 1,
    /// Listed in the directory: anybody may join.
    Channel = 2,
}

impl RoomKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Group, Self::Channel];

    /// The name in JSON and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Channel => "channel",
        }
    }

    /// Its number, for stores that keep numbers. It never changes.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The kind with this number; `None` for one that is newer than this code.
    pub fn numbered(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub struct $type(Arc<str>);

        impl $type {
            /// The longest text, in characters.
            pub const MAX_CHARS: usize = $max;

            /// Checks and composes a text; spaces around it are left out.
            ///
            /// # Errors
            ///
            /// [`InvalidId`] says which rule it breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                label($what, text.as_ref(), $max, $allowed).map(Self)
            }

            /// The text; empty when there is none.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// True if there is no text.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl Default for $type {
            fn default() -> Self {
                Self("".into())
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
    };
}

label! {
    /// The name of a group or channel, for people and not unique: at most 100 characters in one line, or
    /// empty.
    RoomName, "the name of a room", 100, ""
}

impl RoomName {
    /// The name in lower case, as the directory compares it.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

label! {
    /// The topic of a group or channel: at most 500 characters, among them tabs and line breaks, or empty.
    Topic, "a topic", 500, "\t\n"
}

fn label(what: &'static str, text: &str, max: usize, allowed: &str) -> Result<Arc<str>, InvalidId> {
    let text = nfc(text.trim());
    let is_control = |c: &char| c.is_control() && !allowed.contains(*c);
    if let Some(found) = text.chars().find(is_control) {
        return Err(InvalidId::Character { what, found });
    }
    if text.chars().count() > max {
        return Err(InvalidId::TooLong { what, max });
    }
    if text.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
        return Ok("".into());
    }
    Ok(text.into())
}

/// The application's own data of a room: a JSON object of at most 4 KiB, which the engine doesn't look into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = Object))]
pub struct Data(Arc<Map<String, Value>>);

impl Data {
    /// The largest object, in bytes of JSON.
    pub const MAX_BYTES: usize = 4_096;

    /// The most objects and lists within one another, the outermost counted. Readers of JSON give up at some
    /// 100, and what brings the data adds a few.
    pub const MAX_DEPTH: usize = 32;

    /// Checks an object.
    ///
    /// # Errors
    ///
    /// [`InvalidId::TooLarge`], [`InvalidId::TooDeep`].
    pub fn new(object: Map<String, Value>) -> Result<Self, InvalidId> {
        let what = "the data of a room";
        if !object
            .values()
            .all(|value| fits_in(value, Self::MAX_DEPTH - 1))
        {
            let max = Self::MAX_DEPTH;
            return Err(InvalidId::TooDeep { what, max });
        }
        let data = Self(Arc::new(object));
        if data.size() > Self::MAX_BYTES {
            let max = Self::MAX_BYTES;
            return Err(InvalidId::TooLarge { what, max });
        }
        Ok(data)
    }

    /// The number of bytes of its JSON.
    fn size(&self) -> usize {
        serde_json::to_string(&*self.0).map_or(usize::MAX, |json| json.len())
    }

    /// The object.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// True if there is no data.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Map<String, Value>> for Data {
    type Error = InvalidId;

    fn try_from(object: Map<String, Value>) -> Result<Self, InvalidId> {
        Self::new(object)
    }
}

/// True if a value has at most so many objects and lists within one another.
fn fits_in(value: &Value, depth: usize) -> bool {
    let fits = |inner| depth > 0 && fits_in(inner, depth - 1);
    match value {
        Value::Array(values) => depth > 0 && values.iter().all(fits),
        Value::Object(values) => depth > 0 && values.values().all(fits),
        _ => true,
    }
}

/// The members to whom something is open in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum OpenTo {
    /// Members, moderators and owners.
    #[default]
    Everyone,
    /// Moderators and owners.
    Moderators,
}

/// The part of a room's log that a member may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum History {
    /// All of it.
    All,
    /// From the entry by which the member joined.
    #[default]
    Joined,
}

/// The settings of a group or channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settings {
    /// The members who may send messages. Default: everyone.
    pub post: OpenTo,
    /// The members who may add and invite others. Default: everyone.
    pub add: OpenTo,
    /// What members may read. Default: what came after they joined.
    pub history: History,
    /// The seconds that each member waits between two messages; moderators and owners don't. Default: 0, no
    /// wait.
    pub slow_mode: u32,
}

impl Settings {
    /// The longest slow mode, in seconds: a day.
    pub const MAX_SLOW_MODE: u32 = 86_400;
}

/// Other settings for a room; what is absent stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingsChange {
    /// The members who may send messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<OpenTo>,
    /// The members who may add and invite others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<OpenTo>,
    /// What members may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// The seconds between two messages of a member, at most a day; 0 for no wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 86_400))]
    pub slow_mode: Option<u32>,
}

/// Read from an object only: a derived reader would also take an array.
impl TryFrom<Map<String, Value>> for SettingsChange {
    type Error = String;

    fn try_from(mut object: Map<String, Value>) -> Result<Self, String> {
        fn field<T: serde::de::DeserializeOwned>(
            object: &mut Map<String, Value>,
            name: &str,
        ) -> Result<Option<T>, String> {
            let value = object.remove(name).unwrap_or_default();
            serde_json::from_value(value).map_err(|error| format!("`{name}`: {error}"))
        }
        let change = Self {
            post: field(&mut object, "post")?,
            add: field(&mut object, "add")?,
            history: field(&mut object, "history")?,
            slow_mode: field(&mut object, "slow_mode")?,
        };
        let max = Settings::MAX_SLOW_MODE;
        match change.slow_mode {
            Some(slow) if slow > max => Err(format!("`slow_mode` has at most {max} seconds")),
            _ => Ok(change),
        }
    }
}

/// What a room says about itself. A direct room says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Details {
    /// The name.
    #[serde(default, skip_serializing_if = "RoomName::is_empty")]
    pub name: RoomName,
    /// The topic.
    #[serde(default, skip_serializing_if = "Topic::is_empty")]
    pub topic: Topic,
    /// The application's own data.
    #[serde(default, skip_serializing_if = "Data::is_empty")]
    pub data: Data,
    /// Whether the room is read-only for good, until an owner opens it again.
    #[serde(default)]
    pub archived: bool,
    /// The settings; absent in a direct room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
}

impl Details {
    /// The number of bytes of the name, the topic and the data.
    pub(crate) fn size(&self) -> usize {
        let texts = self.name.as_str().len() + self.topic.as_str().len();
        let data = if self.data.is_empty() {
            0
        } else {
            self.data.size()
        };
        texts + data
    }

    /// The details after a change.
    #[must_use]
    pub fn changed(&self, change: &RoomChange) -> Self {
        let RoomChange {
            name,
            topic,
            data,
            settings,
            archived,
        } = change.clone();
        let before = self.settings.unwrap_or_default();
        let settings = settings.map(|to| Settings {
            post: to.post.unwrap_or(before.post),
            add: to.add.unwrap_or(before.add),
            history: to.history.unwrap_or(before.history),
            slow_mode: to.slow_mode.unwrap_or(before.slow_mode),
        });
        Self {
            name: name.unwrap_or_else(|| self.name.clone()),
            topic: topic.unwrap_or_else(|| self.topic.clone()),
            data: data.unwrap_or_else(|| self.data.clone()),
            archived: archived.unwrap_or(self.archived),
            settings: settings.or(self.settings),
        }
    }
}

/// A change of what a room says about itself; what is absent stays as it is. An empty name, topic or data
/// takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomChange {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<RoomName>,
    /// Another topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// Other data, in place of all that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// Other settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsChange>,
    /// Archived, or opened again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_leaves_alone_what_it_does_not_name_and_an_empty_text_takes_it_away() {
        let change = |json| serde_json::from_value::<RoomChange>(json).unwrap();
        let first = Details::default().changed(&change(json!({
            "name": " Team ", "topic": "all\nof us", "data": { "colour": "red" },
            "settings": { "slow_mode": 5, "history": "all" },
        })));
        assert_eq!(first.name.as_str(), "Team");
        let second = first.changed(&change(json!({
            "topic": "", "settings": { "post": "moderators" }, "archived": true,
        })));
        assert_eq!(second.name, first.name);
        assert_eq!(second.data, first.data);
        assert!(second.topic.is_empty() && second.archived);
        let settings = second.settings.unwrap();
        assert_eq!((settings.post, settings.slow_mode), (OpenTo::Moderators, 5));
        assert_eq!(settings.history, History::All);
    }

    #[test]
    fn what_breaks_a_limit_is_refused() {
        for bad in [
            json!({ "name": "x".repeat(101) }),
            json!({ "name": "a\nb" }),
            json!({ "topic": "x".repeat(501) }),
            json!({ "data": { "x": "x".repeat(4_096) } }),
            json!({ "data": [] }),
            json!({ "settings": ["everyone"] }),
            json!({ "settings": { "slow_mode": 86_401 } }),
            json!({ "settings": { "post": "nobody" } }),
        ] {
            assert!(
                serde_json::from_value::<RoomChange>(bad.clone()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn data_is_so_deep_that_every_reader_of_json_reads_what_brings_it() {
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            serde_json::from_str::<Data>(&format!(r#"{{"x":{open}{close}}}"#)).map(drop)
        };
        assert!(nested(Data::MAX_DEPTH).is_ok());
        let refused = nested(Data::MAX_DEPTH + 1).unwrap_err().to_string();
        assert!(refused.contains("32 objects and lists"), "{refused}");
    }

    #[test]
    fn a_kind_is_kept_under_its_number() {
        assert_eq!(RoomKind::ALL.map(RoomKind::number), [0, 1, 2]);
        for kind in RoomKind::ALL {
            assert_eq!(RoomKind::numbered(kind.number()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(RoomKind::numbered(3), None);
    }
}
