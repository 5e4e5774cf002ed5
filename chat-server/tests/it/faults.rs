//! Bad input costs at most its own connection, and gets a clear error.

use std::time::Duration;

use chat_testkit::{Client, Closed, PATIENCE, Server, http::read_to_end};
use futures_util::SinkExt;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

/// Somebody else, who goes on talking whatever happens.
async fn unharmed(witness: &mut Client) {
    let pong = witness.ask(json!({ "type": "ping" })).await;
    assert_eq!(pong["result"]["kind"], "pong");
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_is_answered_and_the_connection_goes_on() {
    let server = Server::start(&[("bad-frames", "100")]).await;
    let mut client = server.connect("alice").await;
    let deep = format!("{{\"id\":9,\"type\":{}", "[".repeat(10_000));
    for (frame, id, code) in [
        ("", None, 100),
        ("hello", None, 100),
        ("[]", None, 100),
        ("{}", None, 100),
        (r#"{"id":9,"type":"jump"}"#, Some(9), 101),
        (r#"{"id":9,"type":["ping"]}"#, Some(9), 100),
        (r#"{"id":9,"type":"send","room":7,"text":{}}"#, Some(9), 100),
        (r#"{"id":9,"type":"send","room":"alice,bob"}"#, Some(9), 100),
        (r#"{"id":9,"type":"open","user":""}"#, Some(9), 102),
        (r#"{"id":9,"type":"open","user":"alice"}"#, Some(9), 102),
        (r#"{"id":9,"type":"hello","token":"bob"}"#, Some(9), 100),
        (
            r#"{"id":9,"type":"typing","room":"bob,carol"}"#,
            Some(9),
            200,
        ),
        (&deep, None, 100),
    ] {
        client.text(frame).await;
        let answer = client.answer(id).await;
        assert_eq!(answer["error"]["code"], code, "{frame}: {answer}");
        unharmed(&mut client).await;
    }
}

#[tokio::test]
async fn too_many_frames_that_cannot_be_read_end_the_connection() {
    let server = Server::start(&[("bad-frames", "3")]).await;
    let (mut client, mut witness) = (server.connect("alice").await, server.connect("bob").await);
    for _ in 0..4 {
        client.text("{").await;
    }
    assert_eq!(client.end().await, (Some(100), Closed::With(4500)));
    unharmed(&mut witness).await;
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_the_code_of_the_standard() {
    let server = Server::start(&[("message-timeout", "200ms")]).await;
    let mut witness = server.connect("bob").await;
    let fragment = || Message::Frame(Frame::message("{", OpCode::Data(Data::Text), false));
    let broken = [
        ("binary", 1003, Message::binary(vec![1, 2, 3])),
        ("too large", 1009, Message::text("x".repeat(70_000))),
        (
            "no UTF-8",
            1007,
            Message::Frame(Frame::message(vec![0xff], OpCode::Data(Data::Text), true)),
        ),
        (
            "a continuation of nothing",
            1002,
            Message::Frame(Frame::message("x", OpCode::Data(Data::Continue), true)),
        ),
        ("unfinished", 4500, fragment()),
    ];
    for (what, code, message) in broken {
        let mut client = server.connect("alice").await;
        client.socket.send(message).await.unwrap();
        assert_eq!(
            client.end().await,
            (Some(100), Closed::With(code)),
            "{what}"
        );
        unharmed(&mut witness).await;
    }
}

#[tokio::test]
async fn a_message_of_ever_more_fragments_is_a_flood() {
    let server = Server::start(&[]).await;
    let (mut client, mut witness) = (server.connect("alice").await, server.connect("bob").await);
    for first in std::iter::once(Data::Text).chain(std::iter::repeat_n(Data::Continue, 150)) {
        let frame = Frame::message("", OpCode::Data(first), false);
        if client.socket.send(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    assert_eq!(client.end().await, (None, Closed::With(4004)));
    unharmed(&mut witness).await;
}

#[tokio::test]
async fn the_answer_to_a_close_is_the_last_that_is_written() {
    const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];
    let server = Server::start(&[]).await;
    for round in 0..20 {
        let mut client = server.connect("alice").await;
        // Their answers wait to be written when the close is read.
        for id in 2..40 {
            let ping = json!({ "id": id, "type": "ping" }).to_string();
            client.socket.feed(Message::text(ping)).await.unwrap();
        }
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        client
            .socket
            .send(Message::Close(Some(frame)))
            .await
            .unwrap();
        let mut written = Vec::new();
        let reading = client.socket.get_mut().read_to_end(&mut written);
        timeout(PATIENCE, reading).await.unwrap().unwrap();
        assert!(written.ends_with(&CLOSE), "{round}: {written:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_flood_is_closed_with_a_code_and_the_limit_holds_without_a_message_limit() {
    let server = Server::start(&[("rate-limit", "off")]).await;
    let (mut client, mut witness) = (server.connect("alice").await, server.connect("bob").await);
    for id in 0..150 {
        let ping = json!({ "id": id, "type": "ping" }).to_string();
        if client.socket.feed(Message::text(ping)).await.is_err() {
            break;
        }
    }
    client.socket.flush().await.ok();
    assert_eq!(client.end().await, (None, Closed::With(4004)));
    unharmed(&mut witness).await;
}

#[tokio::test]
async fn a_connection_without_hello_is_closed() {
    let server = Server::start(&[("auth-timeout", "200ms")]).await;
    let mut silent = server.silent().await;
    assert_eq!(silent.end().await, (Some(110), Closed::With(4501)));
    let mut hasty = server.silent().await;
    hasty.tell(json!({ "type": "ping" })).await;
    assert_eq!(hasty.end().await, (Some(110), Closed::With(4501)));
    let mut nameless = server.silent().await;
    nameless.tell(json!({ "type": "hello", "token": "" })).await;
    assert_eq!(nameless.end().await, (Some(110), Closed::With(4501)));
}

#[tokio::test]
async fn a_silent_client_is_asked_for_a_sign_of_life_and_then_closed() {
    let quick = [("ping-interval", "100ms"), ("pong-timeout", "200ms")];
    let server = Server::start(&quick).await;
    // This one reads, and so answers pings without knowing of it.
    let mut alive = server.connect("alice").await;
    let mut dead = server.connect("bob").await;
    let room = alive.open("bob").await;
    let since = Instant::now();
    let went = loop {
        let event = alive.event("presence").await;
        if event["online"] == false {
            break event;
        }
    };
    assert_eq!(went["user"], "bob");
    assert!(since.elapsed() >= Duration::from_millis(200));
    alive.say(&room, "still here").await;
    assert_eq!(dead.end().await.1, Closed::With(4002));
}

#[tokio::test]
async fn one_connection_too_many_of_a_user_is_closed() {
    let server = Server::start(&[("connections-per-user", "1")]).await;
    let mut first = server.connect("alice").await;
    let mut second = server.silent().await;
    second
        .tell(json!({ "type": "hello", "token": "alice" }))
        .await;
    assert_eq!(second.end().await, (Some(213), Closed::With(4502)));
    unharmed(&mut first).await;
}

#[tokio::test]
async fn a_slow_consumer_is_closed_as_slow_and_resumes_without_loss() {
    let settings = [
        ("frame-rate", "100000/1s"),
        ("outbox-bytes", "128KiB"),
        ("write-timeout", "1m"),
    ];
    let server = Server::start(&settings).await;
    let mut bob = server.connect_with_small_buffer("bob").await;
    let mut alice = server.connect("alice").await;
    let view = alice.ask(json!({ "type": "open", "user": "bob" })).await;
    let (room, epoch) = ("alice,bob", view["result"]["room"]["epoch"].clone());
    // Bob reads nothing; this is more than the system's buffers and his outbox can hold.
    let text = "x".repeat(3_900);
    let sent = 2_000;
    for _ in 0..sent {
        alice.say(room, &text).await;
    }
    let mut seen = 0;
    let closed = loop {
        match bob.frame().await {
            Ok(frame) if frame["type"] == "entry" => {
                seen += 1;
                assert_eq!(frame["seq"], seen);
            }
            Ok(_) => {}
            Err(closed) => break closed,
        }
    };
    assert_eq!(closed, Closed::With(4001));
    assert!(seen < sent, "all {sent} arrived");
    let cursors = json!([{ "room": room, "epoch": epoch, "seq": seen }]);
    let mut bob = server.resume("bob", cursors).await;
    // What was missed is more than is sent again, and that is said.
    let gap = bob.event("gap").await;
    assert_eq!(
        (gap["from"].as_u64(), gap["to"].as_u64()),
        (Some(seen + 1), Some(sent))
    );
}

#[tokio::test]
async fn half_a_head_and_an_endless_one_are_cut_off() {
    let server = Server::start(&[("header-timeout", "200ms")]).await;
    let mut half = server.tcp().await;
    half.write_all(b"GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nupgr")
        .await
        .unwrap();
    let since = Instant::now();
    read_to_end(&mut half).await;
    assert!(since.elapsed() < Duration::from_secs(5));
    let endless = format!(
        "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "y".repeat(40_000)
    );
    assert!(
        server
            .exchange(endless.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    assert_eq!(server.http("GET /health", "", "").await.2, "OK");
}

#[tokio::test]
async fn a_body_that_is_too_large_or_never_ends_is_refused() {
    let server = Server::start(&[("request-timeout", "300ms")]).await;
    let path = "POST /v1/rooms/alice,bob/messages";
    let headers = "authorization: Bearer alice\r\ncontent-type: application/json\r\n";
    assert_eq!(
        server.http(path, headers, &" ".repeat(100_000)).await.0,
        413
    );
    let half = format!(
        "{path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: 100\r\nconnection: close\r\n\r\n{{"
    );
    assert!(
        server
            .exchange(half.as_bytes())
            .await
            .starts_with("HTTP/1.1 408")
    );
}

#[tokio::test]
async fn random_bytes_cost_only_their_own_connection() {
    let server = Server::start(&[("header-timeout", "100ms")]).await;
    let mut witness = server.connect("bob").await;
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 1..2_000);
    for _ in 0..20 {
        let noise = bytes.new_tree(&mut runner).unwrap().current();
        server.exchange(&noise).await;
        // The same noise where frames are expected.
        let mut client = server.connect("alice").await;
        client.socket.get_mut().write_all(&noise).await.unwrap();
        client.socket.get_mut().shutdown().await.unwrap();
        client.end().await;
        unharmed(&mut witness).await;
    }
}

#[tokio::test]
async fn an_address_with_too_many_new_connections_is_turned_away_and_others_go_on() {
    let server = Server::start(&[("pending-per-ip", "2"), ("header-timeout", "10s")]).await;
    let mut witness = server.connect("bob").await;
    let (_one, two) = (server.tcp().await, server.tcp().await);
    let mut third = server.tcp().await;
    assert!(read_to_end(&mut third).await.starts_with("HTTP/1.1 503"));
    unharmed(&mut witness).await;
    drop(two);
    // The server notices in its own time.
    while server.http("GET /health", "", "").await.0 != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_page_that_is_not_allowed_is_refused_everywhere() {
    let server = Server::start(&[("cors-origin", "https://chat.example.org")]).await;
    for (origin, status) in [
        ("https://chat.example.org", 200),
        ("https://chat.example.org.evil", 403),
        ("null", 403),
    ] {
        let (got, head, _) = server
            .http("GET /health", &format!("origin: {origin}\r\n"), "")
            .await;
        assert_eq!(got, status, "{origin}");
        let named = head.contains(&format!("access-control-allow-origin: {origin}\r\n"));
        assert_eq!(named, status == 200, "{origin}: {head}");
    }
    let upgrade = "origin: https://evil.example\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";
    assert_eq!(server.http("GET /v1/ws", upgrade, "").await.0, 403);
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused() {
    let server = Server::start(&[]).await;
    assert_eq!(server.http("GET /v1/ws", "", "").await.0, 400);
    let old = "GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 8\r\n\r\n";
    let answer = server.exchange(old.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 426") && answer.contains("sec-websocket-version: 13"),
        "{answer}"
    );
}
