//! The log of requests, and the two forms of the log.

use chat_testkit::{Client, http, program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::exposure::{log, private};

/// A part of what no log may show.
const CANARY: &str = "canary-5c1d";

/// The log of a server with these flags, after a few requests.
async fn logged(flags: &[&str]) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let token = "the token of the administration, long enough";
    private(folder.path(), "token", token.as_bytes());
    let proxy = [
        "--trusted-proxy",
        "127.0.0.1",
        "--allow-open-network",
        "--allowed-host",
        "localhost",
    ];
    let flags = [&["--store", "memory"], &proxy[..], flags].concat();
    let server = program::greeted(program::command(folder.path(), &flags)).await;
    let alice = "authorization: Bearer alice\r\ncontent-type: application/json\r\n\
        x-forwarded-for: 203.0.113.7\r\n";
    let text = json!({ "text": CANARY }).to_string();
    for (request, headers, body) in [
        ("PUT /v1/direct/bob", alice, ""),
        ("POST /v1/rooms/alice,bob/messages", alice, &*text),
        (
            &*format!("GET /v1/rooms/alice,bob/entries?before={CANARY}"),
            alice,
            "",
        ),
        (&*format!("GET /{CANARY}"), "", ""),
        ("GET /v1/rooms", "", ""),
        // A head with two meanings is refused before any route is looked at.
        (
            "GET /health",
            "authorization: a\r\nauthorization: b\r\n",
            "",
        ),
    ] {
        http::ask(server.address, request, headers, body).await;
    }
    drop(Client::connect(server.address, "carol").await);
    let lines = log(server).await;
    let shown = lines.join("\n");
    assert!(
        !shown.contains(CANARY) && !shown.contains("Bearer"),
        "{shown}"
    );
    lines
}

#[tokio::test]
async fn each_request_is_an_object_with_what_is_known_of_it() {
    let lines = logged(&["--access-log", "--log-format", "json"]).await;
    let lines = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect(line));
    let requests: Vec<_> = lines.filter(|line| line["target"] == "access").collect();
    let known = requests.iter().map(|line| {
        assert!(
            line["duration_ms"].as_f64().is_some_and(|it| it > 0.0),
            "{line}"
        );
        assert!(
            line["timestamp"].is_string() && line["level"] == "INFO",
            "{line}"
        );
        ["method", "route", "status", "client", "user"].map(|name| line[name].clone())
    });
    let alice = |method, route, status| {
        [
            json!(method),
            json!(route),
            json!(status),
            json!("203.0.113.7"),
            json!("alice"),
        ]
    };
    let nobody = |route, status| {
        [
            json!("GET"),
            json!(route),
            json!(status),
            json!("127.0.0.1"),
            Value::Null,
        ]
    };
    assert_eq!(
        known.collect::<Vec<_>>(),
        [
            alice("PUT", "/v1/direct/{user}", 200),
            alice("POST", "/v1/rooms/{room}/messages", 201),
            alice("GET", "/v1/rooms/{room}/entries", 400),
            nobody("none", 404),
            nobody("/v1/rooms", 401),
            nobody("/health", 400),
            nobody("/v1/ws", 101),
        ]
    );
}

#[tokio::test]
async fn lines_for_people_are_the_default_and_requests_are_not_among_them() {
    let lines = logged(&[]).await;
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with("chat_server::server: stopping")),
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| !line.contains("access")),
        "{lines:?}"
    );
    let lines = logged(&["--access-log"]).await;
    let sent = "access: request method=\"POST\" route=\"/v1/rooms/{room}/messages\" status=201 duration_ms=";
    let sent: Vec<_> = lines.iter().filter(|line| line.contains(sent)).collect();
    assert!(
        sent.len() == 1 && sent[0].ends_with(" client=203.0.113.7 user=\"alice\""),
        "{lines:?}"
    );
}
