//! Traces, and what a collector gets of them.

use chat_testkit::{PATIENCE, http, program};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};

const CANARY: &str = "canary-2e9b";

/// Takes one request, and answers it; the head and the body.
async fn taken(collector: &TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = collector.accept().await.unwrap();
    let mut bytes = Vec::new();
    let end = loop {
        stream.read_buf(&mut bytes).await.unwrap();
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec())
        .unwrap()
        .to_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    while bytes.len() < end + length {
        stream.read_buf(&mut bytes).await.unwrap();
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    (head, bytes[end..].to_vec())
}

#[tokio::test]
async fn a_collector_gets_the_spans_of_a_message_and_not_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let flags = [
        "--store",
        "memory",
        "--otlp-endpoint",
        &endpoint,
        "--log",
        "warn",
    ];
    let mut server = program::greeted(program::command(folder.path(), &flags)).await;
    let alice = "authorization: Bearer alice\r\ncontent-type: application/json\r\n";
    let text = json!({ "text": CANARY }).to_string();
    for (request, body) in [
        ("PUT /v1/direct/bob", ""),
        ("POST /v1/rooms/alice,bob/messages", &*text),
    ] {
        let (status, _, _) = http::ask(server.address, request, alice, body).await;
        assert!(status < 300);
    }
    // What waits is sent before the process ends.
    server.signal("TERM");
    let (head, body) = timeout(PATIENCE, taken(&collector)).await.unwrap();
    let status = timeout(PATIENCE, server.process.wait()).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(0));
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    // Names are text in a protocol buffer.
    let has = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
    for name in [
        "service.name",
        "chat-server",
        "request",
        "/v1/rooms/{room}/messages",
        "append",
        "store_append",
        "alice",
    ] {
        assert!(has(name), "{name}");
    }
    assert!(!has(CANARY) && !has("Bearer"));
    let mut log = String::new();
    server
        .process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .await
        .unwrap();
    assert_eq!(log, "");
}
