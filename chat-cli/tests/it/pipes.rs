//! The program at the end of a pipe and under a script: lines that wait, are refused, or are commands.

use std::{net::Ipv4Addr, process::Output, time::Duration};

use chat_cli::{Client, RequestError};
use chat_core::{ErrorCode, RoomId, UserId};
use chat_testkit::Server;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};

use crate::run::{program, to_the_end};

const ROOM: &str = "alice,bob";

/// Gives the program its whole input and waits for its end.
async fn run(server: &str, args: &str, input: impl AsRef<[u8]>) -> Output {
    let args: Vec<&str> = args.split(' ').collect();
    let mut program = program(&args);
    program.env("CHAT_SERVER", format!("http://{server}"));
    to_the_end(program, input).await
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The texts of all messages in the room, as the server has them.
async fn stored(server: &Server) -> Vec<String> {
    let mut bob = server.connect("bob").await;
    let history = json!({ "type": "history", "room": ROOM, "limit": 200 });
    let page = bob.result(history).await;
    let entries = page["entries"].as_array().unwrap();
    let texts = entries
        .iter()
        .filter_map(|entry| entry["body"]["text"].as_str());
    texts.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_beyond_the_limit_wait_and_are_sent_in_order() {
    let server = Server::start(&[("rate-limit", "5/3s"), ("mute", "1s")]).await;
    let lines: Vec<String> = (1..=12).map(|n| n.to_string()).collect();
    let output = run(&server.address.to_string(), "alice bob", lines.join("\n")).await;
    let shown = text(output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(stored(&server).await, lines);
    assert!(shown.contains("-- waits 1 s: too many"), "{shown}");
    assert!(!shown.contains("[REFUSED]"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_larger_than_a_frame_is_refused_and_the_others_are_sent() {
    let server = Server::start(&[]).await;
    let long = "x".repeat(66_000);
    let input = format!("before\n{long}\nafter\n");
    let output = run(&server.address.to_string(), "alice bob --json", input).await;
    let shown = text(output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert_eq!(stored(&server).await, ["before", "after"]);
    assert!(
        shown.contains(r#""type":"error","code":104,"name":"text_too_long""#),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_refuses_a_command_larger_than_a_frame_and_keeps_its_connection() {
    let server = Server::start(&[]).await;
    let url = format!("http://{}", server.address);
    let (alice, mut events) = Client::connect(url, "alice").unwrap();
    let bob: UserId = "bob".parse().unwrap();
    let room: RoomId = alice.open(&bob).await.unwrap().room.id;
    let sent = alice.send(&room, "before").await.unwrap();
    // Each of these takes six bytes on the wire.
    let escaped = "\u{1}".repeat(11_000);
    for long in ["x".repeat(66_000), escaped] {
        for refused in [alice.send(&room, &long), alice.edit(&room, sent.seq, &long)] {
            let error = refused.await.unwrap_err();
            assert_eq!(error.code(), Some(ErrorCode::TextTooLong), "{error}");
        }
    }
    let many: Vec<UserId> = (0..2_000)
        .map(|n| format!("{n:0>60}").parse().unwrap())
        .collect();
    let error = alice.presence(&many).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::BadRequest), "{error}");
    // One that fits goes to the server, whose limit is its own.
    let error = alice.send(&room, "x".repeat(5_000)).await.unwrap_err();
    assert!(matches!(error, RequestError::Refused(_)), "{error}");
    alice.send(&room, "after").await.unwrap();
    let mut connections = 0;
    alice.close().await;
    while let Some(event) = events.next().await {
        connections += u32::from(matches!(event, chat_cli::ClientEvent::Connected { .. }));
    }
    assert_eq!(connections, 1);
    assert_eq!(stored(&server).await, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_and_blanks_before_a_json_command_are_left_out() {
    let server = Server::start(&[]).await;
    let input = "\u{feff}{\"send\":\"one\"}\r\n  {\"send\":\"two\"}\n\t{\"send\":\"three\"}\n";
    let output = run(&server.address.to_string(), "alice bob --json", input).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(output.stdout));
    assert_eq!(stored(&server).await, ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_not_utf_8_is_refused_and_the_others_are_sent() {
    let server = Server::start(&[]).await;
    let output = run(
        &server.address.to_string(),
        "alice bob --json",
        b"one\ncaf\xe9\ntwo\n",
    )
    .await;
    let shown = text(output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(shown.contains("not UTF-8"), "{shown}");
    assert_eq!(stored(&server).await, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_has_read_the_earlier_entries_that_it_asked_for() {
    let server = Server::start(&[]).await;
    let mut bob = server.connect("bob").await;
    bob.open("alice").await;
    for n in 1..=5 {
        bob.say(ROOM, &n.to_string()).await;
    }
    let output = run(&server.address.to_string(), "alice bob --json --last 2", "").await;
    let count = |shown: &str| shown.matches(r#""type":"entry""#).count();
    assert_eq!(count(&text(output.stdout)), 2);
    while bob.event("receipt").await["delivered"] != 5 {}
    let input = "{\"more\":9}\n";
    let output = run(
        &server.address.to_string(),
        "alice bob --json --last 2",
        input,
    )
    .await;
    let shown = text(output.stdout);
    assert_eq!(count(&shown), 5, "{shown}");
    let receipt = bob.event("receipt").await;
    assert_eq!(receipt["read"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_name_is_reported_at_once() {
    let start = Instant::now();
    let output = run("no-such-host.invalid", "alice bob", "hello\n").await;
    let said = text(output.stderr);
    // A resolver that can't be reached may know the name later.
    if said.contains("no host has the name \"no-such-host.invalid\"") {
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
    } else {
        assert!(
            said.contains("no connection: the name \"no-such-host.invalid\""),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_an_http_refusal_is_shown() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = tcp.read(&mut head).await;
        let body = r#"{"code":100,"name":"bad_request","message":"the plan has no WebSockets"}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        tcp.write_all(answer.as_bytes()).await.unwrap();
        let _ = tcp.read(&mut head).await;
    });
    let output = run(&address.to_string(), "alice bob", "").await;
    let said = text(output.stderr);
    assert!(
        said.contains("no chat server answers there: HTTP status 400: the plan has no WebSockets"),
        "{said}"
    );
}
