//! The engine inside a desktop application, whose pages speak the native protocol with it, without a network.
//!
//!     cargo run -p examples --example desktop
//!
//! It does what two pages would do, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use chat_core::{ChatEngine, Connect, Outbox, Request, Session, UserId};
use chat_store_sqlite::SqliteStore;

/// A command that the page calls with one frame of the protocol.
async fn chat(session: &Session, frame: &str) -> Result<(), serde_json::Error> {
    let request: Request = serde_json::from_str(frame)?;
    session.dispatch(request).await;
    Ok(())
}

/// Hands each frame for the page to `emit`, until there are `enough`. An application goes on for ever.
async fn forward(outbox: Arc<Outbox>, enough: usize, mut emit: impl FnMut(&str)) {
    let (mut frames, mut emitted) = (Vec::new(), 0);
    let mut closed = None;
    while emitted < enough && closed.is_none() {
        closed = outbox.recv_many(&mut frames, 100).await;
        emitted += frames.len();
        frames.drain(..).for_each(|frame| emit(frame.json()));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("chat.db")).await?;
    let engine = ChatEngine::builder().store(store).build()?;
    let outbox = engine.outbox();
    let user = UserId::new("alice")?;
    let transport = Arc::<Outbox>::clone(&outbox);
    let session = engine.connect_with(Connect::new(user), transport).await?;

    chat(&session, r#"{"id":1,"type":"open","user":"bob"}"#).await?;
    chat(
        &session,
        r#"{"id":2,"type":"send","room":"alice,bob","text":"A note for bob"}"#,
    )
    .await?;
    let page = |frame: &str| println!("the page gets {frame}");
    // Two replies, and the entry.
    forward(outbox, 3, page).await;
    engine.close().await;
    Ok(())
}
