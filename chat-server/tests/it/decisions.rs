//! Revocations, bans, mutes and kicks as clients see them, on every protocol and on several nodes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use chat_core::{
    ChatEngine, ClientMessageId, Decision, NewDecision, Principal, Reason, Ruling, Scope, TokenId,
    UserId, Via,
    port::{AuthError, Authenticator, Credential},
};
use chat_server::Server;
use chat_testkit::Closed;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    embedding::{Place, Socket},
    engineio::{closed, packet, send},
};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) async fn decide(engine: &ChatEngine, what: Ruling) -> Decision {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let new = NewDecision {
        at: engine.clock().now(),
        by: user("root"),
        via: Via::Host,
        address: None,
        reason: Reason::default(),
        client_id: ClientMessageId::new(format!("d{number}")).unwrap(),
        what,
    };
    engine.decide(new).await.unwrap()
}

fn ban(name: &str, until: Option<DateTime<Utc>>) -> Ruling {
    Ruling::Ban {
        user: user(name),
        scope: Scope::Server,
        until,
    }
}

fn revoke(jti: &str, engine: &ChatEngine) -> Ruling {
    Ruling::RevokeToken {
        jti: TokenId::new(jti).unwrap(),
        until: engine.clock().now() + Duration::from_hours(1),
    }
}

/// Believes tokens that are a name, a slash and the token's id.
#[derive(Debug)]
struct Slashed;

#[async_trait]
impl Authenticator for Slashed {
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        let token = presented.token.text().and_then(|text| text.split_once('/'));
        let (name, id) = token.ok_or(AuthError::Invalid)?;
        Ok(Principal {
            token: Some(TokenId::new(id).map_err(|_| AuthError::Invalid)?),
            ..Principal::trusted(UserId::new(name).map_err(|_| AuthError::Invalid)?)
        })
    }
}

async fn place(engine: &ChatEngine) -> Place {
    let server = Server::builder(engine.clone())
        .authenticator(Slashed)
        .build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server.serve(listener, std::future::pending()));
    Place::Tcp(address, "")
}

/// A client of the old protocol that connects with a token.
async fn old(place: &Place, token: &str) -> Socket {
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut socket = place.web_socket(path).await;
    packet(&mut socket, "0{").await;
    send(&mut socket, &format!(r#"40{{"token":"{token}"}}"#)).await;
    socket
}

async fn rest(place: &Place, token: &str) -> (u16, Value) {
    let bearer = format!("authorization: Bearer {token}\r\n");
    let (status, _, body) = place.http("GET", "/v1/rooms", &bearer).await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_banned_user_is_closed_and_refused_on_every_protocol_until_the_ban_ends() {
    let engine = ChatEngine::builder().build().unwrap();
    let place = place(&engine).await;
    let (mut native, _) = place.native("alice/t1").await;
    let mut live = old(&place, "alice/t1").await;
    packet(&mut live, "40{").await;
    let end = engine.clock().now() + Duration::from_secs(2);
    decide(&engine, ban("alice", Some(end))).await;

    let (error, how) = native.end().await;
    assert_eq!((error, how), (Some(214), Closed::With(4505)));
    let said = packet(&mut live, r#"42["dm-error""#).await;
    assert!(said.contains("banned"), "{said}");
    // A stock client whose server leaves the namespace doesn't come back by itself.
    packet(&mut live, "41").await;
    closed(&mut live).await;

    let (mut late, refused) = place.native("alice/t1").await;
    assert_eq!(refused["error"]["code"], 214, "{refused}");
    let wait = refused["error"]["retry_after_ms"].as_u64().unwrap();
    assert!((1..=2_000).contains(&wait), "{refused}");
    assert_eq!(late.end().await.1, Closed::With(4505));
    let (status, body) = rest(&place, "alice/t1").await;
    assert_eq!((status, &body["code"]), (403, &json!(214)), "{body}");
    let mut late = old(&place, "alice/t1").await;
    let refused = packet(&mut late, "44").await;
    assert!(refused.contains(r#""code":214"#), "{refused}");
    let (_late, ack) = place.socketio("alice/t1").await;
    assert!(ack.contains(r#""code":214"#), "{ack}");
    assert_eq!(rest(&place, "bob/t2").await.0, 200);

    while engine.clock().now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_, welcome) = place.native("alice/t1").await;
    assert_eq!(welcome["result"]["kind"], "welcome", "{welcome}");
    assert_eq!(rest(&place, "alice/t1").await.0, 200);
    let mut back = old(&place, "alice/t1").await;
    packet(&mut back, "40{").await;
}

#[tokio::test]
async fn the_reason_of_a_close_names_the_end_of_a_ban() {
    use futures_util::StreamExt as _;
    use tokio_tungstenite::tungstenite::Message;

    let engine = ChatEngine::builder().build().unwrap();
    let place = place(&engine).await;
    let end = engine.clock().now() + Duration::from_mins(1);
    for (until, says) in [
        (
            Some(end),
            format!("banned until {}", end.format("%FT%H:%M")),
        ),
        (None, "banned".to_owned()),
    ] {
        let (mut alice, _) = place.native("alice/t1").await;
        let banned = decide(&engine, ban("alice", until)).await;
        let reason = loop {
            let message = alice.socket.next().await.unwrap().unwrap();
            if let Message::Close(Some(frame)) = message {
                break frame.reason.to_string();
            }
        };
        assert!(reason.starts_with(&says), "{reason}");
        let version = banned.version;
        decide(&engine, Ruling::Lift { version }).await;
    }
}

#[tokio::test]
async fn a_revoked_token_is_closed_and_refused_on_every_protocol_and_another_is_not() {
    let engine = ChatEngine::builder().build().unwrap();
    let place = place(&engine).await;
    let (mut native, _) = place.native("alice/lost").await;
    let (mut kept, _) = place.native("alice/kept").await;
    let mut live = old(&place, "alice/lost").await;
    packet(&mut live, "40{").await;
    decide(&engine, revoke("lost", &engine)).await;
    assert_eq!(native.end().await, (Some(110), Closed::With(4504)));
    packet(&mut live, "41").await;
    closed(&mut live).await;
    // It is no failed login, for the token proves who its owner is: others behind the address get in.
    for _ in 0..6 {
        let (status, body) = rest(&place, "alice/lost").await;
        assert_eq!(status, 401, "{body}");
        assert_eq!(body["message"], "the token was revoked");
    }
    let (mut late, refused) = place.native("alice/lost").await;
    assert_eq!(refused["error"]["code"], 110, "{refused}");
    assert_eq!(late.end().await.1, Closed::With(4504));
    let mut late = old(&place, "alice/lost").await;
    let refused = packet(&mut late, "44").await;
    assert!(refused.contains(r#""code":110"#), "{refused}");
    let pong = kept.ask(json!({ "type": "ping" })).await;
    assert_eq!(pong["result"]["kind"], "pong");
    let renewal = json!({ "type": "renew", "token": "alice/lost" });
    let renewed = kept.ask(renewal).await;
    assert_eq!(renewed["error"]["code"], 110, "{renewed}");
}

#[tokio::test]
async fn a_muted_user_hears_and_says_nothing_and_a_kicked_one_comes_back() {
    let engine = ChatEngine::builder().build().unwrap();
    let place = place(&engine).await;
    let (mut alice, _) = place.native("alice/t1").await;
    let room = alice.open("bob").await;
    let muted = Ruling::Mute {
        user: user("alice"),
        scope: Scope::Server,
        until: None,
    };
    let version = decide(&engine, muted).await.version;
    let send = json!({ "type": "send", "room": room, "text": "hello" });
    let refused = alice.ask(send.clone()).await;
    assert_eq!(refused["error"]["code"], 211, "{refused}");
    assert_eq!(refused["error"]["retry_after_ms"], Value::Null);
    decide(&engine, Ruling::Lift { version }).await;
    assert_eq!(alice.ask(send).await["result"]["seq"], 1);
    let kick = Ruling::Kick {
        user: user("alice"),
    };
    decide(&engine, kick).await;
    assert_eq!(alice.end().await, (None, Closed::With(4006)));
    let (_, welcome) = place.native("alice/t1").await;
    assert_eq!(welcome["result"]["kind"], "welcome", "{welcome}");
}

/// Nodes in processes of their own, with tokens, beside an engine of the test on the same store.
#[cfg(all(unix, feature = "mongo", feature = "redis"))]
mod nodes {
    use std::net::SocketAddr;

    use chat_cache_redis::{RedisBroker, RedisCache};
    use chat_core::Config;
    use chat_store_mongo::MongoStore;
    use chat_testkit::{Client, Database, Node, Redis, turn, until};
    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::*;
    use crate::tokens::{key, keygen, token};

    struct Cluster {
        engine: ChatEngine,
        nodes: Vec<Node>,
        redis: Redis,
        folder: TempDir,
        key: Vec<String>,
        _database: Database,
    }

    impl Cluster {
        async fn start() -> Option<Self> {
            let (database, redis) = (Database::new()?, Redis::start().await?);
            let folder = tempfile::tempdir().unwrap();
            let (signs, _) = keygen(folder.path(), "hs256", "key").await;
            let key = key("HS256", &signs).into_iter();
            let key: Vec<String> = key.map(ToOwned::to_owned).collect();
            let (store, cache) = (database.uri.clone(), redis.url());
            let mut settings = vec!["--store", &store, "--cache", &cache, "--auth", "jwt"];
            settings.extend(key.iter().map(String::as_str));
            let nodes: Vec<Node> = (0..2).map(|_| Node::start(&settings)).collect();
            for node in &nodes {
                node.ready().await;
            }
            let store = MongoStore::connect(&store).await.unwrap();
            let shared = RedisCache::connect(&cache).await.unwrap();
            let broker = RedisBroker::connect(&cache).await.unwrap();
            let engine = ChatEngine::builder()
                .cache(shared.of_store(store.id()))
                .broker(broker)
                .store(store)
                .config(Config {
                    send_limit: None,
                    ..Config::default()
                });
            let engine = engine.build().unwrap();
            engine.ready().await.unwrap();
            Some(Self {
                engine,
                nodes,
                redis,
                folder,
                key,
                _database: database,
            })
        }

        async fn token(&self, user: &str) -> String {
            let key: Vec<&str> = self.key.iter().map(String::as_str).collect();
            token(self.folder.path(), user, &[], &key).await
        }

        /// A client of each node.
        async fn everywhere(&self, token: &str) -> Vec<Client> {
            let mut clients = Vec::new();
            for node in &self.nodes {
                clients.push(Client::connect(node.address(), token).await);
            }
            clients
        }
    }

    async fn greeted(address: SocketAddr, token: &str) -> Value {
        let mut client = Client::dial(address).await.unwrap();
        client.ask(json!({ "type": "hello", "token": token })).await
    }

    /// Waits until each of these is closed with this code, and gives the longest time that took.
    async fn all_closed(clients: Vec<Client>, code: u16) -> Duration {
        let since = Instant::now();
        for mut client in clients {
            assert_eq!(client.end().await.1, Closed::With(code));
        }
        since.elapsed()
    }

    /// The id that a token names in its claim `jti`.
    fn jti(token: &str) -> String {
        use base64::Engine as _;

        let claims = token.split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims);
        let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
        claims["jti"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_decision_holds_on_other_nodes_within_a_second_and_within_5_without_redis() {
        let _turn = turn().await;
        let Some(mut cluster) = Cluster::start().await else {
            return;
        };
        let [first, second] = [cluster.token("alice").await, cluster.token("alice").await];
        let second_clients = cluster.everywhere(&second).await;

        // A token that is revoked, and no other of the same user.
        let clients = cluster.everywhere(&first).await;
        decide(&cluster.engine, revoke(&jti(&first), &cluster.engine)).await;
        let revoked = all_closed(clients, 4504).await;
        assert!(revoked < Duration::from_secs(1), "{revoked:?}");
        for node in &cluster.nodes {
            let refused = greeted(node.address(), &first).await;
            assert_eq!(refused["error"]["code"], 110, "{refused}");
        }

        // A ban of two seconds, after which the user is in again without anybody doing anything.
        let end = cluster.engine.clock().now() + Duration::from_secs(2);
        decide(&cluster.engine, ban("alice", Some(end))).await;
        let banned = all_closed(second_clients, 4505).await;
        assert!(banned < Duration::from_secs(1), "{banned:?}");
        for node in &cluster.nodes {
            let refused = greeted(node.address(), &second).await;
            assert_eq!(refused["error"]["code"], 214, "{refused}");
        }
        let in_again = async || {
            let welcome = greeted(cluster.nodes[0].address(), &second).await;
            welcome["result"]["kind"] == "welcome"
        };
        until("the ban ends", in_again).await;
        assert!(cluster.engine.clock().now() >= end);

        // A kick, and a ban that is lifted.
        let clients = cluster.everywhere(&second).await;
        let kick = Ruling::Kick {
            user: user("alice"),
        };
        decide(&cluster.engine, kick).await;
        let kicked = all_closed(clients, 4006).await;
        assert!(kicked < Duration::from_secs(1), "{kicked:?}");
        let clients = cluster.everywhere(&second).await;
        let version = decide(&cluster.engine, ban("alice", None)).await.version;
        all_closed(clients, 4505).await;
        decide(&cluster.engine, Ruling::Lift { version }).await;
        let since = Instant::now();
        until("the ban is lifted", in_again).await;
        assert!(since.elapsed() < Duration::from_secs(1));

        // Without Redis the nodes look into the store.
        let clients = cluster.everywhere(&second).await;
        cluster.redis.kill();
        decide(&cluster.engine, ban("alice", None)).await;
        let alone = all_closed(clients, 4505).await;
        assert!(alone < Duration::from_secs(5), "{alone:?}");
    }

    #[tokio::test]
    async fn decisions_outlive_nodes_that_are_killed_and_a_cache_that_is_flushed() {
        let Some(mut cluster) = Cluster::start().await else {
            return;
        };
        let alice = cluster.token("alice").await;
        let banned = cluster.token("bob").await;
        decide(&cluster.engine, revoke(&jti(&alice), &cluster.engine)).await;
        decide(&cluster.engine, ban("bob", None)).await;
        for node in &mut cluster.nodes {
            node.kill();
        }
        cluster.redis.command("FLUSHALL");
        for node in &mut cluster.nodes {
            node.restart();
            node.ready().await;
            let refused = greeted(node.address(), &alice).await;
            assert_eq!(refused["error"]["code"], 110, "{refused}");
            let refused = greeted(node.address(), &banned).await;
            assert_eq!(refused["error"]["code"], 214, "{refused}");
        }
    }
}
