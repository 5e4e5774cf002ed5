//! Notices: what the application says in a room.

use chat_core::{ChatEngine, Config, Data, EntryBody, Error, Page, RoomId, Seq};
use serde_json::json;

use crate::common::{client_id, direct, engine, next_entry, unlimited, user};

fn code<T>(result: Result<T, Error>) -> Option<u16> {
    result.err().map(|error| error.code().code())
}

fn data() -> Data {
    serde_json::from_value(json!({ "order": 7 })).unwrap()
}

/// A group of alice and bob, archived.
async fn archive(engine: &ChatEngine) -> RoomId {
    let (room, alice) = (RoomId::group("team").unwrap(), user("alice"));
    let members = vec![user("bob")];
    engine
        .create_group(room.clone(), alice, members)
        .await
        .unwrap();
    let archived = serde_json::from_value(json!({ "archived": true })).unwrap();
    let alice = engine.actor(user("alice"));
    alice.update(&room, archived, None).await.unwrap();
    room
}

#[tokio::test]
async fn members_are_sent_a_notice_by_system_which_an_archived_room_takes_and_nobody_has_to_read() {
    let engine = engine();
    let room = archive(&engine).await;
    let bob = engine.connect(user("bob")).await.unwrap();
    let sent = engine.notice(&room, "shipped", data()).await.unwrap();
    let entry = next_entry(&bob).await;
    assert_eq!((entry.seq, entry.author.as_str()), (sent.seq, "system"));
    let EntryBody::Notice(notice) = &entry.body else {
        panic!("{entry:?}");
    };
    assert_eq!((&*notice.text, &notice.data), ("shipped", &data()));
    let listed = bob.rooms(None, None).await.unwrap().rooms;
    assert_eq!(listed[0].unread, 0);
    let page = bob.history(&room, Page::Newest, Some(1)).await.unwrap();
    assert_eq!(page.entries, [entry]);
    assert_eq!(
        code(bob.edit(&room, sent.seq, "sunk").await),
        Some(202),
        "archived"
    );
}

#[tokio::test]
async fn a_notice_is_for_rooms_of_any_kind_and_has_a_text_or_data() {
    let config = Config {
        text_chars: 10,
        ..unlimited()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let room = direct("alice", "bob");
    assert_eq!(code(engine.notice(&room, "hello", data()).await), Some(200));
    let alice = engine.actor(user("alice"));
    alice.send(&room, "hello").await.unwrap();
    engine
        .notice(&room, "hello", Data::default())
        .await
        .unwrap();
    engine.notice(&room, "", data()).await.unwrap();
    for (text, expected) in [("", 103), (" ", 103), ("a\u{7}", 103), ("01234567890", 104)] {
        let refused = engine.notice(&room, text, Data::default()).await;
        assert_eq!(code(refused), Some(expected), "{text:?}");
    }
    assert_eq!(
        code(alice.edit(&room, Seq(2), "x").await),
        Some(201),
        "nobody's message"
    );
}

#[tokio::test]
async fn a_notice_under_one_client_id_is_said_once() {
    let engine = engine();
    let room = archive(&engine).await;
    for duplicate in [false, true] {
        let sent = engine
            .notice_as(&room, "hello", Data::default(), client_id("n1"))
            .await
            .unwrap();
        assert_eq!((sent.seq, sent.duplicate), (Seq(2), duplicate));
    }
}
