//! The words of the two protocols, as far as the generator needs them.
//!
//! A message carries the moment at which it was to be sent, in its text and in the number of its
//! command, so that who hears of it knows how long it took and nothing has to be remembered.

use std::{io, net::SocketAddr, sync::Arc};

use clap::ValueEnum;

use crate::link::{Reader, Writer, connect, find};

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// JSON on a WebSocket at /v1/ws.
    Native,
    /// The old server's events, on Engine.IO 4 over a WebSocket.
    Socketio,
}

/// What a text of the server says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The answer to the command of this number.
    Answer(u64),
    /// A message that was to be sent at this moment.
    Message(u64),
    Refused,
    Other,
}

/// The number of commands that are no messages; messages have those of their moments.
const SETUP: u64 = 0;

impl Protocol {
    pub(crate) fn hear(self, text: &[u8]) -> Heard {
        let message = |text: &[u8]| match find(text, b"\"text\":\"") {
            Some(at) => Heard::Message(number(text.get(at + 8..).unwrap_or_default())),
            None => Heard::Other,
        };
        match self {
            Self::Native => {
                if let Some(rest) = text.strip_prefix(b"{\"type\":\"reply\",\"id\":") {
                    Heard::Answer(number(rest))
                } else if text.starts_with(b"{\"type\":\"entry\"") {
                    message(text)
                } else if text.starts_with(b"{\"type\":\"error\"") {
                    Heard::Refused
                } else {
                    Heard::Other
                }
            }
            Self::Socketio => {
                if text.starts_with(b"42[\"dm-message\"") {
                    message(text)
                } else if text.starts_with(b"42[\"dm-error\"") || text.starts_with(b"44") {
                    Heard::Refused
                } else {
                    Heard::Other
                }
            }
        }
    }

    /// Which message the server tells its sender to be done: by its answer, or, in a protocol
    /// without answers, by sending it back.
    pub(crate) fn done(self, heard: &Heard) -> Option<u64> {
        match (self, heard) {
            (Self::Native, Heard::Answer(at)) | (Self::Socketio, Heard::Message(at)) => Some(*at),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Native => "/v1/ws",
            Self::Socketio => "/socket.io/?EIO=4&transport=websocket",
        }
    }
}

/// The number that a text begins with; 0 if it doesn't.
pub(crate) fn number(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |number: u64, digit| {
            number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'))
        })
}

/// A connected user.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) reader: Reader,
    pub(crate) writer: Arc<Writer>,
    protocol: Protocol,
}

impl Client {
    /// Connects and says who it is; gives the client once the server knows it.
    pub(crate) async fn login(
        protocol: Protocol,
        address: SocketAddr,
        user: &str,
    ) -> io::Result<Self> {
        let mut client = Self::connect(protocol, address).await?;
        match protocol {
            Protocol::Native => {
                client.say(&hello(user, ""));
                client.answer().await?;
            }
            Protocol::Socketio => {
                client.say("40");
                client
                    .wait_for(|text| text.starts_with(b"40").then_some(()))
                    .await?;
                client.say(&format!(r#"42["set-username","{user}"]"#));
                let named = |text: &[u8]| text.starts_with(b"42[\"online-users\"").then_some(());
                client.wait_for(named).await?;
            }
        }
        Ok(client)
    }

    /// Connects, and says nothing yet.
    pub(crate) async fn connect(protocol: Protocol, address: SocketAddr) -> io::Result<Self> {
        let (reader, writer) = connect(address, protocol.path()).await?;
        Ok(Self {
            reader,
            writer: Arc::new(writer),
            protocol,
        })
    }

    pub(crate) fn say(&self, text: &str) {
        self.writer.send(text.as_bytes());
    }

    /// Asks for the direct room with a user; the answer comes later, if the protocol has one.
    pub(crate) fn ask_for(&self, peer: &str) {
        self.say(&match self.protocol {
            Protocol::Native => format!(r#"{{"id":{SETUP},"type":"open","user":"{peer}"}}"#),
            Protocol::Socketio => format!(r#"42["start-dm","{peer}"]"#),
        });
    }

    /// Makes a group with these members beside the user; gives its id. On the native protocol only.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the connection ends.
    pub(crate) async fn group(&mut self, members: &[String]) -> io::Result<String> {
        self.say(&format!(
            r#"{{"id":{SETUP},"type":"create","kind":"group","members":{members:?}}}"#
        ));
        let answer = self.answer().await?;
        let room = find(&answer, b"\"room\":{\"id\":\"").and_then(|at| answer.get(at + 14..));
        let id = room.and_then(|rest| rest.split(|byte| *byte == b'"').next());
        let id = id.ok_or_else(|| io::Error::other("the answer names no room"))?;
        Ok(String::from_utf8_lossy(id).into_owned())
    }

    /// Makes another user a member of a group.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the connection ends.
    pub(crate) async fn add(&mut self, room: &str, user: &str) -> io::Result<()> {
        self.say(&format!(
            r#"{{"id":{SETUP},"type":"add","room":"{room}","user":"{user}"}}"#
        ));
        self.answer().await.map(drop)
    }

    /// Waits for the answer to a command that is no message.
    pub(crate) async fn answer(&mut self) -> io::Result<Vec<u8>> {
        self.wait_for(|text| match Protocol::Native.hear(text) {
            Heard::Answer(SETUP) => Some(Ok(text.to_vec())),
            Heard::Refused => Some(Err(refused(text))),
            _ => None,
        })
        .await?
    }

    pub(crate) async fn wait_for<T>(
        &mut self,
        wanted: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<T> {
        self.reader.wait_for(&self.writer, wanted).await
    }

    /// Says goodbye, and waits until the server has let go.
    pub(crate) async fn leave(mut self) {
        self.writer.close();
        while self.reader.read(&self.writer, |_, _| {}).await.is_ok() {}
    }

    /// Reads to the end, answering pings.
    pub(crate) async fn listen(mut self) {
        while self.reader.read(&self.writer, |_, _| {}).await.is_ok() {}
    }
}

/// The first command of a native connection; `cursors` are those of its rooms, or nothing.
pub(crate) fn hello(user: &str, cursors: &str) -> String {
    format!(r#"{{"id":{SETUP},"type":"hello","token":"{user}","cursors":[{cursors}]}}"#)
}

pub(crate) fn refused(text: &[u8]) -> io::Error {
    io::Error::other(format!("refused: {}", String::from_utf8_lossy(text)))
}

/// How one user speaks to another.
#[derive(Debug)]
pub(crate) struct Speech {
    protocol: Protocol,
    room: String,
    /// What follows the moment in each text.
    words: Arc<str>,
    /// Makes client ids differ from those of an earlier run on the same store.
    run: i64,
}

impl Speech {
    /// In the direct room of two users.
    pub(crate) fn new(
        protocol: Protocol,
        from: &str,
        to: &str,
        words: &Arc<str>,
        run: i64,
    ) -> Self {
        Self {
            protocol,
            room: format!("{from},{to}"),
            words: Arc::clone(words),
            run,
        }
    }

    /// The same words in another room.
    pub(crate) fn in_room(self, room: String) -> Self {
        Self { room, ..self }
    }

    /// The message of this moment.
    pub(crate) fn message(&self, at: u64) -> String {
        let Self {
            room, words, run, ..
        } = self;
        match self.protocol {
            Protocol::Native => format!(
                r#"{{"id":{at},"type":"send","room":"{room}","text":"{at:016} {words}","client_id":"{run:x}-{at:x}"}}"#
            ),
            Protocol::Socketio => format!(r#"42["dm-message","{at:016} {words}"]"#),
        }
    }
}

/// So many characters of plain text.
pub(crate) fn words(length: usize) -> Arc<str> {
    let sentence = "The quick brown fox jumps over the lazy dog, which goes on sleeping. ";
    let text: String = sentence.chars().cycle().take(length).collect();
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_recognised_when_it_comes_back() {
        let words = words(100);
        let speech = |protocol| Speech::new(protocol, "a", "b", &words, 255);
        let sent = speech(Protocol::Native).message(77);
        assert!(sent.contains(r#""client_id":"ff-4d""#), "{sent}");
        let entry = format!(
            r#"{{"type":"entry","room":"a,b","seq":7,"body":{{"kind":"message","text":"{:016} x"}}}}"#,
            77
        );
        for (protocol, text, heard, done) in [
            (
                Protocol::Native,
                r#"{"type":"reply","id":77,"result":{"kind":"sent"}}"#,
                Heard::Answer(77),
                Some(77),
            ),
            (Protocol::Native, &entry, Heard::Message(77), None),
            (
                Protocol::Native,
                r#"{"type":"error","id":77,"error":{}}"#,
                Heard::Refused,
                None,
            ),
            (
                Protocol::Native,
                r#"{"type":"presence","user":"b"}"#,
                Heard::Other,
                None,
            ),
            (
                Protocol::Socketio,
                r#"42["dm-message",{"roomId":"a,b","text":"0000000000000077 x"}]"#,
                Heard::Message(77),
                Some(77),
            ),
            (
                Protocol::Socketio,
                r#"42["dm-error","You are temporarily muted"]"#,
                Heard::Refused,
                None,
            ),
            (
                Protocol::Socketio,
                r#"42["online-users",["a"]]"#,
                Heard::Other,
                None,
            ),
        ] {
            let got = protocol.hear(text.as_bytes());
            assert_eq!(got, heard, "{text}");
            assert_eq!(protocol.done(&got), done, "{text}");
        }
    }
}
