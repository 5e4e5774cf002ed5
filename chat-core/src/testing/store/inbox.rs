//! Inboxes, and what members have set for their rooms.

use serde_json::{Value, json};

use super::{common::*, details::change};
use crate::{InboxFilter, InboxPlace, InboxRoom, Me, MeChange, Notify};

async fn inbox_of(
    h: &dyn StoreHarness,
    name: &str,
    filter: InboxFilter,
    after: Option<&InboxPlace>,
    limit: usize,
) -> Vec<InboxRoom> {
    let rooms = h.store().inbox(&user(name), filter, after, limit).await;
    rooms.expect("the inbox is read")
}

/// The ids of the rooms that a filter lets through.
async fn ids(h: &dyn StoreHarness, name: &str, filter: InboxFilter) -> String {
    let rooms = inbox_of(h, name, filter, None, 100).await;
    let ids = rooms.into_iter().map(|room| room.room.id.to_string());
    ids.collect::<Vec<_>>().join(" ")
}

impl TestRoom {
    async fn inbox_room(&self, name: &str) -> Option<InboxRoom> {
        let room = self.store.inbox_room(&self.id, &user(name)).await;
        room.expect("the room is read")
    }

    async fn set_me(&self, name: &str, change: Value) -> Option<Me> {
        let change: MeChange = serde_json::from_value(change).expect("a valid change");
        let me = self
            .store
            .set_me(&self.id, &user(name), change.in_micros())
            .await;
        me.expect("it is set")
    }

    /// A message of alice.
    async fn say(&self) -> Arc<Entry> {
        self.add("alice", text("hello")).await
    }
}

/// Three rooms of alice, bob and carol, made one after the other.
async fn three(h: &dyn StoreHarness) -> [TestRoom; 3] {
    [
        TestRoom::of(h, by_alice("one")).await,
        TestRoom::of(h, by_alice("two")).await,
        TestRoom::of(h, by_alice("alice,bob")).await,
    ]
}

fn by_alice(name: &str) -> NewRoom {
    NewRoom {
        members: users(["alice", "bob"]),
        ..new_room(name)
    }
}

pub(super) async fn an_inbox_is_in_the_order_of_the_newest_messages(h: &dyn StoreHarness) {
    let [one, two, direct] = three(h).await;
    let all = InboxFilter::All;
    assert_eq!(
        ids(h, "bob", all).await,
        "alice,bob two one",
        "by their age"
    );
    one.say().await;
    assert_eq!(ids(h, "bob", all).await, "one alice,bob two");
    direct.say().await;
    two.say().await;
    assert_eq!(ids(h, "bob", all).await, "two alice,bob one");
    one.add("alice", joined("carol")).await;
    one.add("alice", change(json!({ "name": "One" }))).await;
    direct.add("alice", edit(1, "better")).await;
    assert_eq!(
        ids(h, "bob", all).await,
        "two alice,bob one",
        "only messages count"
    );
    assert_eq!(ids(h, "carol", all).await, "one");
    assert_eq!(ids(h, "dave", all).await, "", "nothing of others");
    one.add("alice", left("carol")).await;
    assert_eq!(ids(h, "carol", all).await, "", "nothing of former members");
}

pub(super) async fn rooms_of_one_moment_are_in_the_order_of_their_ids(h: &dyn StoreHarness) {
    for name in ["b", "a", "c"] {
        let room = TestRoom::of(h, by_alice(name)).await;
        let new = NewEntry {
            at: time(1_000_000),
            ..entry(&room.id, "alice", text("at once"))
        };
        room.append(new).await;
    }
    assert_eq!(ids(h, "bob", InboxFilter::All).await, "a b c");
    let page = inbox_of(h, "bob", InboxFilter::All, None, 1).await;
    let rest = inbox_of(h, "bob", InboxFilter::All, Some(&page[0].place()), 9).await;
    let rest: Vec<_> = rest.iter().map(|room| room.room.id.as_str()).collect();
    assert_eq!(rest, ["b", "c"]);
}

pub(super) async fn an_inbox_comes_in_pages(h: &dyn StoreHarness) {
    let rooms = [0, 1, 2, 3, 4].map(|n| format!("room {n}"));
    for name in &rooms {
        TestRoom::of(h, by_alice(name)).await.say().await;
    }
    let all = inbox_of(h, "bob", InboxFilter::All, None, 100).await;
    assert_eq!(all.len(), rooms.len());
    for limit in [0, 1, 2, 5, 6, usize::MAX] {
        for (number, from) in all.iter().enumerate() {
            let page = inbox_of(h, "bob", InboxFilter::All, Some(&from.place()), limit).await;
            let rest = &all[number + 1..];
            assert_eq!(page, rest[..limit.min(rest.len())], "at most {limit}");
        }
    }
    let gone = InboxPlace {
        room: room_id("none"),
        ..all[2].place()
    };
    let page = inbox_of(h, "bob", InboxFilter::All, Some(&gone), 9).await;
    assert!(page.len() < 4, "a place need not be that of a room");
}

pub(super) async fn an_inbox_shows_the_newest_message_and_what_is_unread(h: &dyn StoreHarness) {
    let room = TestRoom::of(h, by_alice("group")).await;
    let empty = room.inbox_room("bob").await.unwrap();
    assert_eq!((empty.last, empty.unread), (None, 0));
    assert_eq!(empty.active_at, empty.room.created_at);
    room.say().await;
    let last = room.say().await;
    room.add("alice", joined("carol")).await;
    room.receipt("bob", Mark::Read, 1).await;
    let found = room.inbox_room("bob").await.unwrap();
    let expected = InboxRoom {
        room: room.room().await,
        me: Me {
            role: Role::Member,
            ..Me::default()
        },
        watermarks: room.marks("bob").await,
        active_at: last.at,
        last: Some(last),
        unread: 1,
        mentions: 0,
    };
    assert_eq!(found, expected);
    let listed = inbox_of(h, "bob", InboxFilter::All, None, 9).await;
    assert_eq!(listed, [expected], "the list has the same");
    room.add("alice", edit(2, "better")).await;
    let found = room.inbox_room("bob").await.unwrap().last.unwrap();
    assert_eq!(*found, *room.at(2).await, "as it stands now");
    room.add("alice", delete(2)).await;
    let found = room.inbox_room("bob").await.unwrap();
    assert_eq!(found.last.unwrap().body, EntryBody::Deleted);
    assert_eq!(found.unread, 0);
    assert_eq!(room.inbox_room("dave").await, None, "for members only");
}

pub(super) async fn an_inbox_hides_the_message_from_before_joining(h: &dyn StoreHarness) {
    let room = TestRoom::of(h, by_alice("group")).await;
    let joined_only = json!({ "settings": { "history": "joined" } });
    room.add("alice", change(joined_only)).await;
    let last = room.say().await;
    room.add("alice", joined("carol")).await;
    let found = room.inbox_room("carol").await.unwrap();
    assert_eq!((found.last, found.unread), (None, 0));
    assert_eq!(found.active_at, last.at, "for the order it counts");
    let bob = room.inbox_room("bob").await.unwrap();
    assert_eq!(bob.last, Some(last));
    let last = room.say().await;
    let found = room.inbox_room("carol").await.unwrap();
    assert_eq!((found.last, found.unread), (Some(last), 1));
}

pub(super) async fn a_member_sets_what_a_change_names(h: &dyn StoreHarness) {
    let room = TestRoom::of(h, by_alice("group")).await;
    room.say().await;
    let until = "2026-01-02T03:04:05.678901Z";
    for (change, expected) in [
        (
            json!({ "notify": "mentions" }),
            json!({ "notify": "mentions" }),
        ),
        (
            json!({ "pinned": true }),
            json!({ "notify": "mentions", "pinned": true }),
        ),
        (
            json!({ "muted_until": until, "notify": "none" }),
            json!({ "notify": "none", "pinned": true, "muted_until": until }),
        ),
        (
            json!({ "hidden": true, "pinned": false }),
            json!({ "notify": "none", "muted_until": until, "hidden": true }),
        ),
        (
            json!({ "muted_until": null }),
            json!({ "notify": "none", "hidden": true }),
        ),
        (json!({ "hidden": false, "notify": "all" }), json!({})),
        (json!({}), json!({})),
    ] {
        let mut whole = json!({
            "role": "member", "notify": "all", "pinned": false, "hidden": false
        });
        if let (Value::Object(whole), Value::Object(expected)) = (&mut whole, expected) {
            whole.extend(expected);
        }
        let expected: Me = serde_json::from_value(whole).unwrap();
        let me = room.set_me("bob", change.clone()).await;
        assert_eq!(me, Some(expected), "the answer to {change}");
        let shown = room.inbox_room("bob").await.unwrap().me;
        assert_eq!(shown, expected, "the inbox after {change}");
        let others = room.inbox_room("alice").await.unwrap().me;
        assert_eq!(
            others,
            Me {
                role: Role::Member,
                ..Me::default()
            }
        );
    }
    assert_eq!(room.set_me("dave", json!({ "pinned": true })).await, None);
}

pub(super) async fn what_a_member_has_set_ends_with_the_membership(h: &dyn StoreHarness) {
    let room = TestRoom::of(h, by_alice("group")).await;
    let all = json!({ "notify": "none", "pinned": true, "hidden": true,
        "muted_until": "2026-01-02T03:04:05Z" });
    room.set_me("bob", all).await;
    room.add("alice", role("bob", Role::Moderator)).await;
    let me = room.inbox_room("bob").await.unwrap().me;
    assert_eq!((me.role, me.notify), (Role::Moderator, Notify::None));
    room.add("alice", left("bob")).await;
    assert_eq!(room.set_me("bob", json!({ "pinned": true })).await, None);
    room.add("alice", joined("bob")).await;
    let me = room.inbox_room("bob").await.unwrap().me;
    assert_eq!(
        me,
        Me {
            role: Role::Member,
            ..Me::default()
        }
    );
}

pub(super) async fn a_hidden_room_returns_with_the_next_message(h: &dyn StoreHarness) {
    let [one, two, direct] = three(h).await;
    for room in [&one, &two, &direct] {
        room.say().await;
    }
    one.set_me("bob", json!({ "hidden": true })).await;
    direct
        .set_me("bob", json!({ "hidden": true, "pinned": true }))
        .await;
    assert_eq!(ids(h, "bob", InboxFilter::All).await, "two");
    assert_eq!(ids(h, "bob", InboxFilter::Hidden).await, "alice,bob one");
    assert_eq!(ids(h, "bob", InboxFilter::Pinned).await, "");
    assert_eq!(
        ids(h, "alice", InboxFilter::Hidden).await,
        "",
        "for bob alone"
    );
    one.add("alice", joined("carol")).await;
    assert_eq!(
        ids(h, "bob", InboxFilter::All).await,
        "two",
        "by a message only"
    );
    one.say().await;
    direct.say().await;
    assert_eq!(ids(h, "bob", InboxFilter::All).await, "alice,bob one two");
    assert_eq!(ids(h, "bob", InboxFilter::Pinned).await, "alice,bob");
    assert_eq!(ids(h, "bob", InboxFilter::Hidden).await, "");
}

pub(super) async fn the_members_who_hide_a_room_are_known(h: &dyn StoreHarness) {
    let [one, two, _] = three(h).await;
    let hidden_by = async |room: &TestRoom| {
        let found = room.store.hidden_by(&room.id).await.expect("it is read");
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(user, at)| (user.to_string(), at.0))
            .collect();
        found.sort_unstable();
        found
    };
    let is = |expected: &[(&str, u64)]| {
        let expected = expected.iter();
        expected
            .map(|(name, at)| ((*name).to_owned(), *at))
            .collect::<Vec<_>>()
    };
    one.say().await;
    assert_eq!(hidden_by(&one).await, is(&[]));
    one.set_me("bob", json!({ "hidden": true })).await;
    one.say().await;
    one.set_me("alice", json!({ "hidden": true, "pinned": true }))
        .await;
    two.set_me("bob", json!({ "hidden": true })).await;
    let of_one = hidden_by(&one).await;
    assert!(of_one.contains(&("alice".to_owned(), 2)), "{of_one:?}");
    assert_eq!(hidden_by(&two).await, is(&[("bob", 0)]), "of this room");
    one.set_me("alice", json!({ "hidden": false })).await;
    one.set_me("bob", json!({ "hidden": true })).await;
    assert_eq!(hidden_by(&one).await, is(&[("bob", 2)]), "the last time");
    one.add("alice", left("bob")).await;
    assert_eq!(hidden_by(&one).await, is(&[]), "a former member");
    let nowhere = h.store().hidden_by(&room_id("none")).await;
    assert_eq!(nowhere.expect("it is read"), []);
}

pub(super) async fn an_inbox_of_unread_rooms_has_those_alone(h: &dyn StoreHarness) {
    let [one, two, direct] = three(h).await;
    for room in [&one, &two, &direct] {
        room.say().await;
    }
    two.receipt("bob", Mark::Read, 1).await;
    direct.add("bob", text("an answer")).await;
    let unread = InboxFilter::Unread;
    assert_eq!(ids(h, "bob", unread).await, "alice,bob one");
    assert_eq!(ids(h, "alice", unread).await, "alice,bob");
    direct.add("alice", delete(1)).await;
    assert_eq!(
        ids(h, "bob", unread).await,
        "one",
        "what is deleted is not unread"
    );
    one.set_me("bob", json!({ "hidden": true })).await;
    assert_eq!(ids(h, "bob", unread).await, "");
    let mentions = InboxFilter::Mentions;
    assert_eq!(ids(h, "bob", mentions).await, "");
}
