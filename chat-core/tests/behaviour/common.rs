//! Helpers of the behaviour tests: names, engines, and waiting for events.

use std::sync::Arc;

use chat_core::{
    ChatEngine, ClientMessageId, Config, Entry, EntryBody, Event, LocalSession, RoomId, UserId,
};

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn direct(one: &str, other: &str) -> RoomId {
    RoomId::direct(&user(one), &user(other)).unwrap()
}

pub(crate) fn client_id(text: &str) -> ClientMessageId {
    ClientMessageId::new(text).unwrap()
}

/// Settings without limits.
pub(crate) fn unlimited() -> Config {
    Config {
        send_limit: None,
        room_limit: None,
        ..Config::default()
    }
}

/// An engine in memory without a send limit.
pub(crate) fn engine() -> ChatEngine {
    ChatEngine::builder().config(unlimited()).build().unwrap()
}

/// Waits for the next entry, past all other events.
pub(crate) async fn next_entry(session: &LocalSession) -> Arc<Entry> {
    match next_matching(session, |event| matches!(event, Event::Entry(_))).await {
        Event::Entry(entry) => entry,
        _ => unreachable!(),
    }
}

/// Waits for the next event of a kind, past all others.
pub(crate) async fn next_matching(
    session: &LocalSession,
    wanted: impl Fn(&Event) -> bool,
) -> Event {
    loop {
        let event = session.next_event().await.expect("the session is open");
        if wanted(&event) {
            return event;
        }
    }
}

/// The events that are there already.
pub(crate) async fn pending(session: &LocalSession) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = tokio::select! {
        biased;
        event = session.next_event() => event,
        () = std::future::ready(()) => None,
    } {
        events.push(event);
    }
    events
}

pub(crate) fn text(entry: &Arc<Entry>) -> &str {
    match &entry.body {
        EntryBody::Message { text, .. } | EntryBody::Edit { text, .. } => text,
        other => panic!("no text in {other:?}"),
    }
}

pub(crate) fn seqs(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq.0).collect()
}
