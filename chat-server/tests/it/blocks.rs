//! Blocks as clients see them, on every protocol and on several nodes.

use chat_testkit::{Client, Database, Node, Redis, Server, http};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, timeout};

use crate::{
    embedding::Place,
    engineio::{packet, send},
};

/// Names as tokens.
struct Caller<'a>(&'a Server, &'a str);

impl Caller<'_> {
    async fn ask(&self, request: &str) -> (u16, Value) {
        self.say(request, "").await
    }

    async fn say(&self, request: &str, body: &str) -> (u16, Value) {
        let headers = format!(
            "authorization: Bearer {}\r\ncontent-type: application/json\r\n",
            self.1
        );
        let (status, _, answer) = self.0.http(request, &headers, body).await;
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }
}

#[tokio::test]
async fn users_are_blocked_listed_and_unblocked_over_rest() {
    let server = Server::start(&[]).await;
    let (alice, bob) = (Caller(&server, "alice"), Caller(&server, "bob"));
    for name in ["bob", "carol", "bob"] {
        let block = format!("PUT /v1/blocks/{name}");
        assert_eq!(alice.ask(&block).await, (204, Value::Null));
    }
    let (status, page) = alice.ask("GET /v1/blocks?limit=1").await;
    assert_eq!((status, &page["more"]), (200, &json!(true)));
    assert_eq!(page["blocks"][0]["user"], "bob");
    assert!(page["blocks"][0]["at"].is_string(), "{page}");
    let (_, page) = alice.ask("GET /v1/blocks?after=bob").await;
    assert_eq!(page["blocks"][0]["user"], "carol");
    let nothing = json!({ "blocks": [], "more": false });
    assert_eq!(bob.ask("GET /v1/blocks").await, (200, nothing));
    for (caller, other) in [(&alice, "bob"), (&bob, "alice")] {
        let (status, refused) = caller.ask(&format!("PUT /v1/direct/{other}")).await;
        assert_eq!((status, &refused["code"]), (403, &json!(203)));
        assert_eq!(refused["name"], "blocked");
        let sent = "POST /v1/rooms/alice,bob/messages";
        let (status, refused) = caller.say(sent, r#"{"text":"hi"}"#).await;
        assert_eq!((status, &refused["code"]), (403, &json!(203)));
    }
    let oneself = alice.ask("PUT /v1/blocks/alice").await;
    assert_eq!((oneself.0, &oneself.1["code"]), (400, &json!(102)));
    for _ in 0..2 {
        assert_eq!(alice.ask("DELETE /v1/blocks/bob").await.0, 204);
    }
    assert_eq!(bob.ask("PUT /v1/direct/alice").await.0, 200);
}

#[tokio::test]
async fn old_clients_hear_that_the_other_is_blocked_and_go_on() {
    let server = Server::start(&[]).await;
    let place = Place::Tcp(server.address, "");
    let (mut bob, _) = place.socketio("bob").await;
    send(&mut bob, r#"420["start-dm","alice"]"#).await;
    packet(&mut bob, "430[{}]").await;
    let mut alice = server.connect("alice").await;
    let blocked = alice.ask(json!({ "type": "block", "user": "bob" })).await;
    assert_eq!(blocked["result"], json!({ "kind": "ok" }));
    for (event, ack) in [
        (r#"421["dm-message","hi"]"#, "431["),
        (r#"422["start-dm","alice"]"#, "432["),
    ] {
        send(&mut bob, event).await;
        let said = packet(&mut bob, r#"42["dm-error""#).await;
        assert!(said.contains("blocked"), "{said}");
        let answer = packet(&mut bob, ack).await;
        assert!(answer.contains(r#""code":203"#), "{answer}");
    }
    send(&mut bob, r#"423["start-dm","carol"]"#).await;
    packet(&mut bob, "433[{}]").await;
}

#[tokio::test]
async fn the_list_of_an_old_client_never_has_those_who_have_blocked_it() {
    let server = Server::start(&[]).await;
    let place = Place::Tcp(server.address, "");
    let mut alice = server.connect("alice").await;
    let (mut bob, _) = place.socketio("bob").await;
    let (mut carol, _) = place.socketio("carol").await;
    let all = r#"42["online-users",["alice","bob","carol"]]"#;
    for reader in [&mut bob, &mut carol] {
        packet(reader, all).await;
    }
    alice.ask(json!({ "type": "block", "user": "bob" })).await;
    let without = r#"42["online-users",["bob","carol"]]"#;
    packet(&mut bob, without).await;
    let dave = server.connect("dave").await;
    packet(&mut bob, r#"42["online-users",["bob","carol","dave"]]"#).await;
    let with = r#"42["online-users",["alice","bob","carol","dave"]]"#;
    packet(&mut carol, with).await;
    drop(dave);
    packet(&mut bob, without).await;
    let (mut again, _) = place.socketio("bob").await;
    let list = packet(&mut again, r#"42["online-users""#).await;
    assert_eq!(list, without, "nor the list of a newcomer");
    alice.ask(json!({ "type": "unblock", "user": "bob" })).await;
    packet(&mut bob, all).await;
}

async fn client(node: &Node, name: &str) -> Client {
    Client::resume(node.address(), name, json!([])).await
}

async fn ask(client: &mut Client, command: &str, more: Value) -> Value {
    let mut request = json!({ "type": command });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    client.ask(request).await
}

/// Waits until a client is sent that alice is online, or is not.
async fn seen_as(client: &mut Client, online: bool) -> Value {
    loop {
        let presence = client.event("presence").await;
        if presence["user"] == "alice" && presence["online"] == online {
            return presence;
        }
    }
}

#[tokio::test]
async fn a_block_holds_on_all_nodes_within_a_second() {
    let (Some(database), Some(redis)) = (Database::new(), Redis::start().await) else {
        return;
    };
    let (store, cache) = (database.uri.clone(), redis.url());
    let settings = ["--store", &store, "--cache", &cache, "--rate-limit", "off"];
    let nodes: Vec<Node> = (0..2).map(|_| Node::start(&settings)).collect();
    for node in &nodes {
        node.ready().await;
    }
    let mut alice = client(&nodes[0], "alice").await;
    let mut bob = client(&nodes[1], "bob").await;
    let room = alice.open("bob").await;
    alice.say(&room, "hello").await;
    assert_eq!(bob.hear().await, "hello");

    // On a busy machine anything may take a second, but not each time.
    let (mut gone, mut took) = (Value::Null, Duration::MAX);
    for _ in 0..5 {
        let begun = Instant::now();
        ask(&mut alice, "block", json!({ "user": "bob" })).await;
        let sent = ask(&mut bob, "send", json!({ "room": room, "text": "hi" })).await;
        assert_eq!(sent["error"]["code"], 203, "at once on the other node");
        gone = seen_as(&mut bob, false).await;
        took = begun.elapsed();
        if took < Duration::from_secs(1) {
            break;
        }
        ask(&mut alice, "unblock", json!({ "user": "bob" })).await;
        seen_as(&mut bob, true).await;
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
    let presence = json!({ "users": ["alice"] });
    let seen = ask(&mut bob, "presence", presence).await["result"]["users"][0].clone();
    assert_eq!(seen["online"], false);
    assert_eq!(seen["last_seen"], gone["last_seen"]);

    // Neither of these reaches bob; a message in another room would come after them.
    ask(&mut alice, "typing", json!({ "room": room })).await;
    let receipt = json!({ "room": room, "mark": "read", "seq": 1 });
    ask(&mut alice, "receipt", receipt).await;
    let mut carol = client(&nodes[0], "carol").await;
    let other = carol.open("bob").await;
    carol.say(&other, "marker").await;
    let quiet = async {
        loop {
            let frame = bob.frame().await.unwrap();
            let about = frame["user"] == "alice";
            assert!(!about, "{frame}");
            if frame["type"] == "entry" {
                return;
            }
        }
    };
    timeout(Duration::from_secs(10), quiet).await.unwrap();

    let request = format!("GET /v1/rooms/{room}/entries");
    let bearer = "authorization: Bearer bob\r\n";
    let (status, _, page) = http::ask(nodes[1].address(), &request, bearer, "").await;
    assert!(status == 200 && page.contains("hello"), "{page}");
    ask(&mut alice, "unblock", json!({ "user": "bob" })).await;
    seen_as(&mut bob, true).await;
    bob.say(&room, "again").await;
}
