//! The program under a pseudo-terminal, tested by the keys of a person and the lines on the screen.

use std::time::Duration;

use chat_testkit::{Proxy, Server, until};
use serde_json::json;
use tokio::time::Instant;

use super::person::Person;

const ROOM: &str = "alice,bob";

/// The texts of all messages in the room, as the server has them.
async fn stored(server: &Server) -> Vec<String> {
    let mut carol = server.connect("bob").await;
    let history = json!({ "type": "history", "room": ROOM, "limit": 200 });
    let page = carol.result(history).await;
    let entries = page["entries"].as_array().unwrap();
    let texts = entries
        .iter()
        .filter_map(|entry| entry["body"]["text"].as_str());
    texts.map(str::to_owned).collect()
}

async fn alice_at(server: &Server) -> Person {
    let alice = Person::start(server.address, "alice", "bob");
    alice.sees("online: alice").await;
    alice
}

/// Alice behind a proxy that can cut her connection.
async fn alice_behind(proxy: &Proxy) -> Person {
    let alice = Person::start(proxy.address(), "alice", "bob");
    alice.sees("online: alice").await;
    alice
}

#[tokio::test(flavor = "multi_thread")]
async fn one_write_of_two_lines_sends_both() {
    let server = Server::start(&[]).await;
    let mut alice = alice_at(&server).await;
    alice.types("one\rtwo\rth");
    alice.sees("alice: two [SENT]").await;
    alice.types("ree\r");
    alice.sees("alice: three [SENT]").await;
    assert_eq!(stored(&server).await, ["one", "two", "three"]);
    assert_eq!(alice.leaves().await.1, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_typed_before_the_prompt_are_sent() {
    let server = Server::start(&[]).await;
    let mut alice = Person::start(server.address, "alice", "bob");
    alice.types("early\r");
    alice.sees("alice: early [SENT]").await;
    assert_eq!(stored(&server).await, ["early"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_byte_is_replaced_and_the_program_goes_on() {
    let server = Server::start(&[]).await;
    let mut alice = alice_at(&server).await;
    alice.types(b"caf\xe9 au lait\r");
    alice.sees("alice: caf\u{fffd} au lait [SENT]").await;
    alice.types(b"\xff\xfe\x80");
    alice.types("\x15still here\r");
    alice.sees("alice: still here [SENT]").await;
    assert_eq!(alice.leaves().await.1, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_characters_at_the_margin_leave_no_row_behind() {
    let server = Server::start(&[]).await;
    let args = ["alice", "bob", "--last", "0"];
    let mut alice = Person::with_columns(21, server.address, &args);
    alice.sees("online: alice").await;
    alice.types("李".repeat(40));
    let (first, row) = (format!("> {}", "李".repeat(9)), "李".repeat(10));
    until("four rows and a bit", async || {
        let lines = alice.lines();
        lines.ends_with(&[
            first.clone(),
            row.clone(),
            row.clone(),
            row.clone(),
            "李".into(),
        ])
    })
    .await;
    alice.types("\r");
    alice.sees("[SENT]").await;
    let lines = alice.lines();
    assert_eq!(
        lines.iter().filter(|line| **line == row).count(),
        3,
        "{lines:#?}"
    );
    assert!(
        lines.ends_with(&[String::new(), ">".to_owned()]),
        "{lines:#?}"
    );
    let above = &lines[..lines.len() - 2];
    assert!(above.iter().all(|line| !line.is_empty()), "{lines:#?}");
    let text: usize = lines.iter().map(|line| line.matches('李').count()).sum();
    assert_eq!(text, 40, "the message and nothing else: {lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paste_is_one_message_and_keeps_its_slashes() {
    let server = Server::start(&[]).await;
    let mut alice = alice_at(&server).await;
    alice.types("\x1b[200~//not a command\r/quit\x1b[201~\r");
    alice.types("//typed\r");
    alice.sees("alice: /typed [SENT]").await;
    assert_eq!(stored(&server).await, ["//not a command\n/quit", "/typed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_for_the_last_message_that_waits_and_names_it() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::to(server.address).await;
    let mut alice = alice_behind(&proxy).await;
    alice.types("keep me\r");
    alice.sees("alice: keep me [SENT]").await;
    proxy.hang();
    proxy.cut();
    alice.sees("-- not connected").await;
    alice.types("oops\r");
    alice.sees("-- waits for the connection: oops").await;
    alice.types("/delete\r");
    alice.sees("-- taken back before it was sent: oops").await;
    alice.types("fisrt\r/edit first\r");
    alice.sees("-- waits for the connection: first").await;
    proxy.heal();
    alice.sees("alice: first [SENT]").await;
    assert_eq!(stored(&server).await, ["keep me", "first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_for_a_message_on_its_way_is_carried_out_when_it_is_stored() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::to(server.address).await;
    let mut alice = alice_behind(&proxy).await;
    alice.types("keep me\r");
    alice.sees("alice: keep me [SENT]").await;
    proxy.hang();
    alice.types("oops\r/delete\r");
    alice.sees("-- sending ...: taking back: oops").await;
    proxy.heal();
    alice.sees("alice took a message back: oops").await;
    assert_eq!(stored(&server).await, ["keep me"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_messages_that_were_shown_are_read() {
    let server = Server::start(&[]).await;
    let mut bob = server.connect("bob").await;
    bob.open("alice").await;
    for n in 1..=50 {
        bob.say(ROOM, &format!("message {n}")).await;
    }
    let mut alice = alice_at(&server).await;
    alice
        .sees("-- 30 earlier unread messages, /more shows them")
        .await;
    alice.sees("bob: message 50").await;
    assert!(!alice.shows("bob: message 30"));
    while bob.event("receipt").await["delivered"] != 50 {}
    alice.types("/more\r");
    alice.sees("bob: message 1").await;
    // The first receipt with a read watermark has all messages read.
    let receipt = loop {
        let receipt = bob.event("receipt").await;
        if receipt["read"] != 0 {
            break receipt;
        }
    };
    assert_eq!(receipt["read"], 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_answer_is_shown_after_a_moment() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::to(server.address).await;
    let mut alice = alice_behind(&proxy).await;
    proxy.hang();
    let start = Instant::now();
    alice.types("anybody there?\r");
    alice.sees("-- sending ...: anybody there?").await;
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    proxy.heal();
    alice.sees("alice: anybody there? [SENT]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_larger_than_a_frame_is_refused_and_the_conversation_goes_on() {
    let server = Server::start(&[]).await;
    let mut alice = alice_at(&server).await;
    let long = "x".repeat(66_000);
    alice.types("before\r");
    alice.sees("alice: before [SENT]").await;
    for part in long.as_bytes().chunks(1_000) {
        alice.types(part);
    }
    alice.types("\r");
    alice.sees("[REFUSED] too long").await;
    alice.types("after\r");
    alice.sees("alice: after [SENT]").await;
    assert_eq!(stored(&server).await, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_restored_without_a_trace_of_the_prompt() {
    let server = Server::start(&[]).await;
    let mut alice = alice_at(&server).await;
    alice.types("half a line");
    alice.sees("> half a line").await;
    let (lines, code) = alice.leaves().await;
    assert_eq!(code, Some(0));
    assert!(
        !lines.iter().any(|line| line.starts_with('>')),
        "{lines:#?}"
    );
}
