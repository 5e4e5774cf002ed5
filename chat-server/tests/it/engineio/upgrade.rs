//! Moves from polling to a WebSocket, and the session after one that fails.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;

/// Moves the session to the WebSocket.
async fn upgrade(session: &Polling<'_>) -> Socket {
    let mut socket = session.socket().await;
    send(&mut socket, "2probe").await;
    assert_eq!(next(&mut socket).await.as_deref(), Some("3probe"));
    session.until("6").await;
    send(&mut socket, "5").await;
    socket
}

/// Checks that messages go both ways, by the answer to one.
async fn delivers(session: &Polling<'_>, id: u32) {
    assert_eq!(
        session
            .post(&format!(r#"42{id}["dm-message","{id}"]"#))
            .await
            .0,
        200
    );
    let got = session.until(&format!("43{id}[")).await;
    assert!(!got.contains(&"6".to_owned()), "{got:?}");
}

#[tokio::test]
async fn the_server_must_answer_a_probe_and_end_the_pending_poll_with_a_noop() {
    let server = Server::start(&[]).await;
    let session = Polling::talking(&server, "alice", "bob").await;
    let mut socket = session.socket().await;
    let (poll, ()) = tokio::join!(session.get(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        send(&mut socket, "2probe").await;
        assert_eq!(next(&mut socket).await.as_deref(), Some("3probe"));
    });
    assert_eq!(poll, (200, "6".to_owned()));
    send(&mut socket, "5").await;
    send(&mut socket, r#"421["dm-message","hi"]"#).await;
    packet(&mut socket, "431[").await;
    server.stop().await;
}

#[tokio::test]
async fn after_the_upgrade_other_requests_are_refused_and_the_session_goes_on() {
    let server = Server::start(&[]).await;
    let session = Polling::talking(&server, "alice", "bob").await;
    let mut socket = upgrade(&session).await;
    // Its place is known when this is answered.
    send(&mut socket, r#"421["dm-message","one"]"#).await;
    packet(&mut socket, "431[").await;
    let refused = r#"{"code":3,"message":"Bad request"}"#;
    for (status, body) in [session.get().await, session.post("3").await] {
        assert_eq!((status, body.as_str()), (400, refused));
    }
    let mut second = session.socket().await;
    closed(&mut second).await;
    send(&mut socket, r#"422["dm-message","two"]"#).await;
    packet(&mut socket, "432[").await;
    drop(socket);
    chat_testkit::until("the session is gone", async || {
        session.get().await.1.contains("unknown")
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_second_websocket_must_be_closed_and_the_first_one_can_still_be_moved_to() {
    let server = Server::start(&[]).await;
    let session = Polling::talking(&server, "alice", "bob").await;
    let mut first = session.socket().await;
    send(&mut first, "2probe").await;
    assert_eq!(next(&mut first).await.as_deref(), Some("3probe"));
    let mut second = session.socket().await;
    closed(&mut second).await;
    send(&mut first, "5").await;
    send(&mut first, r#"421["dm-message","hi"]"#).await;
    packet(&mut first, "431[").await;
    server.stop().await;
}

#[tokio::test]
async fn a_session_whose_upgrade_fails_lives_on_and_delivers() {
    let server = Server::start(&[]).await;
    let session = Polling::talking(&server, "alice", "bob").await;
    // The connection breaks after the 101, or after the probe; something else than a probe comes.
    for (attempt, frames) in [
        &[][..],
        &["2probe"],
        &["4hello"],
        &["5"],
        &["2probe", "4hello"],
        &["3"],
    ]
    .into_iter()
    .enumerate()
    {
        let mut socket = session.socket().await;
        for frame in frames {
            send(&mut socket, frame).await;
        }
        if frames.last().is_some_and(|last| *last != "2probe") {
            closed(&mut socket).await;
        } else if !frames.is_empty() {
            packet(&mut socket, "3probe").await;
        }
        drop(socket);
        delivers(&session, u32::try_from(attempt).unwrap()).await;
    }
    let mut socket = upgrade(&session).await;
    send(&mut socket, r#"4299["dm-message","moved"]"#).await;
    packet(&mut socket, "4399[").await;
    server.stop().await;
}

#[tokio::test]
async fn a_silent_upgrade_costs_one_noop_and_then_only_its_websocket() {
    let server = Server::start(&[("ping-interval", "60s")]).await;
    let session = Polling::talking(&server, "alice", "bob").await;
    // One that is never probed, and one that is not moved to after its probe.
    for (attempt, probe) in [(1, false), (2, true)] {
        let since = Instant::now();
        let mut socket = session.socket().await;
        if probe {
            send(&mut socket, "2probe").await;
            assert_eq!(next(&mut socket).await.as_deref(), Some("3probe"));
        }
        let mut noops = 0;
        let mut requests = 0;
        let polling = async {
            loop {
                let (status, body) = session.get().await;
                assert_eq!(status, 200, "{body}");
                requests += 1;
                for part in body.split('\x1e') {
                    noops += usize::from(part == "6");
                    if part == "2" {
                        session.post("3").await;
                    }
                    if part.starts_with("43") {
                        return;
                    }
                }
            }
        };
        let waiting = async {
            closed(&mut socket).await;
            assert!(since.elapsed() >= Duration::from_secs(9));
            assert!(since.elapsed() < Duration::from_secs(15));
            session
                .post(&format!(r#"42{attempt}["dm-message","after"]"#))
                .await;
        };
        timeout(PATIENCE, async { tokio::join!(polling, waiting) })
            .await
            .unwrap();
        assert_eq!(noops, usize::from(probe));
        assert!(requests < 10, "{requests} polls");
    }
    let mut socket = upgrade(&session).await;
    send(&mut socket, r#"429["dm-message","moved"]"#).await;
    packet(&mut socket, "439[").await;
    server.stop().await;
}
