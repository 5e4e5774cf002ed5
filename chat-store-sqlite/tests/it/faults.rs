//! Real faults: a full disk, a disk that fails to sync, a process that is killed.
//!
//! Each needs a process of its own: a test that is otherwise ignored, in this program.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use chat_core::{
    Mark, Page, Seq,
    port::{AppendError, BackendError, BackendErrorKind, LogStore, Outcome, ReceiptStore, Retry},
};
use chat_store_sqlite::SqliteStore;
use chat_testkit::{
    child,
    log::{append, log, message, room, user},
};

use crate::store_with_room;

/// Runs a child within `wrapper` and with a folder, and demands that it passes.
fn run_child(wrapper: &[&str], test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child::within(wrapper, &format!("faults::{test}"));
    child.env("CHAT_TEST_FOLDER", folder.path());
    child::passes(child);
}

fn folder_from_parent() -> PathBuf {
    std::env::var_os("CHAT_TEST_FOLDER").unwrap().into()
}

/// Appends messages of 4 KB from number `first` on until one is refused; gives its number.
async fn fill(store: &SqliteStore, first: u64) -> (u64, BackendError) {
    for number in first..10_000 {
        match append(store, message(number, &"x".repeat(4_000))).await {
            Ok(_) => {}
            Err(AppendError::Backend(error)) => return (number, error),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the disk is never full");
}

/// What a store does on a disk that gets full and empty again. `make_room` ends the fault.
async fn live_through_a_full_disk(kind: BackendErrorKind, make_room: impl FnOnce()) {
    let path = folder_from_parent().join("chat.db");
    let store = store_with_room(&path).await;
    let (refused, error) = fill(&store, 1).await;
    assert!(refused > 100, "{refused}");
    assert_eq!((error.kind, error.retry), (kind, Retry::Safe));
    let stored = refused - 1;

    // Reading goes on, and writing is refused, again and again.
    for _ in 0..3 {
        assert_eq!(log(&store, &room()).await.len() as u64, stored);
        let newest = store.page(&room(), Page::Newest, 1).await.unwrap();
        assert_eq!(newest[0].seq, Seq(stored));
        let (again, error) = fill(&store, refused).await;
        assert_eq!(
            (again, error.kind, error.retry),
            (refused, kind, Retry::Safe)
        );
    }

    make_room();
    let retried = append(&store, message(refused, "now")).await.unwrap();
    assert_eq!(
        (retried.outcome, retried.entry.seq),
        (Outcome::Stored, Seq(refused))
    );
    let duplicate = append(&store, message(stored, "")).await.unwrap();
    assert_eq!(duplicate.outcome, Outcome::Duplicate);
    store
        .advance(&room(), &user("bob"), Mark::Read, Seq(refused))
        .await
        .unwrap();
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(log(&store, &room()).await.len() as u64, refused);
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room() {
    // A small disk of our own, as any user may have where user namespaces are allowed.
    let own_mounts = ["unshare", "--user", "--map-root-user", "--mount"];
    let allowed = Command::new(own_mounts[0])
        .args(&own_mounts[1..])
        .arg("true")
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no user namespaces; the limit of file size stands in for it");
        return;
    }
    let mount = "mount -t tmpfs -o size=4m tmpfs \"$CHAT_TEST_FOLDER\" && exec \"$@\"";
    let wrapper = [&own_mounts[..], &["sh", "-c", mount, "sh"]].concat();
    run_child(&wrapper, "child_on_a_small_disk");
}

#[tokio::test]
#[ignore = "run by a_full_disk_refuses_appends_until_there_is_room"]
async fn child_on_a_small_disk() {
    let ballast = folder_from_parent().join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let make_room = || fs::remove_file(ballast).unwrap();
    live_through_a_full_disk(BackendErrorKind::Full, make_room).await;
}

#[test]
fn a_limit_of_file_size_refuses_appends_until_it_is_lifted() {
    let limit = "trap '' XFSZ && ulimit -S -f 20000 && exec \"$@\"";
    let wrapper = ["sh", "-c", limit, "sh"];
    run_child(&wrapper, "child_with_a_limit_of_file_size");
}

#[tokio::test]
#[ignore = "run by a_limit_of_file_size_refuses_appends_until_it_is_lifted"]
async fn child_with_a_limit_of_file_size() {
    let make_room = || {
        let process = std::process::id().to_string();
        let lifted = Command::new("prlimit")
            .args(["--fsize=unlimited:", "--pid", &process])
            .status();
        assert!(lifted.unwrap().success());
    };
    live_through_a_full_disk(BackendErrorKind::Unavailable, make_room).await;
}

#[test]
fn what_a_failed_sync_left_open_is_settled_by_a_retry() {
    let works = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no strace to make a sync fail");
        return;
    }
    let calls = "fsync,fdatasync";
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &format!("trace={calls}"),
        "-e",
        &format!("inject={calls}:error=EIO:when=20..25"),
    ];
    run_child(&wrapper, "child_on_a_disk_that_fails_to_sync");
}

#[tokio::test]
#[ignore = "run by what_a_failed_sync_left_open_is_settled_by_a_retry"]
async fn child_on_a_disk_that_fails_to_sync() {
    let path = folder_from_parent().join("chat.db");
    let store = store_with_room(&path).await;
    let mut failures = Vec::new();
    for number in 1..=50 {
        while let Err(error) = append(&store, message(number, "hello")).await {
            let AppendError::Backend(error) = error else {
                panic!("{error}");
            };
            failures.push((error.kind, error.retry));
            log(&store, &room()).await;
        }
        assert_eq!(log(&store, &room()).await.len() as u64, number);
    }
    let unknown = (BackendErrorKind::Unavailable, Retry::IfIdempotent);
    assert!(failures.contains(&unknown), "{failures:?}");
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(log(&store, &room()).await.len(), 50);
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut acked = HashMap::new();
    for round in 1..=5_u64 {
        let mut child = child::command("faults::child_that_is_killed")
            .env("CHAT_TEST_FOLDER", folder.path())
            .env("CHAT_TEST_FIRST", (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut new = 0;
        for line in lines {
            if let Some((id, seq)) = line
                .strip_prefix("acked ")
                .and_then(|line| line.split_once(' '))
            {
                acked.insert(id.to_owned(), Seq(seq.parse().unwrap()));
                new += 1;
                if new == 150 * round {
                    // What it has printed by then is read below, up to its end.
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();

        let log = runtime.block_on(async {
            let store = SqliteStore::open(folder.path().join("chat.db"))
                .await
                .unwrap();
            log(&store, &room()).await
        });
        let stored: HashMap<_, _> = log
            .iter()
            .map(|entry| (entry.client_id.as_str(), entry.seq))
            .collect();
        assert_eq!(stored.len(), log.len());
        for (id, seq) in &acked {
            assert_eq!(stored.get(id.as_str()), Some(seq), "{id}");
        }
    }
}

#[tokio::test]
#[ignore = "run by a_killed_process_loses_nothing_that_it_acknowledged"]
async fn child_that_is_killed() {
    let first: u64 = std::env::var("CHAT_TEST_FIRST").unwrap().parse().unwrap();
    let store = store_with_room(&folder_from_parent().join("chat.db")).await;
    let writer = |task: u64| {
        let store = &store;
        async move {
            for number in 0.. {
                let entry = message(first + task * 100_000 + number, "hello");
                let stored = append(store, entry).await.unwrap().entry;
                println!("acked {} {}", stored.client_id, stored.seq);
            }
        }
    };
    futures_util::future::join_all((0..8).map(writer)).await;
}
