//! What holds for HTTP on every address: the head of a request, the headers of an answer.

use std::time::Duration;

use chat_testkit::{Server, http::read_to_end};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

/// One address of each protocol, one of operators, and one where nothing is.
const EVERYWHERE: [&str; 6] = [
    "/health",
    "/v1/rooms",
    "/v1/ws",
    "/lastmessages?from=alice&to=bob",
    "/socket.io/?EIO=4&transport=polling",
    "/nothing",
];

#[tokio::test]
async fn a_request_has_one_host_without_user_and_path() {
    let server = Server::start(&[]).await;
    for path in EVERYWHERE {
        for host in [
            "",
            "host: localhost\r\nhost: localhost\r\n",
            "host: \r\n",
            "host: me@x\r\n",
            "host: x/path\r\n",
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{host}\r\n");
            let answer = server.exchange(request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{request}{answer}");
            // Socket.IO has errors of its own.
            let code = if path.starts_with("/socket.io") {
                r#""code":3,"#
            } else {
                r#""code":100,"#
            };
            assert!(answer.contains(code), "{request}{answer}");
        }
    }
}

#[tokio::test]
async fn a_second_authorization_or_origin_is_refused() {
    let server = Server::start(&[]).await;
    let login = "authorization: Bearer alice\r\n";
    let origin = "origin: http://localhost\r\n";
    let json = "content-type: application/json\r\n";
    for path in EVERYWHERE {
        for (twice, name) in [
            (login.repeat(2), "authorization"),
            (origin.repeat(2), "origin"),
            (json.repeat(2), "content-type"),
        ] {
            let (status, _, body) = server.http(&format!("GET {path}"), &twice, "").await;
            let says = if path.starts_with("/socket.io") {
                "Bad request"
            } else {
                name
            };
            assert!(status == 400 && body.contains(says), "{path}: {body}");
        }
    }
    let preflight = format!("access-control-request-method: GET\r\n{}", origin.repeat(2));
    let (status, ..) = server.http("OPTIONS /v1/rooms", &preflight, "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_answer_stays_out_of_caches_and_frames() {
    let server = Server::start(&[]).await;
    let login = "authorization: Bearer alice\r\norigin: http://localhost\r\n";
    for path in EVERYWHERE {
        let (_, head, _) = server.http(&format!("GET {path}"), login, "").await;
        for header in [
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n",
        ] {
            let head = format!("{head}\r\n");
            assert_eq!(head.matches(header).count(), 1, "{path}: {head}");
        }
    }
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_method_have_codes_of_their_own() {
    let server = Server::start(&[]).await;
    for (request, status, code, allow) in [
        ("GET /nothing", 404, 105, None),
        ("POST /v1/nothing", 404, 105, None),
        ("DELETE /v1/rooms", 405, 106, Some("allow: GET,HEAD")),
        (
            "PUT /v1/rooms/alice,bob/messages",
            405,
            106,
            Some("allow: POST"),
        ),
        ("POST /v1/ws", 405, 106, Some("allow: GET,HEAD")),
        ("POST /health", 405, 106, Some("allow: GET,HEAD")),
        ("POST /lastmessages", 405, 106, Some("allow: GET,HEAD")),
    ] {
        let login = "authorization: Bearer alice\r\n";
        let (found, head, body) = server.http(request, login, "").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((found, &body["code"]), (status, &code.into()), "{request}");
        if let Some(allow) = allow {
            assert!(head.contains(allow), "{request}: {head}");
        }
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let server = Server::start(&[]).await;
    let polling = "/socket.io/?EIO=4&transport=polling";
    let (_, _, open) = server.http(&format!("GET {polling}"), "", "").await;
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    for (path, length) in [
        ("/v1/rooms/alice,bob/messages".to_owned(), 65_537),
        (format!("{polling}&sid={sid}"), 1_000_001),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n\
             authorization: Bearer alice\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        let answer = server.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_name_that_a_header_cannot_carry_is_sent_in_percent_encoded_form() {
    let server = Server::start(&[]).await;
    let encoded = "authorization: Bearer %D7%93%D7%A0%D7%94\r\n";
    let (status, _, room) = server.http("PUT /v1/direct/bob", encoded, "").await;
    assert!(
        status == 200 && room.contains("\u{5d3}\u{5e0}\u{5d4}"),
        "{room}"
    );
    let request = b"GET /v1/rooms HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                    authorization: Bearer J\xfcrgen\r\n\r\n";
    let answer = server.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("not UTF-8"), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_of_a_head() {
    let server = Server::start(&[("header-timeout", "20ms"), ("keep-alive", "400ms")]).await;
    let mut tcp = server.tcp().await;
    tcp.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let since = Instant::now();
    let answer = read_to_end(&mut tcp).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(since.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn half_a_head_after_an_answer_is_cut_off() {
    let server = Server::start(&[("header-timeout", "100ms"), ("keep-alive", "1h")]).await;
    let mut tcp = server.tcp().await;
    tcp.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 4 << 10];
    let length = tcp.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    tcp.write_all(b"GET /health HTTP/1.1\r\nho").await.unwrap();
    read_to_end(&mut tcp).await;
}
