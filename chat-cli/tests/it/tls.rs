//! TLS, and tokens that are renewed. The certificates in `tests/tls` are valid until 2126; the key of
//! the authority that signed them is gone.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use chat_cli::{Client, ClientError, ClientEvent, Events};
use chat_core::{
    Answer, Command, Frame, IdGen as _, RandomIds, Reply, Request, RoomId, SessionId, Welcome,
};
use chat_testkit::{PATIENCE, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "tls", name]
        .iter()
        .collect()
}

/// A server that speaks TLS.
async fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("server.key");
    fs::copy(file("server.key"), &key).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let certificate = file("server.pem");
    let settings = [
        ("tls-cert-file", certificate.to_str().unwrap()),
        ("tls-key-file", key.to_str().unwrap()),
    ];
    Server::start(&settings).await
}

async fn next(events: &mut Events) -> ClientEvent {
    let event = timeout(PATIENCE, events.next()).await;
    event.expect("an event in time").expect("an event")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_and_the_program_talk_over_tls_with_a_private_authority() {
    let server = server().await;
    let address = server.address;
    for url in [
        format!("https://127.0.0.1:{}", address.port()),
        format!("wss://localhost:{}", address.port()),
    ] {
        let client = Client::builder(url, "alice").ca_file(file("ca.pem"));
        let (alice, _events) = client.connect().unwrap();
        let view = alice.open(&"bob".parse().unwrap()).await.unwrap();
        alice.send(&view.room.id, "hello").await.unwrap();
        alice.close().await;
    }
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_chat-cli"))
        .args(["bob", "alice", "--server"])
        .arg(format!("https://localhost:{}", address.port()))
        .arg("--ca")
        .arg(file("ca.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop(program.stdin.take());
    let output = timeout(PATIENCE, program.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("alice: hello"), "{shown}");
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_untrusted_authority_is_refused() {
    let server = server().await;
    let address = server.address;
    let url = format!("https://localhost:{}", address.port());
    let (_alice, mut events) = Client::connect(url, "alice").unwrap();
    let ClientEvent::Disconnected { reason, .. } = next(&mut events).await else {
        panic!("connected");
    };
    assert!(reason.contains("certificate"), "{reason}");
    for (file, why) in [
        ("server.key", "no certificate"),
        ("missing.pem", "No such file"),
    ] {
        let path = self::file(file);
        let client = Client::builder("https://localhost", "alice").ca_file(path);
        let error = client.connect().unwrap_err();
        assert!(matches!(error, ClientError::Certificates { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

/// A server that welcomes each connection and closes it because its token ran out.
async fn forgetful() -> (SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tokens = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&tokens);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
            let hello = socket.next().await.unwrap().unwrap().into_text().unwrap();
            let Request { id, command } = serde_json::from_str(&hello).unwrap();
            let Command::Hello(hello) = command else {
                panic!("{command:?}");
            };
            seen.lock().unwrap().push(hello.token);
            let welcome = Answer::Reply {
                id,
                result: Reply::Welcome(Welcome {
                    user: "alice".parse().unwrap(),
                    session: SessionId(RandomIds.next()),
                    expires_at: None,
                }),
            };
            let welcome = Message::text(Frame::from(welcome).json().to_string());
            let _ = socket.send(welcome).await;
            let close = CloseFrame {
                code: 4501.into(),
                reason: "unauthenticated".into(),
            };
            let _ = socket.close(Some(close)).await;
        }
    });
    (address, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_runs_out_is_renewed_for_the_next_connection() {
    let (address, tokens) = forgetful().await;
    let count = AtomicU32::new(0);
    let (_alice, mut events) = Client::builder(format!("http://{address}"), "")
        .backoff(Duration::from_millis(1), Duration::from_millis(1))
        .token_source(move || {
            let token = format!("token {}", count.fetch_add(1, Relaxed));
            async move { Ok(token) }
        })
        .connect()
        .unwrap();
    for _ in 0..2 {
        let connected = next(&mut events).await;
        assert!(
            matches!(connected, ClientEvent::Connected { .. }),
            "{connected:?}"
        );
        let lost = next(&mut events).await;
        assert!(matches!(lost, ClientEvent::Disconnected { .. }), "{lost:?}");
    }
    assert_eq!(tokens.lock().unwrap()[..2], ["token 0", "token 1"]);
    let (_alice, mut events) = Client::connect(format!("http://{address}"), "alice").unwrap();
    next(&mut events).await;
    let ended = next(&mut events).await;
    assert!(matches!(
        ended,
        ClientEvent::Ended(ClientError::Closed { code: 4501, .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_command_decides_the_user() {
    let server = Server::start(&[]).await;
    for (command, code, says) in [
        ("printf 'alice\\nmore\\n'", Some(0), ""),
        (
            "echo carol",
            Some(1),
            "the token is that of carol, not of alice",
        ),
        (
            "exit 3",
            Some(1),
            "no connection: no token: the command ended with exit status: 3",
        ),
        (
            "true",
            Some(1),
            "no connection: no token: the command printed no token",
        ),
    ] {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_chat-cli"))
            .args([
                "alice",
                "bob",
                "--patience",
                "1",
                "--token-command",
                command,
            ])
            .env("CHAT_SERVER", format!("http://{}", server.address))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, output).await.unwrap().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), code, "{command}: {said}");
        assert!(said.contains(says), "{command}: {said}");
    }
    let room = RoomId::new("alice,bob").unwrap();
    let bob = server.engine.actor("bob".parse().unwrap());
    assert!(
        bob.history(&room, chat_core::Page::Newest, None)
            .await
            .is_ok()
    );
}
