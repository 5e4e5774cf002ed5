//! Importing messages of the old server, also while other nodes write.

use std::sync::Arc;

use chat_core::{
    Details, Entry, EntryBody, Epoch, Mark, NewRoom, RoomId, RoomKind, Seq,
    port::{Outcome, ReceiptStore, RoomStore},
};
use chat_store_mongo::{
    MongoStore,
    old::{OldServer, Unfit},
};
use chat_testkit::{
    Database,
    log::{append, log, message, new_room, room, user},
};
use mongodb::{
    IndexModel,
    bson::{self, Bson, Document, RawArrayBuf, RawDocumentBuf, cstr, doc, oid::ObjectId},
};
use uuid::Uuid;

use crate::{connect, documents};

/// Returns a message as the newest old server wrote it.
fn old(number: u128, from: &str, to: &str, time: &str) -> Document {
    let id = Uuid::from_u128(number).to_string();
    let mut names = [from, to];
    names.sort_unstable();
    doc! {
        "_id": &id, "roomId": names.join(","), "id": id, "from": from, "text": format!("text {number}"),
        "to": to, "time": time, "__v": 0,
    }
}

async fn write(database: &Database, docs: Vec<Document>) {
    let messages = database.collection("messages").await;
    messages.insert_many(docs).await.unwrap();
}

/// Imports all messages as the subcommand does.
async fn bring(source: &OldServer, store: &MongoStore) -> Vec<(Seq, Outcome)> {
    let survey = Arc::new(source.survey(None).await.unwrap());
    let mut rooms = source.rooms(survey).await.unwrap();
    let mut answers = Vec::new();
    while let Some(old) = rooms.next().await.unwrap() {
        let Ok(id) = old.id() else { continue };
        let new = NewRoom {
            id: id.clone(),
            epoch: Epoch(Uuid::from_u128(9)),
            kind: RoomKind::Direct,
            members: id.pair().unwrap().to_vec(),
            created_by: None,
            details: Details::default(),
            created_at: chrono::DateTime::UNIX_EPOCH,
        };
        store.create_room(new).await.unwrap();
        for start in (0..old.len()).step_by(7) {
            let places = start..old.len().min(start + 7);
            let found = source.messages(&old, places).await.unwrap();
            let fit = found.into_iter().filter_map(Result::ok).collect();
            answers.extend(store.adopt(id, fit).await.unwrap());
        }
    }
    answers
}

fn texts(log: &[Arc<Entry>]) -> Vec<String> {
    let text = |entry: &Arc<Entry>| match &entry.body {
        EntryBody::Message { text, .. } => text.as_ref().to_owned(),
        other => panic!("{other:?}"),
    };
    log.iter().map(text).collect()
}

#[tokio::test]
async fn a_document_becomes_an_entry_where_it_stands_and_keeps_what_it_had() {
    let Some(database) = Database::new() else {
        return;
    };
    let read_at = bson::DateTime::from_millis(1_700_000_000_000);
    let mut first = old(1, "bob", "alice", "3/1/2026, 1:00:00 pm");
    first.insert("deliveredAt", read_at);
    first.insert("readAt", read_at);
    // A message of the version before that has the id of the socket, and an id that the driver
    // made.
    let mut second = old(2, "alice", "bob", "3/1/2026, 1:00:01 pm");
    let object = ObjectId::new();
    second.insert("_id", object);
    second.insert("id", "a1B2c3D4e5F6g7H8AAAB");
    // A recipient who has read the message had received it by then.
    second.insert("readAt", read_at);
    let third = old(3, "bob", "alice", "3/1/2026, 1:00:02 pm");
    write(&database, vec![third, second.clone(), first.clone()]).await;
    let (store, source) = (
        connect(&database).await,
        OldServer::connect(&database.uri).await.unwrap(),
    );
    assert_eq!(source.survey(None).await.unwrap().messages(), 3);

    bring(&source, &store).await;
    let entries = log(&store, &room()).await;
    assert_eq!(texts(&entries), ["text 1", "text 2", "text 3"]);
    let kept = documents(&database, doc! {}).await;
    assert_eq!(kept.len(), 3);
    for (field, value) in &first {
        assert_eq!(kept[0].get(field), Some(value), "{field}");
    }
    assert_eq!(kept[1].get("_id"), kept[1].get("id"));
    assert_eq!(kept[1].get_datetime("deliveredAt").unwrap(), &read_at);
    for field in ["roomId", "from", "text", "to", "time", "readAt"] {
        assert_eq!(kept[1].get(field), second.get(field), "{field}");
    }

    // A crash before the removal of the old document leaves it; the next run finds the same
    // document again.
    write(&database, vec![second]).await;
    let again = bring(&source, &store).await;
    let expected = [1, 2, 3, 2].map(|seq| (Seq(seq), Outcome::Duplicate));
    assert_eq!(again, expected);
    assert_eq!(log(&store, &room()).await, entries);
    assert_eq!(documents(&database, doc! {}).await, kept);

    // A receipt doesn't change the date of an earlier one.
    let alice = user("alice");
    store
        .advance(&room(), &alice, Mark::Read, Seq(3))
        .await
        .unwrap();
    let dated = documents(&database, doc! {}).await;
    assert_eq!(dated[0], kept[0]);
    assert!(dated[2].get_datetime("readAt").unwrap() > &read_at);
}

#[tokio::test]
async fn messages_of_one_second_stand_as_they_were_inserted() {
    let Some(database) = Database::new() else {
        return;
    };
    // A query by this index returns them in the opposite order.
    let messages = database.collection("messages").await;
    let keys = doc! { "roomId": 1, "createdAt": -1 };
    let index = IndexModel::builder().keys(keys).build();
    messages.create_index(index).await.unwrap();
    let docs = (1..=40).map(|number| {
        let mut doc = old(number, "alice", "bob", "3/1/2026, 1:00:00 pm");
        doc.insert("createdAt", i64::try_from(number).unwrap());
        doc
    });
    write(&database, docs.collect()).await;
    let store = connect(&database).await;
    bring(&OldServer::connect(&database.uri).await.unwrap(), &store).await;
    let expected: Vec<_> = (1..=40).map(|number| format!("text {number}")).collect();
    assert_eq!(texts(&log(&store, &room()).await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_and_a_server_that_writes_at_once_leave_no_gap_and_no_double() {
    const OLD: u128 = 150;
    const NEW: u64 = 60;
    let Some(database) = Database::new() else {
        return;
    };
    let docs = (1..=OLD).map(|number| {
        let mut doc = old(
            number,
            "alice",
            "bob",
            &format!("3/1/2026, 1:{:02}:00 pm", number / 10),
        );
        if number % 3 == 0 {
            doc.insert("_id", ObjectId::new());
        }
        doc
    });
    write(&database, docs.collect()).await;
    let server = connect(&database).await;
    server.create_room(new_room(room())).await.unwrap();
    let import = async || {
        let store = connect(&database).await;
        bring(&OldServer::connect(&database.uri).await.unwrap(), &store).await
    };
    let writing = async {
        for number in 1..=NEW {
            append(&server, message(number + 1_000, "new"))
                .await
                .unwrap();
        }
    };
    let (one, other, ()) = tokio::join!(import(), import(), writing);

    let texts = texts(&log(&server, &room()).await);
    let (new, old): (Vec<_>, Vec<_>) = texts.into_iter().partition(|text| text == "new");
    assert_eq!(new.len() as u64, NEW);
    let expected: Vec<_> = (1..=OLD).map(|number| format!("text {number}")).collect();
    assert_eq!(old, expected);
    let stored = |run: &[(Seq, Outcome)]| {
        run.iter()
            .filter(|(_, outcome)| *outcome == Outcome::Stored)
            .count()
    };
    assert_eq!((stored(&one) + stored(&other)) as u128, OLD);
    assert_eq!(documents(&database, doc! {}).await.len() as u64, 150 + NEW);
}

#[tokio::test]
async fn what_cannot_be_brought_over_says_why_and_the_rest_comes() {
    let Some(database) = Database::new() else {
        return;
    };
    let time = "3/1/2026, 1:00:00 pm";
    let with = |number: u128, field: &str, value: Bson| {
        let mut doc = old(number, "alice", "bob", time);
        doc.insert(field, value);
        doc
    };
    let without = |number: u128, field: &str| {
        let mut doc = old(number, "alice", "bob", time);
        doc.remove(field);
        doc
    };
    let long = "x".repeat(65);
    let unfit = [
        (with(1, "seq", Bson::from("one")), Unfit::Seq),
        (with(14, "seq", Bson::Null), Unfit::Seq),
        (with(15, "seq", 3_i64.into()), Unfit::Seq),
        (without(2, "roomId"), Unfit::NoRoom),
        (old(3, "a,b", "c", time), Unfit::Name),
        (old(4, &long, "bob", time), Unfit::Name),
        (old(5, "bo\nb", "bob", time), Unfit::Name),
        (with(6, "roomId", "alone".into()), Unfit::Name),
        // The user had not given a name: the message was stored in the room `bob,`.
        (with(7, "roomId", "bob,".into()), Unfit::Name),
        (old(8, "bob", "bob", time), Unfit::Alone),
        (with(9, "from", "carol".into()), Unfit::Stranger),
        (with(10, "to", "carol".into()), Unfit::Stranger),
        (without(11, "from"), Unfit::Stranger),
        (without(12, "text"), Unfit::NoText),
        (with(13, "text", 5.into()), Unfit::NoText),
    ];
    let fit = [
        without(20, "to"),
        with(21, "text", "".into()),
        with(22, "text", "y".repeat(100_000).into()),
        without(23, "time"),
        with(24, "time", "soon".into()),
        with(25, "_id", "short".into()),
        with(26, "_id", 7.into()),
        with(27, "_id", 7.5.into()),
        with(28, "_id", doc! { "day": 1, "number": 2_i64 }.into()),
        with(29, "_id", Bson::from(bson::Uuid::from_bytes([9; 16]))),
    ];
    let all = unfit.iter().map(|(doc, _)| doc).chain(&fit).cloned();
    write(&database, all.collect()).await;

    let source = OldServer::connect(&database.uri).await.unwrap();
    let (mut told, mut read) = (Vec::new(), Vec::new());
    let survey = Arc::new(source.survey(None).await.unwrap());
    assert_eq!(survey.messages(), (unfit.len() + fit.len()) as u64);
    let mut rooms = source.rooms(survey).await.unwrap();
    while let Some(room) = rooms.next().await.unwrap() {
        told.extend(room.unfit());
        for message in source.messages(&room, 0..room.len()).await.unwrap() {
            match message {
                Ok(message) => read.push(message),
                Err(why) => told.push(why),
            }
        }
    }
    for (doc, why) in &unfit {
        let id = doc.get_str("_id").unwrap();
        let found = told.iter().find(|(told, _)| told == id);
        assert_eq!(found.map(|(_, why)| *why), Some(*why), "{doc}");
    }
    assert_eq!(told.len(), unfit.len());
    assert_eq!(read.len(), fit.len());
    let guessed = read.iter().filter(|message| message.guessed);
    // Messages without a time have that of the message before.
    let times: Vec<_> = guessed.map(|message| message.entry.at).collect();
    assert_eq!(times, [read[0].entry.at; 2]);
}

#[tokio::test]
async fn looking_at_a_database_makes_nothing_in_it() {
    let Some(database) = Database::new() else {
        return;
    };
    write(
        &database,
        vec![old(1, "alice", "bob", "3/1/2026, 1:00:00 pm")],
    )
    .await;
    let source = OldServer::connect(&database.uri).await.unwrap();
    let store = MongoStore::look(&database.uri).await.unwrap();
    let room = RoomId::new("alice,bob").unwrap();
    let id = chat_core::MessageId(Uuid::from_u128(1));
    assert!(store.numbers(&room, &[id]).await.unwrap().is_empty());
    let survey = Arc::new(source.survey(None).await.unwrap());
    assert!(
        source
            .rooms(survey)
            .await
            .unwrap()
            .next()
            .await
            .unwrap()
            .is_some()
    );
    let messages = database.collection("messages").await;
    assert_eq!(messages.list_index_names().await.unwrap(), ["_id_"]);
    let client = messages.client().database(&database.name);
    assert_eq!(client.list_collection_names().await.unwrap(), ["messages"]);
}

/// Returns the same document, with a text in which one byte is not UTF-8.
fn broken(doc: &Document, text: &str) -> RawDocumentBuf {
    let mut bytes = RawDocumentBuf::try_from(doc).unwrap().into_bytes();
    let at = bytes
        .windows(text.len())
        .position(|it| it == text.as_bytes());
    bytes[at.unwrap()] = 0xff;
    RawDocumentBuf::from_bytes(bytes).unwrap()
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_is_counted_with_its_id_and_the_rest_comes_over() {
    let Some(database) = Database::new() else {
        return;
    };
    let time = "3/1/2026, 1:00:00 pm";
    write(
        &database,
        (1..=9).map(|it| old(it, "alice", "bob", time)).collect(),
    )
    .await;
    let damaged: Vec<_> = (10..=13).map(|it| old(it, "alice", "bob", time)).collect();
    let mut unused = old(14, "alice", "bob", time);
    unused.insert("avatar", "picture");
    let mut documents = RawArrayBuf::new();
    for broken in [
        broken(&damaged[0], "text 10"),
        broken(&damaged[1], "alice,bob"),
        broken(&damaged[2], "bob\0\x02time"),
        broken(&damaged[3], &damaged[3].get_str("_id").unwrap()[..35]),
        // An import in place would make it a field of the entry.
        broken(&unused, "picture"),
    ] {
        documents.push(broken);
    }
    // The driver would decode the documents.
    let mut insert = RawDocumentBuf::new();
    insert.append(cstr!("insert"), "messages");
    insert.append(cstr!("documents"), documents);
    let messages = database.collection("messages").await;
    let space = messages.client().database(&database.name);
    space.run_raw_command(insert).await.unwrap();

    let source = OldServer::connect(&database.uri).await.unwrap();
    let survey = Arc::new(source.survey(None).await.unwrap());
    assert_eq!(survey.messages(), 14);
    let mut rooms = source.rooms(survey).await.unwrap();
    let (mut unfit, mut fit) = (Vec::new(), 0);
    while let Some(room) = rooms.next().await.unwrap() {
        unfit.extend(room.unfit());
        let read = source.messages(&room, 0..room.len()).await.unwrap();
        fit += read.iter().filter(|it| it.is_ok()).count();
        unfit.extend(read.into_iter().filter_map(Result::err));
    }
    assert_eq!(fit, 9);
    assert!(
        unfit.iter().all(|(_, why)| *why == Unfit::NotUtf8),
        "{unfit:?}"
    );
    unfit.sort();
    let ids = unfit.iter().map(|(id, _)| id.as_str());
    let named = |doc: &Document| doc.get_str("_id").unwrap().to_owned();
    let mut expected: Vec<_> = damaged.iter().chain([&unused]).map(named).collect();
    expected[3].replace_range(..1, "\u{fffd}");
    expected.sort();
    assert!(ids.eq(expected.iter().map(String::as_str)), "{unfit:?}");

    let store = connect(&database).await;
    bring(&source, &store).await;
    assert_eq!(texts(&log(&store, &room()).await).len(), 9);
    // Documents that were not imported stay as they were.
    assert_eq!(messages.count_documents(doc! {}).await.unwrap(), 14);
}

#[tokio::test]
async fn messages_with_ids_of_any_kind_come_over_once() {
    let (Some(from), Some(into)) = (Database::new(), Database::new()) else {
        return;
    };
    let uuid = bson::Uuid::from_bytes([0x91; 16]);
    let ids = [
        Bson::from(7),
        8_i64.into(),
        8.5.into(),
        uuid.into(),
        "one".into(),
    ];
    let docs = ids.iter().enumerate().map(|(second, id)| {
        let time = format!("3/1/2026, 1:00:{second:02} pm");
        let mut doc = old(second as u128, "alice", "bob", &time);
        doc.insert("_id", id.clone());
        doc
    });
    write(&from, docs.collect()).await;
    let source = OldServer::connect(&from.uri).await.unwrap();
    for database in [&into, &from] {
        let store = connect(database).await;
        for outcome in [Outcome::Stored, Outcome::Duplicate] {
            let answers = bring(&source, &store).await;
            assert_eq!(answers, [1, 2, 3, 4, 5].map(|seq| (Seq(seq), outcome)));
        }
        let entries = log(&store, &room()).await;
        assert_eq!(
            texts(&entries),
            (0..5).map(|it| format!("text {it}")).collect::<Vec<_>>()
        );
        assert_eq!(entries[3].id.to_string(), uuid.to_string());
        assert_eq!(documents(database, doc! {}).await.len(), 5);
    }
}

#[tokio::test]
async fn a_room_of_two_names_comes_over_in_the_order_of_time() {
    let (Some(from), Some(into)) = (Database::new(), Database::new()) else {
        return;
    };
    let docs = (0..30).map(|number| {
        let (one, other) = if number % 2 == 0 {
            ("alice", "bob")
        } else {
            ("bob", "alice")
        };
        let mut doc = old(
            number,
            one,
            other,
            &format!("3/1/2026, 1:00:{number:02} pm"),
        );
        doc.insert(
            "roomId",
            ["alice,bob", "bob,alice"][usize::from(number % 3 == 0)],
        );
        doc
    });
    let carol = old(99, "bob", "carol", "3/1/2026, 1:00:00 pm");
    write(&from, docs.chain([carol]).collect()).await;
    let source = OldServer::connect(&from.uri).await.unwrap();
    let expected: Vec<_> = (0..30).map(|number| format!("text {number}")).collect();
    for database in [&into, &from] {
        let store = connect(database).await;
        for outcome in [Outcome::Stored, Outcome::Duplicate] {
            let answers = bring(&source, &store).await;
            assert_eq!(answers.len(), 31);
            assert!(answers.iter().all(|(_, it)| *it == outcome), "{answers:?}");
        }
        assert_eq!(texts(&log(&store, &room()).await), expected);
    }
}
