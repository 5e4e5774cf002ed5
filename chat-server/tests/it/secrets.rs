//! Where secrets come from, and where they are never seen.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use chat_testkit::{http, program};
use tokio::io::AsyncReadExt as _;

use crate::{exposure::private, tokens::run};

/// A part of every secret of these tests.
const CANARY: &str = "canary-7f3a";

#[tokio::test]
async fn a_store_and_a_cache_are_named_by_files_that_only_their_owner_may_read() {
    let folder = tempfile::tempdir().unwrap();
    private(folder.path(), "store", b"sqlite:./named.db\n");
    let server =
        program::greeted(program::command(folder.path(), &["--store-file", "store"])).await;
    assert!(
        server.greeting.contains("./named.db"),
        "{}",
        server.greeting
    );
    let address = format!("redis://me:{CANARY}@127.0.0.1:1");
    private(folder.path(), "cache", address.as_bytes());
    let (code, said) = run(
        folder.path(),
        &["--store", "memory", "--cache-file", "cache"],
        "",
    )
    .await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("error: cache: ") && !said.contains(CANARY),
        "{said}"
    );
    let twice = ["--cache-file", "cache", "--cache", "memory"];
    let (code, said) = run(folder.path(), &twice, "").await;
    assert!(
        code == Some(2) && said.contains("name one of them"),
        "{said}"
    );
    fs::set_permissions(
        folder.path().join("cache"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let (code, said) = run(folder.path(), &["--cache-file", "cache"], "").await;
    assert!(code == Some(2) && said.contains("chmod 600"), "{said}");
    private(folder.path(), "cache", b"nonsense");
    let (code, said) = run(folder.path(), &["--cache-file", "cache"], "").await;
    assert!(
        code == Some(2) && said.contains("cache-file (flag)"),
        "{said}"
    );
}

#[tokio::test]
async fn a_credential_of_the_service_manager_may_be_readable_by_its_group() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, credentials, code) in [
        (0o440, Some(""), Some(0)),
        (0o440, None, Some(2)),
        (0o440, Some("other"), Some(2)),
        (0o444, Some(""), Some(2)),
        (0o460, Some(""), Some(2)),
    ] {
        let file = folder.path().join("store");
        private(folder.path(), "store", b"sqlite:./named.db\n");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let flags = ["--store-file", file.to_str().unwrap(), "--print-config"];
        let mut command = program::command(folder.path(), &flags);
        if let Some(name) = credentials {
            command.env("CREDENTIALS_DIRECTORY", folder.path().join(name));
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), code, "{mode:o} {credentials:?}");
        fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn no_secret_is_seen_in_the_command_line_the_settings_the_log_or_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("{CANARY}-{}", "x".repeat(32));
    private(folder.path(), "key", secret.as_bytes());
    private(folder.path(), "admin", secret.as_bytes());
    private(folder.path(), "store", b"sqlite:./chat.db");
    let flags = [
        "--log=trace",
        "--auth=jwt",
        "--jwt-key-file=key",
        "--jwt-issuer=tests",
        "--jwt-audience=chat",
        "--store-file=store",
        "--admin-listen=unix:admin.sock",
        "--admin-token-file=admin",
    ];
    let mut command = program::command(folder.path(), &flags);
    command.env("CHAT_MODERATION_WORDS", "");
    let mut server = program::greeted(command).await;
    let pid = server.process.id().unwrap();
    let seen = |name: &str| fs::read(Path::new("/proc").join(pid.to_string()).join(name)).unwrap();
    let mut everything = server.greeting.clone();
    everything += &String::from_utf8_lossy(&seen("cmdline"));
    for headers in ["", &format!("authorization: Bearer {secret}\r\n")] {
        for path in ["/metrics", "/v1/rooms", "/v1/nothing"] {
            let (_, head, body) =
                http::ask(server.address, &format!("GET {path}"), headers, "").await;
            everything += &head;
            everything += &body;
        }
    }
    server.signal("TERM");
    let mut log = String::new();
    let mut stderr = server.process.stderr.take().unwrap();
    stderr.read_to_string(&mut log).await.unwrap();
    assert!(log.contains("DEBUG"), "{log}");
    everything += &log;
    let (code, shown) = run(
        folder.path(),
        &[&["--print-config"], &flags[..]].concat(),
        "",
    )
    .await;
    assert_eq!(code, Some(0), "{shown}");
    everything += &shown;
    let line = everything.lines().find(|line| line.contains(CANARY));
    assert_eq!(line, None);
    for file in ["chat.db", "chat.db.lock"] {
        let mode = fs::metadata(folder.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_server_leaves_no_core_dump() {
    let folder = tempfile::tempdir().unwrap();
    let server = program::greeted(program::command(folder.path(), &["--store", "memory"])).await;
    let pid = server.process.id().unwrap();
    // The files of a process that may not be dumped belong to root, whoever runs it.
    let owner =
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{pid}/environ")).unwrap());
    assert_eq!(owner, 0);
}
