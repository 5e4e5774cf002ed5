//! The facts about a room: its kind, its maker, its details, its settings and the number of its members.

use serde_json::{Value, json};

use super::common::*;
use crate::{OpenTo, RoomChange, RoomName, Topic};

/// An entry that changes a room so.
pub(super) fn change(json: Value) -> EntryBody {
    let change: RoomChange = serde_json::from_value(json).expect("a valid change");
    EntryBody::Room(Arc::new(change))
}

/// A channel of alice, who owns it, with this name.
pub(super) fn new_channel(id: &str, name: &str) -> NewRoom {
    let mut new = new_room(id);
    new.details.name = RoomName::new(name).expect("a valid name");
    NewRoom {
        kind: RoomKind::Channel,
        created_by: Some(user("alice")),
        ..new
    }
}

fn requiring(room: &TestRoom, author: &str, require: Role, body: EntryBody) -> NewEntry {
    NewEntry {
        require: Some(require),
        ..entry(&room.id, author, body)
    }
}

async fn is_taken(room: &TestRoom, new: NewEntry) -> bool {
    match room.try_append(new).await {
        Ok(_) => true,
        Err(AppendError::NotAllowed) => false,
        Err(error) => panic!("an entry is taken or not allowed: {error}"),
    }
}

pub(super) async fn a_room_has_the_kind_the_maker_and_the_details_given(h: &dyn StoreHarness) {
    let mut new = new_channel("news", "News \u{e9}");
    new.details.topic = Topic::new("all\nthat is new").unwrap();
    let data = json!({ "colour": "red", "list": [1, 2.5, null, "\u{1f980}"] });
    new.details.data = serde_json::from_value(data).unwrap();
    new.members = users(["bob", "carol"]);
    let expected = new.clone().made();
    let made = h.store().create_room(new.clone()).await.unwrap();
    assert_eq!(made.into_room(), expected, "the answer has them");
    let room = h.store().room(&new.id).await.unwrap();
    assert_eq!(room, Some(expected.clone()), "the room has them");
    let [of, with] = [
        h.store()
            .rooms_of(&user("bob"), None, 9)
            .await
            .unwrap()
            .remove(0)
            .room,
        h.store()
            .rooms_with(&users(["bob"]), None, 9)
            .await
            .unwrap()
            .remove(0),
    ];
    assert_eq!([&of, &with], [&expected; 2], "and so have the lists");
}

pub(super) async fn a_change_of_a_room_changes_what_it_names(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    let mut expected = room.room().await;
    for json in [
        json!({ "name": "Team", "topic": "work", "data": { "x": 1 } }),
        json!({ "settings": { "post": "moderators", "slow_mode": 7 } }),
        json!({ "topic": "", "settings": { "add": "moderators", "history": "joined" } }),
        json!({ "archived": true }),
        json!({ "archived": false, "name": "" }),
    ] {
        let entry = room.add("alice", change(json)).await;
        let EntryBody::Room(change) = &entry.body else {
            panic!("the entry is as it was given: {entry:?}");
        };
        expected.details = expected.details.changed(change);
        expected.head = entry.seq;
        assert_eq!(room.room().await, expected, "the rest stays");
    }
}

pub(super) async fn changes_in_one_batch_add_up(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    let batch = [
        json!({ "name": "One", "topic": "one" }),
        json!({ "name": "Two" }),
        json!({ "settings": { "slow_mode": 3 } }),
    ];
    let batch = batch.map(|json| entry(&room.id, "alice", change(json)));
    for answer in room.store.append(batch.into()).await {
        answer.unwrap();
    }
    let details = room.room().await.details;
    assert_eq!(
        (details.name.as_str(), details.topic.as_str()),
        ("Two", "one")
    );
    assert_eq!(details.settings.unwrap().slow_mode, 3);
}

pub(super) async fn a_room_counts_its_members(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    for (body, members) in [
        (joined("dave"), 4),
        (joined("dave"), 4),
        (left("bob"), 3),
        (left("bob"), 3),
        (role("carol", Role::Moderator), 3),
        (left("carol"), 2),
        (joined("bob"), 3),
    ] {
        room.add("alice", body.clone()).await;
        assert_eq!(room.room().await.members, members, "after {body:?}");
    }
    let batch = [joined("eve"), joined("eve"), left("dave"), joined("fay")];
    let batch = batch.map(|body| entry(&room.id, "alice", body));
    for answer in room.store.append(batch.into()).await {
        answer.unwrap();
    }
    assert_eq!(room.room().await.members, 4, "after a batch");
}

pub(super) async fn a_room_without_members_is_archived(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    for name in ["bob", "carol"] {
        room.add("alice", left(name)).await;
        assert!(!room.room().await.details.archived, "alice is there");
    }
    let last = requiring(&room, "alice", Role::Reader, left("alice"));
    assert!(
        is_taken(&room, last).await,
        "the last owner leaves an empty room"
    );
    let Room {
        details, members, ..
    } = room.room().await;
    assert!(details.archived && members == 0);
}

pub(super) async fn an_entry_that_overfills_its_room_is_full(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    let joining = |name, max| NewEntry {
        max_members: Some(max),
        ..entry(&room.id, "alice", joined(name))
    };
    let full = |answer: &Result<Appended, AppendError>| matches!(answer, Err(AppendError::Full));
    let batch = vec![joining("dave", 4), joining("eve", 4), joining("bob", 4)];
    let answers = room.store.append(batch).await;
    let found: Vec<bool> = answers.iter().map(full).collect();
    assert_eq!(found, [false, true, false], "bob is in it already");
    assert_eq!(room.head().await, 2, "what is refused leaves no gap");
    room.append(joining("eve", 5)).await;
    assert!(full(&room.try_append(joining("fay", 5)).await));
    room.add("alice", left("dave")).await;
    room.append(joining("fay", 5)).await;
    assert_eq!(room.room().await.members, 5);
}

pub(super) async fn the_limit_of_members_holds_under_many_callers(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    let calls = (0..8).map(|n| {
        let room = room.clone();
        let new = NewEntry {
            max_members: Some(6),
            ..entry(&room.id, "alice", joined(&format!("user {n}")))
        };
        async move { room.try_append(new).await.is_ok() }
    });
    let taken = at_once(calls)
        .await
        .into_iter()
        .filter(|taken| *taken)
        .count();
    assert_eq!((taken, room.room().await.members), (3, 6));
    assert_eq!(room.members().await.len(), 6);
}

pub(super) async fn settings_are_asked_at_the_number(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    let say = |name| requiring(&room, name, Role::Member, text("hello"));
    let add = |name, whom| requiring(&room, name, Role::Member, joined(whom));
    let set = |json| entry(&room.id, "alice", change(json));
    let batch = vec![
        say("bob"),
        set(json!({ "settings": { "post": "moderators" } })),
        say("bob"),
        say("alice"),
        add("bob", "dave"),
        set(json!({ "settings": { "post": "everyone", "add": "moderators" } })),
        say("bob"),
        add("bob", "eve"),
        add("alice", "eve"),
        set(json!({ "archived": true })),
        say("alice"),
        requiring(&room, "bob", Role::Reader, left("bob")),
        requiring(&room, "alice", Role::Owner, change(json!({ "name": "x" }))),
        requiring(
            &room,
            "alice",
            Role::Owner,
            change(json!({ "archived": false })),
        ),
        say("alice"),
    ];
    let answers = room.store.append(batch).await.into_iter();
    let taken: Vec<bool> = answers.map(|answer| answer.is_ok()).collect();
    let expected = [
        true, true, false, true, true, true, true, false, true, true, false, true, false, true,
        true,
    ];
    assert_eq!(taken, expected, "in one batch");
    room.append(set(json!({ "settings": { "post": "moderators" } })))
        .await;
    assert!(!is_taken(&room, say("carol")).await, "by another call");
    assert_eq!(
        room.room().await.details.settings.unwrap().post,
        OpenTo::Moderators
    );
}

pub(super) async fn of_a_change_and_a_message_at_once_the_earlier_counts(h: &dyn StoreHarness) {
    for round in 0..8 {
        let room = TestRoom::owned(h, &format!("group {round}")).await;
        let close = entry(&room.id, "alice", change(json!({ "archived": true })));
        let calls = (0..8).map(|n| match n {
            4 => close.clone(),
            _ => requiring(&room, "bob", Role::Member, text("hello")),
        });
        let calls = calls.map(|new| {
            let room = room.clone();
            async move {
                room.try_append(new)
                    .await
                    .map(|appended| appended.entry.seq)
            }
        });
        let answers: Vec<_> = at_once(calls).await.into_iter().flatten().collect();
        let log = room.log().await;
        let closed = log
            .iter()
            .position(|entry| matches!(entry.body, EntryBody::Room(_)));
        assert_eq!(closed, Some(log.len() - 1), "nothing is said in an archive");
        assert_eq!(answers.len(), log.len(), "what is answered is stored");
    }
}

pub(super) async fn a_stranger_comes_into_a_channel_by_oneself(h: &dyn StoreHarness) {
    let channel = TestRoom::of(h, new_channel("news", "News")).await;
    let group = TestRoom::owned(h, "group").await;
    for (room, may) in [(&channel, true), (&group, false)] {
        let join = requiring(room, "dave", Role::Reader, joined("dave"));
        assert_eq!(is_taken(room, join).await, may);
        assert_eq!(room.is_member("dave").await, may);
    }
    let again = requiring(&channel, "dave", Role::Reader, joined("dave"));
    assert!(!is_taken(&channel, again).await, "a member is in already");
    let above = requiring(&channel, "eve", Role::Reader, joined_as("eve", Role::Owner));
    assert!(!is_taken(&channel, above).await, "as a member, and no more");
}

pub(super) async fn a_member_knows_when_they_joined(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    let joined_of = |member: Option<Member>| member.map(|it| (it.joined_seq.0, it.joined_at));
    let first = joined_of(room.member("bob").await);
    assert_eq!(first, Some((0, time(0))), "a first member, with the room");
    room.add("alice", text("hello")).await;
    let by = room.add("alice", joined("dave")).await;
    for body in [joined("dave"), role("dave", Role::Reader)] {
        room.add("alice", body).await;
        let dave = joined_of(room.member("dave").await);
        assert_eq!(dave, Some((2, by.at)), "the entry that let them in");
    }
    room.add("alice", left("dave")).await;
    assert_eq!(room.member("dave").await, None);
    let by = room.add("alice", joined("dave")).await;
    let dave = joined_of(room.member("dave").await);
    assert_eq!(dave, Some((6, by.at)), "who returns has joined anew");
    room.receipt("dave", Mark::Read, 4).await;
    let listed = room.store.members(&room.id, Some(&user("carol")), 9).await;
    let dave = room.member("dave").await.unwrap();
    assert_eq!(dave.watermarks.read, Seq(4), "with their watermarks");
    assert_eq!(listed.unwrap(), [dave], "in the list as well");
}

pub(super) async fn unread_begins_with_joining_where_history_does(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    room.fill(3).await;
    room.add("alice", joined("dave")).await;
    room.fill(2).await;
    let unread = async || room.membership("dave").await.unwrap().unread;
    assert_eq!(unread().await, 5, "history is for all");
    let joined = json!({ "settings": { "history": "joined" } });
    room.add("alice", change(joined)).await;
    assert_eq!(unread().await, 2, "history begins with joining");
    let bob = room.membership("bob").await.unwrap().unread;
    assert_eq!(bob, 5, "a first member was there from the start");
}

pub(super) async fn the_directory_has_the_channels_by_name(h: &dyn StoreHarness) {
    let store = h.store();
    for new in [
        new_channel("c1", "Rust News"),
        new_channel("c2", "ÉTÉ and more"),
        new_channel("c3", ""),
        new_channel("c4", "100% news_"),
        NewRoom {
            kind: RoomKind::Group,
            ..new_channel("g1", "Private News")
        },
        new_room("alice,bob"),
    ] {
        store.create_room(new).await.unwrap();
    }
    let found = async |query: &str, after: Option<&str>, limit| {
        let after = after.map(room_id);
        let rooms = store.directory(query, after.as_ref(), limit).await.unwrap();
        let ids = rooms.into_iter().map(|room| room.id.to_string());
        ids.collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", "c1 c2 c3 c4"),
        ("news", "c1 c4"),
        ("été", "c2"),
        ("%", "c4"),
        ("s_", "c4"),
        ("private", ""),
    ] {
        assert_eq!(found(query, None, 10).await, expected, "{query:?}");
    }
    assert_eq!(found("", Some("c1"), 2).await, "c2 c3", "in pages");
    assert_eq!(found("", None, 0).await, "");
    let room = TestRoom {
        store: Arc::clone(&store),
        id: room_id("c1"),
    };
    room.add("alice", change(json!({ "name": "Old Papers" })))
        .await;
    assert_eq!(found("news", None, 10).await, "c4", "under its new name");
    assert_eq!(found("old", None, 10).await, "c1");
    room.add("alice", change(json!({ "archived": true }))).await;
    assert_eq!(found("", None, 10).await, "c2 c3 c4", "no archives");
}
