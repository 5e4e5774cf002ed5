//! A custom moderator, after the word list that comes with the engine.
//!
//!     cargo run -p examples --example custom_moderator
//!
//! It shows which texts are allowed, masked and refused, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use async_trait::async_trait;
use chat_core::{
    ChatEngine, EntryBody, Page, RoomId, UserId,
    moderation::{Action, FailurePolicy, Link, WordList},
    port::{BackendError, Draft, Moderator, Verdict},
};

/// Refuses texts in capitals. A moderator may also call a service: the engine waits for its answer.
#[derive(Debug)]
struct NoShouting;

#[async_trait]
impl Moderator for NoShouting {
    async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError> {
        let letters = draft.text.chars().filter(|c| c.is_alphabetic());
        let (capitals, all) = letters.fold((0, 0), |(capitals, all), c| {
            (capitals + usize::from(c.is_uppercase()), all + 1)
        });
        Ok(if all > 3 && capitals * 2 > all {
            Verdict::Reject {
                reason: "please don't shout".to_owned(),
            }
        } else {
            Verdict::Allow
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = ChatEngine::builder()
        .moderator(WordList::new(["darn"])?.action(Action::Mask))
        .moderation(Link {
            timeout: Duration::from_millis(200),
            // If the moderator doesn't answer in time, allow the text.
            on_failure: FailurePolicy::Open,
            ..Link::new(NoShouting)
        })
        .build()?;
    let alice = engine.actor(UserId::new("alice")?);
    let room = RoomId::direct(alice.user(), &UserId::new("bob")?)?;

    for text in ["good morning", "d.a.r.n this rain", "GOOD MORNING"] {
        match alice.send(&room, text).await {
            Ok(sent) => println!("{text:?} is message {}", sent.seq),
            Err(error) => println!(
                "{text:?} is refused: {error} (code {})",
                error.code().code()
            ),
        }
    }
    let page = alice.history(&room, Page::Newest, None).await?;
    let texts: Vec<_> = page
        .entries
        .iter()
        .filter_map(|entry| match &entry.body {
            EntryBody::Message { text, .. } => Some(&**text),
            _ => None,
        })
        .collect();
    println!("stored: {texts:?}");
    assert_eq!(texts, ["good morning", "*.*.*.* this rain"]);
    Ok(())
}
