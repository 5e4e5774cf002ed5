//! The old protocol byte by byte, as no client library can be made to speak it.

mod attacks;
mod clauses;
mod lists;
mod packets;
mod upgrade;

use chat_core::UserId;
use chat_testkit::{PATIENCE, Server};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

type Socket = WebSocketStream<TcpStream>;

/// Tries to open a WebSocket with this query.
async fn try_socket(server: &Server, query: &str) -> Result<Socket, Error> {
    let url = format!("ws://{}/socket.io/?{query}", server.address);
    Ok(client_async(url, server.tcp().await).await?.0)
}

/// A WebSocket of Engine.IO; `query` says of which session, if of one.
async fn socket(server: &Server, query: &str) -> Socket {
    let query = format!("EIO=4&transport=websocket{query}");
    try_socket(server, &query).await.unwrap()
}

pub(crate) async fn send<S>(socket: &mut WebSocketStream<S>, text: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.send(Message::text(text)).await.unwrap();
}

/// The next text; `None` when the server has closed the WebSocket.
async fn next<S>(socket: &mut WebSocketStream<S>) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let next = async {
        loop {
            match socket.next().await? {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    };
    timeout(PATIENCE, next).await.unwrap()
}

/// The next packet that begins like this; others are passed over, and pings are answered.
pub(crate) async fn packet<S>(socket: &mut WebSocketStream<S>, start: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let text = next(socket).await.unwrap_or_else(|| panic!("no {start}"));
        if text == "2" {
            send(socket, "3").await;
        }
        if text.starts_with(start) {
            return text;
        }
    }
}

/// Waits until the server has closed the WebSocket.
pub(crate) async fn closed<S>(socket: &mut WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while next(socket).await.is_some() {}
}

/// A WebSocket whose client is connected to the namespace.
async fn connected(server: &Server) -> Socket {
    let mut socket = socket(server, "").await;
    packet(&mut socket, "0").await;
    send(&mut socket, "40").await;
    packet(&mut socket, "40").await;
    socket
}

async fn named(server: &Server, name: &str) -> Socket {
    let mut socket = connected(server).await;
    send(&mut socket, &format!(r#"42["set-username","{name}"]"#)).await;
    socket
}

/// A WebSocket whose user talks to another one.
async fn talking(server: &Server, name: &str, peer: &str) -> Socket {
    let mut socket = named(server, name).await;
    send(&mut socket, &format!(r#"420["start-dm","{peer}"]"#)).await;
    packet(&mut socket, "430[{}]").await;
    socket
}

/// A session on polling, each of whose requests has a connection of its own.
struct Polling<'a> {
    server: &'a Server,
    sid: String,
}

impl<'a> Polling<'a> {
    async fn open(server: &'a Server) -> Self {
        let (status, _, body) = request(server, "GET", "transport=polling&EIO=4", "").await;
        assert_eq!(status, 200, "{body}");
        let open: Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
        let sid = open["sid"].as_str().unwrap().to_owned();
        Self { server, sid }
    }

    /// A session whose client is connected to the namespace.
    async fn connected(server: &'a Server) -> Self {
        let session = Self::open(server).await;
        assert_eq!(session.post("40").await, (200, "ok".to_owned()));
        assert!(session.get().await.1.starts_with(r#"40{"sid":""#));
        session
    }

    /// A session whose user talks to another one.
    async fn talking(server: &'a Server, name: &str, peer: &str) -> Self {
        let session = Self::connected(server).await;
        let body = format!("42[\"set-username\",\"{name}\"]\x1e420[\"start-dm\",\"{peer}\"]");
        assert_eq!(session.post(&body).await.0, 200);
        let got = session.until("430[{}]").await;
        let list = r#"42["online-users""#;
        if !got.iter().any(|packet| packet.starts_with(list)) {
            session.until(list).await;
        }
        session
    }

    fn query(&self) -> String {
        format!("EIO=4&transport=polling&sid={}", self.sid)
    }

    async fn get(&self) -> (u16, String) {
        let (status, _, body) = request(self.server, "GET", &self.query(), "").await;
        (status, body)
    }

    async fn post(&self, body: &str) -> (u16, String) {
        let (status, _, body) = request(self.server, "POST", &self.query(), body).await;
        (status, body)
    }

    /// Polls until this packet comes, and gives it with those before it. Pings are answered.
    async fn until(&self, packet: &str) -> Vec<String> {
        let mut got = Vec::new();
        loop {
            let (status, body) = self.get().await;
            assert_eq!(status, 200, "{body} instead of {packet}");
            for part in body.split('\x1e') {
                if part == "2" {
                    self.post("3").await;
                }
                got.push(part.to_owned());
            }
            if got.iter().any(|one| one.starts_with(packet)) {
                return got;
            }
        }
    }

    /// A WebSocket that the session may move to.
    async fn socket(&self) -> Socket {
        socket(self.server, &format!("&sid={}", self.sid)).await
    }

    /// Checks that there is no such session any more.
    async fn is_gone(&self) {
        let (status, body) = self.get().await;
        let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
        assert_eq!((status, body.as_str()), (400, unknown));
    }
}

async fn request(server: &Server, method: &str, query: &str, body: &str) -> (u16, String, String) {
    server
        .http(&format!("{method} /socket.io/?{query}"), "", body)
        .await
}
