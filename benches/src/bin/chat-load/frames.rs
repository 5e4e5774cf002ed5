//! The frames of a WebSocket (RFC 6455, 5.2), read without copying them.
//!
//! A library would check and copy each frame, and the generator would take from the server the
//! processor that it is to measure.

use std::io;

/// How much of a long text is looked at.
const HEAD: usize = 4 << 10;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// The first bytes of a text, 4 KiB at most, and how long it is.
    Text(&'a [u8], usize),
    Ping(&'a [u8]),
    /// With its code, if it has one.
    Close(Option<u16>),
}

/// Finds the frames in what arrives.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The beginning of a frame that has not arrived yet.
    held: Vec<u8>,
    /// How much is to come of a text that is longer than what is looked at.
    skip: usize,
}

impl Frames {
    /// Calls `each` for what `bytes` complete.
    ///
    /// # Errors
    ///
    /// When this is no frame of a server, or one that servers of chats don't send.
    pub(crate) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(Frame<'_>)) -> io::Result<()> {
        let bytes = self.skipped(bytes);
        if self.held.is_empty() {
            let rest = self.whole(bytes, &mut each)?;
            self.held.extend_from_slice(rest);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let left = self.whole(&held, &mut each)?.len();
            held.drain(..held.len() - left);
            if left > 0 {
                self.held = held;
            }
        }
        Ok(())
    }

    fn skipped<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let now = self.skip.min(bytes.len());
        self.skip -= now;
        bytes.get(now..).unwrap_or_default()
    }

    /// Gives what is left.
    fn whole<'a>(
        &mut self,
        mut bytes: &'a [u8],
        each: &mut impl FnMut(Frame<'_>),
    ) -> io::Result<&'a [u8]> {
        while let Some((kind, start, length)) = header(bytes)? {
            let payload = bytes.get(start..).unwrap_or_default();
            let Some(head) = payload.get(..length.min(HEAD)) else {
                break;
            };
            match kind {
                TEXT => each(Frame::Text(head, length)),
                PING => each(Frame::Ping(head)),
                PONG => {}
                CLOSE => each(Frame::Close(match head {
                    [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
                    _ => None,
                })),
                _ => return Err(unexpected("neither a text nor a control frame")),
            }
            self.skip = length;
            bytes = self.skipped(payload);
        }
        Ok(bytes)
    }
}

/// The kind of a frame, where its payload begins, and how long it is; `None` while too little is
/// there.
fn header(bytes: &[u8]) -> io::Result<Option<(u8, usize, usize)>> {
    let [first, short, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (start, length) = match (short, rest.first_chunk(), rest.first_chunk()) {
        (0..126, ..) => (2, u64::from(*short)),
        (126, Some(length), _) => (4, u64::from(u16::from_be_bytes(*length))),
        (127, _, Some(length)) => (10, u64::from_be_bytes(*length)),
        (128.., ..) => return Err(unexpected("masked")),
        _ => return Ok(None),
    };
    if first & 0xf0 != 0x80 {
        return Err(unexpected("a part of a message, or compressed"));
    }
    let length = usize::try_from(length).map_err(|_| unexpected("endless"))?;
    Ok(Some((first & 0x0f, start, length)))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the server sent a frame that is {what}"),
    )
}

/// Appends a text frame of a client.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    client(out, TEXT, text);
}

/// Appends the answer to a ping.
pub(crate) fn pong(out: &mut Vec<u8>, ping: &[u8]) {
    client(out, PONG, ping);
}

/// Appends a goodbye.
pub(crate) fn close(out: &mut Vec<u8>) {
    client(out, CLOSE, &1_000_u16.to_be_bytes());
}

/// A client has to choose a mask; this one changes nothing, and costs the server the same.
const MASK: [u8; 4] = [0; 4];

fn client(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.push(0x80 | kind);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..126), _) => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0xfe);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0xff);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server sends it: without a mask.
    fn server(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        client(&mut frame, kind, payload);
        frame[1] -= 0x80;
        let mask = frame.len() - payload.len() - MASK.len();
        frame.drain(mask..mask + MASK.len());
        frame
    }

    fn lengths(frames: &mut Frames, bytes: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        let each = |frame: Frame<'_>| match frame {
            Frame::Text(head, length) => {
                assert_eq!(head.len(), length.min(HEAD));
                assert!(head.iter().all(|byte| *byte == b'x'));
                found.push(length);
            }
            other => panic!("{other:?}"),
        };
        frames.take(bytes, each).unwrap();
        found
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let sent = [0, 1, 125, 126, HEAD, HEAD + 1, 70_000, 3];
        let bytes: Vec<u8> = sent
            .iter()
            .flat_map(|length| server(TEXT, &vec![b'x'; *length]))
            .collect();
        for cut in [1, 2, 3, 100, 4_096, 65_536, bytes.len()] {
            let mut frames = Frames::default();
            let found: Vec<usize> = bytes
                .chunks(cut)
                .flat_map(|chunk| lengths(&mut frames, chunk))
                .collect();
            assert_eq!(found, sent, "{cut}");
            assert_eq!((frames.held.len(), frames.skip), (0, 0), "{cut}");
        }
    }

    #[test]
    fn pings_and_closes_are_told_apart() {
        let bytes = [
            server(PING, b"hi"),
            server(PONG, b""),
            server(CLOSE, &4_001_u16.to_be_bytes()),
            server(CLOSE, b""),
        ]
        .concat();
        let mut found = Vec::new();
        let mut frames = Frames::default();
        let each = |frame: Frame<'_>| found.push(format!("{frame:?}"));
        frames.take(&bytes, each).unwrap();
        assert_eq!(
            found,
            ["Ping([104, 105])", "Close(Some(4001))", "Close(None)"]
        );
    }

    #[test]
    fn what_no_server_of_chats_sends_is_an_error() {
        for bytes in [[0x01, 0], [0x82, 0], [0x81, 0x80], [0xc1, 0]] {
            assert!(Frames::default().take(&bytes, |_| {}).is_err(), "{bytes:?}");
        }
    }
}
