//! Packets of Engine.IO 4, and the payloads that carry several of them in one HTTP body.
//!
//! A packet is a digit for its type and then its data. Between the packets of a payload stands the
//! record separator; a binary packet there is base64 behind a `b`. On a WebSocket each packet is one
//! frame.

use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Between two packets of a payload.
pub(super) const SEPARATOR: char = '\x1e';

/// The largest body or message that is read, in bytes, as the old server had it.
pub(super) const MAX_PAYLOAD: usize = 1_000_000;

/// The most packets of a payload. The npm client puts all that waits into one body.
pub(super) const MAX_PACKETS: usize = 1_024;

/// The text of a probe, by which a client tries a WebSocket before it moves there.
pub(super) const PROBE: &str = "probe";

/// A packet from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// The handshake, which only a server sends.
    Open(&'a str),
    /// The end of the session.
    Close,
    /// A ping: of the heartbeat without data, or a probe.
    Ping(&'a str),
    /// The answer to a ping, with the same data.
    Pong(&'a str),
    /// Data for the layer above.
    Message(&'a str),
    /// The client has moved to this WebSocket.
    Upgrade,
    /// Nothing; it ends a poll.
    Noop,
    /// Binary data for the layer above, as base64.
    Binary(&'a str),
}

/// The text is not of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a packet of Engine.IO 4")]
pub(super) struct Invalid;

impl<'a> Packet<'a> {
    /// Reads the text of a WebSocket's frame.
    pub(super) fn of_frame(text: &'a str) -> Result<Self, Invalid> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(Invalid)?;
        let data = rest.as_str();
        let alone = |packet| {
            if data.is_empty() {
                Ok(packet)
            } else {
                Err(Invalid)
            }
        };
        match kind {
            '0' => Ok(Self::Open(data)),
            '1' => alone(Self::Close),
            '2' => Ok(Self::Ping(data)),
            '3' => Ok(Self::Pong(data)),
            '4' => Ok(Self::Message(data)),
            '5' => alone(Self::Upgrade),
            '6' => alone(Self::Noop),
            _ => Err(Invalid),
        }
    }

    /// Reads one packet of a payload.
    fn of_payload(text: &'a str) -> Result<Self, Invalid> {
        match text.strip_prefix('b') {
            Some(base64) if is_base64(base64) => Ok(Self::Binary(base64)),
            Some(_) => Err(Invalid),
            None => Self::of_frame(text),
        }
    }

    /// The data behind the type.
    pub(super) fn data(self) -> &'a str {
        match self {
            Self::Open(data)
            | Self::Ping(data)
            | Self::Pong(data)
            | Self::Message(data)
            | Self::Binary(data) => data,
            Self::Close | Self::Upgrade | Self::Noop => "",
        }
    }

    fn write(self, into: &mut String) {
        let kind = match self {
            Self::Open(_) => '0',
            Self::Close => '1',
            Self::Ping(_) => '2',
            Self::Pong(_) => '3',
            Self::Message(_) => '4',
            Self::Upgrade => '5',
            Self::Noop => '6',
            Self::Binary(_) => 'b',
        };
        into.push(kind);
        into.push_str(self.data());
    }
}

/// Reads the body of a POST.
///
/// # Errors
///
/// [`Invalid`] if a packet is, or if there are more than [`MAX_PACKETS`].
pub(super) fn read_payload(body: &str) -> Result<Vec<Packet<'_>>, Invalid> {
    // Counted first, so that a body of separators costs no memory.
    if body.matches(SEPARATOR).nth(MAX_PACKETS - 1).is_some() {
        return Err(Invalid);
    }
    body.split(SEPARATOR).map(Packet::of_payload).collect()
}

/// Writes a payload.
pub(super) fn write_payload(packets: &[Packet<'_>]) -> String {
    let mut body = String::new();
    for (index, packet) in packets.iter().enumerate() {
        if index > 0 {
            body.push(SEPARATOR);
        }
        packet.write(&mut body);
    }
    body
}

/// The alphabet of RFC 4648 (4), whole groups of four, padded at the end only.
fn is_base64(text: &str) -> bool {
    let data = text.strip_suffix("==").or_else(|| text.strip_suffix('='));
    let symbol = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len().is_multiple_of(4) && data.unwrap_or(text).bytes().all(symbol)
}

/// A packet to a client as it is sent; all receivers of a packet share its bytes.
pub(super) type Encoded = Utf8Bytes;

/// Ends a session.
pub(super) const CLOSE: Encoded = Encoded::from_static("1");
/// Asks for a sign of life.
pub(super) const PING: Encoded = Encoded::from_static("2");
/// Answers a probe.
pub(super) const PROBED: Encoded = Encoded::from_static("3probe");
/// Ends a poll.
pub(super) const NOOP: Encoded = Encoded::from_static("6");

/// The contents of the first packet to a client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Open<'a> {
    /// The id of the session.
    pub(super) sid: &'a str,
    /// To which transports the client may move.
    pub(super) upgrades: &'static [&'static str],
    /// In milliseconds.
    pub(super) ping_interval: u128,
    /// In milliseconds.
    pub(super) ping_timeout: u128,
    /// The largest body or frame that the server takes, in bytes.
    pub(super) max_payload: usize,
}

impl Open<'_> {
    pub(super) fn encode(&self) -> Encoded {
        // Only a map with keys that are no strings can't be written, and there is none.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("0{json}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn read(body: &str) -> Result<Vec<Packet<'_>>, Invalid> {
        read_payload(body)
    }

    #[test]
    fn the_examples_of_the_protocol_document_are_read() {
        use Packet::{Binary, Message, Ping};
        assert_eq!(
            read("4hello\x1e2\x1e4world"),
            Ok(vec![Message("hello"), Ping(""), Message("world")])
        );
        assert_eq!(
            read("4hello\x1ebAQIDBA=="),
            Ok(vec![Message("hello"), Binary("AQIDBA==")])
        );
        assert_eq!(Packet::of_frame("4hello"), Ok(Message("hello")));
        assert_eq!(Packet::of_frame("2probe"), Ok(Ping(PROBE)));
    }

    #[test]
    fn a_body_with_anything_but_packets_is_refused() {
        for body in [
            "",
            "abc",
            "7",
            "4a\x1e",
            "\x1e4a",
            "1x",
            "5x",
            "6x",
            "b",
            "bA",
            "bAQ=A",
            "b====",
            "b\u{e9}AAA",
        ] {
            let expected = if body == "b" {
                Ok(vec![Packet::Binary("")])
            } else {
                Err(Invalid)
            };
            assert_eq!(read(body), expected, "{body:?}");
        }
        assert_eq!(
            Packet::of_frame("bAQIDBA=="),
            Err(Invalid),
            "only in a payload"
        );
    }

    #[test]
    fn a_payload_has_a_bounded_number_of_packets() {
        let most = vec!["41"; MAX_PACKETS].join("\x1e");
        assert_eq!(read(&most).map(|packets| packets.len()), Ok(MAX_PACKETS));
        assert_eq!(read(&format!("{most}\x1e41")), Err(Invalid));
    }

    #[test]
    fn the_first_packet_has_the_five_keys_of_the_protocol_document() {
        let open = Open {
            sid: "lv_VI97HAXpY6yYWAAAC",
            upgrades: &["websocket"],
            ping_interval: 25_000,
            ping_timeout: 20_000,
            max_payload: 1_000_000,
        };
        let expected = r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        assert_eq!(open.encode(), expected);
    }

    proptest! {
        #[test]
        fn packets_that_were_read_are_written_as_they_were(texts in vec("[0-7b][a-zA-Z0-9+/=\"{}é]{0,8}", 0..5)) {
            let body = texts.join("\x1e");
            if let Ok(packets) = read_payload(&body) {
                prop_assert_eq!(write_payload(&packets), body);
            }
        }

        #[test]
        fn no_body_makes_the_reader_panic(body in "\\PC{0,64}") {
            let _ = read_payload(&body);
        }
    }
}
