//! Several servers on one MongoDB and one Redis behave as one.
//!
//! The servers are processes, started as people start them; `scripts/services` brings the databases.

use std::{collections::BTreeSet, time::Duration};

use chat_testkit::{Client, Database, Node, PATIENCE, Redis, ReplicaSet, http, until};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::old_clients::{begin, ends_well, node};

const ROOM: &str = "alice,bob";

const SECOND: Duration = Duration::from_secs(1);

/// Servers, and what they have in common.
struct Cluster {
    nodes: Vec<Node>,
    redis: Redis,
    _database: Database,
}

impl Cluster {
    /// `None` when these tests are to be left out.
    async fn start(nodes: usize, settings: &[&str]) -> Option<Self> {
        let (database, redis) = (Database::new()?, Redis::start().await?);
        let (store, cache) = (database.uri.clone(), redis.url());
        let mut all = vec!["--store", &store, "--cache", &cache];
        all.extend(settings);
        let nodes: Vec<Node> = (0..nodes).map(|_| Node::start(&all)).collect();
        for node in &nodes {
            node.ready().await;
        }
        Some(Self {
            nodes,
            redis,
            _database: database,
        })
    }

    async fn unlimited(nodes: usize) -> Option<Self> {
        Self::start(nodes, &["--rate-limit", "off"]).await
    }

    async fn client(&self, node: usize, user: &str) -> Client {
        self.resume(node, user, json!([])).await
    }

    async fn resume(&self, node: usize, user: &str, cursors: Value) -> Client {
        Client::resume(self.nodes[node].address(), user, cursors).await
    }
}

async fn send(client: &mut Client, text: &str, id: &str) -> Value {
    let send = json!({ "type": "send", "room": ROOM, "text": text, "client_id": id });
    client.ask(send).await
}

/// A page of one entry, by REST, which leaves no connection.
async fn entries(node: &Node, page: &str) -> Value {
    let request = format!("GET /v1/rooms/{ROOM}/entries?{page}&limit=1");
    let alice = "authorization: Bearer alice\r\n";
    let (status, _, body) = http::ask(node.address(), &request, alice, "").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The status of `/ready` and what it says.
async fn ready(node: &Node) -> (u16, String) {
    let (status, _, body) = http::ask(node.address(), "GET /ready", "", "").await;
    (status, body)
}

/// Waits until the client is told that the user is so; it may be told again what it knows.
async fn told(client: &mut Client, user: &str, online: bool) {
    while {
        let told = client.event("presence").await;
        (&told["user"], &told["online"]) != (&json!(user), &json!(online))
    } {}
}

async fn is_online(client: &mut Client, user: &str) -> bool {
    let ask = json!({ "type": "presence", "users": [user] });
    let asking = async {
        loop {
            let answer = client.ask(ask.clone()).await;
            if let Some(online) = answer["result"]["users"][0]["online"].as_bool() {
                return online;
            }
            // The machine is so busy that Redis is late.
            assert!(answer["error"]["code"].as_u64() >= Some(300), "{answer}");
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, asking).await.expect("Redis answers")
}

#[tokio::test]
async fn a_room_whose_members_are_on_three_nodes_has_one_order_and_every_message_once() {
    const EACH: usize = 20;
    let Some(cluster) = Cluster::unlimited(3).await else {
        return;
    };
    let mut clients = Vec::new();
    for (node, user) in ["alice", "bob", "alice"].into_iter().enumerate() {
        clients.push(cluster.client(node, user).await);
    }
    clients[0].open("bob").await;
    for number in 0..EACH {
        for (node, client) in clients.iter_mut().enumerate() {
            let text = format!("{number} of {node}");
            client
                .tell(json!({ "type": "send", "room": ROOM, "text": text }))
                .await;
        }
    }
    let mut logs = Vec::new();
    for client in &mut clients {
        let mut log = Vec::new();
        for seq in 1..=3 * EACH {
            let entry = client.event("entry").await;
            assert_eq!(entry["seq"], seq);
            log.push(entry["body"]["text"].as_str().unwrap().to_owned());
        }
        logs.push(log);
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[0], logs[2]);
    assert_eq!(logs[0].iter().collect::<BTreeSet<_>>().len(), 3 * EACH);
    for node in 0..3 {
        let of_node = |text: &&String| text.ends_with(&format!(" of {node}"));
        let sent: Vec<_> = (0..EACH)
            .map(|number| format!("{number} of {node}"))
            .collect();
        let kept: Vec<_> = logs[0].iter().filter(of_node).cloned().collect();
        assert_eq!(kept, sent, "each sender's order is kept");
    }
}

#[tokio::test]
async fn a_retry_on_another_node_has_the_first_number_and_is_not_delivered_again() {
    let Some(cluster) = Cluster::unlimited(3).await else {
        return;
    };
    let mut bob = cluster.client(2, "bob").await;
    let mut alice = cluster.client(0, "alice").await;
    let first = send(&mut alice, "once", "c-1").await["result"].take();
    assert_eq!(first["duplicate"], false, "{first}");
    let mut alice = cluster.client(1, "alice").await;
    let again = send(&mut alice, "once", "c-1").await["result"].take();
    assert_eq!(again["duplicate"], true, "{again}");
    assert_eq!((&again["seq"], &again["id"]), (&first["seq"], &first["id"]));
    send(&mut alice, "the end", "c-2").await;
    assert_eq!(bob.hear().await, "once");
    assert_eq!(bob.hear().await, "the end");
}

#[tokio::test]
async fn receipts_and_typing_reach_members_on_other_nodes() {
    let Some(cluster) = Cluster::unlimited(2).await else {
        return;
    };
    let mut alice = cluster.client(0, "alice").await;
    let mut bob = cluster.client(1, "bob").await;
    send(&mut alice, "hello", "c-1").await;
    assert_eq!(bob.hear().await, "hello");
    let mut before = json!([0, 0]);
    for (mark, now) in [("delivered", json!([1, 0])), ("read", json!([1, 1]))] {
        bob.ask(json!({ "type": "receipt", "room": ROOM, "mark": mark, "seq": 1 }))
            .await;
        let told = loop {
            let told = alice.event("receipt").await;
            // Writing is reading: alice has moved too.
            if told["user"] == "bob" {
                break told;
            }
        };
        let was = json!([told["was"]["delivered"], told["was"]["read"]]);
        assert_eq!(
            (&was, &json!([told["delivered"], told["read"]])),
            (&before, &now)
        );
        before = now;
    }
    bob.ask(json!({ "type": "typing", "room": ROOM })).await;
    let told = alice.event("typing").await;
    assert_eq!(
        told,
        json!({ "type": "typing", "room": ROOM, "user": "bob", "active": true })
    );
    send(&mut bob, "said", "c-2").await;
    assert_eq!(alice.event("typing").await["active"], false);
}

#[tokio::test]
async fn a_user_with_devices_on_several_nodes_is_online_until_the_last_one_goes() {
    let Some(cluster) = Cluster::unlimited(3).await else {
        return;
    };
    let mut alice = cluster.client(0, "alice").await;
    alice.open("bob").await;
    // Each time another node is the last to see him.
    for last in [2, 1, 2] {
        let one = cluster.client(3 - last, "bob").await;
        told(&mut alice, "bob", true).await;
        let mut other = cluster.client(last, "bob").await;
        // A device has its lease once it is answered; before, it has been welcomed only.
        other.result(json!({ "type": "ping" })).await;
        drop(one);
        // For longer than changes are gathered.
        let until_then = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until_then {
            assert!(is_online(&mut alice, "bob").await);
            sleep(Duration::from_millis(50)).await;
        }
        let offline = alice.waiting().find(|event| event["online"] == false);
        assert_eq!(offline, None);
        drop(other);
        told(&mut alice, "bob", false).await;
        assert!(!is_online(&mut alice, "bob").await);
    }
}

#[tokio::test]
async fn a_user_has_one_budget_on_all_nodes() {
    // When Redis is late, a node goes by its own count, and says so: on a busy machine that may be.
    for _ in 0..3 {
        let Some(cluster) = Cluster::start(3, &[]).await else {
            return;
        };
        let mut clients = Vec::new();
        for node in 0..3 {
            clients.push(cluster.client(node, "alice").await);
        }
        let mut codes = Vec::new();
        for (number, node) in [0, 1, 0, 1, 0, 2, 0, 1, 2].into_iter().enumerate() {
            let mut answer = send(&mut clients[node], "hello", &format!("c-{number}")).await;
            codes.push(answer["error"]["code"].take());
        }
        let (sent, refused) = codes.split_at(5);
        if sent.iter().all(Value::is_null) && refused == [210, 211, 211, 211] {
            let mut bob = cluster.client(1, "bob").await;
            assert_eq!(bob.say(ROOM, "mine is another").await, 6);
            return;
        }
        let late = |node: &Node| node.said().contains("the cache fails");
        assert!(cluster.nodes.iter().any(late), "{codes:?}");
    }
    panic!("Redis was late each time");
}

#[tokio::test]
async fn without_redis_a_node_is_ready_says_what_is_missing_and_takes_messages() {
    let Some(mut cluster) = Cluster::start(1, &[]).await else {
        return;
    };
    let mut alice = cluster.client(0, "alice").await;
    assert_eq!(alice.say(ROOM, "before").await, 1);
    cluster.redis.kill();
    let answer = timeout(SECOND, ready(&cluster.nodes[0])).await;
    let (status, said) = answer.expect("within a second");
    assert_eq!(status, 200, "{said}");
    assert!(said.starts_with("READY, but "), "{said}");
    for missing in [
        "redis",
        "limits are this node's own",
        "nobody knows who is online",
    ] {
        assert!(said.contains(missing), "{missing} is not in {said}");
    }
    for seq in 2..=3 {
        let sent = timeout(SECOND, alice.say(ROOM, "meanwhile")).await;
        assert_eq!(sent.expect("within a second"), seq);
    }
    cluster.redis.restart();
    until("nothing is missing", async || {
        ready(&cluster.nodes[0]).await == (200, "READY".to_owned())
    })
    .await;
}

#[tokio::test]
async fn without_its_store_a_node_is_not_ready_until_it_is_back() {
    let (Some(mut set), Some(redis)) = (ReplicaSet::start().await, Redis::start().await) else {
        return;
    };
    let node = Node::start(&["--store", &set.uri, "--cache", &redis.url()]);
    node.ready().await;
    for member in &mut set.members {
        member.kill();
    }
    let answer = timeout(5 * SECOND, ready(&node)).await;
    let (status, said) = answer.expect("within the store's patience");
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("store_unavailable"), "{said}");
    for member in &mut set.members {
        member.restart();
    }
    node.ready().await;
}

/// The next frame that does not say who is online: that may come at any time.
async fn next_but_presence(client: &mut Client) -> Value {
    loop {
        let frame = client.frame().await.unwrap();
        if frame["type"] != "presence" {
            return frame;
        }
    }
}

#[tokio::test]
async fn resume_on_another_node_than_the_killed_one_gives_exactly_what_was_missed() {
    let Some(mut cluster) = Cluster::unlimited(3).await else {
        return;
    };
    let mut alice = cluster.client(0, "alice").await;
    let mut bob = cluster.client(1, "bob").await;
    let view = bob.ask(json!({ "type": "open", "user": "alice" })).await;
    let epoch = view["result"]["room"]["epoch"].clone();
    for text in ["one", "two"] {
        bob.say(ROOM, text).await;
        assert_eq!(alice.hear().await, text);
    }
    cluster.nodes[0].kill();
    for text in ["three", "four", "five"] {
        bob.say(ROOM, text).await;
    }
    let cursor = json!([{ "room": ROOM, "epoch": epoch, "seq": 2 }]);
    let mut alice = cluster.resume(2, "alice", cursor).await;
    for (text, seq) in [("three", 3), ("four", 4), ("five", 5)] {
        let entry = next_but_presence(&mut alice).await;
        assert_eq!(
            (&entry["seq"], &entry["body"]["text"]),
            (&json!(seq), &json!(text)),
            "{entry}"
        );
    }
    let resumed = next_but_presence(&mut alice).await;
    assert_eq!(
        (&resumed["type"], &resumed["cursor"]["seq"]),
        (&json!("resumed"), &json!(5))
    );
    bob.say(ROOM, "six").await;
    assert_eq!(alice.event("entry").await["seq"], 6);
}

#[tokio::test]
async fn a_room_that_is_made_on_one_node_appears_at_a_member_on_another() {
    let Some(cluster) = Cluster::unlimited(2).await else {
        return;
    };
    let mut bob = cluster.client(1, "bob").await;
    let mut alice = cluster.client(0, "alice").await;
    assert_eq!(alice.say(ROOM, "surprise").await, 1);
    let entry = bob.event("entry").await;
    assert_eq!(
        (&entry["seq"], &entry["body"]["text"]),
        (&json!(1), &json!("surprise"))
    );
    let rooms = bob.ask(json!({ "type": "rooms" })).await;
    assert_eq!(rooms["result"]["rooms"][0]["unread"], 1, "{rooms}");
    assert_eq!(bob.say(ROOM, "hello").await, 2);
    assert_eq!(alice.hear().await, "surprise");
    assert_eq!(alice.hear().await, "hello");
}

#[tokio::test]
async fn an_edit_and_a_deletion_are_in_the_history_of_another_node_once_they_are_acked() {
    let Some(cluster) = Cluster::unlimited(2).await else {
        return;
    };
    let mut alice = cluster.client(0, "alice").await;
    let mut bob = cluster.client(1, "bob").await;
    alice.open("bob").await;
    for round in 0..20_u64 {
        let target = alice.say(ROOM, "secret").await;
        assert_eq!(target, 3 * round + 1);
        let around = json!({ "type": "history", "room": ROOM, "page": { "before": target + 1 }, "limit": 1 });
        let mut read =
            async || bob.ask(around.clone()).await["result"]["entries"][0]["body"].take();
        // Known there, it could be remembered.
        assert_eq!(read().await, json!({ "kind": "message", "text": "secret" }));
        let text = format!("better {round}");
        let edit = json!({ "type": "edit", "room": ROOM, "target": target, "text": text });
        assert_eq!(alice.ask(edit).await["type"], "reply");
        assert_eq!(read().await["text"], text);
        let delete = json!({ "type": "delete", "room": ROOM, "target": target });
        assert_eq!(alice.ask(delete).await["type"], "reply");
        assert_eq!(read().await, json!({ "kind": "deleted" }));
    }
}

#[tokio::test]
async fn a_node_that_nobody_of_a_room_is_connected_to_pages_all_of_it() {
    let Some(cluster) = Cluster::unlimited(2).await else {
        return;
    };
    // The node gets to know the room, and nothing of what follows.
    let mut alice = cluster.client(0, "alice").await;
    alice.say(ROOM, "one").await;
    drop(alice);
    let mut bob = cluster.client(1, "bob").await;
    for text in ["two", "three"] {
        bob.say(ROOM, text).await;
    }
    for (page, shown, older, newer) in [
        ("after=1", json!([2]), true, true),
        ("after=2", json!([3]), true, false),
        ("before=4", json!([3]), true, false),
        ("before=3", json!([2]), true, true),
        ("before=1", json!([]), false, true),
    ] {
        let answer = entries(&cluster.nodes[0], page).await;
        let seqs: Vec<_> = answer["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["seq"])
            .collect();
        let found = json!([seqs, answer["older"], answer["newer"]]);
        assert_eq!(found, json!([shown, older, newer]), "{page}");
    }
}

#[tokio::test]
async fn socketio_clients_of_two_nodes_are_in_one_world() {
    let scenario = "users_of_two_nodes_are_in_one_world";
    let (Some(mut client), Some(cluster)) = (node(scenario), Cluster::unlimited(2).await) else {
        return;
    };
    let urls = cluster.nodes.iter();
    let urls: Vec<String> = urls
        .map(|node| format!("http://{}", node.address()))
        .collect();
    client.arg(format!("upgrade={}", urls.join(",")));
    ends_well(begin(client)).await;
}

#[tokio::test]
async fn users_of_a_killed_node_are_gone_within_the_lease_on_every_other_node() {
    const LEASE: Duration = Duration::from_secs(2);
    const REFRESH: Duration = Duration::from_millis(500);
    /// For gathering, for the way to the client, and for a busy machine.
    const GRACE: Duration = Duration::from_secs(2);
    let settings = ["--presence-lease", "2s", "--presence-refresh", "500ms"];
    let Some(mut cluster) = Cluster::start(3, &settings).await else {
        return;
    };
    let mut alice = cluster.client(0, "alice").await;
    let mut carol = cluster.client(1, "carol").await;
    alice.open("bob").await;
    carol.open("bob").await;
    for run in 0..3 {
        let bob = cluster.client(2, "bob").await;
        for watcher in [&mut alice, &mut carol] {
            told(watcher, "bob", true).await;
        }
        // Some kills come just after a renewal, some just before one.
        sleep(REFRESH * run / 3).await;
        cluster.nodes[2].kill();
        let killed = Instant::now();
        for watcher in [&mut alice, &mut carol] {
            while is_online(watcher, "bob").await {
                sleep(Duration::from_millis(50)).await;
            }
            let took = killed.elapsed();
            assert!(took < LEASE + GRACE, "{took:?}");
        }
        for watcher in [&mut alice, &mut carol] {
            told(watcher, "bob", false).await;
            let took = killed.elapsed();
            assert!(took < LEASE + REFRESH + GRACE, "{took:?}");
        }
        drop(bob);
        cluster.nodes[2].restart();
        cluster.nodes[2].ready().await;
    }
}
