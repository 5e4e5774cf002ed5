//! Two people chat inside one process: no server, no network.
//!
//!     cargo run -p examples --example embedded
//!
//! It prints a conversation and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use chat_core::{ChatEngine, EntryBody, Event, LocalSession, Mark, Page, UserId};
use chat_store_sqlite::SqliteStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("chat.db")).await?;
    let engine = ChatEngine::builder().store(store).build()?;

    let alice = engine.connect(UserId::new("alice")?).await?;
    let bob = engine.connect(UserId::new("bob")?).await?;
    let room = alice.open(bob.user()).await?.room.id;

    // When `send` returns, the message is durable.
    let sent = alice.send(&room, "Shall we meet at noon?").await?;
    println!("alice's message is number {} of {room}", sent.seq);

    let Some((author, text)) = next_message(&bob).await else {
        return Ok(());
    };
    println!("bob sees {author}: {text}");
    bob.receipt(&room, Mark::Read, sent.seq).await?;
    bob.typing(&room).await?;
    bob.send(&room, "With pleasure.").await?;

    // Alice receives her own entry, the receipt, the typing notice and the answer, in this order.
    while let Some(event) = alice.next_event().await {
        match event {
            Event::Receipt { user, now, .. } => println!("{user} has read up to {}", now.read),
            Event::Typing { user, active, .. } if active => println!("{user} is typing..."),
            Event::Entry(entry) if entry.author == *bob.user() => break,
            _ => {}
        }
    }

    let page = alice.history(&room, Page::Newest, None).await?;
    println!(
        "the history has {} messages; older ones: {}",
        page.entries.len(),
        page.older
    );
    assert_eq!(page.entries.len(), 2);
    Ok(())
}

async fn next_message(session: &LocalSession) -> Option<(UserId, String)> {
    loop {
        if let Event::Entry(entry) = session.next_event().await?
            && let EntryBody::Message { text, .. } = &entry.body
        {
            return Some((entry.author.clone(), text.to_string()));
        }
    }
}
