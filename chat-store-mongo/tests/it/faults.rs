//! Servers that don't answer, don't let us in, or stop in the middle.

use std::time::Duration;

use chat_core::port::{AppendError, BackendErrorKind, LogStore, Outcome, Retry, RoomStore};
use chat_store_mongo::{ConnectError, MongoStore};
use chat_testkit::{
    Database, Proxy, free_port,
    log::{append, log, message, new_room, room, user},
};
use mongodb::bson::doc;
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};

use crate::connect;

/// Every call returns an answer or an error in less than this time.
const PATIENCE: Duration = Duration::from_secs(5);

async fn refused(uri: &str) -> ConnectError {
    let answer = timeout(PATIENCE, MongoStore::connect(uri)).await;
    answer.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let port = free_port();
    let error = refused(&format!("mongodb://127.0.0.1:{port}/chat")).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!("MongoDB does not answer at 127.0.0.1:{port}; start it, or correct the address")
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = refused(&format!("mongodb://127.0.0.1:{port}/chat")).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_refused() {
    for address in [
        "http://localhost",
        "mongodb://",
        "mongodb://localhost/?w=x&readConcernLevel",
    ] {
        let error = refused(address).await;
        assert!(
            matches!(error, ConnectError::Address { .. }),
            "{address}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_apart() {
    let Some(database) = Database::new() else {
        return;
    };
    let (scheme, rest) = database.uri.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let uri = format!("{scheme}://nobody:secret@{host}");
    let error = refused(&uri).await;
    assert!(
        matches!(error, ConnectError::WrongPassword { .. }),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_was() {
    let Some(database) = Database::new() else {
        return;
    };
    let meta = database.collection("meta").await;
    meta.insert_one(doc! { "_id": "schema", "version": 999 })
        .await
        .unwrap();
    let error = refused(&database.uri).await;
    assert!(
        matches!(error, ConnectError::NewerSchema { found: 999, .. }),
        "{error:?}"
    );
    let kept = meta.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(kept, doc! { "_id": "schema", "version": 999 });
}

#[tokio::test]
async fn indexes_and_schema_are_made_at_start_and_a_second_start_changes_nothing() {
    let Some(database) = Database::new() else {
        return;
    };
    connect(&database).await;
    let messages = database.collection("messages").await;
    let made = messages.list_index_names().await.unwrap();
    assert_eq!(
        made,
        [
            "_id_",
            "room_seq",
            "room_author_client",
            "room_target",
            "pending"
        ]
    );
    connect(&database).await;
    assert_eq!(messages.list_index_names().await.unwrap(), made);
}

/// Starts a proxy before the server, and returns the address of the database through it.
async fn way_to(database: &Database) -> (Proxy, String) {
    let (scheme, rest) = database.uri.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let (login, host) = match host.rsplit_once('@') {
        Some((login, host)) => (format!("{login}@"), host),
        None => (String::new(), host),
    };
    let server = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
    let proxy = Proxy::to(server).await;
    // The members would give their own names, and be reached past the proxy.
    let direct = match path {
        _ if path.contains("directConnection") => "",
        _ if path.contains('?') => "&directConnection=true",
        _ => "?directConnection=true",
    };
    let uri = format!("{scheme}://{login}{}/{path}{direct}", proxy.address());
    (proxy, uri)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_server_hangs_errors_come_in_time_and_afterwards_nothing_is_lost() {
    let Some(database) = Database::new() else {
        return;
    };
    let (proxy, uri) = way_to(&database).await;
    let store = MongoStore::connect(&uri).await.unwrap();
    store.create_room(new_room(room())).await.unwrap();
    append(&store, message(1, "one")).await.unwrap();

    proxy.hang();
    let (room, bob) = (room(), user("bob"));
    let mut failures = Vec::new();
    // The first of these calls hangs, and the last ones find no server.
    for number in 2..=4 {
        let begun = Instant::now();
        let (answer, page, member) = tokio::join!(
            append(&store, message(number, "while it hangs")),
            store.page(&room, chat_core::Page::Newest, 9),
            store.member(&room, &bob),
        );
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        let (page, member) = (page.unwrap_err(), member.unwrap_err());
        let retries = [page.retry, member.retry];
        assert_eq!(retries, [Retry::Safe; 2], "a read leaves no doubt");
        let Err(AppendError::Backend(error)) = answer else {
            panic!("{answer:?}");
        };
        assert!(matches!(
            error.kind,
            BackendErrorKind::Timeout | BackendErrorKind::Unavailable
        ));
        assert_ne!(error.retry, Retry::No);
        failures.push((number, error.retry));
    }
    assert_eq!(failures[0].1, Retry::IfIdempotent);

    proxy.heal();
    // The appends are repeated as a client does, with the same client message ids, until they
    // succeed.
    let again = async || {
        let batch = (1..=4).map(|number| message(number, "while it hangs"));
        store.append(batch.collect()).await
    };
    let end = Instant::now() + Duration::from_secs(15);
    let answers = loop {
        let answers = again().await;
        if answers.iter().all(Result::is_ok) {
            break answers;
        }
        assert!(Instant::now() < end, "{answers:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(answers[0].as_ref().unwrap().outcome, Outcome::Duplicate);
    let log = log(&store, &room).await;
    assert_eq!(log.len(), 4);
    for answer in answers {
        let entry = answer.unwrap().entry;
        assert_eq!(log[usize::try_from(entry.seq.0 - 1).unwrap()], entry);
    }
}
