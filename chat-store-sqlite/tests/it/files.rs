//! The file, its log and its copies: what belongs together stays together, and nothing is lost without
//! a word.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use chat_core::{
    Mark, Seq,
    port::{AppendError, BackendErrorKind, LogStore, ReceiptStore, Retry, RoomStore},
};
use chat_store_sqlite::{CopyError, OpenError, Progress, SqliteStore, backup, examine, restore};
use chat_testkit::{
    log::{append, log, message, room, user},
    until,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::store_with_room;

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

async fn add(store: &SqliteStore, numbers: std::ops::RangeInclusive<u64>) {
    let batch = numbers.map(|number| message(number, "hello")).collect();
    for answer in store.append(batch).await {
        answer.unwrap();
    }
}

async fn count(path: &Path) -> usize {
    log(&SqliteStore::open(path).await.unwrap(), &room())
        .await
        .len()
}

fn nothing(_: Progress) {}

/// What a killed program leaves behind: the file and the log of a store at work, in another folder.
async fn killed(
    store: &SqliteStore,
    path: &Path,
    numbers: std::ops::RangeInclusive<u64>,
) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(store, numbers).await;
    for ending in ["", "-wal"] {
        let name = beside(Path::new("chat.db"), ending);
        fs::copy(beside(path, ending), folder.path().join(name)).unwrap();
    }
    assert!(size(&folder.path().join("chat.db-wal")) > 0);
    folder
}

#[tokio::test]
async fn some_seconds_after_the_last_write_the_file_by_itself_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    add(&store, 1..=300).await;
    until("the log is empty", async || {
        size(&beside(&path, "-wal")) == 0
    })
    .await;
    assert_eq!(store.log_bytes(), 0);
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(count(&copy).await, 300);
    // And it goes on.
    add(&store, 301..=301).await;
    assert_eq!(log(&store, &room()).await.len(), 301);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_a_gapless_log_with_all_that_was_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = Arc::new(store_with_room(&path).await);
    add(&store, 1..=2_000).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            let mut next = 2_001;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                add(&store, next..=next + 99).await;
                next += 100;
            }
            next - 1
        }
    });
    let copy = folder.path().join("copy.db");
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    backup(&path, &copy, move |step| seen.lock().unwrap().push(step))
        .await
        .unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let written = writing.await.unwrap();
    let copied = count(&copy).await;
    assert!(copied >= 2_000, "{copied}");
    assert_eq!(log(&store, &room()).await.len() as u64, written);
    let last = *steps.lock().unwrap().last().unwrap();
    assert!(last.all > 0 && last.done == last.all, "{last:?}");
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = backup(&path, &copy, nothing).await.unwrap_err();
    assert!(matches!(again, CopyError::Exists { .. }), "{again}");
}

#[tokio::test]
async fn a_restore_is_not_undone_by_the_log_of_a_killed_program_and_loses_nothing() {
    for round in 1..=50 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let store = store_with_room(&path).await;
        add(&store, 1..=50).await;
        let copy = folder.path().join("copy.db");
        backup(&path, &copy, nothing).await.unwrap();
        let left = killed(&store, &path, 51..=50 + round).await;
        let path = left.path().join("chat.db");
        let epoch = store.room(&room()).await.unwrap().unwrap().epoch;

        let replaced = restore(&copy, &path, nothing).await.unwrap().unwrap();
        let restored = SqliteStore::open(&path).await.unwrap();
        assert_eq!(log(&restored, &room()).await.len(), 50, "round {round}");
        let now = restored.room(&room()).await.unwrap().unwrap().epoch;
        assert_ne!(now, epoch, "devices are to forget what is not there");
        assert_eq!(count(&replaced).await as u64, 50 + round, "it is kept");
        assert_eq!(count(&copy).await, 50, "the backup stays");
    }
}

#[tokio::test]
async fn a_backup_beside_the_log_of_another_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    add(&store, 1..=50).await;
    let copy = folder.path().join("copy.db");
    backup(&path, &copy, nothing).await.unwrap();
    until("the log is empty", async || {
        size(&beside(&path, "-wal")) == 0
    })
    .await;
    let plain = folder.path().join("plain.db");
    fs::copy(&path, &plain).unwrap();
    // Two logs later.
    add(&store, 51..=60).await;
    until("the log is empty", async || {
        size(&beside(&path, "-wal")) == 0
    })
    .await;
    add(&store, 61..=70).await;
    until("the log is empty", async || {
        size(&beside(&path, "-wal")) == 0
    })
    .await;
    let left = killed(&store, &path, 71..=80).await;
    let path = left.path().join("chat.db");
    let whole = fs::read(&path).unwrap();
    for wrong in [&copy, &plain] {
        fs::copy(wrong, &path).unwrap();
        let before = fs::read(beside(&path, "-wal")).unwrap();
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(matches!(error, OpenError::ForeignLog { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("chat.db-wal") && text.contains("chat.db-shm"),
            "{text}"
        );
        assert!(
            fs::read(beside(&path, "-wal")).unwrap() == before,
            "the log is untouched"
        );
    }
    // With the file that it belongs to nothing is lost.
    fs::write(&path, whole).unwrap();
    assert_eq!(count(&path).await, 80);
}

#[tokio::test]
async fn a_log_whose_file_was_moved_away_is_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    let left = killed(&store, &path, 1..=30).await;
    let path = left.path().join("chat.db");
    let moved = left.path().join("moved.db");
    fs::rename(&path, &moved).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::LostFile { .. }), "{error}");
    assert!(error.to_string().contains("chat.db-wal"), "{error}");
    assert!(!path.exists(), "nothing is begun anew");
    fs::rename(&moved, &path).unwrap();
    assert_eq!(count(&path).await, 30);
}

#[tokio::test]
async fn a_file_is_locked_under_all_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let [path, hard, target, dangling] =
        ["chat.db", "hard.db", "target.db", "dangling.db"].map(|name| folder.path().join(name));
    drop(store_with_room(&path).await);
    fs::hard_link(&path, &hard).unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    let error = SqliteStore::open(&hard).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(store);

    symlink("target.db", &dangling).unwrap();
    let store = SqliteStore::open(&dangling).await.unwrap();
    let error = SqliteStore::open(&target).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(store);
    SqliteStore::open(&target).await.unwrap();
}

#[tokio::test]
async fn new_files_are_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    append(&store, message(1, "hello")).await.unwrap();
    for ending in ["", "-wal", "-shm", ".lock"] {
        let mode = fs::metadata(beside(&path, ending))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{ending}");
    }
}

#[tokio::test]
async fn a_lock_file_that_can_not_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    fs::create_dir(beside(&path, ".lock")).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(error.to_string().contains("chat.db.lock"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_removed_while_it_is_open_fails_all_calls_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    append(&store, message(1, "hello")).await.unwrap();
    let moved = folder.path().join("moved.db");
    fs::rename(&path, &moved).unwrap();
    let Err(AppendError::Backend(error)) = append(&store, message(2, "hello")).await else {
        panic!("it would be lost");
    };
    let found = (error.kind, error.retry);
    assert_eq!(found, (BackendErrorKind::Misconfigured, Retry::No));
    let error = store.room(&room()).await.unwrap_err();
    assert_eq!(
        error.kind,
        BackendErrorKind::Misconfigured,
        "as /ready asks"
    );
    fs::rename(&moved, &path).unwrap();
    append(&store, message(2, "hello")).await.unwrap();
    assert_eq!(log(&store, &room()).await.len(), 2);
}

#[tokio::test]
async fn a_restore_refuses_an_open_store_a_damaged_backup_and_itself() {
    let folder = tempfile::tempdir().unwrap();
    let [path, copy, other] =
        ["chat.db", "copy.db", "other.db"].map(|name| folder.path().join(name));
    let store = store_with_room(&path).await;
    add(&store, 1..=500).await;
    backup(&path, &copy, nothing).await.unwrap();
    let error = restore(&copy, &path, nothing).await.unwrap_err();
    let locked = matches!(error, CopyError::Open(OpenError::Locked { .. }));
    assert!(locked, "{error}");
    drop(store);

    let error = restore(&copy, &copy, nothing).await.unwrap_err();
    assert!(
        matches!(error, CopyError::Same { .. } | CopyError::Open(_)),
        "{error}"
    );
    let mut damaged = fs::read(&copy).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 3_000].fill(0xa5);
    fs::write(&copy, damaged).unwrap();
    restore(&copy, &path, nothing).await.unwrap_err();
    restore(&copy, &other, nothing).await.unwrap_err();
    assert!(!other.exists(), "nothing is left of it");
    restore(folder.path().join("none.db"), &path, nothing)
        .await
        .unwrap_err();
    assert_eq!(count(&path).await, 500, "the store is as it was");

    fs::write(beside(&path, ".restoring"), "").unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(
        matches!(error, OpenError::UnfinishedRestore { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn the_doctor_finds_nothing_in_a_sound_store_and_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    add(&store, 1..=20).await;
    store
        .advance(&room(), &user("bob"), Mark::Read, Seq(7))
        .await
        .unwrap();
    assert_eq!(examine(&path).await.unwrap(), [], "while it is open");
    drop(store);
    assert_eq!(examine(&path).await.unwrap(), []);

    for (harm, words) in [
        (
            "DELETE FROM entry WHERE seq = 5",
            "alice,bob has 19 entries",
        ),
        (
            "UPDATE receipt SET delivered = 99",
            "bob has received up to 99",
        ),
        ("UPDATE receipt SET delivered = 1", "read up to 7"),
        ("UPDATE entry SET room = 9 WHERE seq = 20", "room number 9"),
        (
            "INSERT INTO member (user, room) VALUES ('eve', 'gone')",
            "are in gone",
        ),
        (
            "UPDATE room SET members = 3",
            "alice,bob has 2 members, and counts 3",
        ),
        (
            "UPDATE entry SET kind = 99 WHERE seq = 3",
            "does not know, 99",
        ),
        (
            "UPDATE entry SET kind = 1, target = 2 WHERE seq = 3; UPDATE entry SET kind = 3 WHERE seq = 2",
            "entry 3 of alice,bob still has the text",
        ),
    ] {
        let harmed = folder.path().join("harmed.db");
        fs::copy(&path, &harmed).unwrap();
        Connection::open(&harmed)
            .unwrap()
            .execute_batch(harm)
            .unwrap();
        let findings = examine(&harmed).await.unwrap();
        let found = findings.iter().any(|finding| finding.what.contains(words));
        assert!(found, "{harm}: {findings:?}");
        let error = restore(&harmed, folder.path().join("new.db"), nothing).await;
        assert!(matches!(error, Err(CopyError::Damaged { .. })), "{error:?}");
    }
}
