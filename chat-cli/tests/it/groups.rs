//! Groups and channels as people and scripts have them: two terminals and a bot on one server.

use std::{net::SocketAddr, process::Stdio};

use chat_cli::{Client, ClientEvent, Events};
use chat_core::{EntryBody, InboxFilter, RoomChange, RoomName, Seq, command};
use chat_testkit::{PATIENCE, Server, until};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use super::{person::Person, script::Script};

/// Wide enough for an invitation in one row.
const COLUMNS: u16 = 120;

async fn server() -> Server {
    Server::start(&[("rate-limit", "off")]).await
}

/// A person who has started the program with one name, and is in no room.
async fn person(server: &Server, name: &str) -> Person {
    let person = Person::with_columns(COLUMNS, server.address, &[name]);
    person.sees("-- no rooms; /open NAME").await;
    person
}

fn program(server: SocketAddr, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-cli"));
    command
        .args(args)
        .env("CHAT_SERVER", format!("http://{server}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The next answer to this command.
async fn answer(bot: &mut Script, to: &str) -> Value {
    loop {
        let answer = bot.next("answer").await;
        if answer["to"] == to {
            return answer["result"].clone();
        }
    }
}

/// The next message of this author.
async fn hears(bot: &mut Script, author: &str) -> Value {
    loop {
        let entry = bot.next("entry").await;
        if entry["author"] == author && entry["body"]["kind"] == "message" {
            return entry["body"]["text"].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_and_a_bot_make_a_group_talk_promote_remove_and_come_back() {
    let server = server().await;
    let (mut alice, mut bob) = (person(&server, "alice").await, person(&server, "bob").await);
    let mut bot = Script::start(program(server.address, &["--json", "bot"]));
    assert_eq!(bot.next("connected").await["user"], "bot");
    assert_eq!(bot.next("inbox").await["rooms"], json!([]));

    alice.types("/new Team bob\rwhat do you think?\r");
    alice
        .sees("-- Team, a group of 2 members, you are an owner")
        .await;
    alice.sees("alice: what do you think? [SENT]").await;
    bob.sees("-- alice has added you to Team; /open Team enters it")
        .await;
    bob.sees("-- alice has written in Team").await;
    bob.types("/chats\r");
    bob.sees("--  1  Team (1 unread) | alice: what do you think?")
        .await;
    bob.types("/open 1\r");
    bob.sees("-- Team, a group of 2 members, you are a member")
        .await;
    bob.sees("alice: what do you think?").await;
    alice.sees("      [READ by bob] what do you think?").await;

    alice.types("/invite 1 7d\r");
    alice.sees("-- others enter with /accept ").await;
    let token = alice.lines().iter().find_map(|line| {
        let token = line.split_once("enter with /accept ")?.1;
        Some(token.to_owned())
    });
    let accept = json!({ "accept": { "token": token.unwrap() } });
    bot.say(&accept.to_string()).await;
    assert_eq!(bot.next("opened").await["room"]["name"], "Team");
    alice.sees("bot joined").await;
    bob.sees("bot joined").await;
    bot.say(&accept.to_string()).await;
    assert_eq!(
        answer(&mut bot, "accept").await["me"]["role"],
        "member",
        "once is enough"
    );

    bob.types("hello all\r");
    assert_eq!(hears(&mut bot, "bob").await, "hello all");
    alice.sees("bob: hello all").await;
    bob.sees("      [READ by all] hello all").await;
    bot.say("beep").await;
    alice.sees("bot: beep").await;
    bob.sees("bot: beep").await;

    bot.say(r#"{"remove":{"user":"bob"}}"#).await;
    let refused = bot.next("error").await;
    assert_eq!(
        (&refused["name"], &refused["to"]),
        (&"forbidden".into(), &"remove".into())
    );
    alice.types("/role bot moderator\r");
    alice.sees("alice made bot a moderator").await;
    bob.sees("alice made bot a moderator").await;
    bot.say(r#"{"remove":{"user":"bob"}}"#).await;
    answer(&mut bot, "remove").await;
    alice.sees("bot removed bob").await;
    bob.sees("bot removed bob").await;
    bob.sees("-- you are not in Team any more; /chats lists your rooms")
        .await;
    bob.types("may I?\r");
    bob.sees("-- no room is open; /open NAME opens one").await;

    alice.types("a secret\r");
    assert_eq!(hears(&mut bot, "alice").await, "a secret");
    alice.types("/add bob\r");
    alice.sees("alice added bob").await;
    alice.sees("      [READ by bot] a secret").await;
    bob.sees("-- alice has added you to Team; /open Team enters it")
        .await;
    bob.types("/open team\r");
    bob.sees("-- Team, a group of 3 members, you are a member")
        .await;
    bob.sees("alice added bob").await;
    bob.types("I am back\r");
    assert_eq!(hears(&mut bot, "bob").await, "I am back");
    alice.sees("bob: I am back").await;
    assert!(!bob.shows("a secret"), "it was said while Bob was away");
    assert!(!alice.shows("[READ by all] a secret"));

    bot.say(r#"{"leave":{}}"#).await;
    alice.sees("bot left").await;
    bob.sees("bot left").await;
    assert_eq!(bot.finish().await, 1, "a command was refused");
    for person in [alice, bob] {
        assert_eq!(person.leaves().await.1, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_conversation_is_left_for_another_and_both_keep_their_messages() {
    let server = server().await;
    let mut alice = person(&server, "alice").await;
    let mut bob = server.connect("bob").await;
    alice.types("/open bob\rto bob\r");
    alice.sees("alice: to bob [SENT]").await;
    alice.types("/new \"Book club\" bob\rto the club\r");
    alice.sees("alice: to the club").await;
    let rooms = bob.result(json!({ "type": "inbox" })).await;
    let names = |rooms: &Value| {
        let rooms = rooms["rooms"].as_array().unwrap();
        let texts = rooms.iter().map(|room| {
            let room = &room["last"]["body"]["text"];
            room.as_str().unwrap().to_owned()
        });
        texts.collect::<Vec<_>>()
    };
    assert_eq!(
        names(&rooms),
        ["to the club", "to bob"],
        "each went to its room"
    );
    bob.say("alice,bob", "and from bob").await;
    alice.sees("-- bob has written to you").await;
    alice.types("/chats\r");
    alice
        .sees("--  1  bob (1 unread) | bob: and from bob")
        .await;
    alice.sees("--  2  Book club | you: to the club").await;
    alice.types("/open bob\r");
    until("the message in its room", async || {
        let mut lines = alice.lines().into_iter();
        lines.any(|line| !line.starts_with("--") && line.ends_with("bob: and from bob"))
    })
    .await;
    let club = rooms["rooms"][0]["room"]["id"].as_str().unwrap().to_owned();
    bob.say(&club, "page 7").await;
    alice.sees("-- bob has written in Book club").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_with_one_name_reads_commands_and_waits_for_their_answers() {
    let server = server().await;
    let mut process = program(server.address, &["alice"]).spawn().unwrap();
    let input = "/new Team bob\nhello\n/members\n/name Crew\n";
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(2 * PATIENCE, process.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for line in [
        "-- Team, a group of 2 members, you are an owner\n",
        " alice: hello [SENT]\n",
        "-- members: alice (owner), bob (member)\n",
        " alice named the group Crew\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

/// The next entry.
async fn entry(events: &mut Events) -> (Seq, EntryBody) {
    loop {
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        if let ClientEvent::Entry(entry) = event {
            return (entry.seq, entry.body.clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_follows_the_rooms_that_it_comes_into_and_forgets_those_that_it_leaves() {
    let server = server().await;
    let url = format!("http://{}", server.address);
    let (alice, mut seen) = Client::connect(&url, "alice").unwrap();
    assert!(
        alice
            .inbox(InboxFilter::All, None, None)
            .await
            .unwrap()
            .rooms
            .is_empty()
    );
    let (bob, mut own) = Client::connect(&url, "bob").unwrap();
    let room = bob
        .create(command::Create::group(Vec::new()))
        .await
        .unwrap()
        .room
        .id;
    for text in ["one", "two"] {
        bob.send(&room, text).await.unwrap();
        entry(&mut own).await;
    }
    let add = command::Add {
        room: room.clone(),
        user: "alice".parse().unwrap(),
        role: None,
    };
    bob.ask(add.clone()).await.unwrap();
    bob.send(&room, "three").await.unwrap();
    let (seq, joined) = entry(&mut seen).await;
    assert!(matches!(joined, EntryBody::Joined { .. }), "{joined:?}");
    assert_eq!(seq, Seq(3), "what was before is history");
    assert_eq!(entry(&mut seen).await.0, Seq(4));

    let name = RoomName::new("Team").unwrap();
    let change = RoomChange {
        name: Some(name),
        ..RoomChange::default()
    };
    let changed = bob.update(&room, change).await.unwrap();
    assert_eq!(changed.room.head, Seq(5));
    assert_eq!(entry(&mut seen).await.0, Seq(5));
    assert_eq!(
        alice.room(&room).await.unwrap().room.details.name.as_str(),
        "Team"
    );

    alice.leave(&room).await.unwrap();
    assert!(matches!(
        entry(&mut seen).await,
        (Seq(6), EntryBody::Left { .. })
    ));
    bob.send(&room, "unseen").await.unwrap();
    bob.ask(add).await.unwrap();
    let (seq, joined) = entry(&mut seen).await;
    assert!(matches!(joined, EntryBody::Joined { .. }), "{joined:?}");
    assert_eq!(seq, Seq(8), "the message of the time away is not given");
}
