//! Every query of the store is answered by an index, however long a log is.

use std::{collections::BTreeSet, sync::Arc};

use chat_core::{
    Block, ClientMessageId, Ends, EntryBody, InboxFilter, Invite, InviteId, InviteToken, LeftWhy,
    Mark, MeChange, NewDecision, NewEntry, Page, Reason, Role, RoomChange, Ruling, Scope, Seq,
    Topic, UserId, Version, Via, Watermarks,
    port::{BlockStore, InboxStore, InviteStore, LogStore, PolicyStore, ReceiptStore, RoomStore},
};
use chat_store_mongo::{ConnectError, MongoStore};
use chat_testkit::{
    Database,
    log::{append, entry, message, new_room, room, user},
};
use futures_util::TryStreamExt;
use mongodb::{
    IndexModel,
    bson::{Document, doc},
    options::IndexOptions,
};

use crate::connect;

/// The server's own profiler records how it answers each command.
#[tokio::test]
async fn nothing_that_a_store_does_reads_a_whole_collection() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    store.create_room(new_room(room())).await.unwrap();
    for number in 1..=50 {
        append(&store, message(number, "text")).await.unwrap();
    }
    let profile = database.collection("system.profile").await;
    let space = profile.client().database(&database.name);
    space.run_command(doc! { "profile": 2 }).await.unwrap();

    let (target, text) = (Seq(7), "edited".into());
    let edit = entry(100, EntryBody::Edit { target, text });
    for change in [
        edit,
        entry(101, EntryBody::Delete { target }),
        entry(
            102,
            EntryBody::Joined {
                user: user("carol"),
                role: Role::Member,
            },
        ),
        entry(
            104,
            EntryBody::Room(Arc::new(RoomChange {
                topic: Topic::new("work").ok(),
                ..RoomChange::default()
            })),
        ),
        entry(
            103,
            EntryBody::Left {
                user: user("carol"),
                why: LeftWhy::Left,
            },
        ),
        // The same message a second time makes the store look for the first one.
        message(50, "text"),
        entry(101, EntryBody::Delete { target }),
    ] {
        append(&store, change).await.unwrap();
    }
    for page in [
        Page::Newest,
        Page::Before(Seq(30)),
        Page::After(Seq(30)),
        Page::Around(Seq(30)),
    ] {
        store.page(&room(), page, 5).await.unwrap();
    }
    let id = message(9, "").id;
    store.find(&room(), id).await.unwrap().unwrap();
    let (alice, bob) = (user("alice"), user("bob"));
    for (mark, upto) in [(Mark::Delivered, Seq(20)), (Mark::Read, Seq(40))] {
        store.advance(&room(), &bob, mark, upto).await.unwrap();
    }
    store
        .watermarks(&room(), &[alice.clone(), bob.clone()])
        .await
        .unwrap();
    assert!(store.member(&room(), &bob).await.unwrap().is_some());
    store.members(&room(), None, 9).await.unwrap();
    store.rooms_of(&bob, None, 9).await.unwrap();
    store.rooms_with(&[bob], None, 9).await.unwrap();
    store.room(&room()).await.unwrap().unwrap();
    inboxes_and_invitations(&store, alice).await;
    store.create_room(new_room(room())).await.unwrap();
    store.numbers(&room(), &[id]).await.unwrap();
    decide(&store).await;
    block_and_unblock(&store).await;

    space.run_command(doc! { "profile": 0 }).await.unwrap();
    let seen = profile.find(doc! { "planSummary": { "$exists": true } });
    let seen: Vec<Document> = seen.await.unwrap().try_collect().await.unwrap();
    let mut indexes = BTreeSet::new();
    for command in &seen {
        let plan = command.get_str("planSummary").unwrap();
        indexes.insert(plan);
        // The server reports the scans inside a `$lookup` only in this number.
        let scans = command.get("collectionScans").is_some();
        assert!(!plan.contains("COLLSCAN") && !scans, "{plan}: {command}");
    }
    // The profiler has recorded these kinds of commands at all.
    let kinds = ["update", "query", "command"];
    for kind in kinds {
        assert!(
            seen.iter().any(|it| it.get_str("op").unwrap() == kind),
            "{kind}: {indexes:?}"
        );
    }
    let deletion = "IXSCAN { roomId: 1, target: 1 }";
    assert!(
        indexes.iter().any(|plan| plan.contains(deletion)),
        "{indexes:?}"
    );
}

async fn inboxes_and_invitations(store: &MongoStore, alice: UserId) {
    store.inbox_room(&room(), &alice).await.unwrap().unwrap();
    let hide = MeChange {
        hidden: Some(true),
        ..MeChange::default()
    };
    store.set_me(&room(), &alice, hide).await.unwrap().unwrap();
    for filter in [
        InboxFilter::All,
        InboxFilter::Unread,
        InboxFilter::Pinned,
        InboxFilter::Hidden,
    ] {
        store.inbox(&alice, filter, None, 9).await.unwrap();
    }
    store.directory("e", None, 9).await.unwrap();
    let invite = Invite {
        id: InviteId(message(9, "").id.0),
        room: room(),
        token: InviteToken::new("secret").unwrap(),
        by: alice,
        role: Role::Member,
        created_at: chrono::DateTime::UNIX_EPOCH,
        expires_at: None,
        uses_left: Some(2),
    };
    let (by, now) = (invite.token.clone(), invite.created_at);
    store.add_invite(invite.clone()).await.unwrap();
    store.add_invite(invite.clone()).await.unwrap();
    store.invite(&by).await.unwrap().unwrap();
    store.invites(&room(), None, 9).await.unwrap();
    store.use_invite(&by, now).await.unwrap().unwrap();
    store.unuse_invite(invite.id).await.unwrap();
    assert!(store.remove_invite(&room(), invite.id).await.unwrap());
}

/// Everything that a store does about decisions.
async fn decide(store: &MongoStore) {
    let ban = |client_id: &str| NewDecision {
        at: chrono::DateTime::UNIX_EPOCH,
        by: user("root"),
        via: Via::Host,
        address: None,
        reason: Reason::default(),
        client_id: ClientMessageId::new(client_id).unwrap(),
        what: Ruling::Ban {
            user: user("bob"),
            scope: Scope::Server,
            until: None,
        },
    };
    for client_id in ["d1", "d2", "d1"] {
        store.decide(ban(client_id)).await.unwrap();
    }
    store.decisions(Version(1), 9).await.unwrap();
    let long_ago = Ends::after(chrono::DateTime::UNIX_EPOCH);
    assert_eq!(store.in_force(long_ago, 9).await.unwrap().len(), 2);
}

/// Everything that a store does about blocks.
async fn block_and_unblock(store: &MongoStore) {
    let block = Block {
        by: user("alice"),
        user: user("bob"),
        at: chrono::DateTime::UNIX_EPOCH,
        last_seen: None,
        watermarks: Watermarks::default(),
    };
    store.block(block.clone()).await.unwrap();
    store.block(block.clone()).await.unwrap();
    let both = [block.by.clone(), block.user.clone()];
    assert_eq!(store.blocks_of(&both, &both).await.unwrap().len(), 1);
    assert_eq!(store.blocks_by(&block.by, None, 9).await.unwrap().len(), 1);
    let forbidden = NewEntry {
        require: Some(Role::Member),
        ..message(105, "text")
    };
    append(store, forbidden).await.unwrap_err();
    store.unblock(&block.by, &block.user).await.unwrap();
}

async fn refusal(database: &Database) -> String {
    let refused = MongoStore::connect(&database.uri).await.unwrap_err();
    assert!(!matches!(refused, ConnectError::Other { .. }), "{refused}");
    refused.to_string()
}

#[tokio::test]
async fn a_capped_collection_is_refused_with_what_to_do() {
    for collection in ["messages", "members"] {
        let Some(database) = Database::new() else {
            return;
        };
        let space = database.collection(collection).await;
        let space = space.client().database(&database.name);
        let capped = doc! { "create": collection, "capped": true, "size": 4_096 };
        space.run_command(capped).await.unwrap();
        let refused = refusal(&database).await;
        for words in [collection, &database.name, "capped", "--noOptionsRestore"] {
            assert!(refused.contains(words), "{words}: {refused}");
        }
    }
}

#[tokio::test]
async fn an_index_that_lets_documents_expire_is_refused_with_its_name() {
    let Some(database) = Database::new() else {
        return;
    };
    drop(connect(&database).await);
    let options = IndexOptions::builder()
        .name("old_ones".to_owned())
        .expire_after(std::time::Duration::from_hours(1))
        .build();
    let index = IndexModel::builder()
        .keys(doc! { "readAt": 1 })
        .options(options);
    let messages = database.collection("messages").await;
    messages.create_index(index.build()).await.unwrap();
    let refused = refusal(&database).await;
    let remedy = r#"db.messages.dropIndex("old_ones")"#;
    assert!(refused.contains(remedy), "{refused}");
    messages.drop_index("old_ones").await.unwrap();
    drop(connect(&database).await);
}

#[tokio::test]
async fn two_entries_with_one_number_are_named_with_what_to_do() {
    let Some(database) = Database::new() else {
        return;
    };
    let messages = database.collection("messages").await;
    let line = |id: &str, seq: i64| doc! { "_id": id, "roomId": "alice,bob", "seq": seq };
    let lines = [line("a", 1), line("b", 2), line("c", 2), line("d", 3)];
    messages.insert_many(lines).await.unwrap();
    let refused = refusal(&database).await;
    for words in [
        "messages",
        "alice,bob",
        "seq: 2",
        "\"b\\",
        "\"c\\",
        "remove the others",
    ] {
        let plain = words.replace('\\', "");
        assert!(
            refused.replace('\\', "").contains(&plain),
            "{plain}: {refused}"
        );
    }
    messages.delete_one(doc! { "_id": "c" }).await.unwrap();
    drop(connect(&database).await);
}

#[tokio::test]
async fn a_copy_of_a_database_has_another_id_and_its_nodes_have_one() {
    let (Some(original), Some(copy)) = (Database::new(), Database::new()) else {
        return;
    };
    let id = connect(&original).await.id();
    assert_eq!(connect(&original).await.id(), id);
    assert_ne!(connect(&copy).await.id(), id);
    // The copy is restored under the same name, as on another server.
    original.collection("messages").await.drop().await.unwrap();
    assert_ne!(connect(&original).await.id(), id);
}
