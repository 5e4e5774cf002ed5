//! The program itself: how it starts, refuses to start, and stops.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{path::Path, process::Stdio};

use common::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use tokio_tungstenite::{client_async, tungstenite::Message};

fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts it and reads its greeting; gives where it listens.
async fn start(folder: &Path, args: &[&str]) -> (Child, String, String) {
    let mut child = program(folder, &[&["--listen", "127.0.0.1:0"], args].concat())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut greeting = String::new();
    while let Ok(Some(line)) = timeout(PATIENCE, lines.next_line()).await.unwrap() {
        greeting += &line;
        greeting += "\n";
        if line.contains("Ctrl+C") {
            break;
        }
    }
    let address = greeting
        .split("http://")
        .nth(1)
        .unwrap_or_else(|| panic!("{greeting}"));
    let address = address.split(' ').next().unwrap().to_owned();
    (child, address, greeting)
}

/// How it refuses to start: the exit code, and what it says.
async fn refusal(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, program(folder, args).output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("error: "))
            .count(),
        1,
        "{said}"
    );
    (output.status.code(), said)
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &pid])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn a_signal_closes_connections_with_4000_and_the_process_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["TERM", "INT"] {
        let (mut child, address, greeting) = start(folder.path(), &[]).await;
        assert!(
            greeting.contains("./chat.db, 0 rooms") && greeting.contains("open"),
            "{greeting}"
        );
        let tcp = TcpStream::connect(&address).await.unwrap();
        let (mut socket, _) = client_async(format!("ws://{address}/v1/ws"), tcp)
            .await
            .unwrap();
        let hello = r#"{"id":1,"type":"hello","token":"alice"}"#;
        socket.send(Message::text(hello)).await.unwrap();
        socket.next().await.unwrap().unwrap();
        signal(&child, name);
        let code = loop {
            let message = timeout(PATIENCE, socket.next()).await.unwrap();
            if let Message::Close(Some(frame)) = message.unwrap().unwrap() {
                break u16::from(frame.code);
            }
        };
        assert_eq!(code, 4000);
        let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
    }
}

#[tokio::test]
async fn a_second_interrupt_ends_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // A request whose body never comes keeps the first interrupt waiting.
    let (mut child, address, _) = start(folder.path(), &["--request-timeout", "1m"]).await;
    let mut busy = TcpStream::connect(&address).await.unwrap();
    let half = b"POST /v1/rooms/a,b/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\n\
        content-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut busy, half)
        .await
        .unwrap();
    // The server asks for the body, and so is in the middle of the request.
    let mut asked = [0; 12];
    timeout(PATIENCE, busy.read_exact(&mut asked))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(&child, "INT");
    while !log
        .next_line()
        .await
        .unwrap()
        .expect("it says so")
        .contains("stopping")
    {}
    assert_eq!(child.try_wait().unwrap(), None);
    signal(&child, "INT");
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn what_was_said_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ask = async |address: &str, request: &str, body: &str| {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer alice\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        tokio::io::AsyncWriteExt::write_all(&mut tcp, request.as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (mut child, address, _) = start(folder.path(), &[]).await;
    ask(&address, "PUT /v1/direct/bob", "").await;
    let sent = ask(
        &address,
        "POST /v1/rooms/alice,bob/messages",
        r#"{"text":"remember"}"#,
    )
    .await;
    assert!(sent.starts_with("HTTP/1.1 201"), "{sent}");
    signal(&child, "KILL");
    child.wait().await.unwrap();
    let (_child, address, greeting) = start(folder.path(), &[]).await;
    assert!(greeting.contains("1 room\n"), "{greeting}");
    assert!(
        ask(&address, "GET /v1/rooms/alice,bob/entries", "")
            .await
            .contains("remember")
    );
}

#[tokio::test]
async fn a_start_that_cannot_succeed_says_why_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (_child, address, _) = start(folder.path(), &["--store", "sqlite:taken.db"]).await;
    std::fs::write(folder.path().join("noise.db"), [7; 5_000]).unwrap();
    std::fs::write(folder.path().join("words.txt"), "good\n...\n").unwrap();
    for (args, code, says) in [
        (
            vec!["--listen", &address, "--store", "memory"],
            1,
            "another program listens there",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--store", "sqlite:taken.db"],
            1,
            "is in use by another process",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--store", "sqlite:noise.db"],
            1,
            "not a database",
        ),
        (
            vec![
                "--listen",
                "127.0.0.1:0",
                "--store",
                "sqlite:no/such/folder.db",
            ],
            1,
            "no folder",
        ),
        (
            vec!["--moderation-words", "none.txt", "--listen", "127.0.0.1:0"],
            2,
            "none.txt",
        ),
        (
            vec!["--moderation-words", "words.txt", "--listen", "127.0.0.1:0"],
            2,
            "moderation-words",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--cache", "redis://127.0.0.1:1"],
            1,
            "cache: redis is unavailable",
        ),
        (vec!["--cache", "rediss://host"], 2, "cache (flag)"),
        (vec!["--rate-limit", "often"], 2, "rate-limit (flag)"),
        (vec!["--listen", "0.0.0.0:0"], 2, "--allow-open-network"),
    ] {
        let (got, said) = refusal(folder.path(), &args).await;
        assert_eq!(got, Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn print_config_reads_dot_env_and_exits() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        "PORT=6000\nAtlas_URI=mongodb://me:secret@db/chat\n",
    )
    .unwrap();
    let output = program(folder.path(), &["--print-config"])
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        shown.contains("listen = \"127.0.0.1:6000\"  # .env PORT\n"),
        "{shown}"
    );
    assert!(
        shown.contains("store = \"mongodb://me:***@db/chat\"  # .env Atlas_URI\n"),
        "{shown}"
    );
    assert!(!shown.contains("secret"), "{shown}");
}
