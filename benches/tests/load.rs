//! The load generator against the real server and the bare relay: counts, never times.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::process::Stdio;

use chat_testkit::{Server, program};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::process::Command;

/// A server without limits, as the generator wants it.
async fn server() -> Server {
    Server::start(&[("frame-rate", "1000000/1s")]).await
}

/// Where it is, for the generator.
fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// Runs the generator; gives whether it was content, its line and its table.
async fn run(args: &str) -> (bool, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chat-load"))
        .args(args.split(' '))
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let table = String::from_utf8(output.stderr).unwrap();
    let line = serde_json::from_slice(&output.stdout);
    let line = line.unwrap_or_else(|error| panic!("{args}: no line: {error}: {table}"));
    (output.status.success(), line, table)
}

/// Runs the generator, which finds nothing missing.
async fn load(args: &str) -> Value {
    let (succeeded, line, table) = run(args).await;
    assert!(succeeded && line["missing"] == 0, "{args}: {table}");
    line
}

/// The figure of this name, which has to be there.
fn figure(line: &Value, name: &str) -> u64 {
    line[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {line}"))
}

#[tokio::test]
async fn every_message_that_is_sent_is_acknowledged_and_received() {
    let modes = [
        ("pairs --count 5 --window 2", 1),
        ("room --count 5 --window 2", 5),
        ("pairs --count 5 --rate 100", 1),
    ];
    let runs = modes.into_iter().flat_map(|(args, devices)| {
        ["native", "socketio"].map(|protocol| async move {
            let server = server().await;
            let url = url(&server);
            let all = format!("{args} --seconds 0.5 --url {url} --protocol {protocol}");
            let line = load(&all).await;
            let sent = figure(&line, "sent");
            // A rate is kept, whatever the server does.
            let as_many = if args.contains("rate") { 50 } else { sent };
            assert!(sent > 0 && sent == as_many, "{line}");
            assert_eq!(figure(&line, "acknowledged"), sent, "{line}");
            assert_eq!(figure(&line, "received"), sent * devices, "{line}");
        })
    });
    join_all(runs).await;
}

#[tokio::test]
async fn every_connection_of_a_storm_settles() {
    for protocol in ["native", "socketio"] {
        // The list of all has to be of all: a server of its own.
        let server = server().await;
        let url = url(&server);
        let args = format!("storm --count 20 --url {url} --protocol {protocol}");
        let line = load(&args).await;
        assert_eq!(figure(&line, "settled"), 20, "{line}");
        let bytes = figure(&line, "bytes_received");
        assert!(protocol == "native" || bytes > 20 * 20 * 7, "{line}");
    }
}

#[tokio::test]
async fn idle_connections_stay() {
    let server = server().await;
    let url = url(&server);
    for protocol in ["native", "socketio"] {
        let args = format!("idle --count 20 --seconds 0.1 --url {url} --protocol {protocol}");
        assert_eq!(figure(&load(&args).await, "connected"), 20);
    }
}

#[tokio::test]
async fn whoever_comes_back_gets_all_that_was_missed() {
    let server = server().await;
    let url = url(&server);
    let line = load(&format!("resume --count 10 --missed 7 --url {url}")).await;
    assert_eq!(figure(&line, "caught_up"), 10, "{line}");
    assert_eq!(figure(&line, "entries"), 70, "{line}");
}

#[tokio::test]
async fn what_a_server_refuses_is_missing() {
    // More than the 40 that the generator may need to find out that messages arrive.
    let server = Server::start(&[("rate-limit", "41/60s")]).await;
    let url = url(&server);
    let args = format!("pairs --count 1 --rate 200 --seconds 0.5 --patience 5 --url {url}");
    let (succeeded, line, _) = run(&args).await;
    assert!(!succeeded, "{line}");
    assert!(figure(&line, "refused") > 0, "{line}");
    let lost = figure(&line, "sent") - figure(&line, "acknowledged");
    assert!(figure(&line, "missing") >= lost, "{line}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_is_started_is_measured() {
    let relay = env!("CARGO_BIN_EXE_bare-relay");
    for (mode, listeners) in [("pairs", 1), ("room", 5)] {
        let line = load(&format!("{mode} --count 5 --seconds 0.5 --server {relay}")).await;
        let (received, sent) = (figure(&line, "received"), figure(&line, "sent"));
        assert_eq!(received, sent * listeners, "{line}");
        for name in ["server_cpu_us_each", "server_memory_mib"] {
            assert!(line[name].as_f64().unwrap() > 0.0, "{name}: {line}");
        }
    }
    let line = load(&format!("idle --count 20 --seconds 0.1 --server {relay}")).await;
    assert!(line["memory_kib_each"].is_number(), "{line}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn pages_come_whole_from_a_store_that_was_filled() {
    let server = program::path().display();
    for cold in ["", " --cold"] {
        let args = format!(
            "history --count 3 --messages 1000 --seconds 0.5 --rate 40{cold} --server {server}"
        );
        let line = load(&args).await;
        assert_eq!(figure(&line, "read"), 20, "{line}");
        // 50 texts of 101 characters, at the least.
        assert!(line["bytes_each"].as_f64().unwrap() > 5_050.0, "{line}");
    }
}

#[tokio::test]
async fn pages_of_an_inbox_come_whole() {
    let server = server().await;
    let url = url(&server);
    let args = format!("inbox --count 60 --seconds 0.5 --rate 40 --url {url}");
    let line = load(&args).await;
    assert_eq!(figure(&line, "read"), 20, "{line}");
    // 50 rooms, each with a text of 101 characters, at the least.
    assert!(line["bytes_each"].as_f64().unwrap() > 5_050.0, "{line}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn speakers_are_heard_in_all_their_rooms() {
    let server = program::path().display();
    // One has no room of their own.
    let args = format!("rooms --count 9 --messages 20 --seconds 0.3 --server {server}");
    let line = load(&args).await;
    assert!(figure(&line, "acknowledged") > 0, "{line}");
    assert!(line["server_cpu_us_each"].is_number(), "{line}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_starts_again_after_a_stop_and_after_a_kill() {
    let server = program::path().display();
    let args = format!("start --count 1 --messages 1000 --cold --server {server}");
    let line = load(&args).await;
    for name in ["after_a_stop_ms", "after_a_kill_ms"] {
        assert!(line[name]["max"].as_f64().unwrap() > 0.0, "{name}: {line}");
    }
}

#[tokio::test]
async fn a_mode_that_fills_a_store_needs_a_server_to_start() {
    let output = Command::new(env!("CARGO_BIN_EXE_chat-load"))
        .args(["history", "--count", "1"])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("--server"),
        "{said}"
    );
}
