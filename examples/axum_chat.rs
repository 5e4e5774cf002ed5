//! The engine inside an existing axum service, with the service's own routes and rules.
//!
//!     cargo run -p examples --example axum_chat
//!
//! It serves on a free port, sends itself the requests of two browsers, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::convert::Infallible;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::sse::{Event as SseEvent, Sse},
    routing::{get, post},
};
use chat_core::{ChatEngine, ErrorBody, Event, RoomId, Sent, UserId};
use futures_util::{Stream, stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

type Refused = (StatusCode, Json<ErrorBody>);

fn refused(error: impl Into<chat_core::Error>) -> Refused {
    let error: chat_core::Error = error.into();
    (StatusCode::UNPROCESSABLE_ENTITY, Json((&error).into()))
}

/// `POST /users/{from}/messages/{to}`, with the text as the body. A real service would take `from`
/// from its own login.
async fn send(
    State(engine): State<ChatEngine>,
    Path((from, to)): Path<(String, String)>,
    text: String,
) -> Result<Json<Sent>, Refused> {
    let from = UserId::new(from).map_err(refused)?;
    let to = UserId::new(to).map_err(refused)?;
    let room = RoomId::direct(&from, &to).map_err(refused)?;
    let sent = engine
        .actor(from)
        .send(&room, &text)
        .await
        .map_err(refused)?;
    Ok(Json(sent))
}

/// `GET /users/{user}/events`: the user's events, as server-sent events.
async fn events(
    State(engine): State<ChatEngine>,
    Path(user): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Refused> {
    let user = UserId::new(user).map_err(refused)?;
    // The stream owns the session, so the session ends with the browser's connection.
    let session = engine.connect(user).await.map_err(refused)?;
    Ok(Sse::new(stream::unfold(session, async |session| {
        let event: Event = session.next_event().await?;
        let event = SseEvent::default().json_data(&event).unwrap_or_default();
        Some((Ok(event), session))
    })))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = ChatEngine::builder().build()?;
    let service = Router::new()
        .route("/", get(async || "the service that was there before"))
        .route("/users/{from}/messages/{to}", post(send))
        .route("/users/{user}/events", get(events))
        .with_state(engine);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, service).await });

    // Bob's browser receives events; once it has the head of the answer, bob is connected.
    let mut bob = BufReader::new(TcpStream::connect(address).await?);
    bob.write_all(b"GET /users/bob/events HTTP/1.1\r\nhost: example\r\n\r\n")
        .await?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        bob.read_line(&mut line).await?;
    }

    // Alice's browser sends.
    let mut alice = TcpStream::connect(address).await?;
    let request = "POST /users/alice/messages/bob HTTP/1.1\r\nhost: example\r\n\
                   connection: close\r\ncontent-length: 9\r\n\r\nhello bob";
    alice.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    alice.read_to_string(&mut answer).await?;
    println!(
        "alice receives: {}",
        answer.lines().last().unwrap_or_default()
    );

    while !line.contains("hello bob") {
        line.clear();
        bob.read_line(&mut line).await?;
    }
    println!("bob receives: {}", line.trim_end());
    Ok(())
}
