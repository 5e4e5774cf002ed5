//! The old protocol's inbound events, checked before anything is done with them.

use chat_core::{ClientMessageId, Error, Mark, MessageId, UserId};
use serde_json::Value as Json;

use super::packet::{Content, MAX_DATA};

/// An event whose name and arguments are as the protocol says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    SetUsername(String),
    /// A newer token of the same user.
    Renew(String),
    StartDm(UserId),
    Message {
        text: String,
        client_id: Option<ClientMessageId>,
    },
    Typing,
    Receipt {
        mark: Mark,
        id: MessageId,
        from: UserId,
    },
}

impl Incoming {
    /// Reads the event that a packet carries.
    pub(super) fn of(content: &Content<'_>) -> Result<Self, Error> {
        if content.attachments.is_some() {
            return Err(bad("binary attachments are not accepted"));
        }
        Self::read(content.data)
    }

    /// Reads an event from a JSON array of its name and its arguments.
    pub(super) fn read(json: &str) -> Result<Self, Error> {
        if json.len() > MAX_DATA {
            return Err(bad(format!("an event has at most {MAX_DATA} bytes")));
        }
        match serde_json::from_str::<Vec<Json>>(json).as_deref() {
            Ok([Json::String(name), arguments @ ..]) => Self::from_parts(name, arguments),
            _ => Err(bad("an event is a name and its arguments")),
        }
    }

    fn from_parts(name: &str, arguments: &[Json]) -> Result<Self, Error> {
        let first = arguments.first();
        let text = || match first {
            Some(Json::String(text)) => Ok(text.as_str()),
            _ => Err(bad(format!("{name} needs a string"))),
        };
        Ok(match name {
            "set-username" => Self::SetUsername(text()?.to_owned()),
            "renew" => Self::Renew(text()?.to_owned()),
            "start-dm" => Self::StartDm(UserId::new(text()?)?),
            "dm-message" => Self::Message {
                text: text()?.to_owned(),
                client_id: client_id(arguments.get(1))?,
            },
            "typing" => Self::Typing,
            "message-delivered" => Self::receipt(Mark::Delivered, name, first)?,
            "message-read" => Self::receipt(Mark::Read, name, first)?,
            _ => return Err(Error::UnknownCommand(name.chars().take(64).collect())),
        })
    }

    fn receipt(mark: Mark, name: &str, argument: Option<&Json>) -> Result<Self, Error> {
        let field = |key: &str| argument?.as_object()?.get(key)?.as_str();
        let (Some(id), Some(from)) = (field("messageId"), field("from")) else {
            return Err(bad(format!(
                "{name} needs {{messageId, from}}, two strings"
            )));
        };
        let id = id
            .parse()
            .map_err(|_| bad("messageId is not the id of a message"))?;
        Ok(Self::Receipt {
            mark,
            id: MessageId(id),
            from: UserId::new(from)?,
        })
    }
}

/// The optional second argument of `dm-message`, `{clientId}`, makes a retry safe.
fn client_id(options: Option<&Json>) -> Result<Option<ClientMessageId>, Error> {
    match options.and_then(|options| options.get("clientId")) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(id)) => Ok(Some(ClientMessageId::new(id)?)),
        Some(_) => Err(bad("clientId needs to be a string")),
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadRequest(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::ErrorCode;
    use proptest::prelude::*;

    fn read(json: &str) -> Result<Incoming, ErrorCode> {
        Incoming::read(json).map_err(|error| error.code())
    }

    #[test]
    fn events_are_read_with_their_arguments() {
        let id = "019aab5e-0000-7000-8000-000000000001";
        let bob = UserId::new("bob").unwrap();
        for (json, event) in [
            (
                r#"["set-username","alice"]"#.to_owned(),
                Incoming::SetUsername("alice".into()),
            ),
            (
                r#"["start-dm","bob"]"#.to_owned(),
                Incoming::StartDm(bob.clone()),
            ),
            (
                r#"["dm-message","hi"]"#.to_owned(),
                Incoming::Message {
                    text: "hi".into(),
                    client_id: None,
                },
            ),
            (
                r#"["dm-message","hi",{"clientId":"c1"}]"#.to_owned(),
                Incoming::Message {
                    text: "hi".into(),
                    client_id: Some(ClientMessageId::new("c1").unwrap()),
                },
            ),
            (r#"["typing"]"#.to_owned(), Incoming::Typing),
            (
                format!(r#"["message-read",{{"messageId":"{id}","from":"bob"}}]"#),
                Incoming::Receipt {
                    mark: Mark::Read,
                    id: MessageId(id.parse().unwrap()),
                    from: bob,
                },
            ),
        ] {
            assert_eq!(read(&json), Ok(event), "{json}");
        }
    }

    #[test]
    fn an_event_that_is_not_of_the_protocol_is_refused_with_its_code() {
        for (json, code) in [
            (r#"["set-username"]"#, ErrorCode::BadRequest),
            (r#"["renew",{}]"#, ErrorCode::BadRequest),
            (r#"["set-username",null]"#, ErrorCode::BadRequest),
            (r#"["start-dm",{"$ne":null}]"#, ErrorCode::BadRequest),
            (r#"["start-dm","a,b"]"#, ErrorCode::InvalidId),
            (r#"["dm-message",7]"#, ErrorCode::BadRequest),
            (r#"["dm-message",["hi"]]"#, ErrorCode::BadRequest),
            (
                r#"["dm-message","hi",{"clientId":7}]"#,
                ErrorCode::BadRequest,
            ),
            (
                r#"["dm-message","hi",{"clientId":""}]"#,
                ErrorCode::InvalidId,
            ),
            (r#"["message-read"]"#, ErrorCode::BadRequest),
            (
                r#"["message-read",{"messageId":{"$ne":null},"from":"b"}]"#,
                ErrorCode::BadRequest,
            ),
            (
                r#"["message-delivered",{"messageId":"x","from":"b"}]"#,
                ErrorCode::BadRequest,
            ),
            (r#"["join","dm:alicebob"]"#, ErrorCode::UnknownCommand),
            ("[7]", ErrorCode::BadRequest),
            ("{}", ErrorCode::BadRequest),
        ] {
            assert_eq!(read(json), Err(code), "{json}");
        }
        let deep = format!(
            r#"["dm-message",{}{}]"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(read(&deep), Err(ErrorCode::BadRequest));
        let long = format!(r#"["dm-message","{}"]"#, "x".repeat(MAX_DATA));
        assert_eq!(read(&long), Err(ErrorCode::BadRequest));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(json in "\\PC{0,64}", name in "[a-z-]{0,20}") {
            let _ = read(&json);
            let _ = read(&format!(r#"["{name}",{json}]"#));
        }
    }
}
