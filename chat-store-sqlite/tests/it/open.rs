//! Which files are opened, and what is said of those that aren't.

use std::{fs, path::Path};

use chat_core::port::LogStore;
use chat_store_sqlite::{OpenError, SqliteStore};
use chat_testkit::log::{append, log, message, room};
use rusqlite::Connection;

use crate::store_with_room;

/// The folder's files and what is in them.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .filter(|(name, _)| name.starts_with("chat.db") && name != "chat.db.lock")
        .collect();
    files.sort();
    files
}

/// Opens a file that is expected to be refused, and to be left as it is.
async fn refusal(path: &Path) -> OpenError {
    let before = contents(path.parent().unwrap());
    let error = SqliteStore::open(path).await.unwrap_err();
    assert!(
        contents(path.parent().unwrap()) == before,
        "{error}: files changed"
    );
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    error
}

#[test]
fn the_bundled_sqlite_has_no_bug_that_loses_commits_at_a_checkpoint() {
    assert!(
        rusqlite::version_number() >= 3_051_003,
        "{}",
        rusqlite::version()
    );
}

#[tokio::test]
async fn a_closed_store_leaves_one_whole_file_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    for number in 1..=3 {
        let store = store_with_room(&path).await;
        append(&store, message(number, "hello")).await.unwrap();
        assert_eq!(log(&store, &room()).await.len() as u64, number);
        drop(store);
        let files: Vec<_> = contents(folder.path())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(files, ["chat.db"]);
    }
}

#[tokio::test]
async fn any_name_will_do() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["file:chat.db?mode=memory", "100%23 #1 李雷.db", ":memory:"] {
        let path = folder.path().join(name);
        for number in 1..=2 {
            let store = store_with_room(&path).await;
            append(&store, message(number, "hello")).await.unwrap();
            assert_eq!(log(&store, &room()).await.len() as u64, number);
        }
        assert!(path.is_file(), "{name}");
    }
}

#[tokio::test]
async fn closing_waits_for_what_was_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    let batch = (1..=500).map(|number| message(number, "hello")).collect();
    let mut pending = store.append(batch);
    // Submitted, and given up before the answer.
    tokio::select! { biased; _ = &mut pending => {}, () = async {} => {} }
    drop(pending);
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(log(&store, &room()).await.len(), 500);
}

#[tokio::test]
async fn a_second_opener_is_refused_whatever_name_it_uses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let other_name = folder.path().join("link.db");
    let store = store_with_room(&path).await;
    std::os::unix::fs::symlink(&path, &other_name).unwrap();
    for name in [&path, &other_name] {
        let error = SqliteStore::open(name).await.unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        assert!(
            error.to_string().contains("in use by another process"),
            "{error}"
        );
    }
    drop(store);
    SqliteStore::open(&other_name).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    drop(store_with_room(&path).await);
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 999).unwrap();
    drop(file);
    let error = refusal(&path).await;
    assert!(
        matches!(
            error,
            OpenError::NewerSchema {
                found: 999,
                known: 7,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    for text in ["x", "dear diary, this is no database at all"] {
        fs::write(&path, text).unwrap();
        let error = refusal(&path).await;
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_database_of_another_application_is_refused() {
    for marks in [
        "",
        "PRAGMA application_id = 5;",
        "PRAGMA journal_mode = WAL;",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let file = Connection::open(&path).unwrap();
        file.execute_batch(&format!("{marks} CREATE TABLE message (text)"))
            .unwrap();
        drop(file);
        let error = refusal(&path).await;
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_empty_file_and_an_unfinished_one_are_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    fs::write(&path, "").unwrap();
    drop(SqliteStore::open(&path).await.unwrap());

    let path = folder.path().join("unfinished.db");
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(file);
    assert!(fs::metadata(&path).unwrap().len() > 0);
    let store = store_with_room(&path).await;
    append(&store, message(1, "hello")).await.unwrap();
}

/// A closed file with this many entries, each of so many bytes.
async fn written(path: &Path, entries: u64, size: usize) {
    let store = store_with_room(path).await;
    for first in (1..=entries).step_by(1_000) {
        let batch = (first..first + 1_000).map(|number| message(number, &"x".repeat(size)));
        store.append(batch.collect()).await;
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    written(&path, 1_000, 1_000).await;
    let whole = fs::read(&path).unwrap();
    for length in [100, 5_000, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = refusal(&path).await;
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{length}: {error}"
        );
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(
        log(&SqliteStore::open(&path).await.unwrap(), &room())
            .await
            .len(),
        1_000
    );
}

#[tokio::test]
async fn a_damaged_page_of_a_small_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    written(&path, 1_000, 1_000).await;
    let whole = fs::read(&path).unwrap();
    for page in [0, 1, 40, 200] {
        let mut damaged = whole.clone();
        // Behind the header of the file, which the first page begins with.
        damaged[page * 4_096 + 100..][..3_000].fill(0xa5);
        if page > 0 {
            damaged[page * 4_096..][..100].fill(0xa5);
        }
        fs::write(&path, &damaged).unwrap();
        let error = refusal(&path).await;
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{page}: {error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_root_of_a_large_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    written(&path, 2_000, 3_000).await;
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 4 << 20);
    let file = Connection::open(&path).unwrap();
    let roots: Vec<u32> = file
        .prepare("SELECT rootpage FROM sqlite_schema WHERE ifnull(sql, '') NOT LIKE '% WHERE %'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    file.close().unwrap();
    assert_eq!(roots.len(), 19);
    for root in roots {
        let mut damaged = whole.clone();
        damaged[(root as usize - 1) * 4_096..][..4_096].fill(0xa5);
        fs::write(&path, &damaged).unwrap();
        let error = refusal(&path).await;
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{root}: {error}"
        );
    }
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(folder.path().join("no/chat.db"))
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::NoFolder { .. }), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("make it, or choose another file"),
        "{error}"
    );
}

#[tokio::test]
async fn a_folder_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Other { .. }), "{error}");
}
