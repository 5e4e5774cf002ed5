//! The program from outside: real processes, against the real server in a process of its own.

use std::process::Stdio;

use chat_testkit::{Node, free_port};
use serde_json::Value;
use tokio::process::Command;

use super::{
    run::{program, to_the_end},
    script::Script,
};

/// A server on a file.
async fn serve(args: &[&str]) -> Node {
    let node = Node::start(&[&["--store", "sqlite:chat.db"], args].concat());
    node.ready().await;
    node
}

/// The program as a client of this server.
fn cli_of(server: &Node, args: &str) -> Command {
    let mut command = cli(args);
    command.env("CHAT_SERVER", format!("http://{}", server.address()));
    command
}

fn cli(args: &str) -> Command {
    let args: Vec<&str> = args.split_whitespace().collect();
    let mut command = program(&args);
    command
        .env_remove("CHAT_SERVER")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn two_scripts_chat_and_see_how_far_a_message_has_got() {
    let server = serve(&["--rate-limit", "off"]).await;
    let mut bob = Script::start(cli_of(&server, "bob alice --json --follow"));
    assert_eq!(bob.next("connected").await["room"], "alice,bob");
    let mut alice = Script::start(cli_of(&server, "alice bob --json"));
    // The presence of a device that comes and goes within a moment is not announced.
    while bob.next("presence").await["online"] != true {}
    alice.say("hello").await;
    let sent = alice.next("sent").await;
    assert_eq!(
        (&sent["seq"], &sent["duplicate"]),
        (&1.into(), &false.into())
    );
    let entry = bob.next("entry").await;
    assert_eq!(entry["body"]["text"], "hello");
    assert_eq!(entry["author"], "alice");
    assert_eq!(entry["past"], false);
    assert_eq!(entry["client_id"], sent["client_id"]);
    while alice.next("receipt").await["read"] != 1 {}
    bob.say(r#"{"send":"two\nlines"}"#).await;
    loop {
        let entry = alice.next("entry").await;
        if entry["author"] == "bob" {
            assert_eq!(entry["body"]["text"], "two\nlines");
            break;
        }
    }
    bob.say(r#"{"edit":{"seq":2,"text":"one line"}}"#).await;
    assert_eq!(alice.next("entry").await["body"]["kind"], "edit");
    assert_eq!(alice.finish().await, 0);
    let presence = bob.next("presence").await;
    assert_eq!(
        (&presence["user"], &presence["online"]),
        (&"alice".into(), &false.into())
    );
}

#[tokio::test]
async fn a_script_blocks_lists_and_unblocks() {
    let server = serve(&["--rate-limit", "off"]).await;
    let mut bob = Script::start(cli_of(&server, "bob alice --json --follow"));
    bob.next("connected").await;
    let mut alice = Script::start(cli_of(&server, "alice bob --json"));
    alice.next("connected").await;
    alice.say(r#"{"block":{"user":"bob"}}"#).await;
    assert_eq!(alice.next("answer").await["to"], "block");
    alice.say(r#"{"blocks":{}}"#).await;
    let blocks = &alice.next("answer").await["result"]["blocks"];
    assert_eq!(blocks[0]["user"], "bob");
    bob.say("hello?").await;
    let refused = bob.next("error").await;
    assert_eq!(
        (&refused["code"], &refused["text"]),
        (&203.into(), &"hello?".into())
    );
    alice.say(r#"{"block":{"user":"alice"}}"#).await;
    assert_eq!(alice.next("error").await["code"], 102);
    alice.say(r#"{"unblock":{"user":"bob"}}"#).await;
    assert_eq!(alice.next("answer").await["to"], "unblock");
    bob.say("hello").await;
    assert_eq!(bob.next("sent").await["seq"], 1);

    // A script whose input ends has its questions answered.
    let mut last = Script::start(cli_of(&server, "alice bob --json"));
    last.say(r#"{"block":{"user":"bob"}}"#).await;
    assert_eq!(last.finish().await, 0);
    alice.say(r#"{"blocks":{}}"#).await;
    let blocks = &alice.next("answer").await["result"]["blocks"];
    assert_eq!(blocks[0]["user"], "bob");
}

#[tokio::test]
async fn killing_the_server_loses_repeats_and_reorders_nothing() {
    const MESSAGES: u64 = 60;
    let mut server = serve(&["--rate-limit", "off"]).await;
    let mut bob = Script::start(cli_of(&server, "bob alice --json --follow"));
    bob.next("connected").await;
    let mut alice = Script::start(cli_of(&server, "alice bob --json"));
    for n in 1..=MESSAGES {
        alice.say(&n.to_string()).await;
        if n % 20 == 0 {
            // Now some are stored, one is on its way, and some wait.
            while alice.next("sent").await["seq"] != n - 15 {}
            server.kill();
            server.restart();
        }
    }
    for n in 1..=MESSAGES {
        let entry = bob.next("entry").await;
        assert_eq!(
            (&entry["seq"], &entry["body"]["text"]),
            (&n.into(), &n.to_string().into())
        );
    }
    assert_eq!(alice.finish().await, 0);
    let past = to_the_end(cli_of(&server, "bob alice --json --last 200"), "").await;
    let past = String::from_utf8(past.stdout).unwrap();
    let count = past
        .lines()
        .filter(|line| line.contains(r#""type":"entry""#))
        .count();
    assert_eq!(count as u64, MESSAGES);
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_wait_and_sets_the_exit_code() {
    let server = serve(&["--rate-limit", "2/60s", "--mute", "5s"]).await;
    let output = to_the_end(cli_of(&server, "alice bob --json"), "one\ntwo\nthree\n").await;
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stdout).unwrap();
    let error = lines
        .lines()
        .find(|line| line.contains(r#""type":"error""#))
        .unwrap();
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!(
        (&error["name"], &error["text"]),
        (&"rate_limited".into(), &"three".into())
    );
    assert!(error["retry_after_ms"].as_u64().unwrap() > 4_000);
    let output = to_the_end(cli_of(&server, "bob alice --json"), "{\"shout\":1}\n").await;
    assert_eq!(output.status.code(), Some(1), "so is what is no command");
}

#[tokio::test]
async fn a_pipe_shows_plain_lines_without_control_characters() {
    let server = serve(&["--rate-limit", "off"]).await;
    let output = to_the_end(cli_of(&server, "alice bob"), "evil\u{202e}text\n/quit\n").await;
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains(" alice: evil\u{fffd}text [SENT]\n"),
        "{shown}"
    );
    assert!(shown.contains(" alice: /quit [SENT]\n"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let output = to_the_end(cli_of(&server, "bob alice --json"), "").await;
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.contains(r"evil\u202etext") && !lines.contains('\u{202e}'));
}

#[tokio::test]
async fn wrong_usage_is_explained_and_exits_with_2() {
    for (args, why) in [
        ("", "Usage: chat-cli"),
        ("alice bob carol", "unexpected argument"),
        ("alice alice", "named twice"),
        ("alice a,b", "U+002C"),
        (
            "alice bob --server https://h --ca /none",
            "/none can't be used",
        ),
        ("alice bob --server nonsense://x", "begins with http"),
        ("alice bob --last 500", "500"),
    ] {
        let output = to_the_end(cli(args), "").await;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}: {told}");
        assert!(told.contains(why), "{args}: {told}");
    }
}

#[tokio::test]
async fn a_script_gives_up_without_a_server_and_on_a_server_that_has_no_chat() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let alone = cli(&format!("alice bob --json --patience 1 --server {nobody}"));
    let output = to_the_end(alone, "hello\n").await;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("no connection"), "{told}");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.contains(r#""type":"disconnected""#), "{lines}");

    let server = serve(&[]).await;
    let url = format!("http://{}/elsewhere", server.address());
    let output = to_the_end(cli(&format!("alice bob --json --server {url}")), "").await;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("no chat server answers there: HTTP status 404"),
        "{told}"
    );
}
