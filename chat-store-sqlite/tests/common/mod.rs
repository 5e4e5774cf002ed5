//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{path::Path, process::Command, sync::Arc};

use chat_core::{
    ClientMessageId, Entry, EntryBody, Epoch, MessageId, NewEntry, NewRoom, Page, RoomId, Seq,
    UserId,
    port::{AppendError, Appended, LogStore, RoomStore},
};
use chat_store_sqlite::SqliteStore;
use chrono::DateTime;
use uuid::Uuid;

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn room() -> RoomId {
    RoomId::new("alice,bob").unwrap()
}

/// A message of alice's; the same number is the same message.
pub(crate) fn message(number: u64, text: &str) -> NewEntry {
    NewEntry {
        room: room(),
        id: MessageId(Uuid::from_u128(u128::from(number))),
        author: user("alice"),
        client_id: ClientMessageId::new(format!("m{number}")).unwrap(),
        at: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
        body: EntryBody::message(text),
    }
}

/// A store with the one room that the messages go to.
pub(crate) async fn store_with_room(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).await.unwrap();
    let new = NewRoom {
        id: room(),
        epoch: Epoch(Uuid::from_u128(7)),
        members: vec![user("alice"), user("bob")],
        created_at: DateTime::from_timestamp_millis(1_600_000_000_000).unwrap(),
    };
    store.create_room(new).await.unwrap();
    store
}

pub(crate) async fn append(store: &SqliteStore, entry: NewEntry) -> Result<Appended, AppendError> {
    store.append(vec![entry]).await.pop().unwrap()
}

/// The whole log, which is checked to have no gap.
pub(crate) async fn log(store: &SqliteStore) -> Vec<Arc<Entry>> {
    let log = store
        .page(&room(), Page::After(Seq::ZERO), usize::MAX)
        .await
        .unwrap();
    for (expected, entry) in (1..).zip(&log) {
        assert_eq!(entry.seq, Seq(expected));
    }
    let head = store.room(&room()).await.unwrap().unwrap().head;
    assert_eq!(head.0, log.len() as u64);
    log
}

/// Arguments of this test program that run one test of it, which is otherwise ignored.
pub(crate) fn child_args(test: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap();
    let rest = ["--exact", test, "--ignored", "--nocapture"];
    std::iter::once(program.to_str().unwrap())
        .chain(rest)
        .map(str::to_owned)
        .collect()
}

/// Runs such a test within `wrapper`, and demands that it passes.
pub(crate) fn run_child(wrapper: &[&str], test: &str, env: &[(&str, &str)]) {
    let args = child_args(test);
    let mut all = wrapper.iter().copied().chain(args.iter().map(|arg| &**arg));
    let output = Command::new(all.next().unwrap())
        .args(all)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
