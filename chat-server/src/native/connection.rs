//! One connection: its first frame says who it is; then commands go in and frames come out.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use chat_core::{
    Answer, CloseReason, Command, Connect, Error, ErrorBody, Frame, Outbox, Session,
    port::{Transport, Unauthenticated},
};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
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
use crate::{
    app::App,
    codec::decode,
    config::Settings,
    connections::Settle,
    listener::{self, Stream},
};

/// How many frames are taken from the outbox and written at once.
const BATCH: usize = 64;

/// How long a client may take to close its side.
const LINGER: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    app: App,
    socket: WebSocketStream<Guarded<Stream>>,
    outbox: Arc<Outbox>,
    batch: Vec<Frame>,
    /// When the last whole frame came.
    heard: Instant,
    /// Whether a sign of life has been asked for since.
    pinged: bool,
    bad_frames: usize,
}

/// Why a connection ends.
enum End {
    /// We close it.
    Close(CloseReason),
    /// The client is gone.
    Gone,
}

impl From<SocketError> for End {
    fn from(_: SocketError) -> Self {
        Self::Gone
    }
}

impl Connection {
    /// Serves a connection from its upgrade to its end.
    pub(super) async fn run(upgraded: OnUpgrade, app: App, settle: Settle) {
        let Some((stream, read)) = listener::upgraded(upgraded).await else {
            return;
        };
        let mut guarded = Guarded::new(stream, &app.settings);
        guarded.saw(&read);
        let config = Some(socket_config(&app.settings));
        let mut connection = Self {
            socket: WebSocketStream::from_partially_read(guarded, read, Role::Server, config).await,
            outbox: app.engine.outbox(),
            batch: Vec::new(),
            heard: Instant::now(),
            pinged: false,
            bad_frames: 0,
            app,
        };
        let Err(end) = connection.serve(&settle).await;
        let reason = match end {
            End::Close(reason) => Some(reason),
            // Perhaps it was gone before it could be told.
            End::Gone => connection.outbox.closed(),
        };
        if let Some(reason) = reason {
            connection.app.metrics.closed.count(reason);
        }
        if let End::Close(reason) = end {
            tracing::debug!(reason = reason.name(), "a connection is closed");
            let within = connection.app.settings.write_timeout;
            drop(Box::pin(timeout(within, connection.close(reason))).await);
        }
    }

    async fn serve(&mut self, settle: &Settle) -> Result<Infallible, End> {
        // What is seldom under way is boxed, for a task is as large as the largest thing it awaits.
        let session = Box::pin(self.greet()).await?;
        settle.settle();
        loop {
            let text = self.next().await?;
            match decode(&text) {
                Ok(request) => self.writing(Box::pin(session.handle(request))).await?,
                Err((id, error)) => self.refuse(id, &error)?,
            }
        }
    }

    /// Waits for `hello` and connects the user.
    async fn greet(&mut self) -> Result<Session, End> {
        let within = self.app.settings.auth_timeout;
        let stop = self.app.stop.clone();
        let text = match stop.run_until_cancelled(timeout(within, self.next())).await {
            None => return Err(End::Close(CloseReason::Shutdown)),
            Some(Ok(text)) => text?,
            Some(Err(_)) => {
                let reason = format!("hello has to be said within {within:?}");
                return Err(self.end(
                    None,
                    &Unauthenticated { reason }.into(),
                    CloseReason::Unauthenticated,
                ));
            }
        };
        let request =
            decode(&text).map_err(|(id, error)| self.end(id, &error, CloseReason::BadRequest))?;
        let id = Some(request.id);
        let Command::Hello { token, cursors } = request.command else {
            let reason = "the first command has to be hello".to_owned();
            return Err(self.end(
                id,
                &Unauthenticated { reason }.into(),
                CloseReason::Unauthenticated,
            ));
        };
        let auth = Arc::clone(&self.app.auth);
        let user = self
            .writing(auth.authenticate(&token))
            .await?
            .map_err(|error| self.end(id, &error.into(), CloseReason::Unauthenticated))?;
        let connect = Connect {
            user,
            cursors,
            request: id,
        };
        let engine = self.app.engine.clone();
        let transport = Arc::clone(&self.outbox);
        self.writing(engine.connect_with(connect, transport))
            .await?
            .map_err(|error| {
                let reason = match error {
                    Error::TooManySessions { .. } => CloseReason::TooManySessions,
                    Error::ShuttingDown => CloseReason::Shutdown,
                    _ => CloseReason::Internal,
                };
                self.end(id, &error, reason)
            })
    }

    /// Waits for the next text frame, and writes what is to be written meanwhile.
    async fn next(&mut self) -> Result<Utf8Bytes, End> {
        let Settings {
            ping_interval,
            pong_timeout,
            ..
        } = *self.app.settings;
        loop {
            let patience = if self.pinged {
                ping_interval + pong_timeout
            } else {
                ping_interval
            };
            tokio::select! {
                closed = self.outbox.recv_many(&mut self.batch, BATCH) => self.write(closed).await?,
                message = self.socket.next() => {
                    if let Some(Ok(Message::Close(_))) = message {
                        // tungstenite's answer to it is the last thing that may be written.
                        self.socket.flush().await?;
                        return Err(End::Gone);
                    }
                    if let Some(text) = self.take(message)? {
                        return Ok(text);
                    }
                }
                () = sleep_until(self.heard + patience) => {
                    if self.pinged {
                        return Err(End::Close(CloseReason::Idle));
                    }
                    self.pinged = true;
                    self.socket.send(Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    /// Does some work, and writes what is to be written meanwhile.
    async fn writing<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                closed = self.outbox.recv_many(&mut self.batch, BATCH) => self.write(closed).await?,
            }
        }
    }

    /// Writes the batch.
    async fn write(&mut self, closed: Option<CloseReason>) -> Result<(), End> {
        // What tungstenite has begun to write, such as the answer to a ping, comes before.
        self.socket.flush().await?;
        for frame in &self.batch {
            self.app.metrics.writing(frame);
        }
        let stream = self.socket.get_mut().stream();
        let written = frames::write(stream, &self.batch).await;
        // An idle connection holds no buffer.
        self.batch = Vec::new();
        written.map_err(|_| End::Gone)?;
        closed.map_or(Ok(()), |reason| Err(End::Close(reason)))
    }

    /// Looks at what came; a text frame is for the caller.
    fn take(
        &mut self,
        message: Option<Result<Message, SocketError>>,
    ) -> Result<Option<Utf8Bytes>, End> {
        let why = match message {
            None => return Err(End::Gone),
            Some(Ok(message)) => {
                self.heard = Instant::now();
                self.pinged = false;
                match message {
                    Message::Text(text) => return Ok(Some(text)),
                    Message::Binary(_) => "frames have to be text".to_owned(),
                    // tungstenite answers a ping.
                    _ => return Ok(None),
                }
            }
            Some(Err(error)) => match (self.socket.get_ref().fault(), error) {
                (Some(Fault::Flood), _) => return Err(End::Close(CloseReason::Flood)),
                (Some(Fault::Unfinished), _) => {
                    format!(
                        "a frame has to arrive within {:?}",
                        self.app.settings.message_timeout
                    )
                }
                // Most clients that vanish say nothing before.
                (None, SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                    return Err(End::Gone);
                }
                (None, SocketError::Capacity(_)) => {
                    format!(
                        "a frame has at most {} bytes",
                        self.app.settings.frame_bytes.0
                    )
                }
                (None, error @ (SocketError::Protocol(_) | SocketError::Utf8(_))) => {
                    error.to_string()
                }
                (None, _) => return Err(End::Gone),
            },
        };
        Err(self.end(None, &Error::BadRequest(why), CloseReason::BadRequest))
    }

    /// Answers with an error.
    fn answer(&self, id: Option<u64>, error: &Error) -> Result<(), End> {
        let answer = Answer::Error {
            id,
            error: ErrorBody::from(error),
        };
        let queued = self.outbox.try_send(answer.into());
        queued.map_err(|_| End::Close(CloseReason::Slow))
    }

    /// Answers with an error that ends the connection.
    fn end(&self, id: Option<u64>, error: &Error, reason: CloseReason) -> End {
        self.answer(id, error).err().unwrap_or(End::Close(reason))
    }

    /// Answers to a frame that can't be carried out, a few of which are forgiven.
    fn refuse(&mut self, id: Option<u64>, error: &Error) -> Result<(), End> {
        self.answer(id, error)?;
        self.bad_frames += 1;
        if self.bad_frames > self.app.settings.bad_frames {
            return Err(End::Close(CloseReason::BadRequest));
        }
        Ok(())
    }

    /// Writes what is left, says why, and waits until the client has closed too: what it sent
    /// meanwhile would otherwise make the system throw away what it has not read yet.
    async fn close(&mut self, reason: CloseReason) {
        self.outbox.close(reason);
        let closing = async {
            loop {
                let closed = self.outbox.recv_many(&mut self.batch, BATCH).await;
                match self.write(closed).await {
                    Ok(()) => {}
                    Err(End::Close(reason)) => break Ok(reason),
                    Err(End::Gone) => break Err(SocketError::ConnectionClosed),
                }
            }
        };
        let Ok(reason) = closing.await else { return };
        let frame = CloseFrame {
            code: reason.code().into(),
            reason: reason.name().into(),
        };
        if self.socket.close(Some(frame)).await.is_err() {
            return;
        }
        let stream = self.socket.get_mut().stream();
        let goodbye = async {
            stream.shutdown().await?;
            let mut rest = vec![0; 4 << 10];
            while stream.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        };
        drop(timeout(LINGER, goodbye).await);
    }
}

fn socket_config(settings: &Settings) -> WebSocketConfig {
    /// An idle connection holds this much, 128 KiB by the library's default. It is made larger for a
    /// larger frame.
    const READ: usize = 1 << 10;
    /// Pongs that a client doesn't read may fill this much.
    const WRITE: usize = 4 << 10;
    let frame = settings.frame_bytes.0;
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE)
        .max_message_size(Some(frame))
        .max_frame_size(Some(frame))
}
