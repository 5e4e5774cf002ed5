//! The chat server beside a service that is made with another framework than axum: it listens for itself, and
//! the service's own requests use the same engine.
//!
//!     cargo run -p examples --example beside
//!
//! It serves on a free port, does what a request of the service would do, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use chat_cli::{Client, ClientEvent};
use chat_core::{ChatEngine, ClientMessageId, EntryBody, Error, UserId};
use chat_server::Server;
use tokio::{net::TcpListener, sync::oneshot};

/// A request handler of the service, whatever framework calls it: a handle of the engine is cheap to clone, so
/// it can be part of the state that handlers share.
async fn order_shipped(engine: &ChatEngine, customer: &str, order: u32) -> Result<(), Error> {
    let shop = engine.actor(UserId::new("shop")?);
    let room = shop.open(&UserId::new(customer)?).await?.room.id;
    // The same order is announced once, however often the request is repeated.
    let id = ClientMessageId::new(format!("shipped-{order}"))?;
    shop.send_as(&room, &format!("Order {order} is on its way"), id)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = ChatEngine::builder().build()?;
    let chat = Server::builder(engine.clone()).build();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(chat.serve(listener, async move {
        stopped.await.ok();
    }));

    let (carol, mut events) = Client::connect(&url, "carol")?;
    carol.open(&UserId::new("shop")?).await?;
    order_shipped(&engine, "carol", 17).await?;
    order_shipped(&engine, "carol", 17).await?;
    while let Some(event) = events.next().await {
        if let ClientEvent::Entry(entry) = event
            && let EntryBody::Message { text, .. } = &entry.body
        {
            println!("carol reads: {}: {text}", entry.author);
            break;
        }
    }

    drop(carol);
    stop.send(()).ok();
    serving.await??;
    println!("stopped");
    Ok(())
}
