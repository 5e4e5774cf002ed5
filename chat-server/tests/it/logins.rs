//! Logins with an end: the warning before it, renewing, and a connection that outlives its token not.

use chat_server::Server;
use chat_testkit::{Client, Closed, DatedLogin, http};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::{
    embedding::{Device, Place, Socket, engine},
    engineio::{closed, packet, send},
};

fn now() -> DateTime<Utc> {
    DatedLogin::now()
}

fn token(user: &str, end: DateTime<Utc>) -> String {
    DatedLogin::token(user, end)
}

fn seconds(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

async fn place() -> Place {
    let server = Server::builder(engine()).authenticator(DatedLogin).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server.serve(listener, std::future::pending()));
    Place::Tcp(address, "")
}

async fn renew(device: &mut Device, token: &str) -> serde_json::Value {
    device.ask(json!({ "type": "renew", "token": token })).await
}

#[tokio::test]
async fn a_connection_is_warned_of_the_end_of_its_login_and_closed_at_it() {
    let place = place().await;
    let end = seconds(2);
    let (mut alice, welcome) = place.native(&token("alice", end)).await;
    let told = welcome["result"]["expires_at"].as_str().unwrap();
    assert_eq!(DateTime::parse_from_rfc3339(told).unwrap(), end);
    let warned = alice.event("expiring").await;
    assert!(now() < end, "{warned}");
    let (error, closed) = alice.end().await;
    assert!((TimeDelta::zero()..TimeDelta::milliseconds(500)).contains(&(now() - end)));
    assert_eq!(error, Some(111));
    assert_eq!(closed, Closed::With(4005));
    let (mut late, error) = place.native(&token("alice", end)).await;
    assert_eq!(error["error"]["code"], 111);
    assert_eq!(late.end().await.1, Closed::With(4501));
    let expired = format!("authorization: Bearer {}\r\n", token("alice", end));
    let (status, _, body) = place.http("GET", "/v1/rooms", &expired).await;
    assert!(status == 401 && body.contains(r#""code":111"#), "{body}");
}

#[tokio::test]
async fn a_renewed_login_keeps_its_connection_beyond_the_first_end() {
    let place = place().await;
    let first = seconds(2);
    let (mut alice, _) = place.native(&token("alice", first)).await;
    let renewed = renew(&mut alice, &token("alice", seconds(3_600))).await;
    assert_eq!(renewed["result"]["kind"], "renewed", "{renewed}");
    let again = renew(&mut alice, &token("alice", seconds(3_600))).await;
    assert_eq!(again["error"]["code"], 210, "{again}");
    let (mut other, _) = place.native(&token("bob", first)).await;
    assert_eq!(other.end().await.1, Closed::With(4005));
    assert!(now() >= first);
    let open = alice.ask(json!({ "type": "open", "user": "bob" })).await;
    assert_eq!(open["result"]["kind"], "room", "{open}");
}

#[tokio::test]
async fn a_renewal_that_is_refused_leaves_the_login_as_it_is() {
    let place = place().await;
    let (mut alice, _) = place.native(&token("alice", seconds(2))).await;
    let refused = renew(&mut alice, &token("alice", seconds(-1))).await;
    assert_eq!(refused["error"]["code"], 111, "{refused}");
    let ping = alice.ask(json!({ "type": "ping" })).await;
    assert_eq!(ping["result"]["kind"], "pong");
    assert_eq!(alice.end().await.1, Closed::With(4005));
}

#[tokio::test]
async fn a_renewal_with_the_token_of_another_user_ends_the_connection() {
    let place = place().await;
    let (mut alice, _) = place.native(&token("alice", seconds(60))).await;
    let refused = renew(&mut alice, &token("bob", seconds(60))).await;
    assert_eq!(refused["error"]["code"], 202, "{refused}");
    assert_eq!(alice.end().await.1, Closed::With(4501));
}

/// A WebSocket whose handshake brought a token.
async fn with_bearer(place: &Place, token: &str) -> Result<Device, u16> {
    let mut handshake = "ws://localhost/v1/ws".into_client_request().unwrap();
    let bearer = format!("Bearer {token}").parse().unwrap();
    handshake.headers_mut().insert("authorization", bearer);
    Client::shaking(place.connect().await, handshake).await
}

#[tokio::test]
async fn a_token_that_came_with_the_handshake_stands_for_that_of_hello() {
    let place = place().await;
    let alice = token("alice", seconds(60));
    let with = async |hello: serde_json::Value| {
        let mut device = with_bearer(&place, &alice).await.unwrap();
        let answer = device.ask(hello).await;
        (device, answer)
    };
    let (_, welcome) = with(json!({ "type": "hello" })).await;
    assert_eq!(welcome["result"]["user"], "alice", "{welcome}");
    let (_, both) = with(json!({ "type": "hello", "token": alice })).await;
    assert_eq!(both["result"]["user"], "alice", "{both}");
    let (mut two, refused) =
        with(json!({ "type": "hello", "token": token("bob", seconds(60)) })).await;
    assert_eq!(refused["error"]["code"], 202, "{refused}");
    assert_eq!(two.end().await.1, Closed::With(4501));
    let expired = token("alice", seconds(-1));
    let refused = with_bearer(&place, &expired).await;
    assert_eq!(refused.err(), Some(401));
}

const OLD: &str = "/socket.io/?EIO=4&transport=websocket";

/// A client of the old protocol that connects with a token.
async fn old(place: &Place, token: &str) -> Socket {
    let mut socket = place.web_socket(OLD).await;
    packet(&mut socket, "0{").await;
    send(&mut socket, &format!(r#"40{{"token":"{token}"}}"#)).await;
    socket
}

#[tokio::test]
async fn an_old_client_that_connects_with_a_token_is_its_user_and_nobody_else() {
    let place = place().await;
    let mut zoe = old(&place, &token("zo\u{eb}", seconds(60))).await;
    packet(&mut zoe, "40{").await;
    // The seat is taken without a name.
    send(&mut zoe, r#"421["start-dm","bob"]"#).await;
    assert_eq!(packet(&mut zoe, "431").await, "431[{}]");
    // The same name in another form of Unicode is the same.
    for (ack, name) in [(2, "zo\u{eb}"), (3, "zoe\u{308}")] {
        send(&mut zoe, &format!(r#"42{ack}["set-username","{name}"]"#)).await;
        assert_eq!(
            packet(&mut zoe, &format!("43{ack}")).await,
            format!("43{ack}[{{}}]")
        );
    }
    send(&mut zoe, r#"424["set-username","bob"]"#).await;
    packet(&mut zoe, r#"42["dm-error""#).await;
    let refused = packet(&mut zoe, "434").await;
    assert!(refused.contains(r#""code":202"#), "{refused}");
    let (mut bob, _) = place.native(&token("bob", seconds(60))).await;
    let room = bob.open("zo\u{eb}").await;
    bob.say(&room, "still you?").await;
    packet(&mut zoe, r#"42["dm-message""#).await;
}

#[tokio::test]
async fn an_old_client_with_a_bad_token_stays_outside() {
    let place = place().await;
    let (mut bob, _) = place.native(&token("bob", seconds(60))).await;
    let expired = token("alice", seconds(-1));
    for (token, code) in [("alice", 110), ("", 110), (&*expired, 111)] {
        let mut alice = old(&place, token).await;
        let refused = packet(&mut alice, "44").await;
        assert!(refused.contains(&format!(r#""code":{code}"#)), "{refused}");
        send(&mut alice, r#"421["start-dm","bob"]"#).await;
        let refused = packet(&mut alice, "431").await;
        assert!(refused.contains("error"), "{refused}");
    }
    let online = bob.result(json!({ "type": "online" })).await;
    assert_eq!(online["users"], json!(["bob"]));
}

#[tokio::test]
async fn an_old_client_that_does_not_say_who_it_is_is_refused_and_closed() {
    let place = place().await;
    let mut nobody = place.web_socket(OLD).await;
    send(&mut nobody, "40").await;
    packet(&mut nobody, "40{").await;
    let refused = packet(&mut nobody, "44").await;
    assert!(
        refused.contains(r#""message":"unauthenticated""#),
        "{refused}"
    );
    assert!(refused.contains(r#""code":110"#), "{refused}");
    closed(&mut nobody).await;
}

#[tokio::test]
async fn a_token_that_came_with_the_handshake_of_the_old_protocol_stands_for_a_name() {
    let place = place().await;
    let alice = token("alice", seconds(60));
    let mut handshake = format!("ws://localhost{OLD}")
        .into_client_request()
        .unwrap();
    let bearer = format!("Bearer {alice}").parse().unwrap();
    handshake.headers_mut().insert("authorization", bearer);
    let stream = place.connect().await;
    let (mut socket, _) = tokio_tungstenite::client_async(handshake, stream)
        .await
        .unwrap();
    send(&mut socket, "40").await;
    packet(&mut socket, "40{").await;
    send(&mut socket, r#"421["set-username","bob"]"#).await;
    assert!(packet(&mut socket, "431").await.contains(r#""code":202"#));
    send(&mut socket, r#"422["set-username","alice"]"#).await;
    assert_eq!(packet(&mut socket, "432").await, "432[{}]");
    let bad = "authorization: Bearer nobody\r\n";
    let polling = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(place.http("GET", polling, bad).await.0, 401);
}

#[tokio::test]
async fn a_session_that_moves_to_another_connection_ends_with_the_token_of_its_handshake() {
    let place = place().await;
    let polling = "/socket.io/?EIO=4&transport=polling";
    let end = seconds(2);
    let bearer = format!("authorization: Bearer {}\r\n", token("alice", end));
    let (_, _, open) = place.http("GET", polling, &bearer).await;
    let sid = open.split('"').nth(3).unwrap();
    let post = format!("POST {polling}&sid={sid}");
    let (status, _, body) = http::ask_on(place.connect().await, &post, "", "40").await;
    assert_eq!((status, &*body), (200, "ok"));
    // Whoever knows the id of the session brings no token.
    let mut socket = place.web_socket(&format!("{OLD}&sid={sid}")).await;
    send(&mut socket, "2probe").await;
    packet(&mut socket, "3probe").await;
    send(&mut socket, "5").await;
    send(&mut socket, r#"421["start-dm","bob"]"#).await;
    packet(&mut socket, "431[{}]").await;
    closed(&mut socket).await;
    assert!((TimeDelta::zero()..TimeDelta::milliseconds(500)).contains(&(now() - end)));
    let (status, _, _) = place.http("GET", &format!("{polling}&sid={sid}"), "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_old_client_is_warned_of_the_end_of_its_login_can_renew_it_and_is_closed_at_it() {
    let place = place().await;
    let end = seconds(2);
    let mut alice = old(&place, &token("alice", end)).await;
    packet(&mut alice, r#"42["expiring""#).await;
    assert!(now() < end);
    packet(
        &mut alice,
        r#"42["dm-error","Disconnected: token_expired"]"#,
    )
    .await;
    closed(&mut alice).await;
    assert!(now() >= end);

    let (mut bob, _) = place.socketio(&token("bob", seconds(2))).await;
    let later = token("bob", seconds(60));
    send(&mut bob, &format!(r#"422["renew","{later}"]"#)).await;
    let renewed = packet(&mut bob, "432").await;
    assert!(renewed.contains("expires_at"), "{renewed}");
    let mut other = old(&place, &token("carol", seconds(2))).await;
    closed(&mut other).await;
    send(&mut bob, r#"423["start-dm","alice"]"#).await;
    assert_eq!(packet(&mut bob, "433").await, "433[{}]");

    let (mut dave, _) = place.socketio(&token("dave", seconds(60))).await;
    send(&mut dave, &format!(r#"422["renew","{later}"]"#)).await;
    let refused = packet(&mut dave, "432").await;
    assert!(refused.contains(r#""code":202"#), "{refused}");
    closed(&mut dave).await;
}

#[tokio::test]
async fn an_address_with_too_many_failed_logins_waits_and_its_connections_live_on() {
    let place = place().await;
    let (mut alice, _) = place.native(&token("alice", seconds(60))).await;
    let expired = token("alice", seconds(-1));
    let ask = async |token: &str| {
        let bearer = format!("authorization: Bearer {token}\r\n");
        place.http("GET", "/v1/rooms", &bearer).await
    };
    for _ in 0..10 {
        assert_eq!(ask(&expired).await.0, 401);
    }
    for _ in 0..5 {
        assert_eq!(ask("nonsense").await.0, 401);
    }
    let (status, head, body) = ask(&token("alice", seconds(60))).await;
    assert!(status == 429 && body.contains(r#""code":210"#), "{body}");
    assert!(head.contains("retry-after: 12"), "{head}");
    let (mut native, refused) = place.native("nonsense").await;
    assert_eq!(refused["error"]["code"], 210, "{refused}");
    // The token may be good, so a client comes back with it.
    assert_eq!(native.end().await.1, Closed::With(4004));
    let (_, ack) = place.socketio("nonsense").await;
    assert!(ack.contains(r#""code":210"#), "{ack}");
    let open = alice.ask(json!({ "type": "open", "user": "bob" })).await;
    assert_eq!(open["result"]["kind"], "room", "{open}");
    let renewed = renew(&mut alice, &token("alice", seconds(90))).await;
    assert_eq!(renewed["result"]["kind"], "renewed", "{renewed}");
    let metrics = place.http("GET", "/metrics", "").await.2;
    for counted in ["expired\"} 10", "invalid\"} 5", "limited\"} 3", "ok\"} 2"] {
        let line = format!("chat_logins_total{{outcome=\"{counted}");
        assert!(metrics.contains(&line), "{line}");
    }
}
