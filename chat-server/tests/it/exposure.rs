//! A server that others than this machine's users can reach, and what it needs to start.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chat_testkit::{
    Server, http,
    program::{self, Greeted},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::tokens::run;

/// The key of the tokens.
const SECRET: [u8; 32] = [7; 32];

/// A folder with a key for tokens, and a certificate with its key.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    fs::copy(fixtures.join("one.pem"), folder.path().join("one.pem")).unwrap();
    private(
        folder.path(),
        "one.key",
        &fs::read(fixtures.join("one.key")).unwrap(),
    );
    private(folder.path(), "secret", &SECRET);
    folder
}

/// Writes a file that only its owner may read.
pub(crate) fn private(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

const EXPOSED: &str = "--public-url https://chat.example --store memory";
const TOKENS: &str = "--auth jwt --jwt-key-file secret --jwt-issuer tests --jwt-audience chat";
const TLS: &str = "--tls-cert-file one.pem --tls-key-file one.key";

fn split<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    flags.iter().flat_map(|flags| flags.split(' ')).collect()
}

async fn start(folder: &Path, flags: &[&str]) -> Greeted {
    program::greeted(program::command(folder, &split(flags))).await
}

/// Stops a server; the lines that it logged.
pub(crate) async fn log(mut server: Greeted) -> Vec<String> {
    let mut log = String::new();
    server.signal("TERM");
    let mut stderr = server.process.stderr.take().unwrap();
    stderr.read_to_string(&mut log).await.unwrap();
    log.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_exposed_server_that_lacks_something_does_not_start_and_names_the_setting() {
    let folder = folder();
    for (flags, names) in [
        (vec![EXPOSED, TLS], "auth (default)"),
        (vec![EXPOSED, TOKENS], "tls-cert-file (default)"),
        (
            vec![
                "--listen 0.0.0.0:0 --store memory --allow-plaintext",
                TOKENS,
            ],
            "allowed-host (default)",
        ),
        (
            vec![EXPOSED, TLS, "--auth jwt --jwt-key-file secret"],
            "jwt-audience (default)",
        ),
        (
            vec![
                EXPOSED,
                TLS,
                TOKENS,
                "--cache redis://me:sesame@127.0.0.1:1",
            ],
            "cache (flag)",
        ),
    ] {
        let (code, said) = run(folder.path(), &split(&flags), "").await;
        assert_eq!(
            (code, said.lines().count()),
            (Some(2), 1),
            "{flags:?}: {said}"
        );
        assert!(
            said.contains(&format!("error: {names}")),
            "{flags:?}: {said}"
        );
        assert!(!said.contains("sesame"), "{said}");
        let (code, table) = run(
            folder.path(),
            &[&["check"], &split(&flags)[..]].concat(),
            "",
        )
        .await;
        let setting = names.split(' ').next().unwrap();
        assert_eq!(code, Some(1), "{table}");
        assert!(
            table.contains(&format!("\nfail  {setting} ")),
            "{setting}: {table}"
        );
    }
    let all = split(&[EXPOSED, TLS, TOKENS]);
    let (code, table) = run(folder.path(), &[&["check"], &all[..]].concat(), "").await;
    assert_eq!(code, Some(0), "{table}");
    let (first, rows) = table.split_once('\n').unwrap();
    assert_eq!(
        first,
        "others can reach the server, by public-url https://chat.example (flag)"
    );
    assert!(rows.lines().all(|row| row.starts_with("pass  ")), "{rows}");
    let server = start(folder.path(), &[EXPOSED, TLS, TOKENS]).await;
    assert!(!log(server).await.iter().any(|line| line.contains("WARN")));
}

#[tokio::test]
async fn each_override_lets_an_exposed_server_start_with_one_warning() {
    let folder = folder();
    for (flags, setting) in [
        (vec![EXPOSED, TLS, "--allow-open-network"], "auth"),
        (vec![EXPOSED, TOKENS, "--allow-plaintext"], "tls-cert-file"),
        (
            vec![EXPOSED, TLS, TOKENS, "--cors-origin any"],
            "cors-origin",
        ),
        (
            vec![EXPOSED, TLS, TOKENS, "--metrics-public"],
            "metrics-public",
        ),
    ] {
        let log = log(start(folder.path(), &flags).await).await;
        let warnings: Vec<_> = log.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(warnings.len(), 1, "{flags:?}: {log:?}");
        assert!(
            warnings[0].contains(&format!("{setting}: ")),
            "{warnings:?}"
        );
        let (code, table) = run(
            folder.path(),
            &[&["check"], &split(&flags)[..]].concat(),
            "",
        )
        .await;
        assert_eq!(code, Some(0), "{table}");
        assert!(table.contains(&format!("\nwarn  {setting} ")), "{table}");
    }
}

#[tokio::test]
async fn on_loopback_a_server_starts_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), &["--store memory"]).await;
    let port = server.address.port();
    let version = env!("CARGO_PKG_VERSION");
    let greeting = format!(
        "chat-server {version}\n  \
           listening  http://127.0.0.1:{port} (REST /v1, WebSocket /v1/ws, Socket.IO)\n  \
           store      memory: everything is gone when the server stops\n  \
           login      open: a name is enough\n  \
           stop       Ctrl+C\n"
    );
    assert_eq!(server.greeting, greeting);
    let lines = log(server).await;
    assert!(!lines.iter().any(|line| line.contains("WARN")), "{lines:?}");
    let (code, table) = run(folder.path(), &["check"], "").await;
    assert_eq!(code, Some(0), "{table}");
    assert!(
        table.starts_with("only users of this machine can reach the server\n"),
        "{table}"
    );
    assert_eq!(table.matches("\npass  ").count(), 7, "{table}");
}

#[tokio::test]
async fn a_password_in_the_command_line_is_a_warning_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["check", "--cache", "redis://me:sesame@127.0.0.1:1"];
    let (code, table) = run(folder.path(), &args, "").await;
    assert_eq!(code, Some(0), "{table}");
    assert!(
        table.contains("\nwarn  cache ") && !table.contains("sesame"),
        "{table}"
    );
}

#[tokio::test]
async fn a_password_in_a_file_of_settings_that_others_may_read_is_a_fault() {
    let folder = folder();
    private(
        folder.path(),
        "chat.toml",
        b"cache = \"redis://me:sesame@127.0.0.1:1\"\n",
    );
    let flags = split(&["check --config chat.toml", EXPOSED, TLS, TOKENS]);
    let (code, table) = run(folder.path(), &flags, "").await;
    assert_eq!(code, Some(0), "{table}");
    let path = folder.path().join("chat.toml");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, table) = run(folder.path(), &flags, "").await;
    assert_eq!(code, Some(1), "{table}");
    assert!(table.contains("chmod 600"), "{table}");
}

#[tokio::test]
async fn the_metrics_of_an_exposed_server_need_a_token_with_their_scope() {
    let folder = folder();
    let server = start(
        folder.path(),
        &[
            EXPOSED,
            TOKENS,
            "--allow-plaintext --allowed-host localhost",
        ],
    )
    .await;
    let status = async |headers: &str| {
        http::ask(server.address, "GET /metrics", headers, "")
            .await
            .0
    };
    let bearer = |scope| format!("authorization: Bearer {}\r\n", token(scope));
    assert_eq!(status("").await, 404);
    assert_eq!(status("authorization: Bearer nonsense\r\n").await, 404);
    assert_eq!(status(&bearer("chat:read")).await, 404);
    assert_eq!(status(&bearer("chat:metrics")).await, 200);
}

/// A token of alice with this scope.
pub(crate) fn token(scope: &str) -> String {
    let now = chat_core::Clock::now(&chat_core::SystemClock::default()).timestamp();
    let claims = json!({
        "iss": "tests", "aud": "chat", "sub": "alice", "exp": now + 60, "scope": scope,
    });
    let encode = |text: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(text);
    let (head, body) = (
        encode(br#"{"alg":"HS256"}"#),
        encode(claims.to_string().as_bytes()),
    );
    let signed = format!("{head}.{body}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
    let signature = encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn with_open_logins_only_a_setting_gives_the_metrics_away() {
    let exposed = [
        ("public-url", "https://chat.example"),
        ("allowed-host", "localhost"),
        ("allow-open-network", "true"),
        ("allow-plaintext", "true"),
    ];
    let login = "authorization: Bearer alice\r\n";
    let server = Server::start(&exposed).await;
    assert_eq!(server.http("GET /metrics", login, "").await.0, 404);
    let server = Server::start(&[&exposed[..], &[("metrics-public", "true")]].concat()).await;
    assert_eq!(server.http("GET /metrics", "", "").await.0, 200);
}
