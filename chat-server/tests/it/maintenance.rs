//! `backup`, `restore` and `doctor`, as an administrator runs them.

use std::{fs, path::Path};

use chat_testkit::{
    Client, PATIENCE,
    program::{self, Greeted},
};
use serde_json::json;
use tokio::time::timeout;

/// Runs the program to its end: the exit code, and all that it says.
async fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, program::command(folder, arguments).output());
    let output = output.await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

async fn start(folder: &Path) -> Greeted {
    let arguments = ["--rate-limit", "off"];
    program::greeted(program::command(folder, &arguments)).await
}

/// How many entries the room of alice and bob has, which stand in a row.
async fn entries(server: &Greeted) -> usize {
    let mut alice = Client::connect(server.address, "alice").await;
    let room = alice.open("bob").await;
    let page = alice
        .result(json!({ "type": "history", "room": room, "limit": 200 }))
        .await;
    let entries = page["entries"].as_array().unwrap();
    let numbers: Vec<u64> = entries
        .iter()
        .map(|it| it["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>());
    entries.len()
}

#[tokio::test]
async fn a_backup_of_a_running_server_is_what_a_killed_one_is_restored_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut server = start(folder).await;
    let mut alice = Client::connect(server.address, "alice").await;
    let room = alice.open("bob").await;
    for number in 1..=20 {
        alice.say(&room, &format!("before {number}")).await;
    }
    let (code, said) = run(folder, &["backup", "copy.db"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("100 %") && said.contains("copy.db"), "{said}");
    let (code, said) = run(folder, &["backup", "copy.db"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there already"), "{said}");
    let (code, said) = run(folder, &["doctor"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("chat.db is sound"), "{said}");

    for number in 1..=10 {
        alice.say(&room, &format!("after {number}")).await;
    }
    let (code, said) = run(folder, &["restore", "copy.db"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    server.process.kill().await.unwrap();
    let (code, said) = run(folder, &["restore", "copy.db"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("chat.db.replaced-1"), "{said}");
    let server = start(folder).await;
    assert_eq!(entries(&server).await, 20);
}

#[tokio::test]
async fn the_doctor_of_a_damaged_store_says_what_is_wrong_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("chat.db"), "no database").unwrap();
    let (code, said) = run(folder, &["doctor"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not a database"), "{said}");
    let mongo = ["doctor", "--store", "mongodb://127.0.0.1/chat"];
    let (code, said) = run(folder, &mongo).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("mongodump"), "{said}");
}
