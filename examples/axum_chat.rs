//! The chat server inside an existing axum service, with the service's own addresses and its own login.
//!
//!     cargo run -p examples --example axum_chat
//!
//! It serves on a free port, talks to itself as two users would, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use async_trait::async_trait;
use axum::{Router, routing::get};
use chat_cli::{Client, ClientEvent};
use chat_core::{
    ChatEngine, EntryBody, Principal, UserId,
    port::{AuthError, Authenticator, Credential},
};
use chat_server::Server;
use tokio::{net::TcpListener, sync::oneshot};

/// The service's login. A real one would verify a signature or look the token up.
#[derive(Debug)]
struct ServiceLogin;

#[async_trait]
impl Authenticator for ServiceLogin {
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        let token = presented.token.text().ok_or(AuthError::Invalid)?;
        let name = token.strip_prefix("token-of-").ok_or(AuthError::Invalid)?;
        let user = UserId::new(name).map_err(|_| AuthError::Invalid)?;
        Ok(Principal::trusted(user))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Chat at /chat: WebSocket at /chat/v1/ws, REST at /chat/v1/..., old clients at /chat/socket.io/.
    let chat = Server::builder(ChatEngine::builder().build()?)
        .authenticator(ServiceLogin)
        .build();
    let service = Router::new()
        .route("/", get(async || "the service that was there before"))
        .nest("/chat", chat.router());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/chat", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        axum::serve(listener, service)
            .with_graceful_shutdown(async move {
                stopped.await.ok();
                // axum doesn't wait for WebSockets: this closes them, and stores what was accepted.
                chat.stop().await;
            })
            .await
    });

    let (alice, _) = Client::connect(&url, "token-of-alice")?;
    let (bob, mut events) = Client::connect(&url, "token-of-bob")?;
    let room = bob.open(&UserId::new("alice")?).await?.room.id;
    alice.send(&room, "hello bob").await?;
    while let Some(event) = events.next().await {
        if let ClientEvent::Entry(entry) = event
            && let EntryBody::Message { text, .. } = &entry.body
        {
            println!("bob reads: {}: {text}", entry.author);
            break;
        }
    }

    drop((alice, bob));
    stop.send(()).ok();
    serving.await??;
    println!("stopped");
    Ok(())
}
