//! Restarts: everything that a store has stored is there when it is opened again.

use std::sync::Mutex;

use tokio::{task::yield_now, time::timeout};

use super::common::*;
use crate::{Room, port::Created};

/// Everything that can be read about two rooms.
#[derive(Debug, PartialEq)]
struct Everything {
    rooms: [Option<Room>; 2],
    logs: [Vec<Arc<Entry>>; 2],
    members: [Vec<(UserId, Role)>; 2],
    watermarks: Vec<Watermarks>,
    lists: Vec<Vec<Membership>>,
    found: Option<Arc<Entry>>,
}

async fn read_all(h: &dyn StoreHarness, id: MessageId) -> Everything {
    let store = h.store();
    let rooms = ["alice,bob", "group"].map(|name| TestRoom {
        store: Arc::clone(&store),
        id: room_id(name),
    });
    let [one, two] = &rooms;
    let everybody = users(["alice", "bob", "carol", "dave"]);
    let mut lists = Vec::new();
    for user in &everybody {
        lists.push(store.rooms_of(user, None, 10).await.unwrap());
    }
    Everything {
        rooms: [
            store.room(&one.id).await.unwrap(),
            store.room(&two.id).await.unwrap(),
        ],
        logs: [one.log().await, two.log().await],
        members: [one.roles().await, two.roles().await],
        watermarks: store.watermarks(&two.id, &everybody).await.unwrap(),
        lists,
        found: two.find(id).await,
    }
}

pub(super) async fn everything_is_there_after_a_restart(h: &dyn StoreHarness) {
    TestRoom::with(h, "alice,bob", users(["alice", "bob"]))
        .await
        .fill(2)
        .await;
    let room = TestRoom::new(h, "group").await;
    for body in [
        text("one"),
        text("two"),
        text("three"),
        edit(1, "four"),
        edit(2, "five"),
        delete(2),
        role("bob", Role::Reader),
    ] {
        room.add("alice", body).await;
    }
    room.add("bob", joined_as("dave", Role::Owner)).await;
    room.add("bob", left("carol")).await;
    let id = room.add("bob", text("李雷 🦀")).await.id;
    for (name, mark, upto) in [
        ("bob", Mark::Delivered, 8),
        ("bob", Mark::Read, 2),
        ("carol", Mark::Read, 3),
    ] {
        room.receipt(name, mark, upto).await;
    }
    drop(room);
    let before = read_all(h, id).await;
    assert_eq!(before.logs[1].len(), 10);
    for _ in 0..2 {
        if h.reopen().await {
            assert_eq!(
                read_all(h, id).await,
                before,
                "everything is there after a restart"
            );
        }
    }
}

pub(super) async fn numbers_go_on_after_a_restart(h: &dyn StoreHarness) {
    let id = {
        let room = TestRoom::new(h, "group").await;
        room.fill(3).await;
        room.id
    };
    for seq in [4, 5] {
        if h.reopen().await {
            let room = TestRoom {
                store: h.store(),
                id: id.clone(),
            };
            let next = room.add("bob", text("hello")).await;
            assert_eq!(next.seq, Seq(seq), "numbers go on where they were");
        }
    }
}

pub(super) async fn duplicates_are_known_after_a_restart(h: &dyn StoreHarness) {
    let (new, first) = {
        let room = TestRoom::new(h, "group").await;
        let new = entry(&room.id, "alice", text("hello"));
        let first = room.append(new.clone()).await.entry;
        (new, first)
    };
    if h.reopen().await {
        let room = TestRoom {
            store: h.store(),
            id: new.room.clone(),
        };
        let again = room.append(retry_of(&new)).await;
        assert_eq!(
            again.outcome,
            Outcome::Duplicate,
            "what was sent before is a duplicate"
        );
        assert_eq!(again.entry, first, "it answers with the first entry");
        assert_eq!(room.head().await, 1, "and stores nothing");
    }
}

pub(super) async fn a_room_is_the_same_after_a_restart(h: &dyn StoreHarness) {
    let before = {
        let room = TestRoom::new(h, "group").await;
        room.fill(3).await;
        room.receipt("bob", Mark::Read, 2).await;
        room.store.room(&room.id).await.unwrap().unwrap()
    };
    if h.reopen().await {
        let again = NewRoom {
            members: users(["dave"]),
            ..new_room("group")
        };
        let created = h.store().create_room(again).await.unwrap();
        assert_eq!(
            created,
            Created::Existing(before.clone()),
            "the room is known, and its epoch"
        );
        let back = h
            .store()
            .advance(&before.id, &user("bob"), Mark::Read, Seq(1))
            .await;
        back.unwrap();
        let marks = h
            .store()
            .watermarks(&before.id, &users(["bob"]))
            .await
            .unwrap();
        assert_eq!(
            marks,
            [Watermarks {
                delivered: Seq(2),
                read: Seq(2)
            }],
            "watermarks don't go back"
        );
    }
}

pub(super) async fn what_was_answered_is_there_after_a_crash(h: &dyn StoreHarness) {
    let room = TestRoom::new(h, "group").await;
    room.receipt("bob", Mark::Read, 0).await;
    let answered = Arc::new(Mutex::new(Vec::new()));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (room, answered) = (room.clone(), Arc::clone(&answered));
        writers.spawn(async move {
            loop {
                let new = entry(&room.id, "alice", text(&format!("by {writer}")));
                let Ok(appended) = room.try_append(new.clone()).await else {
                    return;
                };
                answered.lock().unwrap().push((new, appended.entry));
                yield_now().await;
            }
        });
    }
    let enough = async {
        while answered.lock().unwrap().len() < 40 {
            yield_now().await;
        }
    };
    let enough = timeout(Duration::from_secs(30), enough).await;
    enough.expect("some entries are answered");
    room.receipt("bob", Mark::Read, 7).await;
    // Entries answered after this copy may be missing in the store that the crash left.
    let before = answered.lock().unwrap().clone();
    let crashed = h.crash().await;
    writers.shutdown().await;
    if !crashed {
        return;
    }
    let room = TestRoom {
        store: h.store(),
        id: room.id.clone(),
    };
    for (new, entry) in &before {
        assert_eq!(
            room.at(entry.seq.0).await,
            *entry,
            "what was answered is there after a crash"
        );
        let again = room.append(retry_of(new)).await;
        assert_eq!(again.outcome, Outcome::Duplicate, "and a retry of it known");
    }
    let log = room.log().await;
    let whole: Vec<u64> = (1..).take(log.len()).collect();
    assert_eq!(seqs(&log), whole, "no crash leaves a hole");
    assert_eq!(
        room.marks("bob").await.read,
        Seq(7),
        "a receipt that was answered is there"
    );
    let next = room.add("bob", text("and on")).await;
    assert_eq!(next.seq.0, log.len() as u64 + 1, "numbers go on");
}
