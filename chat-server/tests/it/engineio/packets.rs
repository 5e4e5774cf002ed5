//! socket.io-protocol 5, clause by clause: each test names what a server MUST do.

use super::*;

#[tokio::test]
async fn the_server_must_respond_to_a_connect_packet() {
    let server = Server::start(&[]).await;
    let mut ids = Vec::new();
    for connect in ["40", r#"40{"token":"123"}"#, "40/,"] {
        let mut socket = socket(&server, "").await;
        let open: Value = serde_json::from_str(&packet(&mut socket, "0").await[1..]).unwrap();
        send(&mut socket, connect).await;
        let answer: Value = serde_json::from_str(&packet(&mut socket, "40").await[2..]).unwrap();
        ids.extend([open["sid"].to_string(), answer["sid"].to_string()]);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6, "the ids of sessions and connections differ");
    let mut socket = socket(&server, "").await;
    for name in ["/admin", "/random"] {
        send(&mut socket, &format!("40{name},")).await;
        let error = format!(r#"44{name},{{"message":"Invalid namespace"}}"#);
        assert_eq!(packet(&mut socket, "44").await, error);
    }
    send(&mut socket, "40").await;
    packet(&mut socket, "40").await;
    server.stop().await;
}

#[tokio::test]
async fn without_a_connect_packet_first_the_server_must_close_the_connection() {
    let server = Server::start(&[]).await;
    for first in [
        r#"42["typing"]"#,
        "41",
        "431[]",
        "4abc",
        "4",
        "40null",
        "40[]",
        r#"44{"message":""}"#,
    ] {
        let mut socket = socket(&server, "").await;
        packet(&mut socket, "0").await;
        send(&mut socket, first).await;
        assert_eq!(next(&mut socket).await, None, "{first}");
    }
    server.stop().await;
}

#[tokio::test]
async fn if_the_payload_of_an_event_is_no_array_with_an_element_the_receiver_must_close() {
    let server = Server::start(&[]).await;
    for event in [
        "42",
        "42{}",
        "42[]",
        r#"42"x""#,
        r#"42["x""#,
        r#"42abc["x"]"#,
        "4251",
        "49",
        "45[]",
        "451-{}",
    ] {
        let mut socket = connected(&server).await;
        send(&mut socket, event).await;
        assert_eq!(next(&mut socket).await, None, "{event}");
        let session = Polling::connected(&server).await;
        assert_eq!(session.post(event).await.0, 400, "{event}");
        session.is_gone().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn the_receiver_must_respond_with_an_ack_packet_with_the_same_event_id() {
    let server = Server::start(&[]).await;
    let mut socket = connected(&server).await;
    for id in [0, 12, 456, u64::MAX] {
        send(&mut socket, &format!(r#"42{id}["no-such-event",1]"#)).await;
        let error = r#"42["dm-error","there is no event \"no-such-event\""]"#;
        assert_eq!(packet(&mut socket, "42").await, error);
        let ack = packet(&mut socket, "43").await;
        let start = format!(r#"43{id}[{{"error":{{"#);
        assert!(ack.starts_with(&start) && ack.ends_with(']'), "{ack}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_payload_of_an_ack_must_be_an_array_possibly_empty() {
    let server = Server::start(&[]).await;
    let mut socket = connected(&server).await;
    // Nobody has asked for it, so nothing comes of it.
    send(&mut socket, "4312[]").await;
    send(&mut socket, r#"421["x"]"#).await;
    packet(&mut socket, "431").await;
    for ack in ["4312", "4312{}", "43[]"] {
        let mut socket = connected(&server).await;
        send(&mut socket, ack).await;
        assert_eq!(next(&mut socket).await, None, "{ack}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_the_namespace_keeps_the_connection() {
    let server = Server::start(&[]).await;
    let mut bob = named(&server, "bob").await;
    let mut alice = named(&server, "alice").await;
    packet(&mut bob, r#"42["online-users",["alice","bob"]]"#).await;
    send(&mut alice, "41").await;
    packet(&mut bob, r#"42["online-users",["bob"]]"#).await;
    send(&mut alice, "40").await;
    packet(&mut alice, "40").await;
    send(&mut alice, r#"42["set-username","alice"]"#).await;
    packet(&mut bob, r#"42["online-users",["alice","bob"]]"#).await;
    send(&mut alice, "41").await;
    send(&mut alice, r#"42["typing"]"#).await;
    closed(&mut alice).await;
    server.stop().await;
}

#[tokio::test]
async fn attachments_are_counted_and_their_event_is_refused() {
    let server = Server::start(&[]).await;
    let mut socket = connected(&server).await;
    let event = r#"452-789["typing",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    send(&mut socket, event).await;
    for bytes in [[1, 2, 3], [4, 5, 6]] {
        socket.send(Message::binary(bytes.to_vec())).await.unwrap();
    }
    let refused = r#"42["dm-error","binary attachments are not accepted"]"#;
    assert_eq!(next(&mut socket).await.as_deref(), Some(refused));
    packet(&mut socket, r#"43789[{"error":"#).await;
    send(&mut socket, r#"421["x"]"#).await;
    packet(&mut socket, "431").await;
    // Binary data that was not announced, and other data in place of what was.
    socket.send(Message::binary(vec![1])).await.unwrap();
    closed(&mut socket).await;
    let mut socket = connected(&server).await;
    send(&mut socket, event).await;
    send(&mut socket, r#"42["typing"]"#).await;
    closed(&mut socket).await;
    server.stop().await;
}

#[tokio::test]
async fn an_event_of_another_namespace_closes_the_connection() {
    let server = Server::start(&[]).await;
    for packet in [r#"42/admin,["typing"]"#, "41/admin,", "43/admin,1[]"] {
        let mut socket = connected(&server).await;
        send(&mut socket, packet).await;
        assert_eq!(next(&mut socket).await, None, "{packet}");
    }
    server.stop().await;
}
