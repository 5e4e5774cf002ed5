//! What any earlier version wrote can be read.

use std::path::Path;

use chat_core::{
    Block, Ends, EntryBody, History, LeftWhy, Member, Page, Role, RoomId, RoomKind, Ruling, Scope,
    Seq, TokenId, UserId, Version, Via, Watermarks,
    port::{BlockStore, InboxStore, LogStore, PolicyStore, ReceiptStore, RoomStore},
};
use chat_store_sqlite::SqliteStore;
use chrono::DateTime;
use rusqlite::Connection;

/// One file a version of the schema, as that version wrote it; never changed afterwards. Each
/// holds what the test below expects.
const FILES: &[&str] = &[
    include_str!("../data/v1.sql"),
    include_str!("../data/v2.sql"),
    include_str!("../data/v3.sql"),
    include_str!("../data/v4.sql"),
    include_str!("../data/v5.sql"),
    include_str!("../data/v6.sql"),
];

/// All tables and indexes with their columns, and the version.
fn schema(path: &Path) -> Vec<String> {
    let file = Connection::open(path).unwrap();
    let mut query = file
        .prepare(
            "SELECT concat_ws(' ', type, tbl_name, name, \
             (SELECT group_concat(concat_ws(' ', info.name, info.type, info.\"notnull\", info.pk)) \
              FROM pragma_table_xinfo(sqlite_schema.name) AS info), \
             (SELECT group_concat(info.name) FROM pragma_index_info(sqlite_schema.name) AS info)) \
             FROM sqlite_schema UNION SELECT CAST(user_version AS TEXT) FROM pragma_user_version ORDER BY 1",
        )
        .unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn the_files_of_all_versions_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.db");
    drop(SqliteStore::open(&fresh).await.unwrap());
    for (version, script) in (1..).zip(FILES) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let file = Connection::open(&path).unwrap();
        file.execute_batch(script).unwrap();
        let found: i32 = file
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(found, version);
        drop(file);
        drop(SqliteStore::open(&path).await.unwrap());
        assert_eq!(schema(&path), schema(&fresh), "version {version}");

        let store = SqliteStore::open(&path).await.unwrap();
        let [alice, bob, dave] = ["alice", "bob", "dave"].map(|name| UserId::new(name).unwrap());
        let room = RoomId::group("team").unwrap();

        let log = store.page(&room, Page::Newest, 50).await.unwrap();
        let bodies: Vec<_> = log.iter().map(|entry| entry.body.clone()).collect();
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let edited = EntryBody::Message {
            text: "李雷 🦀".into(),
            edited_at: Some(at(1_700_000_000_000_003)),
        };
        let edit = EntryBody::Edit {
            target: Seq(1),
            text: "李雷 🦀".into(),
        };
        let delete = EntryBody::Delete { target: Seq(2) };
        let [joined, left] = [
            EntryBody::Joined {
                user: dave.clone(),
                role: Role::Member,
            },
            EntryBody::Left {
                user: bob.clone(),
                why: LeftWhy::Left,
            },
        ];
        assert_eq!(
            bodies,
            [edited, EntryBody::Deleted, edit, delete, joined, left]
        );
        assert_eq!(log[0].at, at(1_700_000_000_000_001));
        assert_eq!(log[0].author, alice);
        assert_eq!(log[0].client_id.as_str(), "c1");
        assert_eq!(
            store.find(&room, log[0].id).await.unwrap().as_ref(),
            Some(&log[0])
        );

        let members = store.members(&room, None, 10).await.unwrap();
        let member = |user: &UserId, role, joined_at, joined_seq| Member {
            user: user.clone(),
            role,
            joined_at: at(joined_at),
            joined_seq: Seq(joined_seq),
            watermarks: Watermarks::default(),
        };
        let expected = [
            member(&alice, Role::Owner, 1_600_000_000_000_000, 0),
            member(&dave, Role::Member, 1_700_000_000_000_005, 5),
        ];
        assert_eq!(members, expected);
        let group = store.room(&room).await.unwrap().unwrap();
        assert_eq!((group.kind, group.members), (RoomKind::Group, 2));
        let history = group.details.settings.unwrap().history;
        assert_eq!(history, History::All, "as it was");
        let shown = store.inbox_room(&room, &dave).await.unwrap().unwrap();
        assert_eq!(shown.last.as_ref(), Some(&log[0]));
        assert_eq!(shown.active_at, log[0].at);
        let list = store.rooms_of(&dave, None, 10).await.unwrap();
        assert_eq!((list.len(), list[0].unread), (1, 1));
        assert_eq!(list[0].room.created_at, at(1_600_000_000_000_000));
        let marks = store.watermarks(&room, &[bob]).await.unwrap();
        assert_eq!((marks[0].delivered, marks[0].read), (Seq(3), Seq(2)));
    }
}

#[tokio::test]
async fn the_decisions_of_version_4_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch(FILES[3]).unwrap();
    drop(file);
    let store = SqliteStore::open(&path).await.unwrap();
    let all = store.decisions(Version::ZERO, 10).await.unwrap();
    let (root, bob) = (UserId::new("root").unwrap(), UserId::new("bob").unwrap());
    let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
    let revoked = Ruling::RevokeToken {
        jti: TokenId::new("t1").unwrap(),
        until: at(1_700_000_000_000_003),
    };
    let rulings: Vec<_> = all.iter().map(|decision| decision.what.clone()).collect();
    let banned = Ruling::Ban {
        user: bob,
        scope: Scope::Server,
        until: None,
    };
    let lifted = Ruling::Lift {
        version: Version(1),
    };
    assert_eq!(rulings, [banned, revoked, lifted]);
    assert_eq!((&all[0].by, all[0].via), (&root, Via::Admin));
    assert_eq!(all[0].address, Some("::1".parse().unwrap()));
    assert_eq!(all[0].reason.as_str(), "spam");
    let in_force = store.in_force(Ends::after(at(0)), 10).await.unwrap();
    assert_eq!(in_force, all[1..2]);
}

#[tokio::test]
async fn what_version_1_had_received_has_the_time_of_the_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch(FILES[0]).unwrap();
    file.execute_batch(
        "INSERT INTO room VALUES (2, 'alice,bob', x'0000000000000000000000000000000f', 0, 0);
         INSERT INTO receipt VALUES (2, 'bob', 3, 2), (2, 'alice', 1, 0);",
    )
    .unwrap();
    drop(file);
    let store = SqliteStore::open(&path).await.unwrap();
    let [alice, bob] = ["alice", "bob"].map(|name| UserId::new(name).unwrap());
    let room = RoomId::direct(&alice, &bob).unwrap();
    let known = async |room: &RoomId, user: &UserId| {
        let seqs = [1, 2, 3, 4].map(Seq);
        let times = store.receipt_times(room, user, &seqs).await.unwrap();
        let known = times
            .iter()
            .map(|at| (at.delivered.is_some(), at.read.is_some()));
        known.collect::<Vec<_>>()
    };
    let (unread, none) = ((true, false), (false, false));
    let read = (true, true);
    assert_eq!(known(&room, &bob).await, [read, read, unread, none]);
    assert_eq!(known(&room, &alice).await, [unread, none, none, none]);
    let group = RoomId::group("team").unwrap();
    assert_eq!(known(&group, &bob).await, [none; 4]);
}

#[tokio::test]
async fn a_group_of_version_2_belongs_to_the_member_who_has_been_in_it_for_longest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch(FILES[1]).unwrap();
    // In `first` nobody has joined since; in `later` all first members have left, and bob came back.
    file.execute_batch(
        "INSERT INTO room VALUES (2, 'first', x'0f', 0, 0), (3, 'later', x'0f', 0, 0),
             (4, 'empty', x'0f', 0, 0), (5, 'alice,bob', x'0f', 0, 0);
         INSERT INTO member VALUES ('carol', 'first'), ('bob', 'first'), ('bob', 'later'),
             ('carol', 'later'), ('alice', 'alice,bob'), ('bob', 'alice,bob');
         INSERT INTO entry (room, seq, id, author, client_id, at, kind, member) VALUES
             (3, 1, x'01', 'alice', '1', 0, 4, 'bob'), (3, 2, x'02', 'alice', '2', 0, 4, 'carol'),
             (3, 3, x'03', 'alice', '3', 0, 5, 'bob'), (3, 4, x'04', 'alice', '4', 0, 4, 'bob');",
    )
    .unwrap();
    drop(file);
    drop(SqliteStore::open(&path).await.unwrap());
    let file = Connection::open(&path).unwrap();
    let mut query = file
        .prepare("SELECT room, user FROM member WHERE role = 3 ORDER BY room")
        .unwrap();
    let owners = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let owners: Vec<(String, String)> = owners.unwrap().collect::<Result<_, _>>().unwrap();
    let expected = [("first", "bob"), ("later", "carol"), ("team", "alice")];
    assert_eq!(
        owners,
        expected.map(|(room, user)| (room.into(), user.into()))
    );
}

#[tokio::test]
async fn the_blocks_of_version_6_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch(FILES[5]).unwrap();
    drop(file);
    let store = SqliteStore::open(&path).await.unwrap();
    let [alice, bob, dave] = ["alice", "bob", "dave"].map(|name| UserId::new(name).unwrap());
    let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
    let expected = [
        Block {
            by: alice.clone(),
            user: bob,
            at: at(1_700_000_000_000_003),
            last_seen: Some(at(1_700_000_000_000_002)),
            watermarks: Watermarks {
                delivered: Seq(5),
                read: Seq(4),
            },
        },
        Block {
            by: alice.clone(),
            user: dave,
            at: at(1_700_000_000_000_004),
            last_seen: None,
            watermarks: Watermarks::default(),
        },
    ];
    assert_eq!(store.blocks_by(&alice, None, 9).await.unwrap(), expected);
}
