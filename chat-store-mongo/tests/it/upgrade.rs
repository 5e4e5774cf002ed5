//! What version 1 of the schema wrote can be used.

use chat_core::{Role, RoomId, port::RoomStore};
use chat_testkit::{Database, log::user as name};
use mongodb::bson::{Document, doc};

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
        let found = store.role(&id, &name(user)).await.unwrap();
        assert_eq!(found, Some(role), "{user} in {room}");
    }
    let kept: Option<Document> = meta.find_one(doc! { "_id": "schema" }).await.unwrap();
    assert_eq!(kept, Some(doc! { "_id": "schema", "version": 4 }));
}
