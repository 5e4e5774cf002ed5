//! A command of the native protocol, by its name and its fields in JSON.

use chat_core::RoomId;
use serde_json::{Map, Value};

/// Commands that the client sends by itself, or that the program has in a form of its own.
const OWN: [&str; 10] = [
    "hello", "renew", "resume", "receipt", "typing", "ping", "send", "edit", "delete", "open",
];

/// A command whose room, where it has one and names none, is the open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    name: String,
    fields: Map<String, Value>,
}

impl Request {
    pub(super) fn new(name: &str, fields: Value) -> Self {
        let fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let name = name.to_owned();
        Self { name, fields }
    }

    /// One of its fields.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// True if a script may send the command of this name.
    pub(super) fn is_known(name: &str) -> bool {
        chat_core::Command::NAMES.contains(&name) && !OWN.contains(&name)
    }

    /// The command; `here` is the open room.
    ///
    /// # Errors
    ///
    /// The fault of its fields, for people.
    pub(crate) fn command(self, here: Option<&RoomId>) -> Result<chat_core::Command, String> {
        let Self { name, mut fields } = self;
        fields.insert("type".to_owned(), name.clone().into());
        let names_a_room = fields.contains_key("room");
        // A command that is in no room does not look at it.
        let room = here.map_or("none", RoomId::as_str);
        fields.entry("room").or_insert_with(|| room.into());
        let command = serde_json::from_value(Value::Object(fields))
            .map_err(|error| format!("{name}: {error}"))?;
        if here.is_none() && !names_a_room && has_room(&command) {
            return Err("no room is open; /open NAME opens one".to_owned());
        }
        Ok(command)
    }
}

/// True if the command is about a room that its field `room` names.
fn has_room(command: &chat_core::Command) -> bool {
    let json = serde_json::to_value(command);
    json.is_ok_and(|json| json.get("room").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_open_room_is_the_default_and_a_command_about_a_room_needs_one() {
        let here = RoomId::new("team").unwrap();
        let leave = || Request::new("leave", json!({}));
        let room =
            |command: chat_core::Command| serde_json::to_value(command).unwrap()["room"].clone();
        assert_eq!(room(leave().command(Some(&here)).unwrap()), "team");
        let other = Request::new("leave", json!({ "room": "club" }));
        assert_eq!(room(other.clone().command(Some(&here)).unwrap()), "club");
        assert_eq!(room(other.command(None).unwrap()), "club");
        let why = leave().command(None).unwrap_err();
        assert!(why.contains("no room is open"), "{why}");
        assert!(Request::new("inbox", json!({})).command(None).is_ok());
        assert!(Request::is_known("create") && !Request::is_known("hello"));
    }
}
