//! One connection: its first command says which user it is; then commands go in and frames come out.

use std::{convert::Infallible, future::Future, io, pin::pin, sync::Arc};

use chat_core::{
    Answer, CloseReason, Command, Connect, Error, ErrorBody, Frame, Greeting, Outbox, Session,
    Transport, Welcome, command::Hello, decode, port::Unauthenticated,
};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    config::Settings,
    http::{
        app::App,
        connections::Settle,
        stream::{self, Stream},
    },
    websocket::socket::{Broken, Limits, Received, WebSocket},
};

/// How many frames are taken from the outbox and written at once.
const BATCH: usize = 64;

/// A native WebSocket, and what its task keeps.
pub(super) struct Connection {
    app: App,
    socket: WebSocket<Stream>,
    outbox: Arc<Outbox>,
    batch: Vec<Frame>,
    /// When the last message was received.
    heard: Instant,
    /// Whether the client has been pinged since.
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

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Connection {
    /// Serves a connection from its upgrade to its end.
    pub(super) async fn run(upgrade: OnUpgrade, app: App, settle: Option<Settle>) {
        let upgraded = stream::upgraded(upgrade, app.settings.write_timeout).await;
        let Some((stream, read)) = upgraded else {
            return;
        };
        let mut connection = Self {
            socket: WebSocket::new(stream, read, Limits::from(&*app.settings)).await,
            outbox: app.engine.outbox(),
            batch: Vec::new(),
            heard: Instant::now(),
            pinged: false,
            bad_frames: 0,
            app,
        };
        let Err(end) = connection.serve(settle).await;
        let reason = match end {
            End::Close(reason) => Some(reason),
            // Perhaps we have closed it, and it was gone before it could read why.
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

    async fn serve(&mut self, settle: Option<Settle>) -> Result<Infallible, End> {
        // What is seldom under way is boxed, for a task is as large as the largest thing it awaits.
        let session = Box::pin(self.greet()).await?;
        if let Some(settle) = settle {
            settle.settle();
        }
        loop {
            let text = self.next().await?;
            match decode(&text) {
                Ok(request) => self.writing(Box::pin(session.dispatch(request))).await?,
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
        let Command::Hello(Hello { token, cursors }) = request.command else {
            let reason = "the first command has to be hello".to_owned();
            return Err(self.end(
                id,
                &Unauthenticated { reason }.into(),
                CloseReason::Unauthenticated,
            ));
        };
        let login = self.app.login.clone();
        let user = self
            .writing(login.user(&token))
            .await?
            .map_err(|error| self.end(id, &error, CloseReason::Unauthenticated))?;
        let (request, name) = (request.id, user.clone());
        let greeting = Greeting::new(move |session| {
            let user = name;
            Answer::new(request, Ok(Welcome { user, session }.into())).into()
        });
        let connect = Connect {
            user,
            cursors,
            greeting: Some(greeting),
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

    /// Waits for the next text, and writes frames meanwhile.
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
                received = self.socket.next() => {
                    if let Some(text) = self.take(received)? {
                        return Ok(text);
                    }
                }
                () = sleep_until(self.heard + patience) => {
                    if self.pinged {
                        return Err(End::Close(CloseReason::Idle));
                    }
                    self.pinged = true;
                    self.socket.ping().await?;
                }
            }
        }
    }

    /// Waits for some work to be done, and writes frames meanwhile.
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
        for frame in &self.batch {
            self.app.metrics.count_refusal(frame);
        }
        let texts = self.batch.iter().map(|frame| &**frame.json());
        let written = self.socket.write(texts).await;
        // An idle connection holds no buffer.
        self.batch = Vec::new();
        written?;
        closed.map_or(Ok(()), |reason| Err(End::Close(reason)))
    }

    /// Takes what has been received; a text is for the caller.
    fn take(&mut self, received: Result<Received, Broken>) -> Result<Option<Utf8Bytes>, End> {
        let why = match received {
            Ok(received) => {
                self.heard = Instant::now();
                self.pinged = false;
                match received {
                    Received::Text(text) => return Ok(Some(text)),
                    Received::Binary(_) => "frames have to be text".to_owned(),
                    Received::Control => return Ok(None),
                }
            }
            Err(Broken::Gone) => return Err(End::Gone),
            Err(Broken::Flood) => return Err(End::Close(CloseReason::Flood)),
            Err(broken) => broken.to_string(),
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

    /// Answers a text that is no command; more than `bad-frames` of them end the connection.
    fn refuse(&mut self, id: Option<u64>, error: &Error) -> Result<(), End> {
        self.answer(id, error)?;
        self.bad_frames += 1;
        if self.bad_frames > self.app.settings.bad_frames {
            return Err(End::Close(CloseReason::BadRequest));
        }
        Ok(())
    }

    /// Writes what is left in the outbox, then closes with the reason.
    async fn close(&mut self, reason: CloseReason) {
        self.outbox.close(reason);
        let reason = loop {
            let closed = self.outbox.recv_many(&mut self.batch, BATCH).await;
            match self.write(closed).await {
                Ok(()) => {}
                Err(End::Close(reason)) => break reason,
                Err(End::Gone) => return,
            }
        };
        self.socket.close(reason.code(), reason.name()).await;
    }
}
