//! A client whose tokens end while it is connected misses nothing, and asks for new ones by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use chat_cli::{Client, ClientError, ClientEvent};
use chat_core::{ChatEngine, Config, UserId};
use chat_server::Server;
use chat_testkit::{DatedLogin, PATIENCE};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::{net::TcpListener, time::timeout};

fn now() -> DateTime<Utc> {
    DatedLogin::now()
}

/// A server whose tokens end; gives its engine and its address.
async fn serve() -> (ChatEngine, String) {
    let config = Config {
        send_limit: None,
        ..Config::default()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let server = Server::builder(engine.clone())
        .authenticator(DatedLogin)
        .build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(server.serve(listener, std::future::pending()));
    (engine, url)
}

#[tokio::test]
async fn a_client_with_a_source_of_tokens_misses_nothing_when_they_end() {
    let (engine, url) = serve().await;
    let tokens = Arc::new(AtomicUsize::new(0));
    let source = {
        let tokens = Arc::clone(&tokens);
        move || {
            tokens.fetch_add(1, Relaxed);
            std::future::ready(Ok(DatedLogin::token_for(
                "bob",
                TimeDelta::milliseconds(1_500),
            )))
        }
    };
    let (_client, mut events) = Client::builder(&url, "")
        .token_source(source)
        .backoff(Duration::from_millis(5), Duration::from_millis(20))
        .connect()
        .unwrap();
    let alice = engine.actor(UserId::new("alice").unwrap());
    let bob = UserId::new("bob").unwrap();
    let room = alice.open(&bob).await.unwrap().room.id;
    let connected = timeout(PATIENCE, events.next()).await.unwrap();
    assert!(
        matches!(connected, Some(ClientEvent::Connected { .. })),
        "{connected:?}"
    );
    let end = now() + TimeDelta::seconds(4);
    let sending = async {
        let mut sent = 0;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while now() < end {
            tick.tick().await;
            sent = alice.send(&room, "hi").await.unwrap().seq.0;
        }
        sent
    };
    let hearing = async {
        let (mut heard, mut breaks) = (Vec::new(), 0);
        while let Ok(Some(event)) = timeout(Duration::from_secs(2), events.next()).await {
            match event {
                ClientEvent::Entry(entry) => heard.push(entry.seq.0),
                ClientEvent::Disconnected { .. } => breaks += 1,
                ClientEvent::Ended(error) => panic!("{error}"),
                _ => {}
            }
        }
        (heard, breaks)
    };
    let (sent, (heard, breaks)) = tokio::join!(sending, hearing);
    assert!(heard.iter().copied().eq(1..=sent), "{sent}: {heard:?}");
    // A login is renewed once in 10 s, so that the connection outlives its first token and no more.
    assert!(tokens.load(Relaxed) > breaks + 1, "{breaks} breaks");
}

#[tokio::test]
async fn a_client_with_one_token_ends_with_it_and_says_so() {
    let (_engine, url) = serve().await;
    let (_client, mut events) =
        Client::builder(&url, DatedLogin::token_for("bob", TimeDelta::seconds(1)))
            .backoff(Duration::from_millis(5), Duration::from_millis(20))
            .connect()
            .unwrap();
    let ending = async {
        loop {
            if let Some(ClientEvent::Ended(error)) = events.next().await {
                return error;
            }
        }
    };
    let error = timeout(PATIENCE, ending).await.unwrap();
    assert!(
        matches!(&error, ClientError::Refused(body) if body.code == 111),
        "{error}"
    );
    assert!(error.to_string().contains("expired"), "{error}");
}
