//! The client's task: makes one connection after the other, and does for each what its state
//! machine says. All input and output of the client is here.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use chat_core::Outgoing;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message as Frame, http::Uri, protocol::WebSocketConfig},
};

use super::{
    connection::{Action, Connection, Input, Lasting, PAGE},
    end::End,
    events::{ClientEvent, Sender},
    marks::Marks,
    request::Op,
};
use crate::{backoff::Backoff, error::ClientError};

/// How long connecting, writing one frame, and parting may take.
const CONNECT: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_secs(10);
const PART: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl From<tungstenite::Error> for End {
    fn from(error: tungstenite::Error) -> Self {
        Self::Lost(match error {
            tungstenite::Error::Io(error) => error.to_string(),
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => "the server went away".to_owned(),
            error => error.to_string(),
        })
    }
}

/// What the task owns.
#[derive(Debug)]
pub(super) struct Task {
    url: Uri,
    ops: mpsc::Receiver<Op>,
    events: Sender,
    marks: Arc<Marks>,
    lasting: Lasting,
}

impl Task {
    pub(super) fn new(
        url: Uri,
        token: String,
        ops: mpsc::Receiver<Op>,
        events: Sender,
        marks: Arc<Marks>,
        backoff: Backoff,
    ) -> Self {
        Self {
            url,
            ops,
            events,
            lasting: Lasting::new(token, Arc::clone(&marks), backoff),
            marks,
        }
    }

    /// Runs until there is no use in going on, then answers all requests that wait.
    pub(super) async fn run(mut self) {
        let error = loop {
            let end = match self.connect().await {
                Ok(socket) => self.serve(socket).await,
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

    async fn connect(&mut self) -> Result<Socket, End> {
        /// Frames of the server are small; a page of history is the largest.
        const FRAME: usize = 16 << 20;
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(FRAME))
            .max_frame_size(Some(FRAME));
        // Nagle's algorithm is off: frames are small and awaited.
        let attempt = connect_async_with_config(self.url.clone(), Some(config), true);
        match self.meanwhile(timeout(CONNECT, attempt)).await? {
            Err(_) => Err(End::lost("no answer from the server")),
            Ok(Err(tungstenite::Error::Http(response))) => Err(End::no_websocket(
                response.status().as_u16(),
                self.lasting.was_connected,
            )),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok((socket, _))) => Ok(socket),
        }
    }

    async fn serve(&mut self, socket: Socket) -> End {
        let mut link = Link {
            socket,
            ops: &mut self.ops,
            events: &self.events,
            marks: &self.marks,
            connection: Connection::new(&mut self.lasting, Instant::now()),
        };
        let Err(end) = link.run().await;
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
}

impl Link<'_> {
    async fn run(&mut self) -> Result<Infallible, End> {
        let mut input = Input::Opened;
        loop {
            let space = self.events.space();
            let actions = self.connection.step(Instant::now(), space, input)?;
            self.carry_out(actions).await?;
            let stalled = self.connection.is_stalled(self.events.space());
            let alarm = self.connection.alarm(Instant::now());
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
            };
        }
    }

    async fn carry_out(&mut self, actions: Vec<Action>) -> Result<(), End> {
        for action in actions {
            match action {
                Action::Emit(event) => self.events.push(event),
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
                Err(End::closed(frame.map(|frame| {
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

/// What a text frame says. A newer server may send more than this client knows.
fn understood(text: &str) -> Option<Outgoing> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::debug!(%error, "a frame was not understood"))
        .ok()
}
