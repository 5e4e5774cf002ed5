//! The list of who is online, which all sockets share: the library carries a placeholder, a few bytes in
//! whose place the socket's WebSocket writes the list.
//!
//! The library would copy the list for each socket, twice, and keep the copy's memory for as long as
//! the socket lives; with 10,000 users that is 100 kB each. So it carries the placeholder, and the
//! socket writes the list as it is at that moment.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use chat_core::UserId;
use hyper::body::{Buf, Bytes};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::DropGuard;

use crate::websocket::header::{self, Header};

pub(super) const ONLINE_USERS: &str = "online-users";

/// What [`ONLINE_USERS`] is emitted with to have it written as a [`PLACEHOLDER`].
pub(super) const PLACEHOLDER_LIST: (Option<()>,) = (None,);

/// The frame of a WebSocket in whose place the list is written: a whole text of 23 bytes.
const PLACEHOLDER: &[u8; 25] = b"\x81\x1742[\"online-users\",null]";

/// The newest list, as the frame that is written.
#[derive(Debug)]
pub(super) struct SharedList(Mutex<Bytes>);

impl SharedList {
    /// An empty list.
    pub(super) fn new() -> Self {
        Self(Mutex::new(frame(&[])))
    }

    /// Replaces the list; gives the length of its frame in bytes.
    pub(super) fn set(&self, users: &[UserId]) -> usize {
        let frame = frame(users);
        let size = frame.len();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = frame;
        size
    }

    fn get(&self) -> Bytes {
        let frame = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frame.clone()
    }
}

/// The list as the text frame of a WebSocket server, with Engine.IO's 4 and Socket.IO's 2 before
/// the event.
fn frame(users: &[UserId]) -> Bytes {
    #[derive(Serialize)]
    struct Event<'a>(&'static str, &'a [UserId]);
    let json = serde_json::to_string(&Event(ONLINE_USERS, users)).unwrap_or_else(|error| {
        // Only a map with keys that are no strings can't be written, and there is none.
        tracing::error!(%error, "the list could not be encoded");
        format!(r#"["{ONLINE_USERS}",[]]"#)
    });
    let length = json.len() + 2;
    let mut frame = Vec::with_capacity(length + header::LONGEST);
    header::write_text(length, &mut frame);
    frame.extend(b"42");
    frame.extend(json.into_bytes());
    frame.into()
}

/// A server's end of a WebSocket, beneath the library that makes the frames.
pub(super) struct WithList<S> {
    stream: S,
    /// What the client had sent when this end was made.
    early: Bytes,
    shared: Arc<SharedList>,
    /// How many of the next bytes hold no placeholder.
    plain: usize,
    /// What is still to be written of a list.
    writing: Option<Bytes>,
    /// Cancels its token when this end is dropped.
    _gone: Option<DropGuard>,
}

impl<S> WithList<S> {
    pub(super) fn new(
        stream: S,
        early: Vec<u8>,
        shared: Arc<SharedList>,
        gone: Option<DropGuard>,
    ) -> Self {
        Self {
            stream,
            early: early.into(),
            shared,
            plain: 0,
            writing: None,
            _gone: gone,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithList<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithList<S> {
    /// What is given begins with a frame, or goes on where the last call came to.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self {
            stream,
            shared,
            plain,
            writing,
            ..
        } = &mut *self;
        if *plain == 0 && writing.is_none() {
            *plain = before_placeholder(buf);
            if *plain == 0 && !buf.is_empty() {
                *writing = Some(shared.get());
            }
        }
        if let Some(list) = writing {
            while list.has_remaining() {
                match ready!(Pin::new(&mut *stream).poll_write(cx, list))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => list.advance(written),
                }
            }
            *writing = None;
            return Poll::Ready(Ok(PLACEHOLDER.len()));
        }
        let now = &buf[..buf.len().min(*plain)];
        let written = ready!(Pin::new(stream).poll_write(cx, now))?;
        *plain -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How many bytes stand before the first placeholder; frames may reach beyond the end.
fn before_placeholder(frames: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = frames.get(at..)
        && !rest.is_empty()
        && !rest.starts_with(PLACEHOLDER)
    {
        at = at.saturating_add(length(rest));
    }
    at
}

/// The length of the frame that the bytes begin with.
fn length(frame: &[u8]) -> usize {
    match Header::read(frame) {
        Ok(Some(header)) => usize::try_from(header.payload)
            .unwrap_or(usize::MAX)
            .saturating_add(header.length),
        _ => frame.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{SinkExt, StreamExt};
    use tokio::io::duplex;
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };

    fn users(count: usize) -> Vec<UserId> {
        let name = |number| UserId::new(format!("user {number}")).unwrap();
        (0..count).map(name).collect()
    }

    fn list(users: &[UserId]) -> Message {
        let names = serde_json::to_string(users).unwrap();
        Message::text(format!(r#"42["online-users",{names}]"#))
    }

    /// What a client hears when the library writes this, through a pipe that takes few bytes at a
    /// time.
    async fn heard(shared: Arc<SharedList>, messages: Vec<Message>) -> Vec<Message> {
        let (ours, theirs) = duplex(7);
        let writing = tokio::spawn(async move {
            let stream = WithList::new(ours, Vec::new(), shared, None);
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            for message in messages {
                socket.feed(message).await.unwrap();
            }
            socket.close(None).await.unwrap();
        });
        let socket = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        // It ends with the pipe, which is no proper end.
        let heard = socket.filter_map(async |message| message.ok().filter(|it| !it.is_close()));
        let heard = heard.collect().await;
        writing.await.unwrap();
        heard
    }

    #[tokio::test]
    async fn the_list_stands_where_its_placeholder_stood() {
        let placeholder = r#"42["online-users",null]"#.to_owned();
        for count in [0, 3, 1_000, 10_000] {
            let shared = Arc::new(SharedList::new());
            let all = users(count);
            shared.set(&all);
            let texts = [
                placeholder.clone(),
                "2".to_owned(),
                "x".repeat(200),
                placeholder.clone(),
                placeholder.clone(),
                "y".repeat(70_000),
                format!("{placeholder} "),
                placeholder.clone(),
            ];
            let expected: Vec<_> = texts
                .iter()
                .map(|text| {
                    if *text == placeholder {
                        list(&all)
                    } else {
                        Message::text(text.clone())
                    }
                })
                .collect();
            let texts = texts.map(Message::text).into();
            assert_eq!(heard(shared, texts).await, expected);
        }
    }

    #[tokio::test]
    async fn what_a_client_has_answered_to_its_ping_is_no_placeholder() {
        let pong = Message::Pong(Bytes::from_static(PLACEHOLDER));
        let messages = vec![pong.clone(), Message::text("2")];
        let shared = Arc::new(SharedList::new());
        assert_eq!(heard(shared, messages.clone()).await, messages);
    }

    #[tokio::test]
    async fn a_list_that_waits_is_replaced_by_a_newer_one() {
        let shared = Arc::new(SharedList::new());
        let (ours, theirs) = duplex(7);
        shared.set(&users(1));
        let stream = WithList::new(ours, Vec::new(), Arc::clone(&shared), None);
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        for _ in 0..2 {
            let placeholder = Message::text(r#"42["online-users",null]"#);
            socket.feed(placeholder).await.unwrap();
        }
        let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        // The first list has begun to be written when the others come.
        assert!(futures_util::poll!(socket.flush()).is_pending());
        shared.set(&users(2));
        shared.set(&users(3));
        let both = async { [client.next().await, client.next().await] };
        let (flushed, both) = tokio::join!(socket.flush(), both);
        flushed.unwrap();
        let both = both.map(|heard| heard.unwrap().unwrap());
        assert_eq!(both, [list(&users(1)), list(&users(3))]);
    }

    #[tokio::test]
    async fn what_came_early_is_read_first() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut theirs, ours) = duplex(9);
        let mut stream = WithList::new(ours, b"early".to_vec(), Arc::new(SharedList::new()), None);
        theirs.write_all(b" late").await.unwrap();
        let mut read = [0; 10];
        stream.read_exact(&mut read[..3]).await.unwrap();
        stream.read_exact(&mut read[3..]).await.unwrap();
        assert_eq!(&read, b"early late");
    }
}
