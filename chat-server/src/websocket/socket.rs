//! The server's end of one WebSocket: bounded reads, paced frames, many texts in one write.

use std::{io, time::Duration};

use chat_core::rate::RatePolicy;
use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as SocketError, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    frames,
    guard::{Fault, Guarded},
};
use crate::config::Settings;

/// How long a client may take to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// The limits of a client on one WebSocket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest frame and the largest message, in bytes.
    pub(crate) message_bytes: usize,
    /// How many frames of any kind, those of control included.
    pub(crate) frames: RatePolicy,
    /// How long a message may take from its first byte to its last.
    pub(crate) message_timeout: Duration,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        let rate = settings.frame_rate;
        Self {
            message_bytes: settings.frame_bytes.0,
            frames: RatePolicy::Steady {
                interval: rate.per / rate.count,
                burst: rate.count.saturating_mul(2),
            },
            message_timeout: settings.message_timeout,
        }
    }
}

/// A packet or a frame that a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// A whole message of text.
    Text(Utf8Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// A ping, which is answered, or a pong: a sign of life.
    Control,
}

/// Why nothing more can be read. Only after [`Broken::Gone`] there is nobody to say it to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// The client has closed, which has been answered, or is gone.
    #[error("the client is gone")]
    Gone,
    /// The client has sent more frames than [`Limits::frames`].
    #[error("too many frames")]
    Flood,
    /// A message has not ended within [`Limits::message_timeout`].
    #[error("a frame has to arrive within {0:?}")]
    Unfinished(Duration),
    /// A frame or message is larger than [`Limits::message_bytes`].
    #[error("a frame has at most {0} bytes")]
    TooLarge(usize),
    /// A text is not UTF-8.
    #[error("a text has to be UTF-8")]
    NotUtf8,
    /// A frame breaks RFC 6455 in another way.
    #[error("{0}")]
    Invalid(String),
}

/// A WebSocket whose handshake has been answered.
#[derive(Debug)]
pub(crate) struct WebSocket<S> {
    socket: WebSocketStream<Guarded<S>>,
    limits: Limits,
    /// The client has closed; nothing may be written after the answer to it.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A WebSocket on a stream, of which `read` has been read already.
    pub(crate) async fn new(stream: S, read: Vec<u8>, limits: Limits) -> Self {
        let mut guarded = Guarded::new(stream, limits.frames, limits.message_timeout);
        guarded.saw(&read);
        let config = Some(config(limits.message_bytes));
        Self {
            socket: WebSocketStream::from_partially_read(guarded, read, Role::Server, config).await,
            limits,
            ended: false,
        }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    ///
    /// [`Broken`], after which there is no next message.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has taken nothing.
    pub(crate) async fn next(&mut self) -> Result<Received, Broken> {
        if !self.ended {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Received::Text(text)),
                Some(Ok(Message::Binary(bytes))) => return Ok(Received::Binary(bytes)),
                Some(Ok(Message::Close(_))) => self.ended = true,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    return Ok(Received::Control);
                }
                Some(Err(error)) => return Err(self.broken(error)),
                None => return Err(Broken::Gone),
            }
        }
        // tungstenite's answer to the close is the last thing that may be written.
        self.socket.flush().await.ok();
        Err(Broken::Gone)
    }

    fn broken(&self, error: SocketError) -> Broken {
        match (self.socket.get_ref().fault(), error) {
            (Some(Fault::Flood), _) => Broken::Flood,
            (Some(Fault::Unfinished), _) => Broken::Unfinished(self.limits.message_timeout),
            (None, SocketError::Capacity(_)) => Broken::TooLarge(self.limits.message_bytes),
            // Most clients that vanish say nothing before.
            (None, SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                Broken::Gone
            }
            (None, SocketError::Utf8(_)) => Broken::NotUtf8,
            (None, SocketError::Protocol(error)) => Broken::Invalid(error.to_string()),
            (None, _) => Broken::Gone,
        }
    }

    /// Writes each text as one frame, all of them with as few system calls as can be. Before them it
    /// writes what is owed, such as the answer to a ping, also when there is no text.
    ///
    /// # Errors
    ///
    /// When the client is gone, or has read nothing for too long.
    ///
    /// # Cancel safety
    ///
    /// After a dropped call the stream may stand within a frame, and is of no use.
    pub(crate) async fn write<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a str> + Clone,
    ) -> io::Result<()> {
        if self.ended {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.socket.flush().await.map_err(io::Error::other)?;
        frames::write(self.socket.get_mut().stream(), texts).await
    }

    /// Asks the client for a sign of life.
    ///
    /// # Errors
    ///
    /// When the client is gone, or has read nothing for too long.
    pub(crate) async fn ping(&mut self) -> io::Result<()> {
        let ping = Message::Ping(Bytes::new());
        self.socket.send(ping).await.map_err(io::Error::other)
    }

    /// Says why with a close frame, and waits until the client has closed too, for a second at most:
    /// what it sent meanwhile would otherwise make the system throw away what it has not read yet.
    pub(crate) async fn close(&mut self, code: u16, reason: impl Into<Utf8Bytes>) {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        if self.socket.close(Some(frame)).await.is_err() {
            return;
        }
        let stream = self.socket.get_mut().stream();
        let goodbye = async {
            stream.shutdown().await?;
            let mut rest = vec![0; 4 << 10];
            while stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        drop(timeout(LINGER, goodbye).await);
    }
}

fn config(message_bytes: usize) -> WebSocketConfig {
    /// An idle connection holds this much, 128 KiB by the library's default. It is made larger for a
    /// larger frame.
    const READ: usize = 1 << 10;
    /// Pongs that a client doesn't read may fill this much.
    const WRITE: usize = 4 << 10;
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE)
        .max_message_size(Some(message_bytes))
        .max_frame_size(Some(message_bytes))
}
