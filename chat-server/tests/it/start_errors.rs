//! The program against a MongoDB and a Redis that can't be used: one clear line, and exit code 1.

use std::{
    io::Write as _,
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use chat_testkit::{Mongod, Redis, free_port, http, program, service, until};
use mongodb::bson::doc;
use tokio::time::{Instant, sleep, timeout};

/// In less than this the program has given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Stands in addresses, and must stand in no line.
const PASSWORD: &str = "hunter2";

/// The one line with which it refuses to start.
async fn refusal(arguments: [&str; 4]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program::command(folder.path(), &["--listen", "127.0.0.1:0"]);
    let ended = timeout(PATIENCE, command.args(arguments).output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{arguments:?}: no end within {PATIENCE:?}"));
    let Output { status, stderr, .. } = ended.unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(
        said.starts_with("error: ") && !said.contains(PASSWORD),
        "{said}"
    );
    said
}

async fn store(url: &str) -> String {
    refusal(["--store", url, "--cache", "memory"]).await
}

async fn cache(url: &str) -> String {
    refusal(["--store", "memory", "--cache", url]).await
}

fn says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line}");
    }
}

#[tokio::test]
async fn where_nobody_listens_or_answers_it_says_where_and_to_start_it() {
    let closed = free_port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [closed, silent.local_addr().unwrap().port()] {
        let place = format!("127.0.0.1:{port}");
        let at = format!("me:{PASSWORD}@{place}");
        let line = store(&format!("mongodb://{at}/chat?replicaSet=rs0")).await;
        says(
            &line,
            &["store: ", &place, "start it", "correct the address"],
        );
        for scheme in ["redis", "redis-cluster"] {
            let line = cache(&format!("{scheme}://{at}")).await;
            says(&line, &["cache: ", &place, "start it", "correct"]);
        }
    }
}

#[tokio::test]
async fn a_password_that_is_not_escaped_is_not_shown() {
    for wrong in ["hun?ter2", "hun/ter2", "hun@ter2", "hun:ter2"] {
        let line = store(&format!("mongodb://me:{wrong}@127.0.0.1:1/chat")).await;
        says(&line, &["name or password", "%3F %2F %40"]);
        assert!(!line.contains("hun") && !line.contains("ter2"), "{line}");
    }
    let line = store("mongodb://me:hun%3Fter2@127.0.0.1:port/chat").await;
    says(&line, &["port"]);
    assert!(!line.contains("ter2"), "{line}");
    for wrong in ["hun?ter2", "hun/ter2", "hun@ter2", "hun:ter2", "hun#ter2"] {
        for scheme in ["redis", "rediss", "redis-cluster"] {
            let line = cache(&format!("{scheme}://me:{wrong}@127.0.0.1:1")).await;
            says(&line, &["name or the password", "%3F", "%2F", "%40"]);
            assert!(!line.contains("hun") && !line.contains("ter2"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_mongodb_that_answers_otherwise_is_not_told_to_be_started_only() {
    let Some(uri) = service("MONGODB_URI") else {
        return;
    };
    let (_, rest) = uri.split_once("://").unwrap();
    let hosts = rest.split('/').next().unwrap();
    let line = store(&format!("mongodb://{hosts}/chat?replicaSet=another")).await;
    says(
        &line,
        &["no member of a replica set of that name", "replicaSet"],
    );
    let line = store(&format!("mongodb://{hosts}/chat?tls=true")).await;
    says(&line, &["as it should ("]);
}

#[tokio::test]
async fn an_address_of_atlas_that_no_name_server_knows_is_told_apart() {
    // No name server knows this domain, and here there may be none at all.
    let uri = format!("mongodb+srv://me:{PASSWORD}@cluster0.chat.invalid/chat");
    says(&store(&uri).await, &["address", "name server"]);
}

#[tokio::test]
async fn mongodb_with_a_wrong_login_or_a_user_who_only_reads_is_told_apart() {
    let Some(server) = Mongod::start(&["--auth"]).await else {
        return;
    };
    let root = doc! { "createUser": "root", "pwd": PASSWORD, "roles": ["root"] };
    server.run(root).await.unwrap();
    let role = doc! { "role": "read", "db": "chat" };
    let reader = doc! { "createUser": "reader", "pwd": PASSWORD, "roles": [role] };
    let login = format!("root:{PASSWORD}@");
    server.run_as(&login, reader).await.unwrap();
    let at = |login: &str| server.uri(login) + "?authSource=admin";
    let line = store(&at("root:wrong@")).await;
    says(&line, &["refused the name or the password", "correct them"]);
    let line = store(&at(&format!("reader:{PASSWORD}@"))).await;
    says(&line, &["may not write to the database chat", "readWrite"]);
    let line = store(&at("")).await;
    says(&line, &["wants a name and a password"]);
}

#[tokio::test]
async fn redis_with_a_wrong_login_or_a_user_who_only_reads_is_told_apart() {
    let options = format!(
        "--requirepass {PASSWORD} --user reader on >{PASSWORD} ~* &* +@read +@connection \
         --user deaf on >{PASSWORD} ~* resetchannels +@all"
    );
    let options: Vec<_> = options.split_whitespace().collect();
    let Some(server) = Redis::start_with(&options).await else {
        return;
    };
    let place = server.address().to_string();
    let at = |login: &str| format!("redis://{login}{place}");
    for login in ["", "default:wrong@", "nobody:wrong@"] {
        let line = cache(&at(login)).await;
        says(
            &line,
            &["refused our credentials", "correct the login", &place],
        );
    }
    for user in ["reader", "deaf"] {
        let line = cache(&at(&format!("{user}:{PASSWORD}@"))).await;
        says(&line, &["NOPERM", "what this user may do", &place]);
    }
}

#[tokio::test]
async fn redis_behind_tls_is_reached_if_its_authority_is_trusted() {
    let file = |name: &str| {
        let tests = [
            env!("CARGO_MANIFEST_DIR"),
            "..",
            "chat-cli",
            "tests",
            "tls",
            name,
        ];
        let path: PathBuf = tests.iter().collect();
        path.to_str().unwrap().to_owned()
    };
    let port = free_port().to_string();
    let (certificate, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let options = [
        ["--tls-port", &port],
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &ca],
        ["--tls-auth-clients", "no"],
    ];
    let Some(server) = Redis::start_with(options.as_flattened()).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let place = format!("127.0.0.1:{port}");
    let url = format!("rediss://default:{PASSWORD}@{place}");
    let set = server.command(&format!("CONFIG SET requirepass {PASSWORD}"));
    assert_eq!(set, "+OK");
    let arguments = ["--store", "memory", "--cache", &url];
    let command = |authority: &str| {
        let mut command = program::command(folder.path(), &arguments);
        command.env("SSL_CERT_FILE", authority);
        command
    };
    let mut started = program::greeted(command(&ca)).await;
    let (status, _, body) = http::ask(started.address, "GET /ready", "", "").await;
    assert_eq!((status, &*body), (200, "READY"));
    started.process.kill().await.unwrap();

    for (authority, words) in [
        (key.as_str(), ["certificate authority", "SSL_CERT_FILE"]),
        (
            certificate.as_str(),
            ["InvalidCertificate", "SSL_CERT_FILE"],
        ),
    ] {
        let mut command = command(authority);
        let ended = timeout(PATIENCE, command.args(["--listen", "127.0.0.1:0"]).output());
        let ended = ended.await.unwrap().unwrap();
        let line = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(
            (ended.status.code(), line.lines().count()),
            (Some(1), 1),
            "{line}"
        );
        says(&line, &words);
        assert!(!line.contains(PASSWORD), "{line}");
    }
}

#[tokio::test]
async fn redis_without_memory_is_given_more() {
    let Some(server) = Redis::start_with(&["--maxmemory", "1"]).await else {
        return;
    };
    let line = cache(&server.url()).await;
    let place = server.address().to_string();
    says(&line, &["no room", "OOM", "more memory", &place]);
}

/// A disk of its own, which no other process sees, and which goes with the server.
#[tokio::test]
async fn mongodb_on_a_full_disk_is_given_some() {
    if service("MONGOD").is_none() {
        return;
    }
    let own_mounts = ["--user", "--map-root-user", "--mount"];
    let tried = Command::new("unshare")
        .args(own_mounts)
        .args(["mount", "-t", "tmpfs", "none", "/tmp"])
        .output();
    let tried = tried.unwrap();
    if !tried.status.success() {
        // Root may, so there it must not be left out.
        let required = std::env::var_os("CHAT_REQUIRE_SERVICES").is_some();
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        assert!(!(required && root), "{tried:?}");
        let line = "LEFT OUT: a full disk, for want of the right to mount one\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let shell =
        r#"for folder; do :; done; mount -t tmpfs -o size=320m none "$folder" && exec "$@""#;
    let wrapper = [&["unshare"], &own_mounts[..], &["sh", "-c", shell, "sh"]].concat();
    let mut server = Mongod::within(&wrapper, &[]).unwrap();
    until("mongod answers", async || {
        assert!(!server.has_ended(), "mongod has ended: {}", server.said());
        server.run(doc! { "ping": 1 }).await.is_some()
    })
    .await;
    let disk = PathBuf::from(format!("/proc/{}/root", server.pid()));
    let folder = server.folder().strip_prefix("/").unwrap();
    let mut file = std::fs::File::create(disk.join(folder).join("filled")).unwrap();
    // While it makes its journal, it takes room and gives it back.
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        if file.write_all(&[7; 4096]).is_ok() {
            since = Instant::now();
        } else {
            sleep(Duration::from_millis(1)).await;
        }
    }
    let line = store(&server.uri("")).await;
    says(&line, &["disk", "is full", "free some"]);
}
