//! Many appends, few syncs.

use std::{fs, path::Path};

use chat_core::{
    Mark, RoomId, Seq,
    port::{AppendError, BackendErrorKind, LogStore, ReceiptStore, Retry},
};
use chat_store_sqlite::SqliteStore;
use chat_testkit::log::{append, log, message, room, user};
use rusqlite::Connection;

use crate::store_with_room;

/// Transactions in the write-ahead log. The last frame of each holds the size of the file after it
/// (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
fn commits(path: &Path) -> usize {
    let log = fs::read(path.with_extension("db-wal")).unwrap();
    let (header, frames) = log.split_at(32);
    let page_size = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
    frames
        .chunks_exact(24 + page_size)
        .filter(|frame| frame[8..16] == header[16..24] && frame[4..8] != [0; 4])
        .count()
}

/// Runs `work` with the writer held up until `work` waits, so that all of it is in the queue.
async fn queued_up<T>(path: &Path, work: impl Future<Output = T>) -> T {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let release = async { other.execute_batch("ROLLBACK").unwrap() };
    // Polled in this order, and the work to its end.
    tokio::join!(biased; tokio::task::unconstrained(work), release).0
}

#[tokio::test]
async fn appends_that_wait_are_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;
    let before = commits(&path);

    let appends = (1..=900).map(|number| append(&store, message(number, "hello")));
    let answers = queued_up(&path, futures_util::future::join_all(appends)).await;

    for (number, answer) in (1..).zip(answers) {
        assert_eq!(answer.unwrap().entry.seq, Seq(number));
    }
    // The one that the writer took before it was held up, and all others.
    let made = commits(&path) - before;
    assert!((1..=2).contains(&made), "{made} commits");
    assert_eq!(log(&store, &room()).await.len(), 900);
}

#[tokio::test]
async fn a_refused_job_does_not_spoil_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = store_with_room(&path).await;

    let (room, bob) = (room(), user("bob"));
    let mut nowhere = message(2, "hello");
    nowhere.room = RoomId::new("alice,carol").unwrap();
    let mut same_id = message(3, "hello");
    same_id.id = message(1, "").id;
    let work = async {
        tokio::join!(
            append(&store, message(1, "one")),
            append(&store, nowhere),
            append(&store, same_id),
            append(&store, message(4, "two")),
            store.advance(&room, &bob, Mark::Read, Seq(9)),
        )
    };
    let (one, nowhere, same_id, two, receipt) = queued_up(&path, work).await;

    assert_eq!(one.unwrap().entry.seq, Seq(1));
    assert!(matches!(nowhere, Err(AppendError::NoRoom)));
    let Err(AppendError::Backend(error)) = same_id else {
        panic!("{same_id:?}");
    };
    assert_eq!(
        (error.kind, error.retry),
        (BackendErrorKind::Other, Retry::No)
    );
    assert_eq!(two.unwrap().entry.seq, Seq(2));
    receipt.unwrap();
    let marks = store.watermarks(&room, &[bob]).await.unwrap();
    assert_eq!(marks[0].read, Seq(2));
    assert_eq!(log(&store, &room).await.len(), 2);
}

#[tokio::test]
async fn a_lock_that_another_program_keeps_is_a_time_out_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store: SqliteStore = store_with_room(&path).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers = store
        .append(vec![message(1, "one"), message(2, "two")])
        .await;
    assert_eq!(answers.len(), 2);
    for answer in answers {
        let Err(AppendError::Backend(error)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(
            (error.kind, error.retry),
            (BackendErrorKind::Timeout, Retry::Safe)
        );
        assert!(std::error::Error::source(&error).is_some());
    }
    assert!(log(&store, &room()).await.is_empty());
    other.execute_batch("ROLLBACK").unwrap();
    append(&store, message(1, "one")).await.unwrap();
}
