//! The load generator against the real server and the bare relay: counts, never times.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{future::pending, net::SocketAddr, process::Stdio};

use chat_server::{
    config::Settings,
    start::{Started, start},
};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::process::Command;

/// A server without limits, as the generator wants it; it ends with the test.
async fn server() -> SocketAddr {
    with(&[("rate-limit", "off"), ("frame-rate", "1000000/1s")]).await
}

async fn with(settings: &[(&str, &str)]) -> SocketAddr {
    let all = [&[("listen", "127.0.0.1:0"), ("store", "memory")], settings].concat();
    let settings = Settings::with(&all).unwrap();
    let Started {
        listener, engine, ..
    } = start(&settings).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(chat_server::run(listener, engine, settings, pending()));
    address
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
            let url = format!("http://{}", server().await);
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
        let url = format!("http://{}", server().await);
        let line = load(&format!(
            "storm --count 20 --url {url} --protocol {protocol}"
        ))
        .await;
        assert_eq!(figure(&line, "settled"), 20, "{line}");
        let bytes = figure(&line, "bytes_received");
        assert!(protocol == "native" || bytes > 20 * 20 * 7, "{line}");
    }
}

#[tokio::test]
async fn idle_connections_stay() {
    let url = format!("http://{}", server().await);
    for protocol in ["native", "socketio"] {
        let args = format!("idle --count 20 --seconds 0.1 --url {url} --protocol {protocol}");
        assert_eq!(figure(&load(&args).await, "connected"), 20);
    }
}

#[tokio::test]
async fn whoever_comes_back_gets_all_that_was_missed() {
    let url = format!("http://{}", server().await);
    let line = load(&format!("resume --count 10 --missed 7 --url {url}")).await;
    assert_eq!(figure(&line, "caught_up"), 10, "{line}");
    assert_eq!(figure(&line, "entries"), 70, "{line}");
}

#[tokio::test]
async fn what_a_server_refuses_is_missing() {
    let settings = [("rate-limit", "9/60s")];
    let url = format!("http://{}", with(&settings).await);
    let args = format!("pairs --count 1 --rate 50 --seconds 0.5 --patience 5 --url {url}");
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
    let line = load(&format!("pairs --count 5 --seconds 0.5 --server {relay}")).await;
    assert_eq!(figure(&line, "received"), figure(&line, "sent"), "{line}");
    for name in ["server_cpu_us_each", "server_memory_mib"] {
        assert!(line[name].as_f64().unwrap() > 0.0, "{name}: {line}");
    }
    let line = load(&format!("idle --count 20 --seconds 0.1 --server {relay}")).await;
    assert!(line["memory_kib_each"].is_number(), "{line}");
}
