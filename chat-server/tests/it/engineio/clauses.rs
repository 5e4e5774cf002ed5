//! engine.io-protocol 4, clause by clause: each test names what a server MUST do.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, time::Instant};

use super::*;

/// A server whose heartbeat is quick.
async fn quick() -> Server {
    Server::start(&[("ping-interval", "300ms"), ("pong-timeout", "200ms")]).await
}

#[tokio::test]
async fn if_a_mandatory_query_parameter_is_missing_the_server_must_respond_with_400() {
    let server = Server::start(&[]).await;
    let unknown_transport = r#"{"code":0,"message":"Transport unknown"}"#;
    let unsupported = r#"{"code":5,"message":"Unsupported protocol version"}"#;
    for (query, body) in [
        ("", unknown_transport),
        ("EIO=4", unknown_transport),
        ("EIO=4&transport=abc", unknown_transport),
        ("transport=polling", unsupported),
        ("EIO=abc&transport=polling", unsupported),
        ("EIO=3&transport=polling", unsupported),
    ] {
        let (status, _, answer) = request(&server, "GET", query, "").await;
        assert_eq!((status, answer.as_str()), (400, body), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_is_a_get() {
    let server = Server::start(&[]).await;
    for method in ["POST", "PUT"] {
        let (status, _, body) = request(&server, method, "EIO=4&transport=polling", "").await;
        let problem = r#"{"code":2,"message":"Bad handshake method"}"#;
        assert_eq!((status, body.as_str()), (400, problem), "{method}");
    }
    server.stop().await;
}

#[tokio::test]
async fn on_a_websocket_without_a_mandatory_parameter_the_server_must_close() {
    let server = Server::start(&[]).await;
    for query in [
        "transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=3&transport=websocket",
    ] {
        assert!(try_socket(&server, query).await.is_err(), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_server_must_respond_with_an_open_packet() {
    let server = quick().await;
    let (status, head, body) = request(&server, "GET", "EIO=4&transport=polling&t=x", "").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: text/plain; charset=UTF-8"),
        "{head}"
    );
    let mut socket = socket(&server, "").await;
    let first = next(&mut socket).await.unwrap();
    for (packet, upgrades) in [(body, r#"["websocket"]"#), (first, "[]")] {
        let open: Value = serde_json::from_str(packet.strip_prefix('0').unwrap()).unwrap();
        let sid = open["sid"].as_str().unwrap();
        assert_eq!(sid.len(), 32);
        let rest = format!(
            r#"{{"sid":"{sid}","upgrades":{upgrades},"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}}"#
        );
        assert_eq!(packet, format!("0{rest}"));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_server_must_return_400_if_the_session_id_is_not_known() {
    let server = Server::start(&[]).await;
    let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
    for sid in ["", "abc", &"0".repeat(32)] {
        for method in ["GET", "POST"] {
            let query = format!("EIO=4&transport=polling&sid={sid}");
            let (status, _, body) = request(&server, method, &query, "4").await;
            assert_eq!((status, body.as_str()), (400, unknown), "{method} {sid:?}");
        }
        let query = format!("EIO=4&transport=websocket&sid={sid}");
        match try_socket(&server, &query).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 400),
            other => panic!("{other:?}"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn to_indicate_success_the_server_must_return_200_and_ok() {
    let server = Server::start(&[]).await;
    let session = Polling::open(&server).await;
    let packets = "40/a,\x1e40/b,\x1e40/c,";
    assert_eq!(session.post(packets).await, (200, "ok".to_owned()));
    let got = session.get().await.1;
    let expected: Vec<_> = ["a", "b", "c"]
        .map(|name| format!(r#"44/{name},{{"message":"Invalid namespace"}}"#))
        .into();
    assert_eq!(got, expected.join("\x1e"));
    server.stop().await;
}

#[tokio::test]
async fn on_a_second_post_the_server_must_return_400_and_close_the_session() {
    let server = Server::start(&[]).await;
    let session = Polling::connected(&server).await;
    let mut first = server.tcp().await;
    let head = format!(
        "POST /socket.io/?{} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n4",
        session.query()
    );
    first.write_all(head.as_bytes()).await.unwrap();
    // The second one comes when the first one is known.
    loop {
        match session.post("3").await {
            (200, _) => tokio::task::yield_now().await,
            (status, _) => break assert_eq!(status, 400),
        }
    }
    let answer = chat_testkit::http::read_to_end(&mut first).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    session.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn on_a_second_get_the_server_must_return_400_and_close_the_session() {
    let server = Server::start(&[]).await;
    let session = Polling::connected(&server).await;
    let (one, other) = tokio::join!(session.get(), session.get());
    let closed = (200, "1".to_owned());
    let refused = |(status, _): &(u16, String)| *status == 400;
    assert!(
        (one == closed && refused(&other)) || (other == closed && refused(&one)),
        "{one:?} {other:?}"
    );
    session.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn a_poll_that_is_broken_off_ends_the_session() {
    let server = Server::start(&[]).await;
    let watcher = server.connect("watcher").await;
    let session = Polling::talking(&server, "alice", "watcher").await;
    let mut poll = server.tcp().await;
    let head = format!(
        "GET /socket.io/?{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        session.query()
    );
    poll.write_all(head.as_bytes()).await.unwrap();
    let alice = UserId::new("alice").unwrap();
    let online = async || server.engine.online().await.unwrap().contains(&alice);
    assert!(online().await);
    let since = Instant::now();
    // Until the request has come, there is nothing to break off; then the end is seen at once.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(poll);
    chat_testkit::until("alice is gone", async || !online().await).await;
    assert!(since.elapsed() < Duration::from_secs(5));
    session.is_gone().await;
    drop(watcher);
    server.stop().await;
}

#[tokio::test]
async fn a_poll_that_comes_together_with_the_end_of_its_connection_ends_the_session() {
    let server = Server::start(&[]).await;
    let session = Polling::connected(&server).await;
    let mut poll = server.tcp().await;
    let head = format!(
        "GET /socket.io/?{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        session.query()
    );
    poll.write_all(head.as_bytes()).await.unwrap();
    drop(poll);
    // As unknown, or as the second poll of a session that ends.
    assert_eq!(session.get().await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn an_invalid_packet_ends_the_session() {
    let server = Server::start(&[]).await;
    for body in [
        "abc", "", "4\x1e", "2", "0{}", "5", "6", "b!", "bAQI=", "\x1e40",
    ] {
        let session = Polling::connected(&server).await;
        let (status, _) = session.post(body).await;
        assert_eq!(status, 400, "{body:?}");
        session.is_gone().await;
        if !body.starts_with('b') {
            let mut socket = connected(&server).await;
            send(&mut socket, body).await;
            closed(&mut socket).await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = Server::start(&[]).await;
    let session = Polling::connected(&server).await;
    let (status, _) = session.post(&"4".repeat(1_000_001)).await;
    assert_eq!(status, 413);
    session.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn the_first_ping_comes_after_the_interval_and_a_pong_is_due_in_time() {
    let server = quick().await;
    let since = Instant::now();
    let session = Polling::connected(&server).await;
    let mut socket = connected(&server).await;
    for _ in 0..3 {
        assert_eq!(session.get().await, (200, "2".to_owned()));
        assert!(since.elapsed() >= Duration::from_millis(300));
        assert_eq!(session.post("3").await.0, 200);
        assert_eq!(next(&mut socket).await.as_deref(), Some("2"));
        send(&mut socket, "3").await;
    }
    // Nobody answers any more.
    let (poll, last) = tokio::join!(
        async {
            assert_eq!(session.get().await, (200, "2".to_owned()));
            session.get().await
        },
        next(&mut socket),
    );
    assert_eq!(poll, (200, "1".to_owned()));
    assert_eq!(last.as_deref(), Some("2"));
    assert_eq!(next(&mut socket).await, None);
    session.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_ends_its_session() {
    let server = Server::start(&[]).await;
    let session = Polling::connected(&server).await;
    let (poll, close) = tokio::join!(session.get(), async {
        // The poll comes first.
        tokio::time::sleep(Duration::from_millis(50)).await;
        session.post("1").await
    });
    assert_eq!(close, (200, "ok".to_owned()));
    assert_eq!(poll, (200, "6".to_owned()));
    session.is_gone().await;
    let mut socket = connected(&server).await;
    send(&mut socket, "1").await;
    closed(&mut socket).await;
    server.stop().await;
}

#[tokio::test]
async fn a_binary_payload_must_be_base64_behind_a_b() {
    let server = Server::start(&[]).await;
    let session = Polling::connected(&server).await;
    let event = r#"451-7["typing",{"_placeholder":true,"num":0}]"#;
    assert_eq!(session.post(&format!("{event}\x1ebAQIDBA==")).await.0, 200);
    session.until(r#"437[{"error":"#).await;
    server.stop().await;
}

#[tokio::test]
async fn a_session_without_a_namespace_is_closed() {
    let server = Server::start(&[]).await;
    let since = Instant::now();
    let session = Polling::open(&server).await;
    let mut socket = socket(&server, "").await;
    assert_eq!(session.get().await, (200, "1".to_owned()));
    closed(&mut socket).await;
    assert!(since.elapsed() >= Duration::from_secs(5));
    session.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn the_path_is_that_of_socket_io() {
    let server = Server::start(&[]).await;
    for (path, status) in [
        ("/socket.io?EIO=4&transport=polling", 200),
        ("/socket.io/?EIO=4&transport=polling", 200),
        ("/engine.io/?EIO=4&transport=polling", 404),
        ("/socket.io/socket.io.js", 404),
    ] {
        assert_eq!(
            server.http(&format!("GET {path}"), "", "").await.0,
            status,
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_send_credentials_and_any_header() {
    let server = Server::start(&[("cors-origin", "https://a.example")]).await;
    let preflight = async |origin: &str, path: &str| {
        let headers = format!(
            "origin: {origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: x-anything\r\n"
        );
        let request = format!("OPTIONS {path}");
        server.http(&request, &headers, "").await.1.to_lowercase()
    };
    let path = "/socket.io/?EIO=4&transport=polling";
    let allowed = preflight("https://a.example", path).await;
    for header in [
        "access-control-allow-origin: https://a.example\r\n",
        "access-control-allow-credentials: true\r\n",
        "access-control-allow-headers: x-anything\r\n",
    ] {
        assert!(allowed.contains(header), "{allowed}");
    }
    let other = preflight("https://b.example", path).await;
    assert!(!other.contains("access-control-allow-origin"), "{other}");
    let native = preflight("https://a.example", "/v1/online").await;
    assert!(!native.contains("credentials"), "{native}");
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_breaks_rfc_6455_is_refused() {
    let server = Server::start(&[]).await;
    let host = "host: localhost\r\n";
    let upgrade = "connection: upgrade, close\r\nupgrade: websocket\r\n";
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "sec-websocket-version: 13\r\n";
    let bad_request = r#"{"code":3,"#;
    for (http, headers, status) in [
        (
            "1.1",
            [host, "connection: close\r\n", key, version].concat(),
            400,
        ),
        ("1.1", [host, upgrade, key, key, version].concat(), 400),
        (
            "1.1",
            [
                host,
                upgrade,
                "sec-websocket-key: MTUgYnl0ZXMgbG9uZyE=\r\n",
                version,
            ]
            .concat(),
            400,
        ),
        ("1.0", [host, upgrade, key, version].concat(), 400),
        ("1.1", [upgrade, key, version].concat(), 400),
        (
            "1.1",
            [host, upgrade, key, "sec-websocket-version: 8\r\n"].concat(),
            426,
        ),
    ] {
        for path in ["/socket.io/?EIO=4&transport=websocket", "/v1/ws"] {
            let request = format!("GET {path} HTTP/{http}\r\n{headers}\r\n");
            let mut tcp = server.tcp().await;
            tcp.write_all(request.as_bytes()).await.unwrap();
            let answer = chat_testkit::http::read_to_end(&mut tcp).await;
            let status_of = answer.split(' ').nth(1).unwrap();
            assert_eq!(status_of, status.to_string(), "{request}{answer}");
            // Also what is refused before the request has come to Engine.IO, such as a missing Host.
            let by_engine_io = path != "/v1/ws";
            assert_eq!(answer.contains(bad_request), by_engine_io, "{answer}");
            assert!(
                answer.contains("upgrade: websocket\r\n") == (status == 426),
                "{answer}"
            );
        }
    }
    server.stop().await;
}
