//! Data that earlier versions of the schema wrote can be used.

use std::process::Stdio;

use chat_core::{
    Details, EntryBody, History, InboxFilter, Member, Role, RoomId, RoomKind, Seq, Settings,
    port::{InboxStore, RoomStore},
};
use chat_store_mongo::MongoStore;
use chat_testkit::{
    Database, child,
    log::{append, entry, user as name},
};
use chrono::DateTime;
use mongodb::{
    Collection,
    bson::{Document, doc},
};
use tokio::process::Command;
use uuid::Uuid;

use crate::connect;

#[tokio::test]
async fn a_group_of_version_1_belongs_to_the_member_who_has_been_in_it_for_longest() {
    let Some(database) = Database::new() else {
        return;
    };
    let member = |room: &str, user: &str, member: bool, revision: i64| {
        doc! { "roomId": room, "user": user, "member": member, "revision": revision }
    };
    // In `later` all first members have left.
    let members = [
        member("first", "carol", true, 0),
        member("first", "bob", true, 0),
        member("later", "alice", false, 1),
        member("later", "bob", true, 3),
        member("later", "carol", true, 2),
        member("alice,bob", "alice", true, 0),
        member("alice,bob", "bob", true, 0),
    ];
    let all = database.collection("members").await;
    all.insert_many(members).await.unwrap();
    let meta = database.collection("meta").await;
    meta.insert_one(doc! { "_id": "schema", "version": 1 })
        .await
        .unwrap();
    let store = connect(&database).await;
    for (room, user, role) in [
        ("first", "bob", Role::Owner),
        ("first", "carol", Role::Member),
        ("later", "carol", Role::Owner),
        ("later", "bob", Role::Member),
        ("alice,bob", "alice", Role::Member),
    ] {
        let id = RoomId::new(room).unwrap();
        let found = store.member(&id, &name(user)).await.unwrap();
        assert_eq!(found.map(|it| it.role), Some(role), "{user} in {room}");
    }
    let kept: Option<Document> = meta.find_one(doc! { "_id": "schema" }).await.unwrap();
    assert_eq!(kept, Some(doc! { "_id": "schema", "version": 5 }));
}

const VERSION_3_ROOMS: u128 = 2_000;

/// Writes a database as version 3 of the schema left it.
async fn version_3(database: &Database) {
    let room = |id: &str, created_at: i64| {
        doc! { "_id": id, "epoch": Uuid::from_u128(7).to_string(), "createdAt": created_at }
    };
    let mut rooms = vec![
        room("alice,bob", 10),
        room("empty", 20),
        room("group", 30),
        room("quiet", 40),
    ];
    rooms[2].insert("owner", "alice");
    let member = |room: &str, user: &str, member: bool, role: &str, revision: i64| {
        doc! {
            "roomId": room, "user": user, "member": member, "role": role, "revision": revision,
        }
    };
    let mut members = vec![
        member("alice,bob", "alice", true, "member", 0),
        member("alice,bob", "bob", true, "member", 0),
        member("group", "alice", true, "owner", 0),
        member("group", "bob", false, "member", 6),
        member("group", "carol", true, "moderator", 5),
        member("group", "dave", true, "member", 3),
        member("quiet", "alice", true, "owner", 0),
    ];
    let line = |number: u128, room: &str, seq: i64, kind: &str| {
        let id = Uuid::from_u128(number).to_string();
        doc! {
            "_id": &id, "roomId": room, "seq": seq, "from": "alice", "clientId": id, "at": 100 + seq,
            "kind": kind,
        }
    };
    let with = |mut line: Document, more: Document| {
        line.extend(more);
        line
    };
    let text = || doc! { "text": "hello" };
    let mut messages = vec![
        with(line(1, "alice,bob", 1, "message"), text()),
        with(line(2, "alice,bob", 2, "message"), text()),
        // The newest message is deleted, as is an edit of the one before.
        line(3, "alice,bob", 3, "deleted"),
        with(line(4, "alice,bob", 4, "delete"), doc! { "target": 3 }),
        with(line(11, "group", 1, "message"), text()),
        with(line(12, "group", 2, "joined"), doc! { "user": "carol" }),
        with(line(13, "group", 3, "joined"), doc! { "user": "dave" }),
        with(line(14, "group", 4, "message"), text()),
        with(
            line(15, "group", 5, "role"),
            doc! { "user": "carol", "role": "moderator" },
        ),
        with(line(16, "group", 6, "left"), doc! { "user": "bob" }),
    ];
    // A crash left the effect of this one open.
    let open = doc! { "user": "erin", "role": "member", "pending": true };
    messages.push(with(line(17, "group", 7, "joined"), open));
    for number in 0..VERSION_3_ROOMS {
        let id = format!("room {number:04}");
        rooms.push(room(&id, 50));
        members.push(member(&id, "zoe", true, "owner", 0));
        messages.push(with(line(1_000 + number, &id, 1, "message"), text()));
    }
    for (collection, docs) in [
        ("rooms", rooms),
        ("members", members),
        ("messages", messages),
    ] {
        let collection = database.collection(collection).await;
        collection.insert_many(docs).await.unwrap();
    }
    let meta = database.collection("meta").await;
    let schema = doc! { "_id": "schema", "version": 3 };
    meta.insert_one(schema).await.unwrap();
}

async fn is_upgraded(database: &Database, store: &MongoStore) {
    let id = |name: &str| RoomId::new(name).unwrap();
    let at = |micros: i64| DateTime::from_timestamp_micros(micros).unwrap();
    let found = async |room: &str| store.room(&id(room)).await.unwrap().unwrap();
    let direct = found("alice,bob").await;
    assert_eq!((direct.kind, direct.members), (RoomKind::Direct, 2));
    assert_eq!(direct.details, Details::default());
    let group = found("group").await;
    assert_eq!((group.kind, group.members), (RoomKind::Group, 4));
    assert_eq!(group.created_by, Some(name("alice")));
    let open = Settings {
        history: History::All,
        ..Settings::default()
    };
    assert_eq!(group.details.settings, Some(open));
    assert_eq!(found("empty").await.members, 0);

    let members = store.members(&id("group"), None, 9).await.unwrap();
    let joined = |it: Member| (it.user, it.role, it.joined_seq.0, it.joined_at);
    let members: Vec<_> = members.into_iter().map(joined).collect();
    let expected = [
        ("alice", Role::Owner, 0, 30),
        ("carol", Role::Moderator, 2, 102),
        ("dave", Role::Member, 3, 103),
        ("erin", Role::Member, 7, 107),
    ];
    let expected = expected.map(|(user, role, seq, time)| (name(user), role, seq, at(time)));
    assert_eq!(members, expected);

    let inbox = store
        .inbox(&name("alice"), InboxFilter::All, None, 9)
        .await
        .unwrap();
    let inbox = inbox.into_iter().map(|it| {
        let last = it
            .last
            .map(|last| (last.seq.0, last.body == EntryBody::Deleted));
        (it.room.id.to_string(), it.active_at, last)
    });
    let expected = [
        ("group", 104, Some((4, false))),
        ("alice,bob", 103, Some((3, true))),
        ("quiet", 40, None),
    ];
    let expected = expected.map(|(room, time, last)| (room.to_owned(), at(time), last));
    assert_eq!(inbox.collect::<Vec<_>>(), expected);

    let rooms: Collection<Document> = database.collection("rooms").await;
    let left =
        doc! { "$or": [{ "members": { "$exists": false } }, { "last": { "$exists": false } }] };
    assert_eq!(rooms.count_documents(left).await.unwrap(), 0);
    let zoe = name("zoe");
    let (mut listed, mut after) = (0, None);
    loop {
        let page = store.inbox(&zoe, InboxFilter::All, after.as_ref(), 500);
        let page = page.await.unwrap();
        let Some(last) = page.last() else { break };
        listed += page.len() as u128;
        after = Some(last.place());
    }
    assert_eq!(listed, VERSION_3_ROOMS);
    let meta: Collection<Document> = database.collection("meta").await;
    let kept = meta.find_one(doc! { "_id": "schema" }).await.unwrap();
    assert_eq!(kept, Some(doc! { "_id": "schema", "version": 5 }));
}

#[tokio::test]
async fn rooms_of_version_3_have_kinds_members_and_their_newest_message() {
    let Some(database) = Database::new() else {
        return;
    };
    version_3(&database).await;
    is_upgraded(&database, &connect(&database).await).await;
}

#[tokio::test]
#[ignore = "the process that the test below kills"]
async fn upgrade_that_is_killed() {
    let uri = std::env::var("CHAT_TEST_NODE_URI").unwrap();
    drop(MongoStore::connect(&uri).await.unwrap());
}

#[tokio::test]
async fn an_upgrade_that_was_killed_is_finished_by_the_next_start() {
    let Some(database) = Database::new() else {
        return;
    };
    version_3(&database).await;
    let rooms: Collection<Document> = database.collection("rooms").await;
    let done = doc! { "members": { "$exists": true } };
    let mut upgrade = Command::from(child::command("upgrade::upgrade_that_is_killed"))
        .env("CHAT_TEST_NODE_URI", &database.uri)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let begins = async {
        while rooms.count_documents(done.clone()).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(chat_testkit::PATIENCE, begins)
        .await
        .unwrap();
    upgrade.kill().await.unwrap();
    let left = doc! { "members": { "$exists": false } };
    let left = rooms.count_documents(left).await.unwrap();
    println!("{left} of {VERSION_3_ROOMS} rooms were left");
    // What nodes change in rooms that are done stays.
    is_upgraded(&database, &connect(&database).await).await;
}

#[tokio::test]
async fn an_upgrade_that_is_repeated_leaves_alone_what_has_changed_since() {
    let Some(database) = Database::new() else {
        return;
    };
    version_3(&database).await;
    let store = connect(&database).await;
    let group = RoomId::new("group").unwrap();
    let mut joined = entry(99, EntryBody::message("newer"));
    joined.room = group.clone();
    append(&store, joined).await.unwrap();
    let before = store.inbox_room(&group, &name("alice")).await.unwrap();
    let meta = database.collection("meta").await;
    let old = doc! { "$set": { "version": 3 } };
    meta.update_one(doc! { "_id": "schema" }, old)
        .await
        .unwrap();
    let store = connect(&database).await;
    let after = store.inbox_room(&group, &name("alice")).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(after.unwrap().last.unwrap().seq, Seq(8));
}
