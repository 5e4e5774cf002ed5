//! A bot that answers every message to it, built on the reconnecting client.
//!
//!     cargo run -p examples --example bot
//!
//! It starts a server of its own on a free port, has a conversation, and ends. Against a running
//! server, only the address differs.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use chat_cli::{Client, ClientEvent, Events};
use chat_core::{Entry, EntryBody, Mark, UserId};
use chat_server::{
    Server,
    config::Settings,
    start::{Started, start},
};

/// Answers messages until the client is closed.
async fn run(bot: Client, mut events: Events, name: UserId) {
    while let Some(event) = events.next().await {
        let Some((entry, text)) = message(&event) else {
            continue;
        };
        if entry.author == name {
            continue;
        }
        bot.mark(&entry.room, Mark::Read, entry.seq);
        let answer = match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["add", ref numbers @ ..] => {
                let sum: i64 = numbers.iter().filter_map(|n| n.parse::<i64>().ok()).sum();
                format!("That makes {sum}.")
            }
            _ => "I can add: try `add 2 3`.".to_owned(),
        };
        // A refusal by a rate limit says how long to wait.
        if let Err(error) = bot.send(&entry.room, answer).await {
            println!("the bot may not answer: {error}");
        }
    }
}

fn message(event: &ClientEvent) -> Option<(&Entry, &str)> {
    match event {
        ClientEvent::Entry(entry) => match &entry.body {
            EntryBody::Message { text, .. } => Some((entry, text)),
            _ => None,
        },
        _ => None,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::with(&[("listen", "127.0.0.1:0"), ("store", "memory")])?;
    let Started {
        listener, engine, ..
    } = start(&settings).await?;
    let url = format!("http://{}", listener.address()?);
    let server = Server::builder(engine).settings(settings).build();
    tokio::spawn(server.serve(listener, std::future::pending()));

    let name = UserId::new("calculator")?;
    let (bot, mut bot_events) = Client::connect(&url, name.as_str())?;
    // From here on messages come as events; earlier ones are in the history.
    while !matches!(bot_events.next().await, Some(ClientEvent::Connected { .. })) {}
    tokio::spawn(run(bot, bot_events, name.clone()));

    let (alice, mut events) = Client::connect(&url, "alice")?;
    let room = alice.open(&name).await?.room.id;
    for question in ["hello", "add 19 23"] {
        println!("alice: {question}");
        alice.send(&room, question).await?;
        while let Some(event) = events.next().await {
            if let Some((entry, text)) = message(&event)
                && entry.author == name
            {
                println!("{name}: {text}");
                break;
            }
        }
    }
    alice.close().await;
    Ok(())
}
