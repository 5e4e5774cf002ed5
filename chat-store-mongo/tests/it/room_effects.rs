//! The effects of entries on rooms and memberships, applied by another node after a crash in the middle.

use std::sync::Arc;

use chat_core::{
    EntryBody, LeftWhy, Me, MeChange, Member, NewEntry, NewRoom, Role, Room, RoomChange, RoomId,
    RoomKind, RoomName, Seq,
    port::{AppendError, Created, InboxStore, LogStore, RoomStore},
};
use chat_store_mongo::MongoStore;
use chat_testkit::{
    Database,
    log::{append, entry, new_room, user},
};
use mongodb::bson::{Document, doc};

use crate::connect;

fn team() -> RoomId {
    RoomId::new("team").unwrap()
}

/// An entry of alice's in [`team`].
fn at(number: u64, body: EntryBody) -> NewEntry {
    NewEntry {
        room: team(),
        ..entry(number, body)
    }
}

fn joined(name: &str) -> EntryBody {
    EntryBody::Joined {
        user: user(name),
        role: Role::Member,
    }
}

fn left(name: &str) -> EntryBody {
    EntryBody::Left {
        user: user(name),
        why: LeftWhy::Removed,
    }
}

fn named(name: &str) -> EntryBody {
    EntryBody::Room(Arc::new(RoomChange {
        name: RoomName::new(name).ok(),
        ..RoomChange::default()
    }))
}

/// A channel of alice and bob, in which each kind of change has happened.
async fn channel(store: &MongoStore) {
    let new = NewRoom {
        kind: RoomKind::Channel,
        created_by: Some(user("alice")),
        ..new_room(team())
    };
    store.create_room(new).await.unwrap();
    let pinned = MeChange {
        pinned: Some(true),
        ..MeChange::default()
    };
    let bodies = [
        joined("carol"),
        left("bob"),
        named("One"),
        joined("dave"),
        left("carol"),
        named("Two"),
    ];
    for (number, body) in (1..).zip(bodies) {
        append(store, at(number, body)).await.unwrap();
        if number == 1 {
            store.set_me(&team(), &user("carol"), pinned).await.unwrap();
        }
    }
    let back = EntryBody::Joined {
        user: user("carol"),
        role: Role::Reader,
    };
    append(store, at(7, back)).await.unwrap();
}

/// Everything that the entries have made of the room.
async fn state(store: &MongoStore) -> (Room, Vec<Member>, Me) {
    let room = store.room(&team()).await.unwrap().unwrap();
    let members = store.members(&team(), None, 9).await.unwrap();
    let carol = store.inbox_room(&team(), &user("carol")).await.unwrap();
    (room, members, carol.unwrap().me)
}

/// Undoes the effects of entries from a number on, as a crash of their writer leaves it.
struct Undo {
    rooms: mongodb::Collection<Document>,
    members: mongodb::Collection<Document>,
    messages: mongodb::Collection<Document>,
    room: Document,
    of: Vec<Document>,
}

impl Undo {
    /// Remembers the state of now.
    async fn from_here(database: &Database) -> Self {
        use futures_util::TryStreamExt;
        let [rooms, members, messages] = [
            database.collection("rooms").await,
            database.collection("members").await,
            database.collection("messages").await,
        ];
        let room = rooms.find_one(doc! {}).await.unwrap().unwrap();
        let of = members.find(doc! {}).await.unwrap().try_collect();
        Self {
            of: of.await.unwrap(),
            rooms,
            members,
            messages,
            room,
        }
    }

    /// Goes back to that state, with open effects of these entries.
    async fn undo(&self, entries: Document) {
        self.rooms.delete_many(doc! {}).await.unwrap();
        self.rooms.insert_one(&self.room).await.unwrap();
        self.members.delete_many(doc! {}).await.unwrap();
        self.members.insert_many(&self.of).await.unwrap();
        let open = doc! { "$set": { "pending": true } };
        self.messages.update_many(entries, open).await.unwrap();
    }
}

#[tokio::test]
async fn every_reader_finishes_the_changes_of_a_room() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    channel(&store).await;
    let expected = state(&store).await;
    let (room, members, me) = &expected;
    assert_eq!((room.members, room.details.name.as_str()), (3, "Two"));
    let carol = members.iter().find(|it| it.user == user("carol")).unwrap();
    assert_eq!((carol.role, carol.joined_seq), (Role::Reader, Seq(7)));
    assert!(!me.pinned, "the settings ended with the first membership");

    // The state before the first entry, as if none of the effects had been applied.
    let mut undo = Undo::from_here(&database).await;
    for gone in ["details", "detailsSeq", "membersSeq"] {
        undo.room.remove(gone);
    }
    undo.room.insert("members", 2_i64);
    undo.of
        .retain(|it| ["alice", "bob"].contains(&it.get_str("user").unwrap()));
    for member in &mut undo.of {
        member.extend(doc! { "member": true, "revision": 0_i64 });
    }
    let all = doc! {};
    undo.undo(all.clone()).await;
    assert_eq!(state(&store).await, expected);
    undo.undo(all.clone()).await;
    let found = store.directory("two", None, 9).await.unwrap();
    assert_eq!(&found[..], std::slice::from_ref(room));
    undo.undo(all.clone()).await;
    let carol = user("carol");
    let listed = store.rooms_of(&carol, None, 9).await.unwrap();
    assert_eq!(listed[0].room, *room);
    undo.undo(all.clone()).await;
    let with = store.rooms_with(&[user("dave")], None, 9).await.unwrap();
    assert_eq!(&with[..], std::slice::from_ref(room));
    undo.undo(all.clone()).await;
    let inbox = store
        .inbox(&carol, chat_core::InboxFilter::All, None, 9)
        .await
        .unwrap();
    assert_eq!((&inbox[0].room, inbox[0].me), (room, *me));
    undo.undo(all.clone()).await;
    let set = store
        .set_me(&team(), &carol, MeChange::default())
        .await
        .unwrap();
    assert_eq!(set, Some(*me));
    // A writer needs the room as it is just before the number.
    undo.undo(all.clone()).await;
    let full = NewEntry {
        max_members: Some(3),
        ..at(8, joined("erin"))
    };
    let refused = append(&store, full).await;
    assert!(matches!(refused, Err(AppendError::Full)), "{refused:?}");
    assert_eq!(state(&store).await, expected);
    // A process that starts finishes them, too.
    undo.undo(all).await;
    connect(&database).await;
    let open = doc! { "pending": true };
    let open = undo.messages.count_documents(open).await.unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn effects_on_a_room_may_come_twice_late_and_in_any_order() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    channel(&store).await;
    let expected = state(&store).await;
    let undo = Undo::from_here(&database).await;
    for seq in [3, 1, 7, 2, 6, 5, 4, 1] {
        // The effect of one entry comes again, after all others.
        let open = doc! { "$set": { "pending": true } };
        undo.messages
            .update_one(doc! { "seq": seq }, open)
            .await
            .unwrap();
        assert_eq!(state(&store).await, expected, "entry {seq} again");
    }
    // They come in descending order, to a room in which nothing has happened.
    let mut undo = undo;
    for gone in ["details", "detailsSeq", "membersSeq"] {
        undo.room.remove(gone);
    }
    undo.of.retain(|it| it.get_str("user").unwrap() == "alice");
    undo.undo(doc! { "seq": 0 }).await;
    for seq in (1..=7).rev() {
        let open = doc! { "$set": { "pending": true } };
        undo.messages
            .update_one(doc! { "seq": seq }, open)
            .await
            .unwrap();
        store.members(&team(), None, 9).await.unwrap();
    }
    assert_eq!(state(&store).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_change_one_room_at_once_count_each_change_once() {
    let Some(database) = Database::new() else {
        return;
    };
    let (one, other) = (connect(&database).await, connect(&database).await);
    one.create_room(new_room(team())).await.unwrap();
    let work = async |store: &MongoStore, node: u64| {
        for number in 0..20 {
            let name = format!("user {}", number % 7);
            let body = match (number + node) % 4 {
                0 => left(&name),
                1 => named(&format!("{node} {number}")),
                _ => joined(&name),
            };
            append(store, at(node * 100 + number, body)).await.unwrap();
        }
    };
    tokio::join!(work(&one, 1), work(&other, 2));
    let (room, members) = (
        one.room(&team()).await.unwrap().unwrap(),
        other.members(&team(), None, 99).await.unwrap(),
    );
    assert_eq!(room.members, members.len() as u64);
    let log = chat_testkit::log::log(&one, &team()).await;
    let names = log.iter().rev().find_map(|entry| match &entry.body {
        EntryBody::Room(change) => change.name.clone(),
        _ => None,
    });
    assert_eq!(Some(room.details.name), names, "the last change counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_message_of_a_room_is_that_of_the_last_number_on_several_nodes() {
    let Some(database) = Database::new() else {
        return;
    };
    let (one, other) = (connect(&database).await, connect(&database).await);
    one.create_room(new_room(team())).await.unwrap();
    let work = async |store: &MongoStore, node: u64| {
        for number in 0..30 {
            let message = at(node * 100 + number, EntryBody::message("hello"));
            append(store, message.clone()).await.unwrap();
            // A retry notes a number that it doesn't get.
            append(store, message).await.unwrap();
        }
    };
    tokio::join!(work(&one, 1), work(&other, 2));
    for store in [&one, &other] {
        let found = store.inbox_room(&team(), &user("bob")).await.unwrap();
        assert_eq!(found.unwrap().last.unwrap().seq, Seq(60));
    }
    let room = one.page(&team(), chat_core::Page::Newest, 1).await.unwrap();
    assert_eq!(room[0].seq, Seq(60));
}

/// A room with the most members that one may have by default.
pub(crate) fn of_ten_thousand() -> NewRoom {
    let members = (0..10_000).map(|number| user(&format!("user {number:05}")));
    NewRoom {
        kind: RoomKind::Group,
        members: members.collect(),
        ..new_room(team())
    }
}

#[tokio::test]
async fn a_room_begins_with_ten_thousand_members() {
    let Some(database) = Database::new() else {
        return;
    };
    let store = connect(&database).await;
    let created = store.create_room(of_ten_thousand()).await.unwrap();
    assert!(matches!(created, Created::New(room) if room.members == 10_000));
    let last = store.member(&team(), &user("user 09999")).await.unwrap();
    assert!(last.is_some(), "the last of them is in");
}
