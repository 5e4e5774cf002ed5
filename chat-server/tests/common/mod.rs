//! A server on a port of its own, and a client that speaks the native protocol.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_debug_implementations,
    reason = "for tests, each of which uses a part of it"
)]

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use chat_core::ChatEngine;
use chat_server::{
    config::Settings,
    start::{Started, start},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// Longer than anything here takes; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: SocketAddr,
    pub engine: ChatEngine,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<()>>,
}

impl Server {
    /// With the defaults but no limit on messages, and these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            ("rate-limit", "off"),
            ("listen", "127.0.0.1:0"),
            ("store", "memory"),
        ];
        all.retain(|(name, _)| settings.iter().all(|(other, _)| other != name));
        all.extend(settings);
        let settings = Settings::with(&all).unwrap();
        let Started {
            listener, engine, ..
        } = start(&settings).await.unwrap();
        Self::run(listener, engine, settings)
    }

    /// With an engine of one's own.
    pub async fn serve(engine: ChatEngine, settings: Settings) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::run(listener, engine, settings)
    }

    fn run(listener: TcpListener, engine: ChatEngine, settings: Settings) -> Self {
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            stopped.await.ok();
        };
        let running = tokio::spawn(chat_server::run(
            listener,
            engine.clone(),
            settings,
            shutdown,
        ));
        Self {
            address,
            engine,
            stop,
            running,
        }
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    pub async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A WebSocket on which nothing has been said.
    pub async fn silent(&self) -> Client {
        Client::on(self.tcp().await).await
    }

    /// A client whose system holds little of what it doesn't read.
    pub async fn connect_with_small_buffer(&self, user: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let mut client = Client::on(socket.connect(self.address).await.unwrap()).await;
        client.ask(json!({ "type": "hello", "token": user })).await;
        client
    }

    pub async fn connect(&self, user: &str) -> Client {
        self.resume(user, json!([])).await
    }

    pub async fn resume(&self, user: &str, cursors: Value) -> Client {
        Client::resume(self.address, user, cursors).await
    }

    /// Sends these bytes and reads until the server closes.
    pub async fn exchange(&self, request: &[u8]) -> String {
        let mut tcp = self.tcp().await;
        tcp.write_all(request).await.unwrap();
        read_to_end(&mut tcp).await
    }

    /// An HTTP request; gives the status and the body.
    pub async fn http(&self, request: &str, headers: &str, body: &str) -> (u16, String, String) {
        let length = body.len();
        let request = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        let answer = self.exchange(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        (status, head.to_owned(), body.to_owned())
    }
}

pub async fn read_to_end(tcp: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after what was read is an end too.
    timeout(PATIENCE, tcp.read_to_end(&mut answer))
        .await
        .expect("the server closes")
        .ok();
    String::from_utf8_lossy(&answer).into_owned()
}

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    next_id: u64,
    events: VecDeque<Value>,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Closed {
    With(u16),
    Abruptly,
}

impl Client {
    async fn on(tcp: TcpStream) -> Self {
        let url = format!("ws://{}/v1/ws", tcp.peer_addr().unwrap());
        let (socket, _) = client_async(url, tcp).await.unwrap();
        Self {
            socket,
            next_id: 1,
            events: VecDeque::new(),
        }
    }

    /// A client of the server at this address.
    pub async fn resume(address: SocketAddr, user: &str, cursors: Value) -> Self {
        let mut client = Self::on(TcpStream::connect(address).await.unwrap()).await;
        let hello = json!({ "type": "hello", "token": user, "cursors": cursors });
        let welcome = client.ask(hello).await;
        assert_eq!(welcome["result"]["kind"], "welcome", "{welcome}");
        client
    }

    pub async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends a command without waiting; gives its number.
    pub async fn tell(&mut self, mut command: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        command["id"] = id.into();
        self.text(&command.to_string()).await;
        id
    }

    /// Sends a command and waits for its answer.
    pub async fn ask(&mut self, command: Value) -> Value {
        let id = self.tell(command).await;
        self.answer(Some(id)).await
    }

    /// The answer to a command, or to one whose number could not be read.
    pub async fn answer(&mut self, id: Option<u64>) -> Value {
        loop {
            let frame = self.frame().await.expect("an answer before the end");
            if !["reply", "error"].contains(&frame["type"].as_str().unwrap()) {
                self.events.push_back(frame);
            } else if frame["id"].as_u64() == id {
                return frame;
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

    /// The next frame, or how the connection ended.
    pub async fn frame(&mut self) -> Result<Value, Closed> {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("something happens")
            {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(Closed::With(frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Closed::Abruptly),
            }
        }
    }

    /// Reads to the end; gives the last error's code, if there was one, and how it ended.
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

    pub async fn open(&mut self, peer: &str) -> String {
        let reply = self.ask(json!({ "type": "open", "user": peer })).await;
        reply["result"]["room"]["id"]
            .as_str()
            .expect("a room")
            .to_owned()
    }

    pub async fn say(&mut self, room: &str, text: &str) -> u64 {
        let reply = self
            .ask(json!({ "type": "send", "room": room, "text": text }))
            .await;
        reply["result"]["seq"]
            .as_u64()
            .unwrap_or_else(|| panic!("not sent: {reply}"))
    }

    /// The text of the next message that arrives.
    pub async fn hear(&mut self) -> String {
        self.event("entry").await["body"]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}
