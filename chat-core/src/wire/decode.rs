//! Reads a command of the native protocol from a frame, and says what is wrong with one that is none.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    command::{Command, Request},
    error::Error,
};
use crate::model::{ClientMessageId, InvalidId, RoomId, UserId};

/// Reads a command from the text frame that a client has sent.
///
/// ```
/// use chat_core::decode;
///
/// let request = decode(r#"{"id": 7, "type": "ping"}"#).unwrap();
/// assert_eq!(request.id, 7);
///
/// let (id, error) = decode(r#"{"id": 8, "type": "jump"}"#).unwrap_err();
/// assert_eq!((id, error.code().code()), (Some(8), 101));
/// ```
///
/// # Errors
///
/// The command's number, where it can be read, and [`Error::UnknownCommand`],
/// [`Error::InvalidId`] or [`Error::BadRequest`], which says what is wrong.
pub fn decode(frame: &str) -> Result<Request, (Option<u64>, Error)> {
    serde_json::from_str(frame)
        .and_then(|Named { .. }| serde_json::from_str(frame))
        .map_err(|error| diagnose(frame, &error))
}

/// A frame whose type is text. The derived reader of a command would also take the number of its row.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "type", borrow)]
    _name: Cow<'a, str>,
}

/// Finds out what is wrong with a frame that can't be read; slow.
fn diagnose(frame: &str, error: &serde_json::Error) -> (Option<u64>, Error) {
    let bad = |why: String| Error::BadRequest(why);
    let value = match serde_json::from_str(frame) {
        Ok(Value::Object(value)) => value,
        Ok(_) => return (None, bad("a frame is one JSON object".to_owned())),
        Err(error) => return (None, bad(format!("the frame is not JSON: {error}"))),
    };
    let id = value.get("id").and_then(Value::as_u64);
    if id.is_none() {
        return (None, bad("`id` has to be a number, 0 or above".to_owned()));
    }
    let Some(Value::String(name)) = value.get("type") else {
        return (id, bad("`type` has to be the name of a command".to_owned()));
    };
    // With nothing but its type, a command can only fail in this way if it doesn't exist.
    let alone = Command::deserialize(json!({ "type": name })).err();
    if alone.is_some_and(|error| error.to_string().starts_with("unknown variant")) {
        return (id, Error::UnknownCommand(name.clone()));
    }
    let invalid = value.iter().find_map(|(key, value)| invalid_id(key, value));
    (
        id,
        invalid.map_or_else(|| bad(error.to_string()), Error::InvalidId),
    )
}

/// The rule that the name or id in this field breaks, if it breaks one.
fn invalid_id(key: &str, value: &Value) -> Option<InvalidId> {
    match (key, value) {
        ("room" | "after", Value::String(id)) => RoomId::new(id).err(),
        ("user" | "users", Value::String(id)) => UserId::new(id).err(),
        ("client_id", Value::String(id)) => ClientMessageId::new(id).err(),
        ("users", Value::Array(users)) => users.iter().find_map(|user| invalid_id(key, user)),
        ("cursors", Value::Array(cursors)) => cursors
            .iter()
            .find_map(|cursor| invalid_id("room", cursor.get("room")?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(frame: &str) -> (Option<u64>, u16, String) {
        let (id, error) = decode(frame).expect_err(frame);
        (id, error.code().code(), error.to_string())
    }

    #[test]
    fn what_is_wrong_is_said_with_the_number_of_the_command() {
        for (frame, id, code, says) in [
            ("", None, 100, "not JSON"),
            ("{", None, 100, "not JSON"),
            ("[1]", None, 100, "one JSON object"),
            (r#"{"type":"ping"}"#, None, 100, "`id`"),
            (r#"{"id":-1,"type":"ping"}"#, None, 100, "`id`"),
            (r#"{"id":1.5,"type":"ping"}"#, None, 100, "`id`"),
            (r#"{"id":1}"#, Some(1), 100, "`type`"),
            (r#"{"id":1,"type":7}"#, Some(1), 100, "`type`"),
            (r#"{"id":1,"type":"jump"}"#, Some(1), 101, "jump"),
            (r#"{"id":1,"type":"Ping"}"#, Some(1), 101, "Ping"),
            (r#"{"id":1,"type":"open","user":""}"#, Some(1), 102, "empty"),
            (
                r#"{"id":1,"type":"open","user":"a,b"}"#,
                Some(1),
                102,
                "U+002C",
            ),
            (
                r#"{"id":1,"type":"typing","room":"b,a"}"#,
                Some(1),
                102,
                "sorted",
            ),
            (
                r#"{"id":1,"type":"presence","users":["a",""]}"#,
                Some(1),
                102,
                "empty",
            ),
            (
                r#"{"id":1,"type":"send","room":"a,b","text":"x","client_id":"\n"}"#,
                Some(1),
                102,
                "U+000A",
            ),
            (
                r#"{"id":1,"type":"hello","token":"a","cursors":[{"room":"","epoch":"","seq":0}]}"#,
                Some(1),
                102,
                "empty",
            ),
            (
                r#"{"id":1,"type":"open","user":7}"#,
                Some(1),
                100,
                "expected a string",
            ),
            (
                r#"{"id":1,"type":"open"}"#,
                Some(1),
                100,
                "missing field `user`",
            ),
            (
                r#"{"id":1,"type":"send","room":"a,b"}"#,
                Some(1),
                100,
                "missing field `text`",
            ),
            (
                r#"{"id":1,"type":"receipt","room":"a,b","mark":"receipt","seq":1}"#,
                Some(1),
                100,
                "`receipt`",
            ),
            (
                r#"{"id":1,"type":"receipt","room":"a,b","mark":"read","seq":-1}"#,
                Some(1),
                100,
                "invalid value",
            ),
            (
                r#"{"id":1,"id":2,"type":"ping"}"#,
                Some(2),
                100,
                "duplicate field `id`",
            ),
        ] {
            let (got_id, got_code, message) = refusal(frame);
            assert_eq!((got_id, got_code), (id, code), "{frame}: {message}");
            assert!(message.contains(says), "{frame}: {message}");
        }
    }

    #[test]
    fn json_ten_thousand_deep_is_refused() {
        let deep = format!("{{\"id\":1,\"type\":{}", "[".repeat(10_000));
        assert_eq!(refusal(&deep).1, 100);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(frame in ".*") {
            drop(decode(&frame));
        }

        #[test]
        fn no_field_of_any_type_makes_it_panic(
            key in "(id|type|room|user|users|text|cursors|page|limit|seq|mark|token)",
            value in "(null|-1|1e400|\"\"|\"a,b\"|\\[\\]|\\{\\}|true|18446744073709551616|\\[\\{\\}\\])",
            kind in "(hello|open|rooms|send|edit|delete|history|resume|receipt|typing|presence|online|ping)",
        ) {
            drop(decode(&format!(r#"{{"id":1,"type":"{kind}","{key}":{value}}}"#)));
        }
    }
}
