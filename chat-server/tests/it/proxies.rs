//! Limits by the address of the client, directly and behind proxies that are trusted.

use std::time::Duration;

use chat_testkit::{Client, PATIENCE, Server, http::read_to_end};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};

use crate::exposure::token;

/// A server behind a proxy on this machine.
const BEHIND: [(&str, &str); 4] = [
    ("trusted-proxy", "127.0.0.1"),
    ("allowed-host", "localhost"),
    ("allow-open-network", "true"),
    ("metrics-public", "true"),
];

/// Two requests of an address, and no more.
const TWO: (&str, &str) = ("requests-per-ip", "1/1h");

async fn behind(settings: &[(&str, &str)]) -> Server {
    Server::start(&[&BEHIND[..], settings].concat()).await
}

/// The status of a request for which the proxy says this.
async fn asked(server: &Server, path: &str, headers: &str) -> u16 {
    server.http(&format!("GET {path}"), headers, "").await.0
}

fn from(client: &str) -> String {
    format!("x-forwarded-for: {client}\r\n")
}

#[tokio::test]
async fn an_address_has_its_own_requests_behind_a_trusted_proxy() {
    let server = behind(&[TWO]).await;
    let health = async |headers: &str| asked(&server, "/health", headers).await;
    for client in ["203.0.113.7", "203.0.113.8", "2001:db8::1"] {
        assert_eq!(health(&from(client)).await, 200);
        // What the client sent itself is to the left.
        assert_eq!(health(&from(&format!("1.2.3.4, {client}"))).await, 200);
        let lines = format!("{}{}", from("1.2.3.4"), from(client));
        assert_eq!(health(&lines).await, 429);
        let others = format!(
            "{}x-real-ip: 9.9.9.9\r\nforwarded: for=9.9.9.9\r\n",
            from(client)
        );
        assert_eq!(health(&others).await, 429);
    }
    // One host has a whole network of IPv6.
    assert_eq!(health(&from("2001:db8::ffff")).await, 429);
    assert_eq!(health(&from("2001:db8:0:1::1")).await, 200);
    let many = format!("{}203.0.113.9", "1.2.3.4,".repeat(1_000));
    assert_eq!(health(&from(&many)).await, 200);
    for path in ["/health", "/v1/ws", "/socket.io/?EIO=4&transport=polling"] {
        assert_eq!(asked(&server, path, &from("nobody")).await, 400, "{path}");
    }
}

#[tokio::test]
async fn whoever_is_not_trusted_names_no_client() {
    let server = Server::start(&[TWO]).await;
    for (client, status) in [("203.0.113.7", 200), ("203.0.113.8", 200), ("nobody", 429)] {
        assert_eq!(asked(&server, "/health", &from(client)).await, status);
    }
}

#[tokio::test]
async fn a_refused_request_says_when_to_come_back_on_every_path() {
    let server = Server::start(&[TWO]).await;
    for path in [
        "/health",
        "/v1/rooms",
        "/v1/ws",
        "/lastmessages",
        "/socket.io/?EIO=4&transport=polling",
    ] {
        let mut last = (0, String::new(), String::new());
        for _ in 0..3 {
            last = server.http(&format!("GET {path}"), "", "").await;
        }
        let (status, head, body) = last;
        assert!(
            status == 429 && head.contains("\r\nretry-after: "),
            "{path}: {head}"
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["code"], 210);
    }
}

#[tokio::test]
async fn by_default_one_connection_gets_two_hundred_answers_at_once() {
    const ASKED: usize = 2_000;
    let server = Server::start(&[("requests-per-ip", "100/s")]).await;
    let since = Instant::now();
    let mut tcp = server.tcp().await;
    let request = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (mut read, mut write) = tcp.split();
    let requests = request.repeat(ASKED - 1) + last;
    let (sent, answers) =
        tokio::join!(write.write_all(requests.as_bytes()), read_to_end(&mut read));
    sent.unwrap();
    let in_time = answers.matches("HTTP/1.1 200").count();
    let more = usize::try_from(since.elapsed().as_millis() / 10).unwrap() + 1;
    assert!((200..=200 + more).contains(&in_time), "{in_time}");
    assert_eq!(answers.matches("HTTP/1.1 429").count(), ASKED - in_time);
    let defaults = chat_server::config::Settings::default();
    let rate = |rate: Option<chat_server::config::Rate>| rate.map(|rate| (rate.count, rate.per));
    let second = Duration::from_secs(1);
    assert_eq!(rate(defaults.requests_per_ip), Some((100, second)));
    assert_eq!(rate(defaults.requests_per_user), Some((50, second)));
}

#[tokio::test]
async fn a_user_has_a_limit_on_requests_from_all_addresses_together() {
    let server = behind(&[("requests-per-user", "1/1h")]).await;
    for (client, user, status) in [
        ("203.0.113.1", "alice", 200),
        ("203.0.113.2", "alice", 200),
        ("203.0.113.3", "alice", 429),
        ("203.0.113.3", "bob", 200),
    ] {
        let headers = format!("{}authorization: Bearer {user}\r\n", from(client));
        assert_eq!(
            asked(&server, "/v1/rooms", &headers).await,
            status,
            "{client}"
        );
    }
}

#[tokio::test]
async fn an_address_has_its_own_sessions_behind_a_trusted_proxy() {
    let server = behind(&[("pending-per-ip", "3"), ("sessions-per-ip", "4")]).await;
    let polling = "/socket.io/?EIO=4&transport=polling";
    for client in ["203.0.113.7", "203.0.113.8"] {
        for _ in 0..3 {
            assert_eq!(asked(&server, polling, &from(client)).await, 200);
        }
        let (status, head, _) = server
            .http(&format!("GET {polling}"), &from(client), "")
            .await;
        assert!(status == 503 && head.contains("retry-after: 1"), "{head}");
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
            sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for path in ["/v1/ws", "/socket.io/?EIO=4&transport=websocket"] {
            let headers = format!("{}{upgrade}", from(client));
            assert_eq!(asked(&server, path, &headers).await, 503, "{path}");
        }
    }
}

#[tokio::test]
async fn named_sessions_of_an_address_have_a_larger_limit() {
    let server = Server::start(&[("pending-per-ip", "1"), ("sessions-per-ip", "3")]).await;
    let mut named = Vec::new();
    for user in ["alice", "bob", "carol"] {
        named.push(server.connect(user).await);
    }
    assert!(Client::dial(server.address).await.is_none());
    drop(named.pop());
    chat_testkit::until("there is room", async || {
        Client::dial(server.address).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn the_first_line_of_a_trusted_proxy_names_the_client() {
    let server = behind(&[TWO, ("proxy-protocol", "v1")]).await;
    let exchange = async |first: &str| {
        let request = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let answer = server
            .exchange(format!("{first}{request}").as_bytes())
            .await;
        answer.get(9..12).map(str::to_owned)
    };
    let line = |client| format!("PROXY TCP4 {client} 127.0.0.1 4711 80\r\n");
    for client in ["203.0.113.7", "203.0.113.8"] {
        for status in ["200", "200", "429"] {
            assert_eq!(exchange(&line(client)).await.as_deref(), Some(status));
        }
    }
    assert_eq!(exchange("").await, None);
    assert_eq!(
        exchange("PROXY TCP4 nobody 127.0.0.1 4711 80\r\n").await,
        None
    );
    // The proxy's own health check.
    assert_eq!(exchange("PROXY UNKNOWN\r\n").await.as_deref(), Some("200"));
}

#[tokio::test]
async fn half_a_line_of_a_proxy_costs_a_second() {
    let server = behind(&[("proxy-protocol", "v2")]).await;
    let since = Instant::now();
    let mut tcp = server.tcp().await;
    tcp.write_all(b"\r\n\r\n\0\r\nQ").await.unwrap();
    assert_eq!(read_to_end(&mut tcp).await, "");
    let took = since.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < PATIENCE,
        "{took:?}"
    );
}

#[tokio::test]
async fn a_line_of_somebody_else_is_no_request() {
    let settings = [("trusted-proxy", "192.0.2.1"), ("proxy-protocol", "v1")];
    let server = behind(&settings).await;
    let answer = server
        .exchange(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\nGET /health HTTP/1.1\r\n\r\n")
        .await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
}

#[tokio::test]
async fn clients_on_a_unix_socket_have_addresses_if_their_proxy_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    for (proxy, expected) in [("unix", [200, 200, 429]), ("192.0.2.1", [200, 200, 200])] {
        let path = folder.path().join(proxy);
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let settings = [&BEHIND[..], &[TWO, ("trusted-proxy", proxy)]].concat();
        let settings: Vec<_> = settings.into_iter().skip(1).collect();
        let settings = chat_server::config::Settings::with(&settings).unwrap();
        let engine = chat_core::ChatEngine::builder().build().unwrap();
        let server = chat_server::Server::builder(engine)
            .settings(settings)
            .build();
        tokio::spawn(server.serve(listener, std::future::pending()));
        for status in expected {
            let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
            let client = from("203.0.113.7");
            let answer = chat_testkit::http::ask_on(stream, "GET /health", &client, "").await;
            assert_eq!(answer.0, status, "{proxy}");
        }
    }
}

#[tokio::test]
async fn failed_logins_are_counted_for_the_user_that_a_token_claims_to_be() {
    let folder = crate::exposure::folder();
    let key = folder.path().join("secret");
    let tokens = [
        ("auth", "jwt"),
        ("jwt-key-file", key.to_str().unwrap()),
        ("jwt-issuer", "tests"),
        ("jwt-audience", "chat"),
    ];
    let settings = [&BEHIND[..], &tokens].concat();
    let settings = [
        &settings[..],
        &[("listen", "127.0.0.1:0"), ("store", "memory")],
    ]
    .concat();
    let settings = chat_server::config::Settings::with(&settings).unwrap();
    let started = chat_server::start::start(&settings).await.unwrap();
    let (server, listener) = started.server(settings);
    let Ok(chat_server::config::Address::Tcp(address)) = listener.address() else {
        panic!("a port");
    };
    tokio::spawn(server.serve(listener, std::future::pending()));
    let good = token("chat:read");
    let bad = format!("{}AA", &good[..good.len() - 2]);
    let ask = async |last: u8, token: &str| {
        let client = from(&format!("203.0.113.{last}"));
        let headers = format!("{client}authorization: Bearer {token}\r\n");
        let tcp = TcpStream::connect(address).await.unwrap();
        chat_testkit::http::ask_on(tcp, "GET /v1/rooms", &headers, "")
            .await
            .0
    };
    for last in 0..5 {
        assert_eq!(ask(last, &bad).await, 401);
    }
    assert_eq!(ask(5, &bad).await, 429);
    // The user is not locked out.
    assert_eq!(ask(6, &good).await, 200);
}
