//! A client of the native protocol that does what a test says, and nothing else: it does not reconnect,
//! send again or sort.

use std::{collections::VecDeque, net::SocketAddr};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, handshake::client::Request},
};

use crate::PATIENCE;

/// Where a server has the native protocol.
const PATH: &str = "/v1/ws";

/// A device of a user. Whatever it waits for has to come within [`PATIENCE`].
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    /// The WebSocket, for frames that no client should send.
    pub socket: WebSocketStream<S>,
    next_id: u64,
    events: VecDeque<Value>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The server closed it with this code; 1005 stands for none.
    With(u16),
    /// Without a close frame.
    Abruptly,
}

impl Client {
    /// A WebSocket on which nothing has been said, or `None` when the server takes none.
    pub async fn dial(address: SocketAddr) -> Option<Self> {
        let tcp = TcpStream::connect(address).await.ok()?;
        tcp.set_nodelay(true).ok()?;
        Self::over(tcp, PATH).await
    }

    /// The same, on a connection that there is.
    pub async fn on(tcp: TcpStream) -> Self {
        Self::over(tcp, PATH).await.expect("a WebSocket")
    }

    /// A client of this user, who is welcome.
    pub async fn connect(address: SocketAddr, user: &str) -> Self {
        Self::resume(address, user, json!([])).await
    }

    /// The same, from these cursors on.
    pub async fn resume(address: SocketAddr, user: &str, cursors: Value) -> Self {
        let dialling = timeout(PATIENCE, Self::dial(address)).await;
        let mut client = dialling.expect("an answer").expect("a WebSocket");
        client.hello(user, cursors).await;
        client
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// A WebSocket on any connection, to a server that has it at this path.
    pub async fn over(stream: S, path: &str) -> Option<Self> {
        let url = format!("ws://localhost{path}");
        Self::shaking(stream, url.into_client_request().ok()?)
            .await
            .ok()
    }

    /// The same, with a handshake of the test's own.
    ///
    /// # Errors
    ///
    /// The status of an answer that refuses it, 0 where there is none.
    pub async fn shaking(stream: S, handshake: Request) -> Result<Self, u16> {
        match client_async(handshake, stream).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                next_id: 1,
                events: VecDeque::new(),
            }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(_) => Err(0),
        }
    }

    /// Says who it is, and is welcome.
    pub async fn hello(&mut self, user: &str, cursors: Value) {
        let hello = json!({ "type": "hello", "token": user, "cursors": cursors });
        assert_eq!(self.result(hello).await["kind"], "welcome");
    }

    /// Sends a text frame.
    pub async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends frames as one write.
    ///
    /// # Errors
    ///
    /// When the connection is gone, or takes nothing for longer than [`PATIENCE`].
    pub async fn write(&mut self, frames: impl IntoIterator<Item = Value>) -> Result<(), Closed> {
        let writing = async {
            for frame in frames {
                let frame = Message::text(frame.to_string());
                self.socket.feed(frame).await?;
            }
            self.socket.flush().await
        };
        match timeout(PATIENCE, writing).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Closed::Abruptly),
        }
    }

    /// Sends a command without waiting; gives its number.
    pub async fn tell(&mut self, command: Value) -> u64 {
        let (id, command) = self.numbered(command);
        self.text(&command.to_string()).await;
        id
    }

    fn numbered(&mut self, mut command: Value) -> (u64, Value) {
        let id = self.next_id;
        self.next_id += 1;
        command["id"] = id.into();
        (id, command)
    }

    /// Sends a command and waits for its answer, which may be an error: the whole frame.
    pub async fn ask(&mut self, command: Value) -> Value {
        let id = self.tell(command).await;
        self.answer(Some(id)).await
    }

    /// Sends a command and waits for its result.
    pub async fn result(&mut self, command: Value) -> Value {
        let result = self.try_result(command).await;
        result.unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same, where the server may refuse or be gone.
    ///
    /// # Errors
    ///
    /// Why there is no result, for people.
    pub async fn try_result(&mut self, command: Value) -> Result<Value, String> {
        let (id, command) = self.numbered(command);
        let asking = async {
            let gone = |closed: Closed| format!("the connection is gone: {closed:?}");
            self.write([command.clone()]).await.map_err(gone)?;
            let mut answer = self.read_answer(Some(id)).await.map_err(gone)?;
            match answer["result"].take() {
                Value::Null => Err(format!("{command}: {answer}")),
                result => Ok(result),
            }
        };
        let late = |_| Err("no answer in time".to_owned());
        timeout(PATIENCE, asking).await.unwrap_or_else(late)
    }

    /// The answer to a command, or to one whose number could not be read.
    pub async fn answer(&mut self, id: Option<u64>) -> Value {
        let answer = timeout(PATIENCE, self.read_answer(id)).await;
        answer
            .expect("an answer")
            .expect("an answer before the end")
    }

    async fn read_answer(&mut self, id: Option<u64>) -> Result<Value, Closed> {
        loop {
            let frame = self.read().await?;
            if !["reply", "error"].contains(&frame["type"].as_str().unwrap()) {
                self.events.push_back(frame);
            } else if frame["id"].as_u64() == id {
                return Ok(frame);
            }
        }
    }

    /// The next event of this type; others are passed over.
    pub async fn event(&mut self, name: &str) -> Value {
        loop {
            let frame = match self.events.pop_front() {
                Some(event) => event,
                None => self.frame().await.expect("an event before the end"),
            };
            if frame["type"] == name {
                return frame;
            }
        }
    }

    /// The events that have come and were not asked for yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Value> {
        self.events.iter()
    }

    /// The next frame.
    ///
    /// # Errors
    ///
    /// How the connection ended.
    pub async fn frame(&mut self) -> Result<Value, Closed> {
        let frame = timeout(PATIENCE, self.read()).await;
        frame.expect("something happens")
    }

    /// The next frame, however long it takes. Cancel safe: no frame is lost.
    ///
    /// # Errors
    ///
    /// How the connection ended.
    pub async fn read(&mut self) -> Result<Value, Closed> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(Closed::With(frame.map_or(1005, |frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Closed::Abruptly),
            }
        }
    }

    /// Reads to the end; gives the code of the last error, if there was one, and how it ended.
    pub async fn end(&mut self) -> (Option<u64>, Closed) {
        let mut code = None;
        loop {
            match self.frame().await {
                Ok(frame) if frame["type"] == "error" => code = frame["error"]["code"].as_u64(),
                Ok(_) => {}
                Err(closed) => return (code, closed),
            }
        }
    }

    /// Opens the room with this user; gives its name.
    pub async fn open(&mut self, peer: &str) -> String {
        let view = self.result(json!({ "type": "open", "user": peer })).await;
        view["room"]["id"].as_str().expect("a room").to_owned()
    }

    /// Sends a message, which is taken; gives its number in the room.
    pub async fn say(&mut self, room: &str, text: &str) -> u64 {
        let send = json!({ "type": "send", "room": room, "text": text });
        self.result(send).await["seq"].as_u64().expect("a number")
    }

    /// The text of the next message that arrives.
    pub async fn hear(&mut self) -> String {
        let entry = self.event("entry").await;
        entry["body"]["text"]
            .as_str()
            .expect("a message")
            .to_owned()
    }
}
