//! The list of users online, and the notice of a server that stops.

use futures_util::future::join_all;

use super::*;

/// The number of names on the next list, each once.
async fn listed(socket: &mut Socket) -> usize {
    let packet = packet(socket, r#"42["online-users""#).await;
    let event: Value = serde_json::from_str(&packet[2..]).unwrap();
    let [_, Value::Array(names)] = event.as_array().unwrap().as_slice() else {
        panic!("no list: {packet}");
    };
    let mut once: Vec<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len());
    names.len()
}

#[tokio::test]
async fn all_clients_of_a_burst_end_with_the_whole_list() {
    const MANY: usize = 300;
    let server = Server::start(&[("pending-per-ip", "300")]).await;
    let early = named(&server, "early").await;
    let burst = (1..MANY).map(async |number| named(&server, &format!("user {number}")).await);
    let mut sockets = join_all(burst).await;
    sockets.push(early);
    for mut socket in sockets {
        while listed(&mut socket).await < MANY {}
    }
    server.stop().await;
}

#[tokio::test]
async fn events_that_follow_the_notice_of_a_stop_are_passed_over() {
    let server = Server::start(&[]).await;
    let mut alice = named(&server, "alice").await;
    listed(&mut alice).await;
    // While there is this session, the server does not close what is open.
    let last = server.engine.connect(UserId::new("bob").unwrap()).await;
    let stopping = tokio::spawn(server.stop());
    packet(&mut alice, r#"42["dm-error","The server"#).await;
    for _ in 0..5_000 {
        alice.feed(Message::text(r#"42["typing"]"#)).await.unwrap();
    }
    alice.send(Message::Ping("all".into())).await.unwrap();
    let rest = async {
        let mut last = Some(last);
        while let Some(Ok(message)) = alice.next().await {
            match message {
                Message::Pong(_) => drop(last.take()),
                Message::Text(text) => assert!(!text.contains("dm-error"), "{text}"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, rest).await.unwrap();
    stopping.await.unwrap();
}
