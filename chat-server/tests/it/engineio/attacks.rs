//! Attacks of one stranger: each is bounded, and ends.

use std::{io, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::*;

/// Within this a flood is ended. A machine under load takes a multiple of what it takes else.
const SOON: Duration = Duration::from_secs(10);

/// The header of a masked frame, whose mask changes nothing.
fn masked(first: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..126 => header.push(0x80 | u8::try_from(length).unwrap()),
        126..65_536 => {
            header.push(0x80 | 0x7e);
            header.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            header.push(0x80 | 0x7f);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header.extend([0; 4]);
    header
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = masked(first, payload.len());
    frame.extend(payload);
    frame
}

/// Writes the frame again and again until the server has closed; gives how many bytes it wrote before.
async fn flood(tcp: &mut TcpStream, frame: &[u8], reads: bool) -> usize {
    let many = frame.repeat((16 << 10) / frame.len() + 1);
    let since = Instant::now();
    let mut written = 0;
    let mut heard = vec![0; 64 << 10];
    loop {
        let writing = async {
            tcp.writable().await?;
            tcp.try_write(&many)
        };
        match timeout(SOON, writing)
            .await
            .expect("the server reads or closes")
        {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return written,
        }
        if reads {
            match tcp.try_read(&mut heard) {
                Ok(0) => return written,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return written,
            }
        }
        assert!(since.elapsed() < SOON, "still open after {written} bytes");
    }
}

/// Lets a client flood, and checks that others are served meanwhile and that it is closed.
async fn is_closed(server: &Server, socket: Socket, frame: &[u8], reads: bool) {
    let mut tcp = socket.into_inner();
    let mut other = talking(server, "other", "nobody").await;
    let (_, ()) = tokio::join!(flood(&mut tcp, frame, reads), async {
        for id in 1..=5 {
            send(&mut other, &format!(r#"42{id}["dm-message","hi"]"#)).await;
            packet(&mut other, &format!("43{id}[")).await;
        }
    });
}

#[tokio::test]
async fn s1_pings_whose_answers_are_not_read_end_the_connection() {
    let server = Server::start(&[]).await;
    let socket = socket(&server, "").await;
    is_closed(&server, socket, &frame(0x89, &[b'x'; 125]), false).await;
    server.stop().await;
}

#[tokio::test]
async fn s2_sessions_count_as_connections_do() {
    const SESSIONS: usize = 300;
    let server = Server::start(&[("pending-per-ip", "50")]).await;
    let mut tcp = server.tcp().await;
    let get = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let requests = get.repeat(SESSIONS - 1) + &last;
    tcp.write_all(requests.as_bytes()).await.unwrap();
    let answers = chat_testkit::http::read_to_end(&mut tcp).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 50);
    assert_eq!(answers.matches("HTTP/1.1 503").count(), SESSIONS - 50);
    assert_eq!(answers.matches("retry-after: 1\r\n").count(), SESSIONS - 50);
    // Those that do nothing make room.
    chat_testkit::until("there is room", async || {
        request(&server, "GET", "EIO=4&transport=polling", "")
            .await
            .0
            == 200
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn s2_named_sessions_are_bounded_for_an_address_and_for_a_user() {
    let settings = [("connections-per-ip", "12"), ("connections-per-user", "3")];
    let server = Server::start(&settings).await;
    let mut sessions = Vec::new();
    for at in 0..3 {
        let session = Polling::connected(&server).await;
        assert_eq!(session.post(r#"421["set-username","alice"]"#).await.0, 200);
        session.until("431[{}]").await;
        sessions.push((at, session));
    }
    let fourth = Polling::connected(&server).await;
    assert_eq!(fourth.post(r#"421["set-username","alice"]"#).await.0, 200);
    fourth.until(r#"431[{"error":"#).await;
    let mut refused = 0;
    for _ in 0..12 {
        let (status, head, _) = request(&server, "GET", "EIO=4&transport=polling", "").await;
        refused += usize::from(status == 503 && head.contains("retry-after: 1"));
    }
    assert!(refused >= 4, "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn s3_a_body_has_at_most_1024_packets() {
    let server = Server::start(&[]).await;
    let session = Polling::open(&server).await;
    let body = "40\x1e41\x1e".repeat(1_000_000 / 6);
    let since = Instant::now();
    assert_eq!(session.post(&body).await.0, 400);
    assert!(since.elapsed() < SOON);
    session.is_gone().await;
    let session = Polling::connected(&server).await;
    assert_eq!(session.post(&vec!["3"; 1_024].join("\x1e")).await.0, 200);
    assert_eq!(session.post(&vec!["3"; 1_025].join("\x1e")).await.0, 400);
    session.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn s4_a_body_that_does_not_come_is_answered_with_408() {
    let server = Server::start(&[("request-timeout", "500ms")]).await;
    let post = async |session: &Polling<'_>| {
        let head = format!(
            "POST /socket.io/?{} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n4",
            session.query()
        );
        let mut tcp = server.tcp().await;
        tcp.write_all(head.as_bytes()).await.unwrap();
        tcp
    };
    let session = Polling::connected(&server).await;
    let mut tcp = post(&session).await;
    let mut answer = [0; 12];
    timeout(PATIENCE, tcp.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    session.is_gone().await;
    // And at once when its session ends.
    let session = Polling::connected(&server).await;
    let mut tcp = post(&session).await;
    let mut socket = session.socket().await;
    send(&mut socket, "2probe").await;
    packet(&mut socket, "3probe").await;
    send(&mut socket, "5").await;
    send(&mut socket, "1").await;
    closed(&mut socket).await;
    timeout(PATIENCE, tcp.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 40"));
    server.stop().await;
}

#[tokio::test]
async fn s5_a_flood_of_any_kind_ends_the_connection() {
    let server = Server::start(&[]).await;
    let read = json!({ "messageId": "019aab5e-0000-7000-8000-000000000001", "from": "bob" });
    let read = format!(r#"42["message-read",{read}]"#);
    let large = format!(r#"42["dm-message","{}"]"#, "x".repeat(900_000));
    for (first, payload) in [
        (0x81, "3"),
        (0x81, "431[]"),
        (0x81, "40/nope,"),
        (0x81, "40"),
        (0x81, &*read),
        (0x81, &*large),
        (0x01, ""),
        (0x8a, ""),
        (0x82, "x"),
    ] {
        let socket = talking(&server, "flood", "bob").await;
        is_closed(&server, socket, &frame(first, payload.as_bytes()), true).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s5_a_flood_of_posts_ends_the_session() {
    let server = Server::start(&[]).await;
    let session = Polling::talking(&server, "alice", "bob").await;
    let body = vec![r#"42["typing"]"#; 1_000].join("\x1e");
    for _ in 0..3 {
        session.post(&body).await;
    }
    let got = session.until("1").await;
    assert_eq!(
        got[got.len() - 2..],
        [r#"42["dm-error","Too many events at once"]"#, "1"]
    );
    session.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn s9_a_message_that_never_ends_ends_the_connection() {
    let server = Server::start(&[("message-timeout", "500ms")]).await;
    for begun in [&masked(0x81, 1_000)[..], &frame(0x01, b"42"), &[0x81]] {
        let mut tcp = connected(&server).await.into_inner();
        tcp.write_all(begun).await.unwrap();
        chat_testkit::http::read_to_end(&mut tcp).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s11_the_limit_of_names_belongs_to_the_connection() {
    let server = Server::start(&[]).await;
    let mut socket = socket(&server, "").await;
    packet(&mut socket, "0").await;
    let since = Instant::now();
    let mut named = 0;
    for id in 0..200 {
        send(&mut socket, "40").await;
        packet(&mut socket, "40").await;
        send(
            &mut socket,
            &format!(r#"42{id}["set-username","name {id}"]"#),
        )
        .await;
        let answer = packet(&mut socket, &format!("43{id}[")).await;
        named += u64::from(!answer.contains("error"));
        send(&mut socket, "41").await;
    }
    // 20 at once, and 5 a second.
    let allowed = 21 + 5 * since.elapsed().as_secs() + 5;
    assert!(named <= allowed, "{named} of {allowed}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_is_closed_as_too_slow_may_come_back() {
    let server = Server::start(&[("outbox-frames", "50")]).await;
    let deaf = Polling::talking(&server, "deaf", "alice").await;
    let mut alice = talking(&server, "alice", "deaf").await;
    for id in 1..=60 {
        send(&mut alice, &format!(r#"42{id}["dm-message","{id}"]"#)).await;
        packet(&mut alice, &format!("43{id}[")).await;
    }
    let got = deaf.until("1").await;
    assert_eq!(got.last().unwrap(), "1");
    assert!(got.contains(&r#"42["dm-error","Disconnected: slow"]"#.to_owned()));
    // No packet of Socket.IO says that it has to stay away.
    assert!(!got.contains(&"41".to_owned()));
    deaf.is_gone().await;
    server.stop().await;
}

#[tokio::test]
async fn two_hundred_clients_that_come_at_once_from_one_address_are_served() {
    const MANY: usize = 200;
    let server = Server::start(&[]).await;
    let all = join_all((0..MANY).map(async |at| {
        let mut socket = connected(&server).await;
        send(&mut socket, &format!(r#"421["set-username","user {at}"]"#)).await;
        packet(&mut socket, "431[{}]").await;
        socket
    }));
    assert_eq!(all.await.len(), MANY);
    server.stop().await;
}
