//! A client whose connection breaks at every point still sees and sends everything once, in order.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use chat_cli::{Client, ClientError, ClientEvent, Events, RequestError};
use chat_core::{
    Answer, ChatEngine, Command, Config, EntryBody, Frame, IdGen as _, Mark, Page, RandomIds,
    Reply, Request, RoomId, RoomList, Seq, SessionId, UserId, Welcome, command, rate::RatePolicy,
};
use futures_util::{SinkExt as _, StreamExt as _};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::breaking::{Faults, Server};

const MESSAGES: usize = 8;

/// Small pages and a small resume, so that gaps and paging happen.
fn engine() -> ChatEngine {
    let config = Config {
        send_limit: None,
        resume_max: 3,
        history_max: 4,
        ..Config::default()
    };
    ChatEngine::builder().config(config).build().unwrap()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn client(server: &Server, name: &str) -> (Client, Events) {
    Client::builder(server.url(), name)
        .backoff(Duration::from_millis(5), Duration::from_millis(20))
        .seed(1)
        .connect()
        .unwrap()
}

fn room() -> RoomId {
    RoomId::direct(&user("alice"), &user("bob")).unwrap()
}

/// Collects a room's entries until `until` has come.
async fn entries_to(events: &mut Events, after: Seq, until: Seq) -> Vec<(Seq, UserId, String)> {
    let mut seen = Vec::new();
    let mut last = Seq::ZERO;
    while last < until {
        let event = timeout(Duration::from_secs(20), events.next())
            .await
            .unwrap_or_else(|_| panic!("nothing after {last:?} of {until:?}"));
        match event {
            Some(ClientEvent::Entry(entry)) => {
                last = entry.seq;
                let EntryBody::Message { text, .. } = &entry.body else {
                    panic!("{entry:?}");
                };
                if entry.seq > after {
                    seen.push((entry.seq, entry.author.clone(), text.to_string()));
                }
            }
            Some(ClientEvent::Ended(error)) => panic!("ended: {error}"),
            Some(ClientEvent::Skipped { .. } | ClientEvent::Reset { .. }) => panic!("{event:?}"),
            _ => {}
        }
    }
    seen
}

/// Alice talks over connections that break; bob talks inside the engine at the same time.
async fn converse(faults: Faults) {
    let engine = engine();
    let bob = engine.actor(user("bob"));
    bob.open(&user("alice")).await.unwrap();
    bob.send(&room(), "old").await.unwrap();
    let server = Server::start(engine.clone(), faults).await;
    let (alice, mut events) = client(&server, "alice");
    let view = alice.open(&user("bob")).await.unwrap();
    let bobs = tokio::spawn(async move {
        for n in 0..MESSAGES {
            bob.send(&room(), &format!("bob {n}")).await.unwrap();
            tokio::task::yield_now().await;
        }
        bob
    });
    let sendings: Vec<_> = (0..MESSAGES)
        .map(|n| alice.send(&room(), format!("alice {n}")))
        .collect();
    alice.mark(&room(), Mark::Read, Seq(1));
    let mut last = Seq::ZERO;
    for sending in sendings {
        let sent = timeout(Duration::from_secs(20), sending)
            .await
            .unwrap()
            .unwrap();
        assert!(sent.seq > last, "sent in the order of the calls");
        last = sent.seq;
    }
    let bob = bobs.await.unwrap();
    let all = Seq(1 + 2 * MESSAGES as u64);
    let seen = entries_to(&mut events, view.room.head, all).await;
    let numbers: Vec<u64> = seen.iter().map(|(seq, ..)| seq.0).collect();
    let expected: Vec<u64> = (view.room.head.next().0..=all.0).collect();
    assert_eq!(numbers, expected, "each entry once, in order");
    for name in ["alice", "bob"] {
        let texts: Vec<&str> = seen
            .iter()
            .filter(|(_, author, text)| author.as_str() == name && text != "old")
            .map(|(_, _, text)| text.as_str())
            .collect();
        let skip = MESSAGES - texts.len();
        assert!(name == "bob" || skip == 0, "all of alice came");
        let expected: Vec<String> = (skip..MESSAGES).map(|n| format!("{name} {n}")).collect();
        assert_eq!(texts, expected);
    }
    // The receipt arrives however often it is broken off.
    let read = async {
        loop {
            let view = bob.open(&user("alice")).await.unwrap();
            let alice = view
                .members
                .iter()
                .find(|m| m.presence.user == user("alice"));
            if alice.unwrap().watermarks.read == Seq(1) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(20), read).await.unwrap();
    alice.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_break_at_any_point_loses_repeats_and_reorders_nothing() {
    // Far more points than a conversation has steps.
    let mut all = tokio::task::JoinSet::new();
    for point in 1..150 {
        let mut step = 0;
        all.spawn(converse(Box::new(move || {
            step += 1;
            step == point
        })));
    }
    all.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn breaks_again_and_again_lose_repeat_and_reorder_nothing() {
    let mut all = tokio::task::JoinSet::new();
    for seed in 0..30 {
        let mut rng = StdRng::seed_from_u64(seed);
        all.spawn(converse(Box::new(move || rng.random_bool(0.04))));
    }
    all.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_queued_without_a_server_are_sent_once_when_it_comes_up() {
    let down = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&down);
    let engine = engine();
    let server = Server::start(engine.clone(), Box::new(move || breaks.load(Relaxed))).await;
    let (alice, mut events) = client(&server, "alice");
    let sendings: Vec<_> = (0..3).map(|n| alice.send(&room(), n.to_string())).collect();
    for _ in 0..3 {
        let lost = events.next().await;
        assert!(
            matches!(lost, Some(ClientEvent::Disconnected { .. })),
            "{lost:?}"
        );
    }
    down.store(false, Relaxed);
    for (n, sending) in (1..).zip(sendings) {
        assert_eq!(sending.await.unwrap().seq, Seq(n));
    }
    let page = engine
        .actor(user("bob"))
        .history(&room(), Page::Newest, None)
        .await
        .unwrap();
    assert_eq!(page.entries.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_appeared_while_away_is_caught_up_from_its_beginning() {
    let engine = engine();
    let (cut, cuts) = std::sync::mpsc::channel::<()>();
    let server = Server::start(engine.clone(), Box::new(move || cuts.try_recv().is_ok())).await;
    let (alice, mut events) = client(&server, "alice");
    while !matches!(events.next().await, Some(ClientEvent::Connected { .. })) {}
    alice.rooms(None, None).await.unwrap();
    alice.online().await.unwrap();
    cut.send(()).unwrap();
    let _ = alice.online().await;
    let carol = engine.actor(user("carol"));
    carol.open(&user("alice")).await.unwrap();
    let with_carol = RoomId::direct(&user("alice"), &user("carol")).unwrap();
    for n in 1..=10 {
        carol.send(&with_carol, &n.to_string()).await.unwrap();
    }
    let seen = entries_to(&mut events, Seq::ZERO, Seq(10)).await;
    let numbers: Vec<u64> = seen.iter().map(|(seq, ..)| seq.0).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_resume_gives_is_paged_even_if_nothing_follows() {
    let down = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&down);
    let engine = engine();
    let server = Server::start(engine.clone(), Box::new(move || breaks.load(Relaxed))).await;
    let (alice, mut events) = client(&server, "alice");
    alice.open(&user("bob")).await.unwrap();
    let bob = engine.actor(user("bob"));
    bob.send(&room(), "0").await.unwrap();
    entries_to(&mut events, Seq::ZERO, Seq(1)).await;
    down.store(true, Relaxed);
    alice.typing(&room());
    while !matches!(events.next().await, Some(ClientEvent::Disconnected { .. })) {}
    for n in 1..=20 {
        bob.send(&room(), &n.to_string()).await.unwrap();
    }
    down.store(false, Relaxed);
    let seen = entries_to(&mut events, Seq::ZERO, Seq(21)).await;
    let numbers: Vec<u64> = seen.iter().map(|(seq, ..)| seq.0).collect();
    assert_eq!(numbers, (2..=21).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_a_method_of_its_own_is_sent_all_the_same() {
    let server = Server::start(engine(), Box::new(|| false)).await;
    let (alice, _events) = client(&server, "alice");
    let sending = alice.queue(|client_id| command::Send {
        room: room(),
        text: "hello".to_owned(),
        client_id,
    });
    assert!(sending.client_id().is_some());
    assert_eq!(sending.await.unwrap().seq, Seq(1));
    alice.ask(command::Ping {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_sleeps_loses_nothing() {
    let engine = ChatEngine::builder()
        .config(Config {
            send_limit: None,
            ..Config::default()
        })
        .build()
        .unwrap();
    let server = Server::start(engine.clone(), Box::new(|| false)).await;
    let (alice, mut events) = client(&server, "alice");
    alice.open(&user("bob")).await.unwrap();
    let bob = engine.actor(user("bob"));
    for n in 0..3_000 {
        bob.send(&room(), &n.to_string()).await.unwrap();
        if n % 100 == 0 {
            // Answers still come, though nobody reads events.
            alice.online().await.unwrap();
        }
    }
    let seen = entries_to(&mut events, Seq::ZERO, Seq(3_000)).await;
    let numbers: Vec<u64> = seen.iter().map(|(seq, ..)| seq.0).collect();
    assert_eq!(numbers, (1..=3_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_carries_its_wait_and_the_next_message_goes_on() {
    let config = Config {
        send_limit: Some(RatePolicy::Window {
            limit: 1,
            window: Duration::from_mins(1),
            mute: Duration::from_secs(5),
        }),
        ..Config::default()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let server = Server::start(engine, Box::new(|| false)).await;
    let (alice, _events) = client(&server, "alice");
    alice.open(&user("bob")).await.unwrap();
    alice.send(&room(), "one").await.unwrap();
    let error = alice.send(&room(), "two").await.unwrap_err();
    assert_eq!(error.code(), Some(chat_core::ErrorCode::RateLimited));
    let wait = error.retry_after().unwrap();
    assert!(
        wait > Duration::from_secs(4) && wait <= Duration::from_secs(5),
        "{wait:?}"
    );
    let error = alice.send(&room(), "").await.unwrap_err();
    assert!(matches!(error, RequestError::Refused(_)));
}

#[tokio::test]
async fn a_message_that_a_busy_server_puts_off_is_sent_again_when_it_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let engine = engine();
        let actor = engine.actor(user("alice"));
        let mut sends = Vec::new();
        while sends.len() < 2 {
            let said = socket.next().await.unwrap().unwrap().into_text().unwrap();
            let Request { id, command } = serde_json::from_str(&said).unwrap();
            let result = match command {
                Command::Hello(_) => Ok(Reply::Welcome(Welcome {
                    user: user("alice"),
                    session: SessionId(RandomIds.next()),
                    expires_at: None,
                })),
                Command::Send(command::Send {
                    room,
                    text,
                    client_id,
                }) => {
                    let client_id = client_id.unwrap();
                    sends.push((client_id.clone(), tokio::time::Instant::now()));
                    if sends.len() == 1 {
                        let retry_after = Duration::from_millis(300);
                        Err(chat_core::Error::Overloaded { retry_after })
                    } else {
                        let sent = actor.send_as(&room, &text, client_id).await;
                        sent.map(Reply::Sent)
                    }
                }
                _ => Ok(Reply::Rooms(RoomList {
                    rooms: Vec::new(),
                    more: false,
                })),
            };
            let answer = Frame::from(Answer::new(id, result));
            let answer = Message::text(answer.json().to_string());
            socket.send(answer).await.unwrap();
        }
        (sends, socket)
    });
    let (alice, _events) = Client::connect(url, "alice").unwrap();
    alice.send(&room(), "hello").await.unwrap();
    let (sends, _socket) = serving.await.unwrap();
    let [(first, refused), (second, again)] = &sends[..] else {
        panic!("{sends:?}")
    };
    assert_eq!(first, second);
    let waited = *again - *refused;
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_code_that_means_do_not_come_back_ends_the_client() {
    let server = Server::start(engine(), Box::new(|| false)).await;
    let (alice, mut events) = client(&server, "no,name");
    let sending = alice.send(&room(), "hello");
    let ended = ClientError::Closed {
        code: 4501,
        text: "unauthenticated".to_owned(),
    };
    assert_eq!(events.next().await, Some(ClientEvent::Ended(ended.clone())));
    assert_eq!(events.next().await, None);
    assert_eq!(sending.await, Err(RequestError::Ended(ended)));
    let after = alice.send(&room(), "hello").await;
    assert!(matches!(after, Err(RequestError::Ended(_))), "{after:?}");
    assert!(matches!(alice.online().await, Err(RequestError::Ended(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_and_client_ids_are_unique() {
    let server = Server::start(engine(), Box::new(|| true)).await;
    let (alice, _events) = client(&server, "alice");
    let sendings: Vec<_> = (0..1_000).map(|_| alice.send(&room(), "x")).collect();
    let ids: HashSet<_> = sendings.iter().map(|s| s.client_id().cloned()).collect();
    assert_eq!(ids.len(), 1_000);
    assert_eq!(alice.send(&room(), "x").await, Err(RequestError::QueueFull));
    alice.close().await;
    for sending in sendings {
        assert_eq!(
            sending.await,
            Err(RequestError::Ended(ClientError::Finished))
        );
    }
}

#[tokio::test]
async fn a_connection_without_a_sign_of_life_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let hello = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let hello: Request = serde_json::from_str(&hello).unwrap();
        let result = Reply::Welcome(Welcome {
            user: user("alice"),
            session: SessionId(RandomIds.next()),
            expires_at: None,
        });
        let welcome = Frame::from(Answer::Reply {
            id: hello.id,
            result,
        });
        let welcome = Message::text(welcome.json().to_string());
        socket.send(welcome).await.unwrap();
        // It stays open, and says no more.
        std::future::pending::<()>().await;
    });
    let (_alice, mut events) = Client::connect(url, "alice").unwrap();
    let connected = events.next().await;
    assert!(
        matches!(connected, Some(ClientEvent::Connected { .. })),
        "{connected:?}"
    );
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    match events.next().await {
        Some(ClientEvent::Disconnected { reason, .. }) => {
            assert_eq!(reason, "no sign of life from the server");
        }
        other => panic!("{other:?}"),
    }
    assert!(
        start.elapsed() <= Duration::from_secs(46),
        "{:?}",
        start.elapsed()
    );
    silent.abort();
}
