//! The client's task: makes one connection after the other, and does for each what its state
//! machine says. All input and output of the client is here.

use std::{convert::Infallible, future::Future, io, pin::pin, sync::Arc, time::Duration};

use chat_core::Outgoing;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{self, Message as Frame};

use super::{
    connection::{Action, Connection, Input, Lasting, PAGE},
    dial::{Dialer, Socket},
    end::End,
    events::{ClientEvent, Sender},
    marks::Marks,
    request::Op,
    token::{Next, Token},
};
use crate::{backoff::Backoff, error::ClientError};

/// The times that getting a token, connecting, writing one frame, and parting may take.
const TOKEN: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_secs(10);
const PART: Duration = Duration::from_secs(1);

/// The state of the task.
#[derive(Debug)]
pub(super) struct Task {
    dialer: Dialer,
    token: Token,
    ops: mpsc::Receiver<Op>,
    events: Sender,
    marks: Arc<Marks>,
    lasting: Lasting,
}

impl Task {
    pub(super) fn new(
        dialer: Dialer,
        token: Token,
        ops: mpsc::Receiver<Op>,
        events: Sender,
        marks: Arc<Marks>,
        backoff: Backoff,
    ) -> Self {
        Self {
            lasting: Lasting::new(Arc::clone(&marks), token.is_renewable(), backoff),
            dialer,
            token,
            ops,
            events,
            marks,
        }
    }

    /// Runs until there is no use in going on, then answers all requests that wait.
    pub(super) async fn run(mut self) {
        let error = loop {
            let end = match self.connect().await {
                Ok((socket, token)) => self.serve(socket, token).await,
                Err(end) => end,
            };
            let reason = match end {
                End::Lost(reason) => reason,
                End::Final(error) => break error,
            };
            let retry_in = self.lasting.backoff.next();
            tracing::debug!(reason, ?retry_in, "no connection");
            self.events
                .push(ClientEvent::Disconnected { reason, retry_in });
            if let Err(End::Final(error)) = self.meanwhile(sleep(retry_in)).await {
                break error;
            }
        };
        // Requests made from now on find the reason; those made before are answered with it.
        self.events.end(error.clone());
        self.ops.close();
        while let Ok(op) = self.ops.try_recv() {
            self.lasting.queue(op);
        }
        self.lasting.queue.end(&error);
    }

    /// Takes requests while something goes on that has nothing to do with them.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            let deadline = self.lasting.queue.deadline();
            tokio::select! {
                done = &mut work => return Ok(done),
                op = self.ops.recv() => match op {
                    None | Some(Op::Close) => return Err(End::Final(ClientError::Finished)),
                    Some(op) => self.lasting.queue(op),
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.lasting.queue.expire(Instant::now());
                }
            }
        }
    }

    /// Makes a connection, and gets the token for it.
    async fn connect(&mut self) -> Result<(Socket, String), End> {
        let token = timeout(TOKEN, self.token.next());
        let token = match self.meanwhile(token).await? {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => return Err(End::Lost(format!("no token: {error}"))),
            Err(_) => return Err(End::lost("no token in time")),
        };
        let attempt = self.dialer.clone().dial(self.lasting.was_connected);
        match self.meanwhile(timeout(CONNECT, attempt)).await? {
            Ok(result) => Ok((result?, token)),
            Err(_) => Err(End::lost("no answer from the server")),
        }
    }

    async fn serve(&mut self, socket: Socket, token: String) -> End {
        let mut link = Link {
            socket,
            ops: &mut self.ops,
            events: &self.events,
            marks: &self.marks,
            connection: Connection::new(&mut self.lasting, Instant::now()),
            tokens: &self.token,
            renewal: None,
        };
        let Err(end) = link.run(token).await;
        link.connection.lost();
        end
    }
}

/// One connection and all that it touches.
struct Link<'a> {
    socket: Socket,
    ops: &'a mut mpsc::Receiver<Op>,
    events: &'a Sender,
    marks: &'a Marks,
    connection: Connection<'a>,
    tokens: &'a Token,
    /// The new token that is under way.
    renewal: Option<Next>,
}

impl Link<'_> {
    async fn run(&mut self, token: String) -> Result<Infallible, End> {
        let mut input = Input::Opened { token };
        loop {
            let space = self.events.space();
            // What is not due at this moment has an alarm, however long the step takes.
            let now = Instant::now();
            let actions = self.connection.step(now, space, input)?;
            self.carry_out(actions).await?;
            let stalled = self.connection.is_stalled(self.events.space());
            let alarm = self.connection.alarm(now);
            input = tokio::select! {
                frame = self.socket.next() => self.read(frame).await?,
                op = self.ops.recv() => match op {
                    None | Some(Op::Close) => {
                        let _ = timeout(PART, self.part()).await;
                        return Err(End::Final(ClientError::Finished));
                    }
                    Some(op) => Input::Op(op),
                },
                () = self.marks.raised() => Input::Tick,
                () = self.events.has_space(PAGE), if stalled => Input::Tick,
                () = sleep_until(alarm) => Input::Tick,
                token = renewed(&mut self.renewal) => match token {
                    Ok(token) => Input::Token(token),
                    Err(error) => {
                        tracing::warn!(%error, "no new token");
                        Input::Tick
                    }
                },
            };
        }
    }

    async fn carry_out(&mut self, actions: Vec<Action>) -> Result<(), End> {
        for action in actions {
            match action {
                Action::Emit(event) => self.events.push(event),
                Action::Renew => self.renewal = Some(self.tokens.next()),
                Action::Ping => self.put(Frame::Ping(Vec::new().into())).await?,
                Action::Write(request) => {
                    let json = serde_json::to_string(&request)
                        .map_err(|error| End::Lost(error.to_string()))?;
                    self.put(Frame::text(json)).await?;
                }
            }
        }
        Ok(())
    }

    async fn put(&mut self, frame: Frame) -> Result<(), End> {
        match timeout(WRITE, self.socket.send(frame)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(End::lost("the server takes nothing")),
        }
    }

    async fn read(
        &mut self,
        frame: Option<Result<Frame, tungstenite::Error>>,
    ) -> Result<Input, End> {
        match frame {
            None => Err(End::lost("the server went away")),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Frame::Text(text))) => Ok(Input::Frame(understood(&text))),
            Some(Ok(Frame::Close(frame))) => {
                Ok(Input::Closed(frame.map(|frame| {
                    (frame.code.into(), frame.reason.as_str().to_owned())
                })))
            }
            Some(Ok(Frame::Ping(_))) => {
                // The library has put the pong into its buffer.
                self.socket.flush().await?;
                Ok(Input::Frame(None))
            }
            Some(Ok(_)) => Ok(Input::Frame(None)),
        }
    }

    /// Sends the last receipts and closes the connection in order.
    async fn part(&mut self) -> Result<(), End> {
        let actions = self.connection.farewell(Instant::now());
        self.carry_out(actions).await?;
        self.socket.close(None).await?;
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(())
    }
}

/// Waits for the token that is under way; for ever while there is none.
async fn renewed(renewal: &mut Option<Next>) -> io::Result<String> {
    let Some(next) = renewal else {
        return std::future::pending().await;
    };
    let token = timeout(TOKEN, next).await;
    *renewal = None;
    token.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The contents of a text frame. A newer server may send more than this client knows.
fn understood(text: &str) -> Option<Outgoing> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::debug!(%error, "a frame was not understood"))
        .ok()
}
