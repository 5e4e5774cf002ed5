//! A `chat-server` inside the test, on a port of its own.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use chat_core::ChatEngine;
use chat_server::{
    Listener,
    config::{Address, Settings},
    start::{Started, start},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::{Client, DatedLogin, PATIENCE, http};

/// A server that runs until the test ends, or until it is stopped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its engine.
    pub engine: ChatEngine,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<()>>,
}

impl Server {
    /// A server with these settings. Where they say nothing else, all is kept in memory, and there is no
    /// limit on messages and requests; the rest are the defaults.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            ("rate-limit", "off"),
            ("requests-per-ip", "off"),
            ("requests-per-user", "off"),
            ("listen", "127.0.0.1:0"),
            ("store", "memory"),
        ];
        all.retain(|(name, _)| settings.iter().all(|(other, _)| other != name));
        all.extend(settings);
        let settings = Settings::with(&all).unwrap();
        let Started {
            listener, engine, ..
        } = start(&settings).await.unwrap();
        let builder = chat_server::Server::builder(engine.clone()).settings(settings);
        Self::run(listener, engine, builder.build())
    }

    /// A server with an engine of the test's own.
    pub async fn serve(engine: ChatEngine, settings: Settings) -> Self {
        let builder = chat_server::Server::builder(engine.clone()).settings(settings);
        Self::run(Self::listener().await, engine, builder.build())
    }

    /// A server with an engine of the test's own, whose users log in by the tokens of [`DatedLogin`].
    pub async fn serve_by_token(engine: ChatEngine, settings: Settings) -> Self {
        let builder = chat_server::Server::builder(engine.clone()).settings(settings);
        let server = builder.authenticator(DatedLogin).build();
        Self::run(Self::listener().await, engine, server)
    }

    async fn listener() -> Listener {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.into()
    }

    fn run(listener: Listener, engine: ChatEngine, server: chat_server::Server) -> Self {
        let Ok(Address::Tcp(address)) = listener.address() else {
            panic!("a server of a test listens on a port");
        };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // That this is dropped is no reason: then the test ends.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let running = server.serve(listener, shutdown);
        Self {
            address,
            engine,
            stop,
            running: tokio::spawn(running),
        }
    }

    /// Stops it as a signal would, and waits until it has stopped.
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        let stopped = timeout(PATIENCE, self.running).await;
        stopped.unwrap().unwrap().unwrap();
    }

    /// A connection on which nothing has been said.
    pub async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A WebSocket on which nothing has been said.
    pub async fn silent(&self) -> Client {
        Client::on(self.tcp().await).await
    }

    /// A client of this user.
    pub async fn connect(&self, user: &str) -> Client {
        Client::connect(self.address, user).await
    }

    /// A client of this user whose system holds little of what it doesn't read.
    pub async fn connect_with_small_buffer(&self, user: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let mut client = Client::on(socket.connect(self.address).await.unwrap()).await;
        client.hello(user, json!([])).await;
        client
    }

    /// A client of this user that resumes from these cursors.
    pub async fn resume(&self, user: &str, cursors: Value) -> Client {
        Client::resume(self.address, user, cursors).await
    }

    /// Sends these bytes and reads until the server closes.
    pub async fn exchange(&self, bytes: &[u8]) -> String {
        http::exchange(self.address, bytes).await
    }

    /// An HTTP request, as in [`http::ask`].
    pub async fn http(&self, request: &str, headers: &str, body: &str) -> http::Answer {
        http::ask(self.address, request, headers, body).await
    }
}
