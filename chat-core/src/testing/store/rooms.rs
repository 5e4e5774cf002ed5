//! Rooms and their members.

use super::common::{self, *};
use crate::port::Created;

fn new_room(name: &str, members: Vec<UserId>) -> NewRoom {
    NewRoom {
        members,
        ..common::new_room(name)
    }
}

pub(super) async fn a_new_room_has_the_given_epoch_and_head_0(h: &dyn StoreHarness) {
    let store = h.store();
    let new = new_room("alice,bob", users(["bob", "alice", "bob"]));
    let room = Room {
        id: new.id.clone(),
        kind: RoomKind::Direct,
        epoch: new.epoch,
        head: Seq::ZERO,
        created_at: new.created_at,
        created_by: None,
        details: Details::default(),
        members: 2,
    };
    let created = store.create_room(new).await.unwrap();
    assert_eq!(
        created,
        Created::New(room.clone()),
        "a new room is as given"
    );
    assert_eq!(
        store.room(&room.id).await.unwrap(),
        Some(room.clone()),
        "the room is there from then on"
    );
    assert_eq!(
        roles_of(store.members(&room.id, None, 10).await.unwrap()),
        members(["alice", "bob"]),
        "its first members are in it, each once"
    );
}

pub(super) async fn the_same_room_again_is_the_existing_one_untouched(h: &dyn StoreHarness) {
    let store = h.store();
    let new = new_room("group", users(["alice", "bob"]));
    let mut room = store.create_room(new).await.unwrap().into_room();
    let said = entry(&room.id, "alice", text("hello"));
    store.append(vec![said]).await.remove(0).unwrap();
    room.head = Seq(1);
    let again = new_room("group", users(["carol"]));
    let created = store.create_room(again).await.unwrap();
    assert_eq!(
        created,
        Created::Existing(room.clone()),
        "the same id again gives the existing room, its epoch and head untouched"
    );
    assert_eq!(
        store.room(&room.id).await.unwrap(),
        Some(room.clone()),
        "the existing room stays as it was"
    );
    assert_eq!(
        roles_of(store.members(&room.id, None, 10).await.unwrap()),
        members(["alice", "bob"]),
        "its members are untouched"
    );
    assert!(
        store
            .rooms_of(&user("carol"), None, 10)
            .await
            .unwrap()
            .is_empty(),
        "nobody gets into a room by making it again"
    );
}

pub(super) async fn of_many_calls_at_once_exactly_one_makes_the_room(h: &dyn StoreHarness) {
    let store = h.store();
    for round in 0..8 {
        let make = |n: usize| {
            let new = new_room(&format!("room {round}"), users([["alice", "bob"][n % 2]]));
            let store = Arc::clone(&store);
            async move { store.create_room(new).await.unwrap() }
        };
        let answers = at_once((0..16).map(make)).await;
        let new: Vec<&Room> = answers
            .iter()
            .filter_map(|answer| match answer {
                Created::New(room) => Some(room),
                Created::Existing(_) => None,
            })
            .collect();
        assert_eq!(
            new.len(),
            1,
            "of several calls at once, exactly one makes it"
        );
        for answer in &answers {
            let room = answer.clone().into_room();
            assert_eq!(&room, new[0], "all calls get the room that was made");
        }
        let members = store.members(&new[0].id, None, 10).await.unwrap();
        assert_eq!(members.len(), 1, "the members are those of one call");
    }
}

pub(super) async fn a_room_knows_its_newest_number(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    let other = TestRoom::new(h, "other").await;
    for number in 1..=3 {
        room.add("alice", text("hello")).await;
        assert_eq!(room.head().await, number, "head is the newest number");
    }
    assert_eq!(other.head().await, 0, "entries of another room don't count");
}

pub(super) async fn a_room_that_does_not_exist_has_nothing(h: &dyn StoreHarness) {
    TestRoom::new(h, "group").await.fill(3).await;
    let (store, none) = (h.store(), room_id("none"));
    assert_eq!(
        store.room(&none).await.unwrap(),
        None,
        "there is no such room"
    );
    assert!(
        store.member(&none, &user("alice")).await.unwrap().is_none(),
        "nobody is a member of a room that doesn't exist"
    );
    let members = store.members(&none, None, 10).await.unwrap();
    assert_eq!(members, [], "a room that doesn't exist has no members");
    for page in [
        Page::Newest,
        Page::Before(Seq(2)),
        Page::After(Seq(0)),
        Page::Around(Seq(1)),
    ] {
        let page = store.page(&none, page, 10).await.unwrap();
        assert_eq!(page, [], "a room that doesn't exist has no entries");
    }
    let zero = store.watermarks(&none, &users(["alice"])).await.unwrap();
    assert_eq!(zero, [Watermarks::default()], "and no receipts");
}

pub(super) async fn only_members_are_members(h: &dyn StoreHarness) {
    let room = TestRoom::with(h, "group", users(["alice"])).await;
    TestRoom::with(h, "other", users(["bob"])).await;
    room.add("bob", text("an author need not be a member"))
        .await;
    assert!(room.is_member("alice").await, "who was put in is a member");
    assert!(
        !room.is_member("bob").await,
        "a member of another room isn't"
    );
    assert!(!room.is_member("carol").await, "a stranger isn't");
}

pub(super) async fn members_come_in_ascending_order(h: &dyn StoreHarness) {
    let names = [
        "zoe", "Zoe", "alice", "éva", "李雷", "a b", "10", "9", "_x", "🦀",
    ];
    let room = TestRoom::with(h, "group", users(names)).await;
    let mut sorted = users(names);
    sorted.sort();
    assert_eq!(
        room.members().await,
        sorted,
        "members come in ascending order of their bytes"
    );
}

pub(super) async fn members_come_in_pages(h: &dyn StoreHarness) {
    let all = members(["b", "d", "f", "h"]);
    let room = TestRoom::with(h, "group", users(["b", "d", "f", "h"])).await;
    for after in [
        None,
        Some("a"),
        Some("b"),
        Some("c"),
        Some("g"),
        Some("h"),
        Some("z"),
    ] {
        let after = after.map(user);
        let rest: Vec<(UserId, Role)> = all
            .iter()
            .filter(|(user, _)| Some(user) > after.as_ref())
            .cloned()
            .collect();
        for limit in [0, 1, 2, 3, 4, 5, usize::MAX] {
            let page = room.store.members(&room.id, after.as_ref(), limit).await;
            assert_eq!(
                roles_of(page.unwrap()),
                rest[..limit.min(rest.len())],
                "at most {limit} members from the first one after {after:?}"
            );
        }
    }
}

pub(super) async fn joined_makes_a_member_and_left_ends_it(h: &dyn StoreHarness) {
    let room = TestRoom::with(h, "group", users(["alice"])).await;
    room.add("alice", joined("bob")).await;
    assert!(
        room.is_member("bob").await,
        "Joined makes its user a member"
    );
    assert_eq!(
        room.members().await,
        users(["alice", "bob"]),
        "and is listed"
    );
    let listed = room.membership("bob").await;
    assert!(listed.is_some(), "the room is in the new member's list");
    room.add("alice", left("bob")).await;
    assert!(!room.is_member("bob").await, "Left ends it");
    assert_eq!(
        room.members().await,
        users(["alice"]),
        "who left isn't listed"
    );
    let listed = room.membership("bob").await;
    assert_eq!(
        listed, None,
        "the room is gone from the former member's list"
    );
    let batch = [left("alice"), joined("carol"), joined("bob"), left("carol")];
    let batch = batch.map(|body| entry(&room.id, "alice", body));
    for answer in room.store.append(batch.into()).await {
        answer.unwrap();
    }
    assert_eq!(
        room.members().await,
        users(["bob"]),
        "the last change of a batch decides"
    );
}

pub(super) async fn a_new_group_has_its_owner_whether_or_not_listed(h: &dyn StoreHarness) {
    let expected = with_roles([
        ("alice", Role::Owner),
        ("bob", Role::Member),
        ("carol", Role::Member),
    ]);
    let room = TestRoom::owned(h, "group").await;
    assert_eq!(room.roles().await, expected, "the owner is a member");
    let mut listed = new_room("other", users(["carol", "bob", "alice"]));
    listed.created_by = Some(user("alice"));
    let id = room.store.create_room(listed).await.unwrap().into_room().id;
    let members = room.store.members(&id, None, 10).await.unwrap();
    assert_eq!(roles_of(members), expected, "and is one once");
    for (name, role) in [
        ("alice", Some(Role::Owner)),
        ("bob", Some(Role::Member)),
        ("dave", None),
    ] {
        assert_eq!(room.role(name).await, role, "the role of {name}");
    }
}

pub(super) async fn a_member_has_the_role_of_the_last_entry_that_gives_one(h: &dyn StoreHarness) {
    let room = TestRoom::owned(h, "group").await;
    for given in Role::ALL {
        room.add("alice", joined_as("dave", given)).await;
        assert_eq!(room.role("dave").await, Some(given), "Joined gives a role");
    }
    for given in Role::ALL {
        room.add("alice", role("bob", given)).await;
        assert_eq!(room.role("bob").await, Some(given), "Role gives another");
    }
    room.add("alice", left("bob")).await;
    room.add("alice", joined("bob")).await;
    assert_eq!(
        room.role("bob").await,
        Some(Role::Member),
        "who comes back has the role of the new Joined"
    );
    let batch = [
        role("carol", Role::Moderator),
        left("dave"),
        role("carol", Role::Reader),
        joined_as("dave", Role::Moderator),
    ];
    let batch = batch.map(|body| entry(&room.id, "alice", body));
    for answer in room.store.append(batch.into()).await {
        answer.unwrap();
    }
    let expected = with_roles([
        ("alice", Role::Owner),
        ("bob", Role::Member),
        ("carol", Role::Reader),
        ("dave", Role::Moderator),
    ]);
    assert_eq!(room.roles().await, expected, "the last of a batch decides");
}

pub(super) async fn joining_twice_and_leaving_twice_change_nothing(h: &dyn StoreHarness) {
    let room = TestRoom::with(h, "group", users(["alice"])).await;
    for (number, body) in [joined("bob"), joined("bob"), joined("alice")]
        .into_iter()
        .enumerate()
    {
        let entry = room.add("carol", body).await;
        let number = u64::try_from(number).unwrap() + 1;
        assert_eq!(
            entry.seq,
            Seq(number),
            "joining again is an entry all the same"
        );
    }
    assert_eq!(room.members().await, users(["alice", "bob"]), "each once");
    for body in [left("bob"), left("bob"), left("carol")] {
        room.add("alice", body).await;
    }
    assert_eq!(
        room.members().await,
        users(["alice"]),
        "nobody else is left"
    );
    assert_eq!(
        room.head().await,
        6,
        "leaving again is an entry all the same"
    );
}

pub(super) async fn a_refused_entry_moves_no_member(h: &dyn StoreHarness) {
    let room = TestRoom::with(h, "group", users(["alice"])).await;
    let nowhere = entry(&room_id("none"), "alice", joined("bob"));
    assert!(
        room.try_append(nowhere).await.is_err(),
        "there is no such room"
    );
    let rooms = room.store.rooms_of(&user("bob"), None, 10).await.unwrap();
    assert_eq!(rooms, [], "a refused entry leaves no trace");
}

pub(super) async fn rooms_of_a_user_come_in_ascending_order(h: &dyn StoreHarness) {
    let names = ["zoo", "Zoo", "alice,bob", "alice", "a b", "élan", "10", "9"];
    for name in names {
        TestRoom::with(h, name, users(["alice"])).await;
    }
    TestRoom::with(h, "another", users(["bob"])).await;
    let mut sorted = names.map(room_id);
    sorted.sort();
    let rooms = h.store().rooms_of(&user("alice"), None, 100).await.unwrap();
    let ids: Vec<RoomId> = rooms.into_iter().map(|entry| entry.room.id).collect();
    assert_eq!(
        ids, sorted,
        "the user's rooms and no others, in order of id"
    );
    let none = h.store().rooms_of(&user("carol"), None, 100).await.unwrap();
    assert_eq!(none, [], "who is in no room has no rooms");
}

pub(super) async fn rooms_of_a_user_come_in_pages(h: &dyn StoreHarness) {
    let all = ["b", "d", "f", "h"].map(room_id);
    for id in &all {
        TestRoom::with(h, id.as_str(), users(["alice"])).await;
    }
    for after in [
        None,
        Some("a"),
        Some("b"),
        Some("c"),
        Some("g"),
        Some("h"),
        Some("z"),
    ] {
        let after = after.map(room_id);
        let rest: Vec<RoomId> = all
            .iter()
            .filter(|&id| Some(id) > after.as_ref())
            .cloned()
            .collect();
        for limit in [0, 1, 2, 3, 4, 5, usize::MAX] {
            let page = h
                .store()
                .rooms_of(&user("alice"), after.as_ref(), limit)
                .await;
            let ids: Vec<RoomId> = page
                .unwrap()
                .into_iter()
                .map(|entry| entry.room.id)
                .collect();
            assert_eq!(
                ids,
                rest[..limit.min(rest.len())],
                "at most {limit} rooms from the first one after {after:?}"
            );
        }
    }
}

pub(super) async fn rooms_of_a_user_have_their_heads_and_the_users_own_watermarks(
    h: &dyn StoreHarness,
) {
    let (busy, calm) = (
        TestRoom::new(h, "busy").await,
        TestRoom::new(h, "calm").await,
    );
    busy.fill(5).await;
    calm.fill(1).await;
    for (name, mark, upto) in [
        ("alice", Mark::Read, 5),
        ("bob", Mark::Delivered, 3),
        ("bob", Mark::Read, 2),
    ] {
        busy.receipt(name, mark, upto).await;
    }
    for room in [&busy, &calm] {
        let listed = room.membership("bob").await.unwrap();
        let known = room.store.room(&room.id).await.unwrap();
        assert_eq!(Some(listed.room), known, "each room comes with its head");
    }
    let listed = busy.membership("bob").await.unwrap();
    assert_eq!(
        listed.watermarks,
        Watermarks {
            delivered: Seq(3),
            read: Seq(2)
        },
        "each room comes with this user's watermarks"
    );
    let listed = calm.membership("bob").await.unwrap();
    assert_eq!(listed.watermarks, Watermarks::default(), "of this room");
}

pub(super) async fn rooms_with_users_come_once_in_ascending_order_with_their_heads(
    h: &dyn StoreHarness,
) {
    let mut expected = Vec::new();
    for (name, members, messages) in [
        ("both", users(["alice", "bob"]), 3),
        ("alices", users(["alice"]), 1),
        ("left", users(["alice", "carol"]), 0),
        ("bobs", users(["bob", "carol"]), 0),
        ("carols", users(["carol"]), 2),
    ] {
        let room = TestRoom::with(h, name, members).await;
        room.fill(messages).await;
        if name == "left" {
            room.append(entry(&room.id, "alice", left("alice"))).await;
        }
        let known = room.store.room(&room.id).await.unwrap().unwrap();
        if !["left", "carols"].contains(&name) {
            expected.push(known);
        }
    }
    expected.sort_by(|one, other| one.id.cmp(&other.id));
    let asked = users(["bob", "dave", "alice", "bob"]);
    let rooms = h.store().rooms_with(&asked, None, 100).await.unwrap();
    assert_eq!(
        rooms, expected,
        "the rooms of any of them, each once, with heads"
    );
    let nobody = h.store().rooms_with(&[], None, 100).await.unwrap();
    assert_eq!(nobody, [], "nobody has no rooms");
}

pub(super) async fn rooms_with_users_come_in_pages(h: &dyn StoreHarness) {
    let all = ["b", "d", "f", "h"].map(room_id);
    for (at, id) in all.iter().enumerate() {
        let member = ["alice", "bob"][at % 2];
        TestRoom::with(h, id.as_str(), users([member])).await;
    }
    for after in [None, Some("a"), Some("b"), Some("g"), Some("h")] {
        let after = after.map(room_id);
        let rest = all.iter().filter(|&id| Some(id) > after.as_ref());
        let rest: Vec<RoomId> = rest.cloned().collect();
        for limit in [0, 1, 2, 4, usize::MAX] {
            let asked = users(["alice", "bob"]);
            let page = h.store().rooms_with(&asked, after.as_ref(), limit).await;
            let ids: Vec<RoomId> = page.unwrap().into_iter().map(|room| room.id).collect();
            assert_eq!(
                ids,
                rest[..limit.min(rest.len())],
                "at most {limit} rooms from the first one after {after:?}"
            );
        }
    }
}

pub(super) async fn rooms_whose_names_begin_alike_share_nothing(h: &dyn StoreHarness) {
    let mut rooms = Vec::new();
    for (name, messages) in ["team2", "team", "team_2", "tea"].into_iter().zip(1..) {
        let room = TestRoom::with(h, name, users([name])).await;
        room.fill(messages).await;
        room.receipt(name, Mark::Read, 1).await;
        let last = room.log().await.remove(messages - 1);
        rooms.push((name, room, last));
    }
    for (name, room, last) in &rooms {
        let own = users([*name]);
        assert_eq!(room.members().await, own, "the members of this room");
        assert_eq!(room.log().await.last(), Some(last), "the entries of it");
        assert_eq!(Seq(room.head().await), last.seq, "its newest number");
        for (other, _, entry) in &rooms {
            let same = name == other;
            assert_eq!(room.is_member(other).await, same, "{other} in {name}");
            let found = room.find(entry.id).await;
            assert_eq!(found.is_some(), same, "an entry of {other} in {name}");
            let read = Seq(u64::from(same));
            assert_eq!(room.marks(other).await.read, read, "{other} in {name}");
        }
    }
}

pub(super) async fn names_are_told_apart_to_the_letter(h: &dyn StoreHarness) {
    let names = ["team_a", "teamXa", "Team_a", "team%", "team", "téam"];
    for name in names {
        let room = TestRoom::with(h, name, users([name])).await;
        room.fill(1).await;
    }
    for name in names {
        let rooms = h.store().rooms_of(&user(name), None, 10).await.unwrap();
        let rooms: Vec<_> = rooms
            .iter()
            .map(|entry| (entry.room.id.as_str(), entry.room.head))
            .collect();
        assert_eq!(
            rooms,
            [(name, Seq(1))],
            "names that look alike are different names"
        );
    }
}
