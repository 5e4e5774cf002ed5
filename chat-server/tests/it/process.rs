//! The program itself: how it starts, refuses to start, and stops.

use std::path::Path;

use chat_testkit::{
    Client, Closed, PATIENCE, http,
    program::{self, Greeted},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// Starts it and reads its greeting.
async fn start(folder: &Path, args: &[&str]) -> Greeted {
    program::greeted(program::command(folder, args)).await
}

/// How it refuses to start: the exit code, and what it says.
async fn refusal(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, program::command(folder, args).output())
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

#[tokio::test]
async fn a_signal_closes_connections_with_4000_and_the_process_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["TERM", "INT"] {
        let mut server = start(folder.path(), &[]).await;
        let greeting = &server.greeting;
        assert!(
            greeting.contains("./chat.db, 0 rooms") && greeting.contains("open"),
            "{greeting}"
        );
        let mut client = Client::connect(server.address, "alice").await;
        server.signal(name);
        assert_eq!(client.end().await, (None, Closed::With(4000)));
        let status = timeout(PATIENCE, server.process.wait()).await;
        let status = status.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
    }
}

#[tokio::test]
async fn a_hangup_does_not_end_a_server_that_has_nothing_to_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &["--store", "memory"]).await;
    server.signal("HUP");
    server.signal("TERM");
    let status = timeout(PATIENCE, server.process.wait()).await;
    // Not by a signal.
    assert_eq!(status.unwrap().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_second_interrupt_ends_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // A request whose body never comes keeps the first interrupt waiting.
    let mut server = start(folder.path(), &["--request-timeout", "1m"]).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    let half =
        b"POST /v1/rooms/a,b/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer a\r\n\
        content-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    busy.write_all(half).await.unwrap();
    // The server asks for the body, and so is in the middle of the request.
    let mut asked = [0; 12];
    timeout(PATIENCE, busy.read_exact(&mut asked))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let mut log = BufReader::new(server.process.stderr.take().unwrap()).lines();
    server.signal("INT");
    while !log
        .next_line()
        .await
        .unwrap()
        .expect("it says so")
        .contains("stopping")
    {}
    assert_eq!(server.process.try_wait().unwrap(), None);
    server.signal("INT");
    let status = timeout(PATIENCE, server.process.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.code(), Some(130));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_service_manager_hears_that_it_serves_and_lives_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = tokio::net::UnixDatagram::bind(&path).unwrap();
    let heard = async || {
        let mut message = [0; 64];
        let length = timeout(PATIENCE, manager.recv(&mut message)).await;
        let length = length.unwrap().unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let mut command = program::command(folder.path(), &["--store", "memory"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000");
    let server = program::greeted(command).await;
    assert_eq!(heard().await, "READY=1\n");
    let (status, _, _) = http::ask(server.address, "GET /health", "", "").await;
    assert_eq!(status, 200);
    for _ in 0..3 {
        assert_eq!(heard().await, "WATCHDOG=1\n");
    }
    server.signal("TERM");
    while heard().await != "STOPPING=1\n" {}
}

#[tokio::test]
async fn what_was_said_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ask = async |server: &Greeted, request: &str, body: &str| {
        let headers = "authorization: Bearer alice\r\ncontent-type: application/json\r\n";
        http::ask(server.address, request, headers, body).await
    };
    let mut server = start(folder.path(), &[]).await;
    ask(&server, "PUT /v1/direct/bob", "").await;
    let send = "POST /v1/rooms/alice,bob/messages";
    let (status, head, _) = ask(&server, send, r#"{"text":"remember"}"#).await;
    assert_eq!(status, 201, "{head}");
    server.process.kill().await.unwrap();
    let server = start(folder.path(), &[]).await;
    assert!(server.greeting.contains("1 room\n"), "{}", server.greeting);
    let (_, _, entries) = ask(&server, "GET /v1/rooms/alice,bob/entries", "").await;
    assert!(entries.contains("remember"), "{entries}");
}

#[tokio::test]
async fn a_start_that_cannot_succeed_says_why_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), &["--store", "sqlite:taken.db"]).await;
    let address = server.address.to_string();
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
        (vec!["--cache", "redis:/host"], 2, "cache (flag)"),
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
    let output = program::command(folder.path(), &["--print-config"])
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
