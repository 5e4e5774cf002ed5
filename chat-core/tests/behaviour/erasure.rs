//! Deleting rooms, erasing users and giving out what is stored of them, on two nodes.

use std::time::Duration;

use chat_core::{
    ChatEngine, ClientMessageId, Entry, EntryBody, Error, Event, Exported, Mark, NameHash,
    NewDecision, Page, Reason, Role, RoomId, Ruling, Seq, UserId, Via,
    port::{ErasureStore as _, PresenceCache as _},
    testing::Method,
};
use chrono::TimeDelta;
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    common::{client_id, direct, next_matching, pending, user},
};

fn code<T>(result: Result<T, Error>) -> Option<u16> {
    result.err().map(|error| error.code().code())
}

fn cluster() -> (Cluster, ChatEngine, ChatEngine) {
    let cluster = Cluster::<(), ()>::default();
    let (one, two) = (cluster.node(), cluster.node());
    (cluster, one, two)
}

async fn team(engine: &ChatEngine, owner: &str, members: &[&str]) -> RoomId {
    let room = RoomId::group("team").unwrap();
    let members = members.iter().map(|name| user(name)).collect();
    let made = engine
        .create_group(room.clone(), user(owner), members)
        .await;
    made.unwrap();
    room
}

/// Decides to erase a user, and does.
async fn erase(engine: &ChatEngine, name: &str) {
    let now = engine.clock().now();
    let what = Ruling::Erase {
        name: NameHash::of(&user(name)),
        issued_before: now,
        until: now + TimeDelta::hours(1),
    };
    let new = NewDecision {
        at: now,
        by: user("admin"),
        via: Via::Admin,
        address: None,
        reason: Reason::default(),
        client_id: ClientMessageId::new(format!("erase-{name}")).unwrap(),
        what,
    };
    engine.decide(new).await.unwrap();
    engine.erase(&user(name)).await.unwrap();
}

async fn log(engine: &ChatEngine, room: &RoomId) -> Vec<Entry> {
    let seen = engine.inspect(room, Page::Newest, None).await.unwrap();
    seen.entries.iter().map(|entry| (**entry).clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deleted_room_is_closed_to_its_members_on_all_nodes_and_its_id_is_free() {
    let (cluster, one, two) = cluster();
    let room = direct("alice", "bob");
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    alice.send(&room, "hello").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    bob.send(&room, "hello").await.unwrap();
    one.delete_room(&room).await.unwrap();
    for session in [&alice, &bob] {
        let closed = |event: &Event| matches!(event, Event::Closed { room: it } if *it == room);
        next_matching(session, closed).await;
    }
    assert_eq!(code(one.delete_room(&room).await), Some(200));
    assert_eq!(
        code(bob.history(&room, Page::Newest, None).await),
        Some(200)
    );
    let sent = bob.send(&room, "anew").await.unwrap();
    assert_eq!(sent.seq, Seq(1));
    sleep(Duration::from_secs(1)).await;
    let sent = alice.send(&room, "anew").await.unwrap();
    assert_eq!(sent.seq, Seq(2));
    assert!(
        cluster.store.script.calls(Method::DELETE_ROOM) >= 2,
        "each node"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_missed_the_deletion_of_a_group_learns_of_it() {
    let cluster = Cluster::<(), ()>::default();
    let (one, two) = (cluster.node(), cluster.deaf_node());
    let room = team(&one, "alice", &["bob"]).await;
    let bob = two.connect(user("bob")).await.unwrap();
    bob.send(&room, "hello").await.unwrap();
    one.delete_room(&room).await.unwrap();
    let closed = |event: &Event| matches!(event, Event::Closed { .. });
    let heard = next_matching(&bob, closed);
    tokio::time::timeout(Duration::from_mins(2), heard)
        .await
        .unwrap();
    assert_eq!(code(bob.send(&room, "hello").await), Some(200));
}

#[tokio::test(start_paused = true)]
async fn an_erased_user_leaves_a_log_without_a_hole_and_no_name() {
    let (cluster, one, two) = cluster();
    let room = team(&one, "alice", &["bob", "carol"]).await;
    let bob = two.connect(user("bob")).await.unwrap();
    let carol = one.connect(user("carol")).await.unwrap();
    let alice = one.actor(user("alice"));
    alice.send(&room, "one").await.unwrap();
    bob.send(&room, "secret").await.unwrap();
    bob.edit(&room, Seq(2), "a secret").await.unwrap();
    bob.receipt(&room, Mark::Read, Seq(2)).await.unwrap();
    bob.invite(&room, None, None, None).await.unwrap();
    bob.block(&user("dave")).await.unwrap();
    alice.send(&direct("alice", "bob"), "to bob").await.unwrap();
    // Windows hold what was said.
    carol.history(&room, Page::Newest, None).await.unwrap();
    erase(&one, "bob").await;
    assert!(bob.next_event().await.is_some() || bob.next_event().await.is_none());
    let entries = log(&one, &room).await;
    let numbers: Vec<_> = entries.iter().map(|entry| entry.seq.0).collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>());
    for node in [&one, &two] {
        let carol = node.actor(user("carol"));
        let page = carol.history(&room, Page::Newest, None).await.unwrap();
        let json = serde_json::to_string(&page.entries).unwrap();
        assert!(!json.contains("bob") && !json.contains("secret"), "{json}");
        let members = carol.members(&room, None, None).await.unwrap().members;
        let names: Vec<_> = members.iter().map(|it| it.user.as_str()).collect();
        assert_eq!(names, ["alice", "carol"]);
        let listed = node.rooms_of(&user("alice"), None, None).await.unwrap();
        assert_eq!(listed.rooms.len(), 1, "the direct room is gone");
    }
    let store = &cluster.store.inner;
    assert_eq!(store.rooms_about(&user("bob"), None, 9).await.unwrap(), []);
    let presence = cluster.cache.inner.presence(&[user("bob")]).await.unwrap();
    assert!(!presence[0].online && presence[0].last_seen.is_none());
    let decisions = one.decisions(chat_core::Version::ZERO, 9).await.unwrap();
    let json = serde_json::to_string(&decisions[0].what).unwrap();
    let hash = NameHash::of(&user("bob")).to_string();
    assert!(json.contains(&hash) && !json.contains("bob"), "{json}");
    let heard = pending(&carol).await;
    let left = |event: &&Event| matches!(event, Event::Entry(entry) if matches!(entry.body, EntryBody::Left { .. }));
    assert_eq!(heard.iter().filter(left).count(), 1, "members are sent it");
    // Who comes later under this name is somebody else.
    let bob = one.actor(user("bob"));
    assert_eq!(code(bob.view(&room).await), Some(200));
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_an_erased_user_end_on_all_nodes_and_old_logins_are_refused() {
    let (_cluster, one, two) = cluster();
    let room = direct("alice", "bob");
    let bob = two.connect(user("bob")).await.unwrap();
    let before = one.actor(user("bob"));
    before.send(&room, "hello").await.unwrap();
    erase(&one, "bob").await;
    while bob.next_event().await.is_some() {}
    assert_eq!(code(before.send(&room, "hello").await), Some(110));
    let alice = one.actor(user("alice"));
    assert_eq!(code(alice.view(&room).await), Some(200));
    sleep(Duration::from_secs(1)).await;
    let anew = one.actor(user("bob"));
    let sent = anew.send(&room, "hello").await.unwrap();
    assert_eq!(sent.seq, Seq(1));
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_last_owner_is_erased_has_another_owner() {
    let (_cluster, one, _two) = cluster();
    let room = team(&one, "alice", &["bob", "carol", "dave"]).await;
    let alice = one.actor(user("alice"));
    alice
        .set_role(&room, user("carol"), Role::Moderator)
        .await
        .unwrap();
    erase(&one, "alice").await;
    let role = async |name| one.role(&room, &user(name)).await.unwrap();
    assert_eq!(role("carol").await, Some(Role::Owner));
    assert_eq!(role("alice").await, None);
    erase(&one, "carol").await;
    let heirs = [role("bob").await, role("dave").await];
    assert_eq!(heirs, [Some(Role::Owner), Some(Role::Member)]);
    for name in ["bob", "dave"] {
        erase(&one, name).await;
    }
    let seen = one.inspect(&room, Page::Newest, None).await.unwrap();
    assert!(seen.room.details.archived && seen.room.members == 0);
}

#[tokio::test]
async fn an_export_has_all_that_is_stored_of_a_user() {
    let engine = crate::common::engine();
    let room = team(&engine, "alice", &["bob"]).await;
    let [alice, bob] = ["alice", "bob"].map(|name| engine.actor(user(name)));
    bob.send_as(&room, "in the team", client_id("c1"))
        .await
        .unwrap();
    alice.send(&room, "not by bob").await.unwrap();
    bob.send(&direct("alice", "bob"), "to alice").await.unwrap();
    bob.block(&user("eve")).await.unwrap();
    let mut export = engine.export(user("bob"));
    let mut found = Vec::new();
    while let Some(part) = export.next().await.unwrap() {
        found.extend(part);
    }
    let kinds: Vec<_> = found
        .iter()
        .map(|piece| serde_json::to_value(piece).unwrap()["kind"].clone())
        .collect();
    let expected = ["presence", "room", "room", "entry", "entry", "block"];
    assert_eq!(kinds, expected, "{found:?}");
    let texts: Vec<_> = found
        .iter()
        .filter_map(|piece| match piece {
            Exported::Entry { entry } => entry.body.text().map(ToString::to_string),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["to alice", "in the team"]);
    let nobody: UserId = user("nobody");
    let mut export = engine.export(nobody);
    let mut pieces = 0;
    while let Some(part) = export.next().await.unwrap() {
        pieces += part.len();
    }
    assert_eq!(pieces, 1, "that nobody has seen them");
}
