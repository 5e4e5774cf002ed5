//! One connection: its first command says which user it is; then commands go in and frames come out.

use std::{convert::Infallible, future::Future, io, pin::pin, sync::Arc, time::Duration};

use chat_core::{
    Answer, CloseReason, Command, Connect, Error, ErrorBody, ErrorCode, Event, Frame, Greeting,
    Outbox, Outgoing, Principal, Renewed, Session, SessionOrigin, Transport, Welcome,
    command::{Hello, Renew},
    decode,
    port::{Secret, Via},
};
use chrono::SecondsFormat;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    auth::{
        expiry::{Due, Expiry},
        renewals::Renewals,
    },
    config::Settings,
    http::{
        app::App,
        sessions::SessionSlot,
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
    /// Its place among the sessions of its client's address.
    slot: SessionSlot,
    expiry: Expiry,
    renewals: Renewals,
    /// The rest of the ban of which the client has been sent an error.
    banned_for: Option<Duration>,
}

/// Why a connection ends.
enum End {
    /// We close it.
    Close(CloseReason),
    /// The login has ended: nothing that is queued may go out any more.
    Expired,
    /// The client is gone.
    Gone,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Connection {
    /// Serves a connection from its upgrade to its end. A client that has proved who it is with the upgrade
    /// is `known`.
    pub(super) async fn run(
        upgrade: OnUpgrade,
        app: App,
        slot: SessionSlot,
        known: Option<Arc<Principal>>,
    ) {
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
            slot,
            expiry: Expiry::default(),
            renewals: Renewals::default(),
            banned_for: None,
            app,
        };
        let Err(end) = connection.serve(known).await;
        let reason = match end {
            End::Close(reason) => Some(reason),
            End::Expired => Some(CloseReason::TokenExpired),
            // Perhaps we have closed it, and it was gone before it could read why.
            End::Gone => connection.outbox.closed(),
        };
        if let Some(reason) = reason {
            connection.app.metrics.closed.count(reason);
        }
        let within = connection.app.settings.write_timeout;
        match end {
            End::Close(reason) => {
                tracing::debug!(reason = reason.name(), "a connection is closed");
                drop(Box::pin(timeout(within, connection.close(reason))).await);
            }
            End::Expired => drop(Box::pin(timeout(within, connection.cut())).await),
            End::Gone => {}
        }
    }

    async fn serve(&mut self, known: Option<Arc<Principal>>) -> Result<Infallible, End> {
        // What is seldom under way is boxed, for a task is as large as the largest thing it awaits.
        let mut session = Box::pin(self.greet(known)).await?;
        self.slot.name();
        loop {
            let text = self.next().await?;
            match decode(&text) {
                Ok(request) => match request.command {
                    Command::Renew(Renew { token }) => {
                        Box::pin(self.renew(&mut session, request.id, token)).await?;
                    }
                    _ => self.writing(Box::pin(session.dispatch(request))).await?,
                },
                Err((id, error)) => self.refuse(id, &error)?,
            }
        }
    }

    /// Waits for `hello` and connects the user.
    async fn greet(&mut self, known: Option<Arc<Principal>>) -> Result<Session, End> {
        let within = self.app.settings.auth_timeout;
        let stop = self.app.stop.clone();
        let text = match stop.run_until_cancelled(timeout(within, self.next())).await {
            None => return Err(End::Close(CloseReason::Shutdown)),
            Some(Ok(text)) => text?,
            Some(Err(_)) => {
                let error =
                    Error::Unauthenticated(format!("hello has to be said within {within:?}"));
                return Err(self.end(None, &error, CloseReason::Unauthenticated));
            }
        };
        let request =
            decode(&text).map_err(|(id, error)| self.end(id, &error, CloseReason::BadRequest))?;
        let id = Some(request.id);
        let Command::Hello(Hello { token, cursors }) = request.command else {
            let error = Error::Unauthenticated("the first command has to be hello".to_owned());
            return Err(self.end(id, &error, CloseReason::Unauthenticated));
        };
        let principal = match known {
            Some(known) if token.is_empty() => known,
            known => {
                let principal = self.login(id, token).await?;
                if known.is_some_and(|known| known.user != principal.user) {
                    let error = Error::Forbidden("the two tokens are of different users");
                    return Err(self.end(id, &error, CloseReason::Unauthenticated));
                }
                principal
            }
        };
        let engine = self.app.engine.clone();
        self.expiry = Expiry::new(&principal, engine.clock().now());
        let request = request.id;
        let (user, expires_at) = (principal.user.clone(), principal.expires_at);
        let greeting = Greeting::new(move |session| {
            let welcome = Welcome {
                user,
                session,
                expires_at,
            };
            Answer::new(request, Ok(welcome.into())).into()
        });
        let connect = Connect {
            principal,
            origin: SessionOrigin {
                via: Via::Native,
                address: self.slot.address(),
            },
            cursors,
            greeting: Some(greeting),
        };
        let transport = Arc::clone(&self.outbox);
        self.writing(engine.connect_with(connect, transport))
            .await?
            .map_err(|error| {
                let reason = match error {
                    Error::TooManySessions { .. } => CloseReason::TooManySessions,
                    Error::Forbidden(_) => CloseReason::Unauthenticated,
                    Error::TokenExpired => CloseReason::TokenExpired,
                    Error::Revoked => CloseReason::Revoked,
                    Error::Banned { .. } => CloseReason::Banned,
                    Error::ShuttingDown => CloseReason::Shutdown,
                    _ => CloseReason::Internal,
                };
                self.end(id, &error, reason)
            })
    }

    /// The user that the token of `hello` proves to be.
    async fn login(&mut self, id: Option<u64>, token: String) -> Result<Arc<Principal>, End> {
        let (login, engine) = (self.app.login.clone(), self.app.engine.clone());
        let token = Secret::from(token.into_bytes());
        let from = self.slot.address();
        self.writing(login.principal(&engine, &token, Via::Native, from))
            .await?
            .map_err(|error| {
                let reason = match error {
                    // The token may be good: the client comes back with it.
                    Error::AuthUnavailable { .. } | Error::Backend(_) => CloseReason::Internal,
                    Error::RateLimited { .. } => CloseReason::Flood,
                    Error::Revoked => CloseReason::Revoked,
                    Error::Banned { .. } => CloseReason::Banned,
                    _ => CloseReason::Unauthenticated,
                };
                self.end(id, &error, reason)
            })
    }

    /// Carries out `renew`. One that fails leaves the login as it is; one with a token of another user ends
    /// the connection.
    async fn renew(&mut self, session: &mut Session, id: u64, token: String) -> Result<(), End> {
        if let Err(error) = self.renewals.begin() {
            return self.answer(Some(id), &error);
        }
        let (login, engine) = (self.app.login.clone(), self.app.engine.clone());
        let token = Secret::from(token.into_bytes());
        let from = self.slot.address();
        let principal = login.renewed(&engine, &token, Via::Native, from);
        let principal = match self.writing(principal).await? {
            Ok(principal) => principal,
            Err(error) => return self.answer(Some(id), &error),
        };
        session.renew(Arc::clone(&principal)).map_err(|error| {
            let reason = match error {
                Error::Revoked => CloseReason::Revoked,
                Error::Banned { .. } => CloseReason::Banned,
                _ => CloseReason::Unauthenticated,
            };
            self.end(Some(id), &error, reason)
        })?;
        self.expiry = Expiry::new(&principal, self.app.engine.clock().now());
        let expires_at = principal.expires_at;
        let answer = Answer::new(id, Ok(Renewed { expires_at }.into()));
        let queued = self.outbox.try_send(answer.into());
        queued.map_err(|_| End::Close(CloseReason::Slow))
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
                due = self.expiry.due(&**self.app.engine.clock()) => self.expire(due)?,
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
                due = self.expiry.due(&**self.app.engine.clock()) => self.expire(due)?,
            }
        }
    }

    /// Warns the client that the login ends, or ends the connection with it.
    fn expire(&self, due: Due) -> Result<(), End> {
        match due {
            Due::Warning(expires_at) => {
                // A client that reads nothing misses the warning, and comes back after the end.
                self.outbox
                    .try_send(Event::Expiring { expires_at }.into())
                    .ok();
                Ok(())
            }
            Due::End => Err(End::Expired),
        }
    }

    /// Writes the batch, unless the login has ended.
    async fn write(&mut self, closed: Option<CloseReason>) -> Result<(), End> {
        if self.expiry.is_over(&**self.app.engine.clock()) {
            return Err(End::Expired);
        }
        for frame in &self.batch {
            self.app.metrics.count_refusal(frame);
            if let Outgoing::Answer(Answer::Error { error, .. }) = frame.outgoing()
                && error.code == ErrorCode::Banned.code()
            {
                self.banned_for = error.retry_after_ms.map(Duration::from_millis);
            }
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
        let (why, reason) = match received {
            Ok(received) => {
                self.heard = Instant::now();
                self.pinged = false;
                match received {
                    Received::Text(text) => return Ok(Some(text)),
                    Received::Binary(_) => {
                        let why = "frames have to be text".to_owned();
                        (why, CloseReason::UnsupportedData)
                    }
                    Received::Control => return Ok(None),
                }
            }
            Err(Broken::Gone) => return Err(End::Gone),
            Err(Broken::Flood) => return Err(End::Close(CloseReason::Flood)),
            Err(broken) => {
                let reason = match broken {
                    Broken::TooLarge(_) => CloseReason::TooBig,
                    Broken::NotUtf8 => CloseReason::InvalidPayload,
                    Broken::Invalid(_) => CloseReason::ProtocolError,
                    _ => CloseReason::BadRequest,
                };
                (broken.to_string(), reason)
            }
        };
        Err(self.end(None, &Error::BadRequest(why), reason))
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

    /// Says that the login has ended, and closes without anything that is queued: the client gets it when it
    /// comes back.
    async fn cut(&mut self) {
        let reason = CloseReason::TokenExpired;
        self.outbox.close(reason);
        self.app.metrics.refusals.count(Error::TokenExpired.code());
        let answer = Answer::Error {
            id: None,
            error: ErrorBody::from(&Error::TokenExpired),
        };
        let frame = Frame::from(answer);
        if self
            .socket
            .write([&**frame.json()].into_iter())
            .await
            .is_ok()
        {
            self.socket.close(reason.code(), reason.name()).await;
        }
    }

    /// Writes what is left in the outbox, then closes with the reason.
    async fn close(&mut self, reason: CloseReason) {
        self.outbox.close(reason);
        let reason = loop {
            let closed = self.outbox.recv_many(&mut self.batch, BATCH).await;
            match self.write(closed).await {
                Ok(()) => {}
                Err(End::Close(reason)) => break reason,
                Err(End::Expired | End::Gone) => return,
            }
        };
        let ban = self.banned_for.filter(|_| reason == CloseReason::Banned);
        let text = match ban {
            Some(wait) => {
                let end = self.app.engine.clock().now() + wait;
                let end = end.to_rfc3339_opts(SecondsFormat::Millis, true);
                Utf8Bytes::from(format!("banned until {end}"))
            }
            None => reason.name().into(),
        };
        self.socket.close(reason.code(), text).await;
    }
}
