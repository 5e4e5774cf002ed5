//! Users, rooms and entries for the tests of stores, and a look at the log that they make.

use std::sync::Arc;

use chat_core::{
    ClientMessageId, Details, Entry, EntryBody, Epoch, MessageId, NewEntry, NewRoom, Page, RoomId,
    RoomKind, Seq, UserId,
    port::{AppendError, Appended, LogStore, RoomStore},
};
use chrono::DateTime;
use uuid::Uuid;

/// The user of this name.
pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// The room of alice and bob.
pub fn room() -> RoomId {
    RoomId::new("alice,bob").unwrap()
}

/// The steps that make a room of alice and bob.
pub fn new_room(id: RoomId) -> NewRoom {
    let kind = if id.is_direct() {
        RoomKind::Direct
    } else {
        RoomKind::Group
    };
    NewRoom {
        id,
        epoch: Epoch(Uuid::from_u128(7)),
        members: vec![user("alice"), user("bob")],
        kind,
        created_by: None,
        details: Details::default(),
        created_at: DateTime::from_timestamp_millis(1_600_000_000_000).unwrap(),
    }
}

/// An entry of alice's in [`room`]; the same number is the same entry.
pub fn entry(number: u64, body: EntryBody) -> NewEntry {
    NewEntry {
        room: room(),
        id: MessageId(Uuid::from_u128(u128::from(number))),
        author: user("alice"),
        client_id: ClientMessageId::new(format!("m{number}")).unwrap(),
        at: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
        body,
        require: None,
        max_members: None,
    }
}

/// A message of alice's in [`room`]; the same number is the same message.
pub fn message(number: u64, text: &str) -> NewEntry {
    entry(number, EntryBody::message(text))
}

/// Appends one entry.
///
/// # Errors
///
/// Those of the store.
pub async fn append(store: &impl LogStore, entry: NewEntry) -> Result<Appended, AppendError> {
    store.append(vec![entry]).await.pop().unwrap()
}

/// The whole log of a room, which is checked to have no gap.
pub async fn log(store: &(impl RoomStore + LogStore), room: &RoomId) -> Vec<Arc<Entry>> {
    let all = Page::After(Seq::ZERO);
    let log = store.page(room, all, usize::MAX).await.unwrap();
    for (expected, entry) in (1..).zip(&log) {
        assert_eq!(entry.seq, Seq(expected));
    }
    let head = store.room(room).await.unwrap().unwrap().head;
    assert_eq!(head.0, log.len() as u64);
    log
}
