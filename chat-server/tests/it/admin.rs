//! Administration: its listener, its token, and what it refuses.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use chat_core::{
    ChatEngine, Event, Principal, Rank, Role, RoomId, Seq, UserId, Version,
    port::{AuthError, Authenticator, Credential},
};
use chat_testkit::{
    Closed, PATIENCE, http,
    program::{self, Greeted},
    until,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, UnixStream},
    time::timeout,
};

use crate::{embedding::Place, tokens::run};

/// The token of the administration in these tests.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Writes a file that only its owner may read.
pub(crate) fn secret(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A server with an administration, in a folder of its own.
pub(crate) struct Administered {
    server: Greeted,
    pub(crate) admin: SocketAddr,
    folder: Folder,
}

/// The folder of a server.
enum Folder {
    Own(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

impl From<TempDir> for Folder {
    fn from(folder: TempDir) -> Self {
        Self::Own(folder)
    }
}

impl Administered {
    pub(crate) async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        secret(&folder.path().join("token"), &format!("{TOKEN}\n"));
        Self::serve(folder, &[&["--store", "memory"], more].concat()).await
    }

    /// On the files in a folder, which stay.
    async fn again(folder: &Path) -> Self {
        let store = ["--store", "sqlite:chat.db", "--audit-file", "audit.jsonl"];
        Self::serve(Folder::Kept(folder.to_owned()), &store).await
    }

    async fn serve(folder: impl Into<Folder>, more: &[&str]) -> Self {
        let folder = folder.into();
        let own = [
            "--admin-listen",
            "127.0.0.1:0",
            "--admin-token-file",
            "token",
        ];
        let arguments = [&own[..], more].concat();
        let server = program::greeted(program::command(folder.path(), &arguments)).await;
        let line = server.greeting.lines().find(|line| line.contains("admin"));
        let admin = line.and_then(|line| line.split("http://").nth(1));
        let admin = admin.and_then(|rest| rest.split(' ').next());
        let admin = admin.and_then(|address| address.parse().ok());
        let admin = admin.unwrap_or_else(|| panic!("no address: {}", server.greeting));
        Self {
            server,
            admin,
            folder,
        }
    }

    /// Asks the administration.
    pub(crate) async fn ask(&self, request: &str, token: &str) -> http::Answer {
        http::ask(self.admin, request, &bearer(token), "").await
    }

    /// Every request that the document has, with something in the place of each name.
    async fn routes(&self) -> Vec<String> {
        let document = self.read("/openapi.json").await;
        let paths = document["paths"].as_object().unwrap();
        let routes = paths.iter().flat_map(|(path, methods)| {
            let path = path
                .replace("{user}", "alice")
                .replace("{room}", "alice,bob");
            let path = path.replace("{jti}", "a-token");
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        routes.collect()
    }

    /// Makes a change; gives the decision.
    async fn change(&self, request: &str, key: &str, body: &Value) -> Value {
        let (status, answer) = self.try_change(request, key, body).await;
        assert_eq!(status, 200, "{request}: {answer}");
        answer
    }

    async fn try_change(&self, request: &str, key: &str, body: &Value) -> (u16, Value) {
        let headers = format!(
            "{}idempotency-key: {key}\r\ncontent-type: application/json\r\n",
            bearer(TOKEN)
        );
        let (method, path) = request.split_once(' ').unwrap();
        let request = format!("{method} /admin/v1/{path}");
        let body = body.to_string();
        let (status, _, answer) = http::ask(self.admin, &request, &headers, &body).await;
        (status, serde_json::from_str(&answer).unwrap())
    }

    /// Runs `chat-server admin` with these arguments; gives its exit code and what it says.
    async fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let url = format!("http://{}", self.admin);
        let all = [
            &["admin", "--url", &url, "--token-file", "token"],
            arguments,
        ]
        .concat();
        run(self.folder.path(), &all, "").await
    }

    /// The answer to a good request.
    async fn read(&self, path: &str) -> Value {
        let (status, _, body) = self.ask(&format!("GET {path}"), TOKEN).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn code(body: &str) -> u64 {
    let body: Value = serde_json::from_str(body).unwrap();
    body["code"].as_u64().unwrap()
}

#[tokio::test]
async fn nobody_but_an_administrator_is_answered_at_any_address() {
    let administered = Administered::start(&[]).await;
    let routes = administered.routes().await;
    assert!(routes.len() >= 15, "{routes:?}");
    let nowhere = ["GET /", "GET /admin/v1/nowhere", "POST /metrics"];
    for request in routes.iter().map(String::as_str).chain(nowhere) {
        let (status, head, body) = http::ask(administered.admin, request, "", "").await;
        assert_eq!((status, code(&body)), (401, 110), "{request}");
        assert!(head.contains("www-authenticate: Bearer"), "{head}");
        let (status, _, body) = administered.ask(request, "alice").await;
        assert_eq!((status, code(&body)), (403, 202), "{request}");
    }
    for request in routes {
        let public = administered.server.address;
        let (status, ..) = http::ask(public, &request, &bearer(TOKEN), "").await;
        // The metrics are on the public address too.
        let expected = if request == "GET /metrics" { 200 } else { 404 };
        assert_eq!(status, expected, "{request}");
    }
    assert_eq!(
        administered.read("/admin/v1/decisions").await["decisions"],
        json!([])
    );
    let (status, _, body) = administered.ask("GET /nowhere", TOKEN).await;
    assert_eq!((status, code(&body)), (404, 105));
    let (status, _, body) = administered.ask("POST /metrics", TOKEN).await;
    assert_eq!((status, code(&body)), (405, 106));
}

#[tokio::test]
async fn an_address_that_guesses_waits_and_the_right_token_never_does() {
    let administered = Administered::start(&[]).await;
    let wrong = TOKEN.replace('0', "1");
    for _ in 0..5 {
        let (status, ..) = administered.ask("GET /metrics", &wrong).await;
        assert_eq!(status, 401);
    }
    let (status, head, _) = administered.ask("GET /metrics", &wrong).await;
    assert!(status == 429 && head.contains("retry-after"), "{head}");
    let (status, ..) = administered.ask("GET /metrics", TOKEN).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn no_web_page_may_use_the_administration() {
    let Administered { admin, .. } = &Administered::start(&[]).await;
    let headers = bearer(TOKEN) + "origin: http://127.0.0.1:5001\r\n";
    let (status, head, _) = http::ask(*admin, "GET /openapi.json", &headers, "").await;
    assert_eq!(status, 403);
    assert!(!head.contains("access-control-allow-origin"), "{head}");
}

#[tokio::test]
async fn a_hangup_right_after_the_greeting_does_not_end_the_server() {
    let administered = Administered::start(&[]).await;
    administered.server.signal("HUP");
    assert_eq!(administered.ask("GET /metrics", TOKEN).await.0, 200);
}

#[tokio::test]
async fn a_token_that_is_replaced_is_read_again() {
    let administered = Administered::start(&[]).await;
    assert_eq!(administered.ask("GET /metrics", TOKEN).await.0, 200);
    let other = TOKEN.replace('0', "1");
    let file = administered.folder.path().join("token");
    secret(&file, &other);
    administered.server.signal("HUP");
    let replaced = async || administered.ask("GET /metrics", &other).await.0 == 200;
    until("the new token is read", replaced).await;
    assert_ne!(administered.ask("GET /metrics", TOKEN).await.0, 200);
    // One that can't be used leaves the one before.
    secret(&file, "short");
    administered.server.signal("HUP");
    assert_eq!(administered.ask("GET /metrics", &other).await.0, 200);
}

#[tokio::test]
async fn a_login_of_the_rank_admin_is_enough() {
    let keys = tempfile::tempdir().unwrap();
    let key: PathBuf = keys.path().join("jwt-secret");
    let place = keys.path().to_str().unwrap();
    run(keys.path(), &["keygen", "hs256", place], "").await;
    let key = key.to_str().unwrap();
    let jwt = [
        "--jwt-key-file",
        key,
        "--jwt-audience",
        "chat",
        "--jwt-issuer",
        "tests",
    ];
    let login = [&["--auth", "jwt", "--jwt-ranks"], &jwt[..]].concat();
    let administered = Administered::start(&login).await;
    for (rank, status) in [("admin", 200), ("moderator", 403), ("user", 403)] {
        let issue = [&["token", "carol", "--rank", rank], &jwt[..]].concat();
        let (_, token) = run(keys.path(), &issue, "").await;
        assert_eq!(administered.ask("GET /metrics", &token).await.0, status);
    }
    assert_eq!(administered.ask("GET /metrics", TOKEN).await.0, 200);
    assert_eq!(administered.ask("GET /metrics", "carol").await.0, 401);
}

#[tokio::test]
async fn a_unix_socket_does_as_well() {
    let folder = tempfile::tempdir().unwrap();
    secret(&folder.path().join("token"), TOKEN);
    let arguments = [
        "--store",
        "memory",
        "--admin-listen",
        "unix:admin.sock",
        "--admin-token-file",
        "token",
    ];
    let server = program::greeted(program::command(folder.path(), &arguments)).await;
    let greeting = &server.greeting;
    assert!(
        greeting.contains("admin      unix:admin.sock"),
        "{greeting}"
    );
    let socket = folder.path().join("admin.sock");
    let stream = UnixStream::connect(&socket).await.unwrap();
    let (status, ..) = http::ask_on(stream, "GET /metrics", &bearer(TOKEN), "").await;
    assert_eq!(status, 200);
    let mut process = server.process;
    chat_testkit::signal(process.id().unwrap(), "TERM");
    timeout(PATIENCE, process.wait()).await.unwrap().unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn an_administration_that_is_not_safe_does_not_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    secret(&folder.join("token"), TOKEN);
    secret(&folder.join("short"), &TOKEN[1..]);
    secret(&folder.join("spaces"), &TOKEN.replace('0', " "));
    std::fs::write(folder.join("readable"), TOKEN).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let here = "127.0.0.1:0";
    for (address, file, exit, says) in [
        ("0.0.0.0:0", "token", 2, "tls-cert-file"),
        (here, "", 2, "name admin-token-file"),
        (here, "short", 2, "at least 32 bytes, and this has 31"),
        (here, "spaces", 2, "without spaces"),
        (here, "readable", 2, "chmod 600"),
        (here, "missing", 2, "admin-token-file: missing"),
        (&*taken, "token", 1, "another port with --admin-listen"),
    ] {
        let arguments = [
            "--listen=127.0.0.1:0",
            "--store=memory",
            "--admin-listen",
            address,
            "--admin-token-file",
            file,
        ];
        let (code, said) = run(folder, &arguments, "").await;
        assert_eq!(code, Some(exit), "{said}");
        assert!(said.contains("admin-") && said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn sessions_are_listed_by_user_and_address_with_their_protocol() {
    let administered = Administered::start(&[]).await;
    let place = Place::Tcp(administered.server.address, "");
    let (mut alice, _) = place.native("alice").await;
    let (_bob, _) = place.socketio("bob").await;
    let room = alice.open("bob").await;
    alice.say(&room, "hi").await;
    let all = administered.read("/admin/v1/sessions").await;
    assert_eq!(all["more"], false);
    let all = all["sessions"].as_array().unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|session| ["user", "via", "address"].map(|field| session[field].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ["alice", "native", "127.0.0.1"],
            ["bob", "socket_io", "127.0.0.1"]
        ]
    );
    for (query, users) in [
        ("?user=alice", &["alice"][..]),
        ("?user=carol", &[]),
        ("?address=127.0.0.1&user=bob", &["bob"]),
        ("?address=::1", &[]),
        ("?limit=1", &["alice"]),
        (
            &format!("?after={}", all[0]["id"].as_str().unwrap()),
            &["bob"],
        ),
    ] {
        let page = administered
            .read(&format!("/admin/v1/sessions{query}"))
            .await;
        let page_users = page["sessions"].as_array().unwrap().iter();
        let page_users: Vec<_> = page_users.map(|session| session["user"].as_str()).collect();
        let users: Vec<_> = users.iter().copied().map(Some).collect();
        assert_eq!(page_users, users, "{query}");
        assert_eq!(page["more"], query == "?limit=1");
    }
    let bob = administered.read("/admin/v1/users/bob").await;
    assert_eq!(bob["user"], "bob");
    assert_eq!(bob["sessions"][0], all[1]);
    assert_eq!(bob["rooms"][0]["id"], room);
    assert_eq!(bob["rooms"][0]["unread"], 1);
    let nobody = administered.read("/admin/v1/users/nobody").await;
    assert_eq!(nobody["sessions"], json!([]));
    for wrong in [
        "sessions?limit=0",
        "sessions?limit=1001",
        "sessions?address=here",
        "sessions?after=1",
        "sessions?who=bob",
        "sessions?user=a,b",
        "users/a,b",
    ] {
        let request = format!("GET /admin/v1/{wrong}");
        let (status, _, body) = administered.ask(&request, TOKEN).await;
        assert_eq!(status, 400, "{wrong}: {body}");
    }
}

/// The changes, each with a body.
fn changes() -> [(&'static str, Value); 8] {
    let why = json!({ "reason": "spam" });
    let terms = json!({ "for": 3_600, "reason": "spam" });
    [
        ("POST users/bob/kick", why.clone()),
        ("POST users/bob/ban", terms.clone()),
        ("DELETE users/bob/ban", why.clone()),
        ("POST users/bob/mute", terms),
        ("DELETE users/bob/mute", why.clone()),
        ("POST users/bob/revoke", why.clone()),
        ("POST tokens/a-token/revoke", why),
        ("POST announce", json!({ "text": "Back at noon" })),
    ]
}

#[tokio::test]
async fn a_change_that_is_repeated_under_one_key_is_one_decision_and_one_row() {
    let administered = Administered::start(&[]).await;
    for (version, (request, body)) in (1..).zip(changes()) {
        let key = format!("key-{version}");
        let first = administered.change(request, &key, &body).await;
        assert_eq!(first["version"], version, "{request}");
        assert_eq!(first["by"], "admin");
        assert_eq!(first["address"], "127.0.0.1");
        let again = administered.change(request, &key, &body).await;
        assert_eq!(again, first, "{request}");
    }
    // Another change under the same key: of another kind, for another reason or time, of another user.
    for (request, key, body) in [
        ("POST users/carol/ban", "key-1", json!({})),
        ("POST users/bob/ban", "key-2", json!({ "for": 3 })),
        (
            "POST users/bob/ban",
            "key-2",
            json!({ "reason": "another" }),
        ),
        ("DELETE users/carol/ban", "key-3", json!({})),
        ("DELETE users/bob/mute", "key-3", json!({})),
    ] {
        let (status, answer) = administered.try_change(request, key, &body).await;
        assert_eq!(status, 409, "{request}: {answer}");
    }
    let audit = administered.read("/admin/v1/audit").await;
    let rows = audit["rows"].as_array().unwrap();
    let actions: Vec<_> = rows
        .iter()
        .map(|row| (row["action"].as_str().unwrap(), row["target"].as_str()))
        .collect();
    let expected = [
        ("kick", Some("bob")),
        ("ban", Some("bob")),
        ("lift", Some("bob")),
        ("mute", Some("bob")),
        ("lift", Some("bob")),
        ("revoke_user", Some("bob")),
        ("revoke_token", Some("a-token")),
        ("announce", None),
    ];
    assert_eq!(actions, expected);
    let decisions = administered
        .read("/admin/v1/decisions?after=1&limit=2")
        .await;
    assert_eq!(decisions["decisions"][0]["what"]["action"], "ban");
    assert_eq!(decisions["more"], true);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_said_and_nothing_is_decided() {
    let administered = Administered::start(&[]).await;
    for (request, body, status) in [
        ("POST users/bob/ban", json!({ "for": 0 }), 400),
        ("POST users/bob/ban", json!({ "for": "7d" }), 400),
        ("POST users/bob/ban", json!({ "fro": 1 }), 400),
        (
            "POST users/bob/ban",
            json!({ "for": 4_000_000_000_u64 }),
            400,
        ),
        ("POST users/bob/ban", json!({ "reason": "two\nlines" }), 400),
        ("POST users/bob/kick", json!({ "for": 1 }), 400),
        ("POST users/a,b/kick", json!({}), 400),
        ("POST announce", json!({ "text": " " }), 400),
        ("POST announce", json!({}), 400),
        ("POST announce", json!([]), 400),
        ("POST rooms/none/notices", json!({ "text": "hi" }), 404),
        ("POST rooms/none/notices", json!({ "text": " " }), 422),
        ("POST rooms/none/notices", json!({ "data": [] }), 400),
        ("DELETE users/bob/ban", json!({}), 404),
        ("DELETE users/bob/mute", json!({}), 404),
    ] {
        let (got, answer) = administered.try_change(request, "key", &body).await;
        assert_eq!(got, status, "{request} {body}: {answer}");
    }
    let (status, _) = administered
        .try_change("POST users/bob/kick", "a b", &json!({}))
        .await;
    assert_eq!(status, 400);
    // A body is not needed.
    let (status, ..) = administered
        .ask("POST /admin/v1/users/bob/kick", TOKEN)
        .await;
    assert_eq!(status, 200);
    let decisions = administered.read("/admin/v1/decisions").await;
    assert_eq!(decisions["decisions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_room_is_deleted_and_a_user_is_exported_and_erased() {
    let administered = Administered::start(&[]).await;
    let place = Place::Tcp(administered.server.address, "");
    let done = async |arguments: &[&str]| {
        let (code, said) = administered.command(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    };
    let (mut bob, _) = place.native("bob").await;
    let room = bob.open("alice").await;
    bob.say(&room, "secret").await;
    let lines = done(&["export", "bob"]).await;
    let pieces = lines.lines().map(serde_json::from_str::<Value>);
    let kinds: Vec<_> = pieces.map(|piece| piece.unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["presence", "room", "entry", "decision"], "{lines}");
    assert!(lines.contains("secret"), "{lines}");
    let delete = "DELETE rooms/alice,bob";
    let deleted = administered.change(delete, "key-1", &json!({})).await;
    assert_eq!(deleted["what"]["action"], "delete_room");
    assert_eq!(bob.event("closed").await["room"], "alice,bob");
    let again = administered.change(delete, "key-1", &json!({})).await;
    assert_eq!(again, deleted);
    let (status, _) = administered.try_change(delete, "key-2", &json!({})).await;
    assert_eq!(status, 404);
    let room = bob.open("alice").await;
    bob.say(&room, "secret").await;
    let said = done(&["erase", "bob", "--reason", "asked for it"]).await;
    assert!(said.starts_with("decision 3: erase"), "{said}");
    assert_eq!(bob.end().await.1, Closed::With(4504));
    let audit = administered.read("/admin/v1/audit").await.to_string();
    // SHA-256 of the name.
    let hash = "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9";
    assert!(audit.contains(hash), "{audit}");
    assert!(!audit.contains("\"bob\""), "{audit}");
    let (mut bob, welcome) = place.native("bob").await;
    assert_eq!(
        welcome["result"]["kind"], "welcome",
        "somebody new: {welcome}"
    );
    let rooms = bob.ask(json!({ "type": "rooms" })).await;
    assert_eq!(rooms["result"]["rooms"], json!([]));
}

#[tokio::test]
async fn each_command_does_what_it_says_to_people_who_are_connected() {
    let administered = Administered::start(&[]).await;
    let place = Place::Tcp(administered.server.address, "");
    let done = async |arguments: &[&str]| {
        let (code, said) = administered.command(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    };
    let (mut bob, _) = place.native("bob").await;
    let room = bob.open("alice").await;
    bob.say(&room, "hi").await;
    let said = done(&["announce", "Back at noon", "--reason", "upgrade"]).await;
    assert_eq!(said, "decision 1: announce");
    assert_eq!(bob.event("announcement").await["text"], "Back at noon");
    let said = done(&["kick", "bob"]).await;
    assert_eq!(said, "decision 2: kick of bob");
    assert_eq!(bob.end().await.1, Closed::With(4006));
    let (mut bob, _) = place.native("bob").await;
    done(&["mute", "bob", "--for", "7d"]).await;
    let send = json!({ "type": "send", "room": room, "text": "hi" });
    assert_eq!(bob.ask(send.clone()).await["error"]["code"], 211);
    done(&["unmute", "bob"]).await;
    assert_eq!(bob.ask(send).await["result"]["seq"], 2);
    let said = done(&["ban", "bob", "--for", "7d", "--reason", "spam"]).await;
    assert!(said.starts_with("decision 5: ban of bob until "), "{said}");
    assert_eq!(bob.end().await.1, Closed::With(4505));
    let (_, refused) = place.native("bob").await;
    assert_eq!(refused["error"]["code"], 214, "{refused}");
    let said = done(&["user", "bob"]).await;
    assert!(
        said.contains("banned until") && said.contains("alice,bob"),
        "{said}"
    );
    done(&["unban", "bob"]).await;
    let (mut bob, _) = place.native("bob").await;
    let said = done(&["notice", "alice,bob", "shipped"]).await;
    assert!(said.starts_with("decision 7: notice"), "{said}");
    let entry = bob.event("entry").await;
    let notice = json!({ "kind": "notice", "text": "shipped" });
    assert_eq!(
        (&entry["author"], &entry["body"]),
        (&json!("system"), &notice)
    );
    done(&["revoke", "bob"]).await;
    assert_eq!(bob.end().await.1, Closed::With(4504));
    done(&["revoke-token", "a-token"]).await;
    let said = done(&["room", "alice,bob"]).await;
    assert!(said.contains("bob") && said.contains("hi"), "{said}");
    let said = done(&["audit"]).await;
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("10 ") && last.contains("inspect"),
        "{said}"
    );
    assert_eq!(
        done(&["decisions", "--limit", "3"]).await.lines().count(),
        3
    );
    let (_bob, _) = place.native("bob").await;
    let said = done(&["sessions", "--user", "bob"]).await;
    assert!(
        said.contains("native") && said.contains("127.0.0.1"),
        "{said}"
    );
    let json = done(&["user", "bob", "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["user"], "bob");
}

#[tokio::test]
async fn a_command_that_fails_says_what_to_do() {
    let administered = Administered::start(&[]).await;
    let folder = administered.folder.path();
    std::fs::write(folder.join("wrong"), TOKEN.replace('0', "1")).unwrap();
    let url = format!("http://{}", administered.admin);
    let closed = format!("http://127.0.0.1:{}", chat_testkit::free_port());
    for (arguments, exit, says) in [
        (&["--url", &url, "user", "bob"][..], 2, "--token-file"),
        (
            &["--url", &url, "--token-file", "missing", "user", "bob"],
            2,
            "missing can't be used",
        ),
        (
            &["--url", &url, "--token-file", "wrong", "user", "bob"],
            2,
            "chmod 600",
        ),
        (
            &[
                "--url",
                "http://chat.example",
                "--token-file",
                "token",
                "user",
                "bob",
            ],
            2,
            "use https://",
        ),
        (
            &["--url", &closed, "--token-file", "token", "user", "bob"],
            1,
            "--admin-listen",
        ),
        (
            &["--url", &url, "--token-file", "token", "unban", "bob"],
            1,
            "no ban of this user is in force",
        ),
        (
            &[
                "--url",
                &url,
                "--token-file",
                "token",
                "ban",
                "bob",
                "--for",
                "soon",
            ],
            2,
            "7d",
        ),
        (
            &["--url", &url, "--token-file", "token", "user", "a,b"],
            1,
            "refused: ",
        ),
    ] {
        let all = [&["admin"], arguments].concat();
        let (code, said) = run(folder, &all, "").await;
        assert!(
            code == Some(exit) && said.contains(says),
            "{arguments:?}: {said}"
        );
    }
}

#[tokio::test]
async fn the_record_holds_no_text_and_no_token_and_is_a_line_of_json_for_each_row() {
    const CANARY: &str = "canary-5bd1e995";
    let file = ["--audit-file", "audit.jsonl"];
    let administered = Administered::start(&file).await;
    let place = Place::Tcp(administered.server.address, "");
    let (mut bob, _) = place.native("bob").await;
    let room = bob.open("alice").await;
    bob.say(&room, CANARY).await;
    let odd = "users/%22%7D%20%5C%22/kick";
    let text = json!({ "text": CANARY });
    administered.change("POST announce", "1", &text).await;
    let why = json!({ "reason": "\",\" and \u{2028} too" });
    administered.change(&format!("POST {odd}"), "2", &why).await;
    administered.read("/admin/v1/rooms/alice,bob").await;
    let path = administered.folder.path().join("audit.jsonl");
    let lines = || std::fs::read_to_string(&path).unwrap();
    until("the file has three lines", async || {
        lines().lines().count() == 3
    })
    .await;
    let audit = administered.read("/admin/v1/audit").await;
    let written: Vec<Value> = lines()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(audit["rows"], json!(written));
    assert_eq!(written[1]["target"], "\"} \\\"");
    let all = lines() + &audit.to_string();
    assert!(!all.contains(CANARY) && !all.contains(TOKEN), "{all}");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_decision_and_its_row_survive_a_kill_together_and_the_file_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    secret(&folder.path().join("token"), TOKEN);
    let mut answered: Vec<(String, Value)> = Vec::new();
    for round in 0..6_u64 {
        let administered = Administered::again(folder.path()).await;
        let decisions = administered.read("/admin/v1/decisions?limit=1000").await;
        let decisions = decisions["decisions"].as_array().unwrap();
        let audit = administered.read("/admin/v1/audit?limit=1000").await;
        let rows = audit["rows"].as_array().unwrap();
        let numbers = |all: &[Value], field: &str| -> Vec<u64> {
            all.iter().map(|one| one[field].as_u64().unwrap()).collect()
        };
        let dense: Vec<u64> = (1..=decisions.len() as u64).collect();
        assert_eq!(numbers(decisions, "version"), dense);
        assert_eq!(numbers(rows, "version"), dense);
        for (_, decision) in &answered {
            assert!(decisions.contains(decision), "{decision}");
        }
        let path = folder.path().join("audit.jsonl");
        let whole = || {
            let lines = std::fs::read_to_string(&path).unwrap();
            let lines = lines.lines().map(serde_json::from_str::<Value>);
            lines
                .map(|line| line.map(|line| line["seq"].as_u64()))
                .collect::<Vec<_>>()
        };
        let expected: Vec<_> = dense.iter().copied().map(Some).collect();
        until("the file has caught up", async || {
            whole().into_iter().flatten().collect::<Vec<_>>() == expected
        })
        .await;
        // Requests go on until the server is gone.
        let mut number = 0_u64;
        let kill = async {
            tokio::time::sleep(std::time::Duration::from_millis(20 + 15 * round)).await;
            administered.server.signal("KILL");
        };
        let ask = async {
            loop {
                number += 1;
                let key = format!("{round}-{number}");
                let headers = format!("{}idempotency-key: {key}\r\n", bearer(TOKEN));
                let Ok(tcp) = tokio::net::TcpStream::connect(administered.admin).await else {
                    return;
                };
                let request = "POST /admin/v1/users/bob/kick";
                let (status, _, body) = http::ask_on(tcp, request, &headers, "").await;
                if status != 200 {
                    return;
                }
                if let Ok(decision) = serde_json::from_str(&body) {
                    answered.push((key, decision));
                }
            }
        };
        tokio::join!(kill, ask);
    }
    assert!(!answered.is_empty());
}

#[tokio::test]
async fn logins_that_fail_are_one_row_for_each_address() {
    let folder = tempfile::tempdir().unwrap();
    secret(&folder.path().join("token"), TOKEN);
    let administered = Administered::again(folder.path()).await;
    let wrong = TOKEN.replace('0', "1");
    for _ in 0..8 {
        administered.ask("GET /metrics", &wrong).await;
    }
    // What was counted is written at the stop too.
    let mut process = administered.server.process;
    chat_testkit::signal(process.id().unwrap(), "TERM");
    timeout(PATIENCE, process.wait()).await.unwrap().unwrap();
    let administered = Administered::again(folder.path()).await;
    let audit = administered.read("/admin/v1/audit").await;
    let rows = audit["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{audit}");
    let row = &rows[0];
    assert_eq!(row["action"], "failed_logins");
    assert_eq!(row["address"], "127.0.0.1");
    assert_eq!(
        (&row["outcome"], &row["detail"]["count"]),
        (&json!("refused"), &json!(8))
    );
}

/// A login in which `boss` is an administrator, and `auditor` one who may only read.
#[derive(Debug)]
struct Ranked;

#[async_trait]
impl Authenticator for Ranked {
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        let name = presented.token.text().ok_or(AuthError::Invalid)?;
        let user = UserId::new(name).map_err(|_| AuthError::Invalid)?;
        let rank = match name {
            "boss" | "auditor" => Rank::Admin,
            _ => Rank::User,
        };
        let mut principal = Principal {
            rank,
            ..Principal::trusted(user)
        };
        principal.scopes.manage = name == "boss";
        Ok(principal)
    }
}

#[tokio::test]
async fn an_administrator_of_an_embedded_server_changes_the_role_of_a_member() {
    let engine = ChatEngine::builder().build().unwrap();
    let [alice, bob] = ["alice", "bob"].map(|name| UserId::new(name).unwrap());
    let group = RoomId::new("a group").unwrap();
    let made = engine.create_group(group.clone(), alice.clone(), vec![bob.clone()]);
    made.await.unwrap();
    let watching = engine.connect(alice).await.unwrap();
    let [users, admins] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let admin = admins.local_addr().unwrap();
    let [users, admins] = [users, admins].map(|listener| {
        listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(listener).unwrap()
    });
    let server = chat_server::Server::builder(engine.clone()).authenticator(Ranked);
    let server = server.admin(admins).build();
    tokio::spawn(server.serve(users, std::future::pending()));
    let ask = async |path: &str, token: &str, role: &str| {
        let headers = format!(
            "{}idempotency-key: {role}\r\ncontent-type: application/json\r\n",
            bearer(token)
        );
        let body = json!({ "role": role }).to_string();
        let request = format!("PUT /admin/v1/rooms/{path}");
        let (status, _, answer) = http::ask(admin, &request, &headers, &body).await;
        (status, serde_json::from_str::<Value>(&answer).unwrap())
    };
    let path = "a%20group/members/bob";
    let (status, _) = ask(path, "auditor", "owner").await;
    assert_eq!(status, 403);
    let read = http::ask(admin, "GET /admin/v1/sessions", &bearer("auditor"), "").await;
    assert_eq!(read.0, 200, "{}", read.2);
    let (status, first) = ask(path, "boss", "moderator").await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(
        (&first["by"], &first["version"]),
        (&json!("boss"), &json!(1))
    );
    let (_, again) = ask(path, "boss", "moderator").await;
    assert_eq!(again, first);
    assert_eq!(
        engine.role(&group, &bob).await.unwrap(),
        Some(Role::Moderator)
    );
    let entry = loop {
        if let Event::Entry(entry) = watching.next_event().await.unwrap() {
            break entry;
        }
    };
    assert_eq!((entry.author.as_str(), entry.seq), ("boss", Seq(1)));
    for (path, token, role, expected) in [
        (path, "bob", "owner", 403),
        ("a%20group/members/carol", "boss", "owner", 404),
        ("nothing/members/bob", "boss", "owner", 404),
        ("alice,bob/members/bob", "boss", "owner", 404),
        (path, "boss", "king", 400),
        // The key of before, for another change.
        ("a%20group/members/alice", "boss", "moderator", 409),
    ] {
        let (status, answer) = ask(path, token, role).await;
        assert_eq!(status, expected, "{path} {role}: {answer}");
    }
    assert_eq!(engine.decided(), Version(1));
}
