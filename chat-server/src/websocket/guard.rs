//! Watches the frames of a WebSocket as they arrive: how many, and whether each message ends.
//!
//! tungstenite shows whole messages only: without this, a client that sends fragments without end, or
//! never the last one, would not be noticed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use chat_core::rate::{Decision, RatePolicy, RateState};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::header::{Header, LONGEST, Unknown};

/// What a client did that ends its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Sent too many frames.
    Flood,
    /// Did not finish a message in time.
    Unfinished,
}

/// A stream that fails on a [`Fault`].
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    frames: Frames,
    policy: RatePolicy,
    spent: RateState,
    since: Instant,
    message_timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    fault: Option<Fault>,
}

impl<S> Guarded<S> {
    /// Allows frames as `policy` says, and `message_timeout` for a message from its first byte to its
    /// last.
    pub(super) fn new(stream: S, policy: RatePolicy, message_timeout: Duration) -> Self {
        Self {
            stream,
            frames: Frames::default(),
            policy,
            spent: RateState::default(),
            since: Instant::now(),
            message_timeout,
            deadline: None,
            fault: None,
        }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The stream without the guard.
    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Takes note of bytes that have arrived.
    pub(super) fn saw(&mut self, bytes: &[u8]) {
        let Seen { frames, finished } = self.frames.feed(bytes);
        let now = self.since.elapsed();
        let spend = |_| self.policy.decide(&mut self.spent, now);
        if (0..frames)
            .map(spend)
            .any(|decision| decision != Decision::Allowed)
        {
            self.fault = Some(Fault::Flood);
        }
        if finished || !self.frames.open() {
            self.deadline = None;
        }
        if self.frames.open() && self.deadline.is_none() {
            self.deadline = Some(Box::pin(tokio::time::sleep(self.message_timeout)));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.saw(&buf.filled()[before..]);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            self.fault = self.fault.or(Some(Fault::Unfinished));
        }
        match self.fault {
            Some(_) => Poll::Ready(Err(io::Error::other("the client broke a limit"))),
            None => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Follows the frames through a stream of bytes, by their headers.
#[derive(Debug, Default)]
struct Frames {
    /// The begun header, and how many bytes of it are there.
    header: [u8; LONGEST],
    have: usize,
    /// How many bytes of the frame's payload are still to come.
    payload: u64,
    in_message: bool,
    /// The frame is the last one of its message.
    last: bool,
    /// There was a header that can't be read. tungstenite refuses it too, and reads no further.
    lost: bool,
}

/// What some bytes held.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// How many frames began; one counts when its header is complete.
    frames: u32,
    /// Whether a message ended.
    finished: bool,
}

impl Frames {
    /// Whether a message, or a frame of any kind, has begun and not ended.
    fn open(&self) -> bool {
        self.in_message || self.have > 0 || self.payload > 0
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        while !bytes.is_empty() && !self.lost {
            if self.payload > 0 {
                let skip = usize::try_from(self.payload)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                bytes = &bytes[skip..];
                self.payload -= skip as u64;
            } else {
                self.header[self.have] = bytes[0];
                self.have += 1;
                bytes = &bytes[1..];
                match Header::read(&self.header[..self.have]) {
                    Ok(None) => continue,
                    Ok(Some(header)) => {
                        self.payload = header.payload;
                        if !header.control {
                            self.in_message = true;
                            self.last = header.last;
                        }
                    }
                    Err(Unknown) => self.lost = true,
                }
                self.have = 0;
                seen.frames = seen.frames.saturating_add(1);
            }
            if self.payload == 0 && self.in_message && self.last {
                self.in_message = false;
                self.last = false;
                seen.finished = true;
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// A masked frame of this many bytes.
    fn frame(first: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match len {
            0..126 => bytes.push(0x80 | u8::try_from(len).unwrap()),
            126..65_536 => {
                bytes.push(0x80 | 0x7e);
                bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 0x7f);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.resize(bytes.len() + len, 0xff);
        bytes
    }

    #[test]
    fn a_message_in_fragments_is_open_until_the_last_one() {
        let mut frames = Frames::default();
        assert_eq!(
            frames.feed(&frame(0x01, 5)),
            Seen {
                frames: 1,
                finished: false
            }
        );
        assert!(frames.open());
        assert_eq!(
            frames.feed(&frame(0x89, 0)),
            Seen {
                frames: 1,
                finished: false
            }
        );
        assert!(frames.open(), "a ping between fragments ends nothing");
        assert_eq!(
            frames.feed(&frame(0x80, 0)),
            Seen {
                frames: 1,
                finished: true
            }
        );
        assert!(!frames.open());
    }

    #[test]
    fn half_a_header_and_half_a_payload_are_open() {
        let mut frames = Frames::default();
        let whole = frame(0x81, 300);
        frames.feed(&whole[..1]);
        assert!(frames.open());
        frames.feed(&whole[1..200]);
        assert!(frames.open());
        assert_eq!(
            frames.feed(&whole[200..]),
            Seen {
                frames: 0,
                finished: true
            }
        );
        assert!(!frames.open());
    }

    proptest! {
        #[test]
        fn frames_are_counted_however_they_are_cut(
            lens in vec(prop_oneof![0..200_usize, 65_530..65_545_usize], 1..6),
            cut in 1..5_000_usize,
        ) {
            let bytes: Vec<u8> = lens.iter().flat_map(|len| frame(0x81, *len)).collect();
            let mut frames = Frames::default();
            let mut count = 0;
            for part in bytes.chunks(cut) {
                count += frames.feed(part).frames;
            }
            prop_assert_eq!(count as usize, lens.len());
            prop_assert!(!frames.open());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
            Frames::default().feed(&bytes);
        }
    }
}
