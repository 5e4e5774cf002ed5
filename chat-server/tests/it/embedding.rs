//! The server as a library: nested in another service, with a login of its own, on a Unix socket.

use std::net::SocketAddr;

use async_trait::async_trait;
use axum::{Router, routing::get};
use chat_core::{
    ChatEngine, Principal, UserId,
    port::{AuthError, Authenticator, Credential},
};
use chat_server::{Server, config::Settings};
use chat_testkit::{Client, Closed, PATIENCE, http};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::engineio::{packet, send};

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(crate) type Device = Client<Box<dyn Stream>>;
pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// A server, and where its routes begin.
pub(crate) enum Place {
    Tcp(SocketAddr, &'static str),
    #[cfg(unix)]
    Tls(SocketAddr, tokio_rustls::TlsConnector),
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

impl Place {
    pub(crate) async fn connect(&self) -> Box<dyn Stream> {
        match self {
            Self::Tcp(address, _) => Box::new(TcpStream::connect(address).await.unwrap()),
            #[cfg(unix)]
            Self::Tls(address, connector) => {
                let tcp = TcpStream::connect(address).await.unwrap();
                let name = "localhost".try_into().unwrap();
                Box::new(connector.connect(name, tcp).await.unwrap())
            }
            #[cfg(unix)]
            Self::Unix(path) => Box::new(tokio::net::UnixStream::connect(path).await.unwrap()),
        }
    }

    fn prefix(&self) -> &str {
        match self {
            Self::Tcp(_, prefix) => prefix,
            #[cfg(unix)]
            Self::Tls(..) | Self::Unix(_) => "",
        }
    }

    /// Sends a request; gives the status, the head and the body.
    pub(crate) async fn http(&self, method: &str, path: &str, headers: &str) -> http::Answer {
        let request = format!("{method} {}{path}", self.prefix());
        http::ask_on(self.connect().await, &request, headers, "").await
    }

    pub(crate) async fn web_socket(&self, path: &str) -> Socket {
        let url = format!("ws://localhost{}{path}", self.prefix());
        client_async(url, self.connect().await).await.unwrap().0
    }

    /// A native WebSocket, and the answer to its `hello`.
    pub(crate) async fn native(&self, token: &str) -> (Device, Value) {
        let path = format!("{}/v1/ws", self.prefix());
        let device = Client::over(self.connect().await, &path).await;
        let mut device = device.expect("a WebSocket");
        let hello = json!({ "type": "hello", "token": token });
        let welcome = device.ask(hello).await;
        (device, welcome)
    }

    /// A WebSocket of the old protocol, and the acknowledgement of its `set-username`.
    pub(crate) async fn socketio(&self, name: &str) -> (Socket, String) {
        let path = "/socket.io/?EIO=4&transport=websocket";
        let mut socket = self.web_socket(path).await;
        packet(&mut socket, "0{").await;
        send(&mut socket, "40").await;
        packet(&mut socket, "40{").await;
        send(&mut socket, &format!(r#"421["set-username","{name}"]"#)).await;
        let ack = packet(&mut socket, "431").await;
        (socket, ack)
    }
}

/// Alice speaks the native protocol, bob the old one, and REST knows what became of it.
pub(crate) async fn converse(place: &Place) {
    let (mut bob, ack) = place.socketio("bob").await;
    assert_eq!(ack, "431[{}]");
    send(&mut bob, r#"422["start-dm","alice"]"#).await;
    packet(&mut bob, "432").await;
    let (mut alice, welcome) = place.native("alice").await;
    assert_eq!(welcome["result"]["kind"], "welcome", "{welcome}");
    let send = json!({ "type": "send", "room": "alice,bob", "text": "hi" });
    assert_eq!(alice.ask(send).await["result"]["seq"], 1);
    let heard = packet(&mut bob, r#"42["dm-message""#).await;
    assert!(heard.contains(r#""text":"hi""#), "{heard}");
    let login = "authorization: Bearer alice\r\n";
    let (status, _, rooms) = place.http("GET", "/v1/rooms", login).await;
    assert!(status == 200 && rooms.contains("alice,bob"), "{rooms}");
    let polling = "/socket.io/?EIO=4&transport=polling";
    let (status, _, open) = place.http("GET", polling, "").await;
    assert!(status == 200 && open.starts_with("0{"), "{open}");
    let (status, _, last) = place
        .http("GET", "/lastmessages?from=alice&to=bob", "")
        .await;
    assert!(status == 200 && last.contains(r#""text":"hi""#), "{last}");
}

pub(crate) fn engine() -> ChatEngine {
    ChatEngine::builder().build().unwrap()
}

/// The server nested in a service, beside a route of the service's own.
async fn nested(server: &Server) -> Place {
    let service = Router::new()
        .route("/", get(async || "the service"))
        .nest("/chat", server.router());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Place::Tcp(address, "/chat")
}

#[tokio::test]
async fn all_protocols_work_beneath_a_path_of_another_service() {
    let server = Server::builder(engine()).build();
    let place = nested(&server).await;
    converse(&place).await;
    let (_, _, hello) = place.http("GET", "", "").await;
    assert_eq!(hello, r#"{"msg":"Active"}"#);
    let (mut carol, _) = place.native("carol").await;
    let (mut dave, _) = place.socketio("dave").await;
    let stopping = tokio::spawn({
        let server = server.clone();
        async move { server.stop().await }
    });
    assert_eq!(carol.end().await, (None, Closed::With(4000)));
    let shutdown = packet(&mut dave, r#"42["dm-error""#).await;
    assert!(shutdown.contains("shutting down"), "{shutdown}");
    timeout(PATIENCE, stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_nested_client_that_reads_nothing_is_closed() {
    let settings = [("write-timeout", "250ms"), ("rate-limit", "off")];
    let settings = Settings::with(&settings).unwrap();
    let config = settings.engine();
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let server = Server::builder(engine.clone()).settings(settings).build();
    let place = nested(&server).await;
    let (_slow, _) = place.native("slow").await;
    let alice = engine.actor(UserId::new("alice").unwrap());
    let room = alice.open(&UserId::new("slow").unwrap()).await.unwrap();
    let text = "x".repeat(4_000);
    let closed = async {
        while !engine.online().await.unwrap().is_empty() {
            alice.send(&room.room.id, &text).await.unwrap();
        }
    };
    timeout(PATIENCE, closed).await.expect("it is closed");
}

#[tokio::test]
async fn web_pages_are_let_in_beneath_a_path_when_their_origin_is_named() {
    let page = "origin: https://chat.example\r\n";
    let server = Server::builder(engine()).build();
    let place = nested(&server).await;
    assert_eq!(place.http("GET", "/health", page).await.0, 403);
    assert_eq!(place.http("GET", "/health", "").await.0, 200);
    let settings = Settings::with(&[("cors-origin", "https://chat.example")]).unwrap();
    let server = Server::builder(engine()).settings(settings).build();
    let place = nested(&server).await;
    assert_eq!(place.http("GET", "/health", page).await.0, 200);
}

/// Knows two users by their tokens.
#[derive(Debug)]
struct Tokens;

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        let name = match presented.token.text() {
            Some("a bug") => panic!("a bug of the login"),
            Some("no answer") => std::future::pending().await,
            Some("a secret") => "alice",
            Some("another secret") => "bob",
            Some("an old secret") => return Err(AuthError::Expired),
            _ => return Err(AuthError::Invalid),
        };
        Ok(Principal::trusted(UserId::new(name).unwrap()))
    }
}

async fn with_tokens() -> Place {
    let server = Server::builder(engine()).authenticator(Tokens).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server.serve(listener, std::future::pending()));
    Place::Tcp(address, "")
}

#[tokio::test]
async fn a_login_of_ones_own_names_the_user_on_every_protocol() {
    let place = with_tokens().await;
    let (mut alice, welcome) = place.native("a secret").await;
    assert_eq!(welcome["result"]["user"], "alice", "{welcome}");
    let (mut bob, ack) = place.socketio("another secret").await;
    assert_eq!(ack, "431[{}]");
    send(&mut bob, r#"422["start-dm","alice"]"#).await;
    packet(&mut bob, "432").await;
    let send = json!({ "type": "send", "room": "alice,bob", "text": "hi" });
    assert_eq!(alice.ask(send).await["result"]["seq"], 1);
    packet(&mut bob, r#"42["dm-message""#).await;
    let login = "authorization: Bearer another secret\r\n";
    let (status, _, rooms) = place.http("GET", "/v1/rooms", login).await;
    assert!(status == 200 && rooms.contains("alice,bob"), "{rooms}");
    let last = "/lastmessages?from=alice&to=bob";
    let (status, _, last) = place.http("GET", last, login).await;
    assert!(status == 200 && last.contains(r#""text":"hi""#), "{last}");
}

#[tokio::test]
async fn a_wrong_token_is_refused_on_every_protocol() {
    let place = with_tokens().await;
    let alice = "authorization: Bearer a secret\r\n";
    let others = "/lastmessages?from=carol&to=bob";
    assert_eq!(place.http("GET", others, alice).await.0, 404);
    // Not even a name is a token.
    let (mut native, error) = place.native("alice").await;
    assert_eq!(error["error"]["code"], 110, "{error}");
    assert_eq!(native.end().await.1, Closed::With(4501));
    let (mut old, ack) = place.socketio("alice").await;
    assert!(ack.contains(r#""code":110"#), "{ack}");
    send(&mut old, r#"422["start-dm","bob"]"#).await;
    let refused = packet(&mut old, "432").await;
    assert!(refused.contains("error"), "still nobody: {refused}");
    let wrong = "authorization: Bearer alice\r\n";
    for headers in ["", wrong, "authorization: Basic YTpi\r\n"] {
        for path in ["/v1/rooms", "/v1/online", "/lastmessages?from=alice&to=bob"] {
            let (status, head, body) = place.http("GET", path, headers).await;
            assert_eq!(status, 401, "{path}: {body}");
            assert!(head.contains("www-authenticate: Bearer"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_login_that_panics_or_hangs_costs_nothing_but_itself() {
    let place = with_tokens().await;
    let (mut alice, _) = place.native("a secret").await;
    for token in ["a bug", "no answer"] {
        // The token may be good, so a client comes back with it.
        let (mut native, error) = place.native(token).await;
        assert_eq!(error["error"]["code"], 305, "{error}");
        assert_eq!(native.end().await.1, Closed::With(4003));
        let login = format!("authorization: Bearer {token}\r\n");
        let (status, head, body) = place.http("GET", "/v1/rooms", &login).await;
        assert!(status == 503 && body.contains(r#""code":305"#), "{body}");
        assert!(head.contains("retry-after: 1"), "{head}");
        let (_, ack) = place.socketio(token).await;
        assert!(ack.contains(r#""code":305"#), "{ack}");
    }
    let open = json!({ "type": "open", "user": "bob" });
    let room = &alice.ask(open).await["result"]["room"]["id"];
    assert_eq!(room, "alice,bob");
}

#[cfg(unix)]
mod unix {
    use chat_server::{
        config::Request,
        start::{StartError, Started, start},
    };
    use tokio::sync::oneshot;

    use super::*;

    fn settings(path: &std::path::Path) -> Settings {
        let address = format!("unix:{}", path.display());
        Settings::with(&[("listen", &address), ("store", "memory")]).unwrap()
    }

    #[tokio::test]
    async fn all_protocols_work_on_a_unix_socket_which_is_removed_at_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sock");
        let settings = settings(&path);
        let started = start(&settings).await.unwrap();
        let greeting = started.greeting(&settings).to_string();
        let named = format!("listening  unix:{} ", path.display());
        assert!(greeting.contains(&named), "{greeting}");
        let Started {
            listener, engine, ..
        } = started;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::builder(engine).settings(settings).build();
        let serving = tokio::spawn(server.serve(listener, async { drop(stopped.await) }));
        let place = Place::Unix(path.clone());
        converse(&place).await;
        let (_, _, hello) = place.http("GET", "/", "").await;
        let active = json!({ "msg": format!("Active @ unix:{}", path.display()) });
        assert_eq!(hello, active.to_string());
        stop.send(()).unwrap();
        timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_second_server_on_a_unix_socket_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sock");
        let _first = start(&settings(&path)).await.unwrap();
        let error = start(&settings(&path)).await.unwrap_err();
        let shown = path.display();
        assert_eq!(
            error.to_string(),
            format!(
                "listen: unix:{shown} can't be used: another program listens there; stop it, or \
                 choose another path with --listen"
            )
        );
        assert!(matches!(error, StartError::Listen { .. }));
    }

    #[tokio::test]
    async fn the_limits_by_address_do_not_hold_on_a_unix_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sock");
        let address = format!("unix:{}", path.display());
        let limits = [
            ("connections-per-ip", "1"),
            ("pending-per-ip", "1"),
            ("listen", &address),
        ];
        let settings = Settings::with(&limits).unwrap();
        let listener = chat_server::Listener::bind(&settings.listen).await.unwrap();
        let server = Server::builder(engine()).settings(settings).build();
        tokio::spawn(server.serve(listener, std::future::pending()));
        let place = Place::Unix(path);
        let mut sockets = Vec::new();
        for name in ["alice", "bob", "carol"] {
            sockets.push(place.native(name).await);
        }
        assert!(
            sockets
                .iter()
                .all(|(_, welcome)| welcome["error"].is_null())
        );
    }

    #[test]
    fn a_unix_socket_needs_no_leave_to_be_open() {
        let args = ["chat-server", "--listen", "unix:/run/chat.sock"];
        let loaded = chat_server::config::load(args.map(Into::into), std::iter::empty(), None);
        let Ok(Request::Serve(loaded)) = loaded else {
            panic!("{loaded:?}");
        };
        assert_eq!(loaded.settings.listen.to_string(), args[2]);
        assert_eq!(loaded.settings.listen.port(), None);
    }
}
