//! Packets of Socket.IO 5, which Engine.IO carries as messages.
//!
//! A packet is a digit for its type, the number of its attachments if it may have some, the namespace
//! unless it is the main one, the id by which an answer refers to it, and then JSON.

use serde::{Serialize, de::IgnoredAny};
use serde_json::{Map, Value};

/// The one namespace there is.
pub(super) const MAIN: &str = "/";

/// The longest data that is looked at, in bytes: nothing longer is carried out.
pub(super) const MAX_DATA: usize = 64 << 10;

/// The most attachments that a packet may announce.
pub(super) const MAX_ATTACHMENTS: u32 = 16;

/// The longest namespace, in bytes: its name is sent back.
const MAX_NAMESPACE: usize = 256;

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// A client wants into a namespace, or a server lets it in.
    Connect {
        namespace: &'a str,
        /// A JSON object.
        data: Option<&'a str>,
    },
    /// One side leaves a namespace.
    Disconnect { namespace: &'a str },
    /// An event, which may ask for an answer.
    Event(Content<'a>),
    /// The answer to an event.
    Ack(Content<'a>),
    /// A client may not enter a namespace.
    ConnectError {
        namespace: &'a str,
        /// A JSON object.
        data: &'a str,
    },
}

/// The parts of an event and of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content<'a> {
    pub(super) namespace: &'a str,
    /// The command that the answer refers to.
    pub(super) id: Option<u64>,
    /// A JSON array; one of more than [`MAX_DATA`] bytes has not been looked into.
    pub(super) data: &'a str,
    /// The number of binary messages that follow.
    pub(super) attachments: Option<u32>,
}

/// The text is not of the protocol, and its sender's connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a packet of Socket.IO 5")]
pub(super) struct Invalid;

impl<'a> Packet<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Invalid> {
        let mut rest = text;
        let kind = take(&mut rest, 1).ok_or(Invalid)?;
        let attachments = match kind {
            "5" | "6" => {
                let count = number(&mut rest).ok_or(Invalid)?;
                rest = rest.strip_prefix('-').ok_or(Invalid)?;
                let count = u32::try_from(count)
                    .ok()
                    .filter(|count| *count <= MAX_ATTACHMENTS);
                Some(count.ok_or(Invalid)?)
            }
            _ => None,
        };
        let namespace = namespace(&mut rest)?;
        let content = |mut rest: &'a str| {
            let id = if rest.starts_with(|c: char| c.is_ascii_digit()) {
                Some(number(&mut rest).ok_or(Invalid)?)
            } else {
                None
            };
            Ok(Content {
                namespace,
                id,
                data: rest,
                attachments,
            })
        };
        let data = (!rest.is_empty()).then_some(rest);
        match kind {
            "0" if data.is_none_or(is_object) => Ok(Self::Connect { namespace, data }),
            "1" if data.is_none() => Ok(Self::Disconnect { namespace }),
            "2" | "5" => content(rest).and_then(|content| {
                if is_array(content.data, true) {
                    Ok(Self::Event(content))
                } else {
                    Err(Invalid)
                }
            }),
            "3" | "6" => content(rest).and_then(|content| {
                let fits = content.id.is_some() && is_array(content.data, false);
                if fits {
                    Ok(Self::Ack(content))
                } else {
                    Err(Invalid)
                }
            }),
            "4" if is_object(rest) => Ok(Self::ConnectError {
                namespace,
                data: rest,
            }),
            _ => Err(Invalid),
        }
    }

    /// As a message of Engine.IO, its digit 4 included.
    pub(super) fn encode(&self) -> String {
        let mut text = String::from("4");
        let (kind, namespace, data) = match self {
            Self::Connect { namespace, data } => ("0", *namespace, data.unwrap_or_default()),
            Self::Disconnect { namespace } => ("1", *namespace, ""),
            Self::Event(it) => (
                if it.attachments.is_some() { "5" } else { "2" },
                it.namespace,
                it.data,
            ),
            Self::Ack(it) => (
                if it.attachments.is_some() { "6" } else { "3" },
                it.namespace,
                it.data,
            ),
            Self::ConnectError { namespace, data } => ("4", *namespace, *data),
        };
        text.push_str(kind);
        let (id, attachments) = match self {
            Self::Event(it) | Self::Ack(it) => (it.id, it.attachments),
            _ => (None, None),
        };
        if let Some(count) = attachments {
            text.push_str(&count.to_string());
            text.push('-');
        }
        if namespace != MAIN {
            text.push_str(namespace);
            text.push(',');
        }
        if let Some(id) = id {
            text.push_str(&id.to_string());
        }
        text.push_str(data);
        text
    }
}

/// An event of the main namespace with one argument, as a message of Engine.IO.
pub(super) fn event<T: Serialize + ?Sized>(name: &str, argument: &T) -> serde_json::Result<String> {
    let data = serde_json::to_string(&(name, argument))?;
    let content = Content {
        namespace: MAIN,
        id: None,
        data: &data,
        attachments: None,
    };
    Ok(Packet::Event(content).encode())
}

/// The answer to an event of the main namespace, with one argument, as a message of Engine.IO.
pub(super) fn ack<T: Serialize + ?Sized>(id: u64, argument: &T) -> serde_json::Result<String> {
    let data = serde_json::to_string(&[argument])?;
    let content = Content {
        namespace: MAIN,
        id: Some(id),
        data: &data,
        attachments: None,
    };
    Ok(Packet::Ack(content).encode())
}

fn take<'a>(rest: &mut &'a str, bytes: usize) -> Option<&'a str> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}

fn number(rest: &mut &str) -> Option<u64> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    take(rest, digits)?.parse().ok()
}

/// The namespace in front, up to its comma or, where nothing follows, to the end.
fn namespace<'a>(rest: &mut &'a str) -> Result<&'a str, Invalid> {
    if !rest.starts_with('/') {
        return Ok(MAIN);
    }
    let (namespace, left) = rest.split_once(',').unwrap_or((rest, ""));
    *rest = left;
    if namespace.len() > MAX_NAMESPACE {
        Err(Invalid)
    } else {
        Ok(namespace)
    }
}

fn is_object(json: &str) -> bool {
    json.len() <= MAX_DATA && serde_json::from_str::<Map<String, Value>>(json).is_ok()
}

fn is_array(json: &str, with_elements: bool) -> bool {
    if json.len() > MAX_DATA {
        return json.starts_with('[') && json.ends_with(']');
    }
    let elements = serde_json::from_str::<Vec<IgnoredAny>>(json);
    elements.is_ok_and(|elements| !(with_elements && elements.is_empty()))
}

/// Counts the attachments that follow a packet. Their bytes are not kept.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    missing: u32,
}

/// Binary data without a packet that announced it, or a packet in place of its data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfTurn;

impl Attachments {
    /// Takes note of a packet, which must not come before the last one's attachments.
    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> Result<(), OutOfTurn> {
        if self.missing > 0 {
            return Err(OutOfTurn);
        }
        if let Packet::Event(content) | Packet::Ack(content) = packet {
            self.missing = content.attachments.unwrap_or(0);
        }
        Ok(())
    }

    /// Takes note of an attachment.
    pub(super) fn attachment(&mut self) -> Result<(), OutOfTurn> {
        self.missing = self.missing.checked_sub(1).ok_or(OutOfTurn)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event_of(
        namespace: &'static str,
        id: Option<u64>,
        data: &'static str,
        attachments: Option<u32>,
    ) -> Packet<'static> {
        Packet::Event(Content {
            namespace,
            id,
            data,
            attachments,
        })
    }

    fn ack_of(
        namespace: &'static str,
        id: u64,
        data: &'static str,
        attachments: Option<u32>,
    ) -> Packet<'static> {
        Packet::Ack(Content {
            namespace,
            id: Some(id),
            data,
            attachments,
        })
    }

    #[test]
    fn the_examples_of_the_protocol_document_are_read_and_written() {
        let placeholder = r#"["baz",{"_placeholder":true,"num":0}]"#;
        for (text, packet) in [
            (
                "0",
                Packet::Connect {
                    namespace: "/",
                    data: None,
                },
            ),
            (
                r#"0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}"#,
                Packet::Connect {
                    namespace: "/admin",
                    data: Some(r#"{"sid":"oSO0OpakMV_3jnilAAAA"}"#),
                },
            ),
            (
                r#"4{"message":"Not authorized"}"#,
                Packet::ConnectError {
                    namespace: "/",
                    data: r#"{"message":"Not authorized"}"#,
                },
            ),
            (r#"2["foo"]"#, event_of("/", None, r#"["foo"]"#, None)),
            (
                r#"2/admin,["bar"]"#,
                event_of("/admin", None, r#"["bar"]"#, None),
            ),
            (
                r#"51-["baz",{"_placeholder":true,"num":0}]"#,
                event_of("/", None, placeholder, Some(1)),
            ),
            (
                r#"52-/admin,["baz",{"_placeholder":true,"num":0}]"#,
                event_of("/admin", None, placeholder, Some(2)),
            ),
            (r#"212["foo"]"#, event_of("/", Some(12), r#"["foo"]"#, None)),
            (
                r#"3/admin,13["bar"]"#,
                ack_of("/admin", 13, r#"["bar"]"#, None),
            ),
            (
                r#"61-15["baz",{"_placeholder":true,"num":0}]"#,
                ack_of("/", 15, placeholder, Some(1)),
            ),
            ("1", Packet::Disconnect { namespace: "/" }),
            (
                "1/admin,",
                Packet::Disconnect {
                    namespace: "/admin",
                },
            ),
        ] {
            assert_eq!(Packet::read(text), Ok(packet), "{text}");
            assert_eq!(packet.encode(), format!("4{text}"));
        }
        assert_eq!(
            Packet::read("1/admin"),
            Ok(Packet::Disconnect {
                namespace: "/admin"
            })
        );
    }

    #[test]
    fn the_payload_of_an_event_must_be_an_array_with_an_element() {
        for text in [
            "2",
            "2{}",
            "2[]",
            "212",
            r#"2"foo""#,
            "2[",
            "2[1],",
            "2/admin,",
            "2/admin,[]",
            "50-",
            "50-[]",
        ] {
            assert_eq!(Packet::read(text), Err(Invalid), "{text}");
        }
    }

    #[test]
    fn the_payload_of_an_ack_must_be_an_array_and_may_be_empty() {
        assert_eq!(Packet::read("312[]"), Ok(ack_of("/", 12, "[]", None)));
        for text in ["3", "312", "312{}", "3[]", "61-12"] {
            assert_eq!(Packet::read(text), Err(Invalid), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_packet_is_refused() {
        let long = format!("0/{},", "x".repeat(MAX_NAMESPACE));
        for text in [
            "",
            "abc",
            "7",
            "9[1]",
            "0[]",
            "0{",
            "0null",
            "1[]",
            "4",
            "4[]",
            r#"2abc["x"]"#,
            r#"2-1["x"]"#,
            r#"299999999999999999999["x"]"#,
            r#"5["x"]"#,
            r#"5-["x"]"#,
            r#"517-["x"]"#,
            r#"5x-["x"]"#,
            &long,
        ] {
            assert_eq!(Packet::read(text), Err(Invalid), "{text}");
        }
    }

    #[test]
    fn long_data_is_not_looked_into() {
        let inner = "x,".repeat(MAX_DATA);
        assert!(Packet::read(&format!("2[{inner}]")).is_ok());
        assert_eq!(Packet::read(&format!("2{{{inner}}}")), Err(Invalid));
        assert_eq!(Packet::read(&format!("0{{{inner}}}")), Err(Invalid));
    }

    #[test]
    fn attachments_come_in_their_turn() {
        let mut attachments = Attachments::default();
        let two = Packet::read(r#"52-["x"]"#).unwrap();
        let none = Packet::read(r#"2["x"]"#).unwrap();
        assert_eq!(attachments.attachment(), Err(OutOfTurn));
        assert_eq!(attachments.packet(&none), Ok(()));
        assert_eq!(attachments.packet(&two), Ok(()));
        assert_eq!(attachments.attachment(), Ok(()));
        assert_eq!(attachments.packet(&none), Err(OutOfTurn));
        assert_eq!(attachments.attachment(), Ok(()));
        assert_eq!(attachments.packet(&none), Ok(()));
    }

    #[test]
    fn events_and_answers_are_written_with_one_argument() {
        assert_eq!(event("typing", "bob").unwrap(), r#"42["typing","bob"]"#);
        assert_eq!(
            event("online-users", &["a", "b"]).unwrap(),
            r#"42["online-users",["a","b"]]"#
        );
        assert_eq!(ack(7, &serde_json::json!({})).unwrap(), "437[{}]");
    }

    proptest! {
        #[test]
        fn a_packet_that_is_written_is_read_as_it_was(
            kind in 0_u8..7,
            count in 0_u32..=MAX_ATTACHMENTS,
            namespace in "(/[a-z/]{0,8})?",
            id in proptest::option::of(any::<u64>()),
            data in prop_oneof![Just(""), Just("[1]"), Just("{}"), Just(r#"["a",{"b":[]}]"#)],
        ) {
            let count = if kind < 5 { String::new() } else { format!("{count}-") };
            let comma = if namespace.is_empty() { "" } else { "," };
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            let text = format!("{kind}{count}{namespace}{comma}{id}{data}");
            if let Ok(packet) = Packet::read(&text) {
                let again = packet.encode();
                prop_assert_eq!(Packet::read(&again[1..]), Ok(packet), "{}", text);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-6]{0,2}[-/,a-z0-9]{0,4}\\PC{0,32}") {
            let _ = Packet::read(&text);
        }
    }
}
