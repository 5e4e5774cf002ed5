//! The old protocol's packets on plain sockets: what the npm client can't be made to do.

use chat_core::UserId;
use chat_testkit::{PATIENCE, Server};
use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

type Socket = WebSocketStream<TcpStream>;

/// A WebSocket of Engine.IO; `query` says of which session, if of one.
async fn socket(server: &Server, query: &str) -> Socket {
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket{query}",
        server.address
    );
    client_async(url, server.tcp().await).await.unwrap().0
}

/// The next packet that begins like this; others are passed over, and pings are answered.
async fn packet(socket: &mut Socket, start: &str) -> String {
    let next = async {
        loop {
            let message = socket.next().await.unwrap().unwrap().into_text().unwrap();
            if message.as_str() == "2" {
                socket.send(Message::text("3")).await.unwrap();
            }
            if message.starts_with(start) {
                return message.as_str().to_owned();
            }
        }
    };
    timeout(PATIENCE, next).await.unwrap()
}

async fn named(server: &Server, name: &str) -> Socket {
    let mut socket = socket(server, "").await;
    socket.send(Message::text("40")).await.unwrap();
    packet(&mut socket, "40").await;
    let name = format!(r#"42["set-username","{name}"]"#);
    socket.send(Message::text(name)).await.unwrap();
    socket
}

/// How many names the next list has, each once.
async fn listed(socket: &mut Socket) -> usize {
    let packet = packet(socket, r#"42["online-users""#).await;
    let event: Value = serde_json::from_str(&packet[2..]).unwrap();
    let [_, Value::Array(names)] = event.as_array().unwrap().as_slice() else {
        panic!("no list: {packet}");
    };
    let mut once: Vec<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len());
    names.len()
}

#[tokio::test]
async fn everybody_who_came_in_a_burst_ends_with_the_whole_list() {
    const MANY: usize = 300;
    let server = Server::start(&[("pending-per-ip", "300")]).await;
    let early = named(&server, "early").await;
    let burst = (1..MANY).map(async |number| named(&server, &format!("user {number}")).await);
    let mut sockets = join_all(burst).await;
    sockets.push(early);
    for mut socket in sockets {
        while listed(&mut socket).await < MANY {}
    }
    server.stop().await;
}

#[tokio::test]
async fn a_session_whose_upgrade_fails_is_ended() {
    let server = Server::start(&[]).await;
    let (_, _, open) = server
        .http("GET /socket.io/?EIO=4&transport=polling", "", "")
        .await;
    let open = &open[open.find('{').unwrap()..=open.rfind('}').unwrap()];
    let open: Value = serde_json::from_str(open).unwrap();
    let sid = open["sid"].as_str().unwrap().to_owned();
    let mut socket = socket(&server, &format!("&sid={sid}")).await;
    socket.send(Message::text("nonsense")).await.unwrap();
    let ended = async {
        let poll = format!("GET /socket.io/?EIO=4&transport=polling&sid={sid}");
        loop {
            let (status, _, body) = server.http(&poll, "", "").await;
            if status == 400 && body.contains("Session ID unknown") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ended).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn what_is_sent_after_the_server_said_that_it_stops_is_passed_over() {
    let server = Server::start(&[]).await;
    let mut alice = named(&server, "alice").await;
    listed(&mut alice).await;
    // While there is this session, the server does not close what is open.
    let last = server.engine.connect(UserId::new("bob").unwrap()).await;
    let stopping = tokio::spawn(server.stop());
    packet(&mut alice, r#"42["dm-error","The server"#).await;
    for _ in 0..5_000 {
        alice.feed(Message::text(r#"42["typing"]"#)).await.unwrap();
    }
    alice.send(Message::Ping("all".into())).await.unwrap();
    let rest = async {
        let mut last = Some(last);
        while let Some(Ok(message)) = alice.next().await {
            match message {
                Message::Pong(_) => drop(last.take()),
                Message::Text(text) => assert!(!text.contains("dm-error"), "{text}"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, rest).await.unwrap();
    stopping.await.unwrap();
}
