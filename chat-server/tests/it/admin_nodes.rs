//! Administration of several nodes: what is asked of one of them holds on all.

use chat_testkit::{Client, Closed, Database, Node, Redis, free_port};
use serde_json::json;

use crate::{
    admin::{TOKEN, secret},
    tokens::run,
};

#[tokio::test]
async fn what_is_asked_of_one_node_holds_on_the_others() {
    let (Some(database), Some(redis)) = (Database::new(), Redis::start().await) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    secret(&token, TOKEN);
    let token = token.to_str().unwrap();
    let admin = format!("127.0.0.1:{}", free_port());
    let cache = redis.url();
    let shared = ["--store", &database.uri, "--cache", &cache];
    let first = ["--admin-listen", &admin, "--admin-token-file", token];
    let nodes = [
        Node::start(&[&shared[..], &first].concat()),
        Node::start(&shared),
        Node::start(&shared),
    ];
    for node in &nodes {
        node.ready().await;
    }
    let url = format!("http://{admin}");
    let command = async |arguments: &[&str]| {
        let all = [&["admin", "--url", &url, "--token-file", token], arguments].concat();
        let (code, said) = run(folder.path(), &all, "").await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    };
    let others = [nodes[1].address(), nodes[2].address()];
    let connected = async || {
        let [two, three] = others;
        [
            Client::connect(two, "bob").await,
            Client::connect(three, "bob").await,
        ]
    };
    let mut clients = connected().await;
    let room = clients[0].open("alice").await;
    clients[0].say(&room, "hi").await;
    command(&["announce", "Back at noon"]).await;
    for client in &mut clients {
        assert_eq!(client.event("announcement").await["text"], "Back at noon");
    }
    command(&["mute", "bob", "--for", "1h"]).await;
    // Decisions are followed in their order: a kick that arrives comes after the mute.
    command(&["kick", "bob"]).await;
    for client in &mut clients {
        assert_eq!(client.end().await.1, Closed::With(4006));
    }
    for mut client in connected().await {
        let send = json!({ "type": "send", "room": room, "text": "hi" });
        assert_eq!(client.ask(send).await["error"]["code"], 211);
    }
    command(&["unmute", "bob"]).await;
    let mut clients = connected().await;
    command(&["ban", "bob", "--for", "7d", "--reason", "spam"]).await;
    for client in &mut clients {
        assert_eq!(client.end().await.1, Closed::With(4505));
    }
    for address in others {
        let mut client = Client::dial(address).await.unwrap();
        let refused = client.ask(json!({ "type": "hello", "token": "bob" })).await;
        assert_eq!(refused["error"]["code"], 214);
    }
    command(&["unban", "bob"]).await;
    let back = async || {
        let mut welcome = 0;
        for address in others {
            let mut client = Client::dial(address).await.unwrap();
            let answer = client.ask(json!({ "type": "hello", "token": "bob" })).await;
            welcome += usize::from(answer["result"].is_object());
        }
        welcome == others.len()
    };
    chat_testkit::until("bob may come back everywhere", back).await;
    let mut clients = connected().await;
    command(&["revoke", "bob"]).await;
    for client in &mut clients {
        assert_eq!(client.end().await.1, Closed::With(4504));
    }
    let audit = command(&["audit"]).await;
    assert_eq!(audit.lines().count(), 1 + 7, "{audit}");
}
