//! Logins by signed tokens: keys and tokens from the program itself, on every protocol, with keys that change.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use chat_testkit::{
    Client, Closed, PATIENCE, http,
    program::{self, Greeted},
    until,
};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::{embedding::Place, engineio::packet};

/// What tokens have to say.
const CLAIMS: [&str; 4] = ["--jwt-audience", "chat", "--jwt-issuer", "tests"];

/// What the program says, and whether it has done what it was asked.
pub(crate) async fn run(folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = program::command(folder, arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let output = timeout(PATIENCE, process.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap().trim().to_owned();
    (output.status.code(), said)
}

/// Makes a key; gives the file that signs and the one that verifies.
pub(crate) async fn keygen(folder: &Path, algorithm: &str, name: &str) -> (PathBuf, PathBuf) {
    let place = folder.join(name);
    let (code, said) = run(folder, &["keygen", algorithm, place.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}");
    let mut files = said.lines().map(PathBuf::from);
    let signs = files.next().unwrap();
    let verifies = files.next().unwrap_or_else(|| signs.clone());
    (signs, verifies)
}

/// The flags for a key.
pub(crate) fn key<'a>(algorithm: &'a str, file: &'a Path) -> Vec<&'a str> {
    let file = file.to_str().unwrap();
    [
        &["--jwt-alg", algorithm, "--jwt-key-file", file],
        &CLAIMS[..],
    ]
    .concat()
}

pub(crate) async fn token(folder: &Path, user: &str, more: &[&str], key: &[&str]) -> String {
    let arguments = [&["token", user], more, key].concat();
    let (code, token) = run(folder, &arguments, "").await;
    assert_eq!(code, Some(0), "{token}");
    token
}

async fn serve(folder: &Path, key: &[&str]) -> (Greeted, Place) {
    let arguments = [&["--store", "memory", "--auth", "jwt"], key].concat();
    let server = program::greeted(program::command(folder, &arguments)).await;
    let place = Place::Tcp(server.address, "");
    (server, place)
}

pub(crate) async fn status(place: &Place, token: &str) -> u16 {
    let bearer = format!("authorization: Bearer {token}\r\n");
    place.http("GET", "/v1/rooms", &bearer).await.0
}

#[tokio::test]
pub(crate) async fn tokens_of_each_algorithm_log_in_on_every_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, algorithm) in [("hs256", "HS256"), ("eddsa", "EdDSA"), ("rs256", "RS256")] {
        let (signs, verifies) = keygen(folder, name, name).await;
        let (server, place) = serve(folder, &key(algorithm, &verifies)).await;
        let greeting = &server.greeting;
        assert!(
            greeting.contains("jwt: signed tokens of tests for chat"),
            "{greeting}"
        );
        let alice = token(folder, "alice", &[], &key(algorithm, &signs)).await;
        let bob = token(folder, "bob", &["--ttl", "5m"], &key(algorithm, &signs)).await;
        let (mut native, welcome) = place.native(&alice).await;
        assert_eq!(welcome["result"]["user"], "alice", "{welcome}");
        assert!(welcome["result"]["expires_at"].is_string(), "{welcome}");
        let (mut old, ack) = place.socketio(&bob).await;
        assert_eq!(ack, "431[{}]");
        crate::engineio::send(&mut old, r#"422["start-dm","alice"]"#).await;
        packet(&mut old, "432").await;
        let hello = json!({ "type": "send", "room": "alice,bob", "text": "hi" });
        assert_eq!(native.ask(hello).await["result"]["seq"], 1);
        packet(&mut old, r#"42["dm-message""#).await;
        assert_eq!(status(&place, &alice).await, 200);
        // Five would make the address wait.
        for wrong in ["alice", &format!("{alice}x")] {
            assert_eq!(status(&place, wrong).await, 401, "{wrong:?}");
            let (mut native, refused) = place.native(wrong).await;
            assert_eq!(refused["error"]["code"], 110, "{refused}");
            assert_eq!(native.end().await.1, Closed::With(4501));
        }
    }
}

#[tokio::test]
async fn a_token_is_explained_by_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (secret, _) = keygen(folder, "hs256", "keys").await;
    let key = key("HS256", &secret);
    let check = [&["check-token"], &key[..]].concat();
    let admin = token(folder, "alice", &["--rank", "admin"], &key).await;
    let (code, said) = run(folder, &check, &admin).await;
    assert!(
        code == Some(0) && said.starts_with("valid: user alice, rank user"),
        "{said}"
    );
    let ranked = [&check[..], &["--jwt-ranks"]].concat();
    let (_, said) = run(folder, &ranked, &format!("{admin}\n")).await;
    assert!(said.starts_with("valid: user alice, rank admin"), "{said}");
    let (code, said) = run(folder, &check, "a.b.c").await;
    assert!(
        code == Some(1) && said.starts_with("error: refused: header"),
        "{said}"
    );
    let other = [&check[..], &["--jwt-issuer", "another"]].concat();
    let (_, said) = run(folder, &other, &admin).await;
    assert!(
        said.contains("jwt-issuer") || said.contains("claim"),
        "{said}"
    );
    let long = [&["token", "alice", "--ttl", "25h"], &key[..]].concat();
    let (code, said) = run(folder, &long, "").await;
    assert!(
        code == Some(2) && said.contains("jwt-max-lifetime"),
        "{said}"
    );
    // A key that is there stays.
    let again = [
        "keygen",
        "hs256",
        secret.parent().unwrap().to_str().unwrap(),
    ];
    let (code, said) = run(folder, &again, "").await;
    assert!(code != Some(0) && said.contains("exists"), "{said}");
}

#[tokio::test]
async fn a_server_without_good_keys_does_not_start_and_says_which() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (secret, _) = keygen(folder, "hs256", "keys").await;
    let short = folder.join("short");
    std::fs::write(&short, "0123456789012345678901234567890").unwrap();
    std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).unwrap();
    let readable = folder.join("readable");
    std::fs::copy(&secret, &readable).unwrap();
    std::fs::set_permissions(&readable, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (secret, missing) = (secret.to_str().unwrap(), folder.join("missing"));
    for (arguments, words) in [
        (vec![], "jwt-key-file"),
        (vec!["--jwt-key-file", secret], "jwt-audience"),
        (
            vec!["--jwt-key-file", secret, "--jwt-audience", "chat"],
            "jwt-issuer",
        ),
        (key("HS256", &short), "at least 32 bytes"),
        (key("HS256", &readable), "chmod 600"),
        (key("HS256", &missing), "missing can't be used"),
        (key("RS256", Path::new(secret)), "RS256"),
    ] {
        let arguments = [&["--auth", "jwt", "--store", "memory"], &arguments[..]].concat();
        let (code, said) = run(folder, &arguments, "").await;
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: jwt-") && said.contains(words),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[tokio::test]
async fn a_key_that_is_replaced_holds_at_once_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (in_use, _) = keygen(folder, "hs256", "in-use").await;
    let (next, _) = keygen(folder, "hs256", "next").await;
    let old = token(folder, "alice", &[], &key("HS256", &in_use)).await;
    let new = token(folder, "alice", &[], &key("HS256", &next)).await;
    let (server, place) = serve(folder, &key("HS256", &in_use)).await;
    assert_eq!(
        (status(&place, &old).await, status(&place, &new).await),
        (200, 401)
    );
    let mut connected = Client::over(TcpStream::connect(server.address).await.unwrap(), "/v1/ws")
        .await
        .unwrap();
    connected.hello(&old, json!([])).await;
    std::fs::copy(&next, &in_use).unwrap();
    server.signal("HUP");
    until("the old key holds no more", async || {
        status(&place, &old).await == 401
    })
    .await;
    assert_eq!(status(&place, &new).await, 200);
    // Somebody who was let in stays until the login ends.
    assert_eq!(
        connected.ask(json!({ "type": "ping" })).await["result"]["kind"],
        "pong"
    );
    std::fs::write(&in_use, "too short").unwrap();
    server.signal("HUP");
    let metrics = async || http::ask(server.address, "GET /metrics", "", "").await.2;
    until("the failure is counted", async || {
        metrics()
            .await
            .contains("chat_jwt_key_reload_failures_total 1")
    })
    .await;
    assert_eq!(status(&place, &new).await, 200);
    let ready = http::ask(server.address, "GET /ready", "", "").await.2;
    assert!(ready.contains("keys"), "{ready}");
}
