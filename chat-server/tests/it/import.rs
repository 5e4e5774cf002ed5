//! Moving from the old server: the program, a real MongoDB, and messages as the old server wrote them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Output,
    time::Duration,
};

use chat_testkit::{
    Database, PATIENCE, http,
    program::{self, Greeted},
};
use chrono::{DateTime, FixedOffset};
use mongodb::{
    Collection, IndexModel,
    bson::{self, Document, doc, oid::ObjectId},
};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use uuid::Uuid;

const MESSAGES: usize = 3_000;
const USERS: usize = 8;

/// The old server's zone, as a rule: this machine may have no table of zones.
const ZONE: (&str, i32) = ("IST-5:30", 5 * 3_600 + 1_800);

/// The documents themselves.
async fn messages(database: &Database) -> Collection<Document> {
    database.collection("messages").await
}

/// A message, as a client of the old server got it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    /// `None` where the old server had an id that is not kept.
    id: Option<String>,
    from: String,
    text: String,
    to: String,
    time: String,
    delivered: bool,
    read: bool,
}

/// What has been said in each room, in order.
type Rooms = BTreeMap<String, Vec<Said>>;

/// An id as the old server made them: without an order.
fn uuid(number: usize) -> Uuid {
    let scattered = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    uuid::Builder::from_random_bytes(scattered.to_be_bytes()).into_uuid()
}

/// Writes what two versions of the old server would have, in many rooms at the same time.
async fn old_deployment(database: &Database) -> Rooms {
    let messages = messages(database).await;
    // As its model makes it.
    let keys = doc! { "roomId": 1, "createdAt": -1 };
    messages
        .create_index(IndexModel::builder().keys(keys).build())
        .await
        .unwrap();
    let mut rooms = Rooms::new();
    let mut docs = Vec::new();
    for number in 0..MESSAGES {
        let from = number * 3 % USERS;
        let to = (from + 1 + number / 3 % (USERS - 1)) % USERS;
        let [from, to] = [from, to].map(|user| format!("user{user}"));
        let mut pair = [from.as_str(), to.as_str()];
        pair.sort_unstable();
        let room = pair.join(",");
        // Several messages within one second, and over midnight and noon.
        let second = i64::try_from(number).unwrap();
        let at = DateTime::from_timestamp(1_767_000_000 + second / 4 * 61, 0).unwrap();
        let local = at.with_timezone(&FixedOffset::east_opt(ZONE.1).unwrap());
        let time = local.format("%-d/%-m/%Y, %-I:%M:%S %P").to_string();
        let text = format!("message {number} — ok? {{\"$set\":1}}");
        let mut doc = doc! {
            "roomId": &room, "from": &from, "text": &text, "to": &to, "time": &time, "__v": 0,
        };
        // Not the newest ones; and of the middle ones it was read, not said to be delivered.
        let read = number < MESSAGES / 2;
        let delivered = number < MESSAGES * 3 / 4 && number % 5 != 0;
        let id = (number >= MESSAGES / 3).then(|| uuid(number).to_string());
        match &id {
            Some(id) => doc.extend(doc! { "_id": id, "id": id }),
            None => doc.extend(doc! { "_id": ObjectId::new(), "id": "Xk3-socket-id-AAAB" }),
        }
        if delivered {
            doc.insert(
                "deliveredAt",
                bson::DateTime::from_millis(1_767_000_000_000),
            );
        }
        if read {
            doc.insert("readAt", bson::DateTime::from_millis(1_767_000_001_000));
        }
        rooms.entry(room).or_default().push(Said {
            id,
            from,
            text,
            to,
            time,
            delivered: delivered || read,
            read,
        });
        docs.push(doc);
    }
    messages.insert_many(docs).await.unwrap();
    rooms
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = program::command(folder, args);
    command.env("TZ", ZONE.0);
    command
}

async fn run(folder: &Path, args: &[&str]) -> Output {
    let output = command(folder, args).output();
    timeout(PATIENCE, output).await.unwrap().unwrap()
}

/// Imports; gives the lines of the summary as pairs.
async fn import(folder: &Path, from: &str, store: &str, more: &[&str]) -> BTreeMap<String, u64> {
    let args = [&["import", "--from", from, "--store", store], more].concat();
    let output = run(folder, &args).await;
    let (said, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{log}");
    let numbers = said.lines().filter_map(|line| {
        let (what, number) = line.rsplit_once(' ')?;
        Some((what.trim().to_owned(), number.parse().ok()?))
    });
    numbers.collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A server on this store.
async fn serve(folder: &Path, store: &str) -> Greeted {
    program::greeted(command(folder, &["--store", store])).await
}

async fn get(server: &Greeted, user: &str, path: &str) -> Value {
    let (request, login) = (
        format!("GET {path}"),
        format!("authorization: Bearer {user}\r\n"),
    );
    let (status, _, body) = http::ask(server.address, &request, &login, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Starts a server on the store, and compares what its clients see with what was said.
async fn check(folder: &Path, store: &str, rooms: &Rooms) {
    let mut server = serve(folder, store).await;
    for (room, said) in rooms {
        let (one, other) = room.split_once(',').unwrap();
        // In the old form.
        let path = format!("/lastmessages?from={one}&to={other}&limit=25");
        let last = get(&server, one, &path).await;
        let last = last.as_array().unwrap();
        let expected = &said[said.len().saturating_sub(25)..];
        assert_eq!(last.len(), expected.len());
        for (got, said) in last.iter().zip(expected) {
            for (field, value) in [
                ("roomId", room),
                ("from", &said.from),
                ("text", &said.text),
                ("to", &said.to),
                ("time", &said.time),
                (
                    "_id",
                    said.id
                        .as_ref()
                        .unwrap_or(&got["id"].as_str().unwrap().to_owned()),
                ),
            ] {
                assert_eq!(got[field], **value, "{field} of {got}");
            }
            assert_eq!((&got["_id"], &got["__v"]), (&got["id"], &Value::from(0)));
        }
        // The whole log.
        let mut log = Vec::new();
        loop {
            let path = format!("/v1/rooms/{room}/entries?after={}&limit=200", log.len());
            let page = get(&server, one, &path).await;
            let entries = page["entries"].as_array().unwrap();
            log.extend(entries.iter().cloned());
            if entries.is_empty() {
                break;
            }
        }
        assert_eq!(log.len(), said.len(), "{room}");
        for (number, (entry, said)) in (1..).zip(log.iter().zip(said)) {
            assert_eq!(entry["seq"], number);
            assert_eq!(entry["body"]["text"], *said.text);
            assert_eq!(entry["author"], *said.from);
        }
    }
    // Receipts, as one user sees them in the list of rooms.
    for user in (0..USERS).map(|user| format!("user{user}")) {
        let listed = get(&server, &user, "/v1/rooms?limit=200").await;
        for membership in listed["rooms"].as_array().unwrap() {
            let said = &rooms[membership["id"].as_str().unwrap()];
            let upto = |reached: fn(&Said) -> bool| {
                let mine = (1..).zip(said).filter(|(_, said)| said.to == user);
                mine.take_while(|(_, said)| reached(said))
                    .last()
                    .map_or(0, |(seq, _)| seq)
            };
            assert_eq!(
                membership["read"],
                upto(|said| said.read),
                "{user}: {membership}"
            );
            assert_eq!(
                membership["delivered"],
                upto(|said| said.delivered),
                "{membership}"
            );
        }
    }
    // Until it is gone, it has the file for itself.
    server.process.kill().await.unwrap();
}

#[tokio::test]
async fn a_deployment_comes_over_into_sqlite_and_a_second_run_changes_nothing() {
    let Some(old) = Database::new() else {
        return;
    };
    let rooms = old_deployment(&old).await;
    let folder = tempfile::tempdir().unwrap();
    let (from, store) = (old.uri.clone(), "sqlite:chat.db");
    let count = |summary: &BTreeMap<String, u64>, what: &str| summary[what];

    let planned = import(folder.path(), &from, store, &["--dry-run"]).await;
    assert_eq!(count(&planned, "to import"), MESSAGES as u64);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let messages = messages(&old).await;
    let indexes = messages.list_index_names().await.unwrap();
    assert_eq!(indexes, ["_id_", "roomId_1_createdAt_-1"]);

    let first = import(folder.path(), &from, store, &[]).await;
    assert_eq!(count(&first, "imported"), MESSAGES as u64);
    assert_eq!(count(&first, "rooms"), rooms.len() as u64);
    check(folder.path(), store, &rooms).await;
    for more in [&[][..], &["--dry-run"]] {
        let second = import(folder.path(), &from, store, more).await;
        assert_eq!(
            count(&second, "already there"),
            MESSAGES as u64,
            "{second:?}"
        );
    }
    check(folder.path(), store, &rooms).await;
    // The source is as it was.
    assert_eq!(messages.list_index_names().await.unwrap(), indexes);
    assert_eq!(
        messages
            .count_documents(doc! { "seq": { "$exists": true } })
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_deployment_comes_over_into_another_database_and_in_place() {
    let Some(old) = Database::new() else {
        return;
    };
    let rooms = old_deployment(&old).await;
    let folder = tempfile::tempdir().unwrap();
    let from = old.uri.clone();
    let read = async |messages: &Collection<Document>| {
        let dated = doc! { "readAt": bson::DateTime::from_millis(1_767_000_001_000) };
        messages.count_documents(dated).await.unwrap()
    };
    let before = read(&messages(&old).await).await;
    let Some(another) = Database::new() else {
        return;
    };
    for database in [&another, &old] {
        let (store, messages) = (database.uri.clone(), messages(database).await);
        let space = messages.namespace().db;
        let space = messages.client().database(&space);
        let there = space.list_collection_names().await.unwrap();
        let planned = import(folder.path(), &from, &store, &["--dry-run"]).await;
        assert_eq!(planned["to import"], MESSAGES as u64);
        assert_eq!(space.list_collection_names().await.unwrap(), there);
        let first = import(folder.path(), &from, &store, &[]).await;
        assert_eq!(first["imported"], MESSAGES as u64);
        check(folder.path(), &store, &rooms).await;
        for more in [&["--dry-run"][..], &[]] {
            let second = import(folder.path(), &from, &store, more).await;
            assert_eq!(second["already there"], MESSAGES as u64);
        }
        check(folder.path(), &store, &rooms).await;
        // Once each, for the old tools too, and with the old dates.
        assert_eq!(
            messages.count_documents(doc! {}).await.unwrap(),
            MESSAGES as u64
        );
        assert_eq!(read(&messages).await, before);
    }
}

#[tokio::test]
async fn texts_that_are_too_long_for_one_command_come_over_in_several() {
    const LONG: usize = 200;
    let (Some(old), Some(new)) = (Database::new(), Database::new()) else {
        return;
    };
    let docs = (0..LONG).map(|number| {
        doc! {
            "_id": uuid(number).to_string(), "roomId": "alice,bob", "from": "alice", "to": "bob",
            "text": "x".repeat(100_000), "time": "14/6/2025, 3:07:09 pm",
        }
    });
    messages(&old).await.insert_many(docs).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for store in [&new.uri, &old.uri] {
        let done = import(folder.path(), &old.uri, store, &[]).await;
        assert_eq!(done["imported"], LONG as u64, "{done:?}");
    }
    let last = doc! { "seq": i64::try_from(LONG).unwrap() };
    assert!(messages(&new).await.find_one(last).await.unwrap().is_some());
}

#[tokio::test]
async fn an_import_says_from_where_into_what_and_in_which_zone() {
    let (Some(old), Some(new)) = (Database::new(), Database::new()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // The server under another name.
    let same = old.uri.replace("127.0.0.1", "localhost");
    for (store, in_place) in [(&same, true), (&new.uri, false)] {
        let args = ["import", "--from", &old.uri, "--store", store, "--dry-run"];
        let output = run(folder.path(), &args).await;
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        let begun = told.lines().next().unwrap();
        assert!(begun.starts_with("from mongodb://"), "{told}");
        assert!(begun.contains(") into mongodb://"), "{told}");
        assert_eq!(begun.ends_with(", in place)"), in_place, "{told}");
        let zone = "times are read in TZ=IST-5:30, today UTC+05:30";
        assert!(said.lines().any(|line| line == zone), "{said}");
    }
    let mut nowhere = command(folder.path(), &["import", "--from", &old.uri, "--dry-run"]);
    let output = timeout(PATIENCE, nowhere.env("TZ", "Asia/Nowhere").output()).await;
    let output = output.unwrap().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("knows no zone Asia/Nowhere") && told.lines().count() == 1,
        "{told}"
    );
}

/// Kills imports at moments that move; gives how many of them had not ended by then.
async fn killed(
    folder: &Path,
    from: &str,
    store: &str,
    moment: impl AsyncFn(&mut Child, u32),
) -> usize {
    let mut in_the_middle = 0;
    for run in 1..=10 {
        let mut child = command(folder, &["import", "--from", from, "--store", store])
            .spawn()
            .unwrap();
        timeout(PATIENCE, moment(&mut child, run)).await.unwrap();
        in_the_middle += usize::from(child.try_wait().unwrap().is_none());
        child.kill().await.unwrap();
    }
    in_the_middle
}

#[tokio::test]
async fn an_import_that_is_killed_again_and_again_ends_as_if_it_had_not_been() {
    let Some(old) = Database::new() else {
        return;
    };
    let rooms = old_deployment(&old).await;
    let folder = tempfile::tempdir().unwrap();
    let from = old.uri.clone();

    // The file can't be looked into meanwhile; so when its log has been written to so many times.
    let store = "sqlite:chat.db";
    let written = folder.path().join("chat.db-wal");
    let moment = async |child: &mut Child, run: u32| {
        let (mut last, mut changes) = (None, 0);
        while changes <= run && child.try_wait().unwrap().is_none() {
            let now = std::fs::metadata(&written)
                .and_then(|it| it.modified())
                .ok();
            changes += u32::from(now != last);
            last = now;
            sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(killed(folder.path(), &from, store, moment).await > 3);
    let rest = import(folder.path(), &from, store, &[]).await;
    assert_eq!(rest["imported"] + rest["already there"], MESSAGES as u64);
    assert!(rest["already there"] > 0, "{rest:?}");
    check(folder.path(), store, &rooms).await;

    // In place, when so many more have their numbers.
    let messages = messages(&old).await;
    let moment = async |_: &mut Child, run: u32| {
        let wanted = MESSAGES as u64 * u64::from(run) / 12;
        let numbered = doc! { "seq": { "$exists": true } };
        while messages.count_documents(numbered.clone()).await.unwrap() < wanted {
            tokio::task::yield_now().await;
        }
    };
    assert!(killed(folder.path(), &from, &from, moment).await > 5);
    let rest = import(folder.path(), &from, &from, &[]).await;
    // The last kill may have come just after the end; or it left the document and the entry that
    // takes its place, which both count.
    let counted = rest["imported"] + rest["already there"];
    assert!(counted >= MESSAGES as u64, "{rest:?}");
    assert!(rest["already there"] > 0, "{rest:?}");
    check(folder.path(), &from, &rooms).await;
    let ids: Vec<String> = rooms
        .values()
        .flatten()
        .filter_map(|said| said.id.clone())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert_eq!(
        messages.count_documents(doc! {}).await.unwrap(),
        MESSAGES as u64
    );
}

#[tokio::test]
async fn an_import_that_cannot_begin_says_why_in_one_line() {
    let Some(old) = Database::new() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let from = old.uri.clone();
    let _server = serve(folder.path(), "sqlite:taken.db").await;
    let nobody = "mongodb://127.0.0.1:1/chat";
    for (args, code, says) in [
        (vec!["--from", nobody], 1, "from: MongoDB does not answer"),
        (
            vec!["--from", "http://x"],
            1,
            "from: the address of MongoDB",
        ),
        (
            vec!["--from", &from, "--store", "sqlite:taken.db"],
            1,
            "in use by another process",
        ),
        (
            vec!["--from", &from, "--store", "sqlite:taken.db", "--dry-run"],
            1,
            "in use by another",
        ),
        (
            vec!["--from", &from, "--store", nobody],
            1,
            "store: MongoDB does not answer",
        ),
        (
            vec!["--from", &from, "--store", "memory"],
            2,
            "memory keeps nothing",
        ),
        (vec!["--from", &from, "--store", "paper"], 2, "store (flag)"),
        (vec!["--from", &from, "--mute", "5s"], 2, "--mute"),
        (vec![], 2, "--from"),
    ] {
        let args = [&["import"], &args[..]].concat();
        let output = run(folder.path(), &args).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        let error = said.lines().find(|line| line.starts_with("error: "));
        assert!(error.is_some() && said.contains(says), "{args:?}: {said}");
    }
}
