//! Administration: its listener, its token, and what it refuses.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use chat_testkit::{
    PATIENCE, http,
    program::{self, Greeted},
    until,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::UnixStream, time::timeout};

use crate::{embedding::Place, tokens::run};

/// The token of the administration in these tests.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Every address of the administration, with a method that it takes.
const ROUTES: [&str; 4] = [
    "GET /metrics",
    "GET /openapi.json",
    "GET /admin/v1/sessions",
    "GET /admin/v1/users/alice",
];

/// Writes a file that only its owner may read.
fn secret(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A server with an administration, in a folder of its own.
pub(crate) struct Administered {
    server: Greeted,
    pub(crate) admin: SocketAddr,
    folder: TempDir,
}

impl Administered {
    pub(crate) async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        secret(&folder.path().join("token"), &format!("{TOKEN}\n"));
        let own = [
            "--admin-listen",
            "127.0.0.1:0",
            "--admin-token-file",
            "token",
        ];
        let arguments = [&["--store", "memory"], &own[..], more].concat();
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

    /// What a good request reads.
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
    let nowhere = ["GET /", "GET /admin/v1/nowhere", "POST /metrics"];
    for request in ROUTES.into_iter().chain(nowhere) {
        let (status, head, body) = http::ask(administered.admin, request, "", "").await;
        assert_eq!((status, code(&body)), (401, 110), "{request}");
        assert!(head.contains("www-authenticate: Bearer"), "{head}");
        let (status, _, body) = administered.ask(request, "alice").await;
        assert_eq!((status, code(&body)), (403, 202), "{request}");
    }
    for request in ROUTES {
        let (status, ..) = administered.ask(request, TOKEN).await;
        assert_eq!(status, 200, "{request}");
        let public = administered.server.address;
        let (status, ..) = http::ask(public, request, &bearer(TOKEN), "").await;
        // Users may read the metrics on the public address too.
        let expected = if request == "GET /metrics" { 200 } else { 404 };
        assert_eq!(status, expected, "{request}");
    }
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
async fn a_token_that_is_replaced_is_read_again() {
    let administered = Administered::start(&[]).await;
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
