//! What an engine counts, and what it logs of a message on its way.

use std::{
    fmt::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_core::{
    ChatEngine, Connect, Outbox, Page, Request, RoomId, Transport, UserId, command,
    metrics::Figures,
    port::{BackendErrorKind, Retry},
    testing::{Fault, Method},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{
    cluster::Cluster,
    common::{direct, next_entry, unlimited, user},
};

fn figures(engine: &ChatEngine, name: &str) -> Figures {
    let family = engine.metrics().into_iter().find(|it| it.name == name);
    family.unwrap_or_else(|| panic!("no {name}")).figures
}

/// A plain figure, or what a label's values add up to.
fn total(engine: &ChatEngine, name: &str) -> u64 {
    match figures(engine, name) {
        Figures::Gauge(value) | Figures::Counter(value) => value,
        Figures::Counters { counts, .. } => counts.iter().map(|(_, count)| count).sum(),
        Figures::Histogram { count, .. } => count,
    }
}

fn counts(engine: &ChatEngine, name: &str) -> Vec<(&'static str, u64)> {
    let Figures::Counters { counts, .. } = figures(engine, name) else {
        panic!("{name} has no label");
    };
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[tokio::test(start_paused = true)]
async fn hints_are_counted_where_they_are_sent_and_where_they_are_heard() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.node(), cluster.node());
    let bob = two.connect(user("bob")).await.unwrap();
    let alice = one.actor(user("alice"));
    alice.send(&direct("alice", "bob"), "hello").await.unwrap();
    next_entry(&bob).await;
    // For her own devices elsewhere, and for his.
    assert_eq!(total(&one, "chat_hints_sent_total"), 2);
    assert_eq!(total(&one, "chat_hints_waiting"), 0);
    assert!(total(&two, "chat_hints_heard_total") >= 1);
    assert_eq!(total(&two, "chat_fan_out_sessions"), 1);
    assert_eq!(total(&two, "chat_sessions"), 1);
    drop(bob);
    assert_eq!(total(&two, "chat_sessions"), 0);
}

#[tokio::test(start_paused = true)]
async fn recent_entries_are_counted_by_where_they_were_found() {
    let cluster = <Cluster>::default();
    let engine = cluster.node();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    alice.send(&room, "hello").await.unwrap();
    let read = async || drop(alice.history(&room, Page::Newest, None).await.unwrap());
    tokio::join!(read(), read(), read());
    tokio::time::sleep(Duration::from_millis(1)).await;
    read().await;
    let found = [("cache", 1), ("other_reader", 2), ("store", 1)];
    assert_eq!(counts(&engine, "chat_window_reads_total"), found);
}

#[tokio::test]
async fn what_the_store_fails_at_is_counted_by_the_kind_of_failure() {
    let cluster = <Cluster>::default();
    let engine = cluster.node();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    alice.send(&room, "hello").await.unwrap();
    let full = Fault::Refuse(BackendErrorKind::Full, Retry::Safe);
    cluster.store.script.next(Method::APPEND, full);
    alice.send(&room, "too much").await.unwrap_err();
    assert_eq!(counts(&engine, "chat_store_errors_total"), [("full", 1)]);
    assert_eq!(total(&engine, "chat_store_failing"), 1);
    let appends = [("stored", 1), ("failed", 1)];
    assert_eq!(counts(&engine, "chat_appends_total"), appends);
    assert_eq!(total(&engine, "chat_ack_seconds"), 1);
}

#[tokio::test]
async fn what_waits_in_outboxes_is_counted_until_it_is_taken_or_dropped() {
    let engine = ChatEngine::builder().config(unlimited()).build().unwrap();
    let (alice, room) = (engine.actor(user("alice")), direct("alice", "bob"));
    let connect = async |name: &str| {
        let outbox = engine.outbox();
        let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
        let connect = Connect::new(user(name));
        (
            engine.connect_with(connect, transport).await.unwrap(),
            outbox,
        )
    };
    let (_one, read) = connect("bob").await;
    let (two, unread) = connect("bob").await;
    alice.send(&room, &"x".repeat(1_000)).await.unwrap();
    alice.send(&room, "a second one").await.unwrap();
    let both = total(&engine, "chat_outbox_bytes");
    assert!((2_000..6_000).contains(&both), "{both}");
    let take = async |outbox: &Outbox, max| outbox.recv_many(&mut Vec::new(), max).await;
    take(&read, 1).await;
    take(&read, 9).await;
    assert_eq!(total(&engine, "chat_outbox_bytes"), both / 2);
    drop((two, unread));
    assert_eq!(total(&engine, "chat_outbox_bytes"), 0);
}

/// Everything that is logged, at whichever level, as `span > span: event`.
#[derive(Clone, Default)]
struct Log(Arc<Logged>);

#[derive(Default)]
struct Logged {
    spans: AtomicU64,
    lines: Mutex<Vec<String>>,
}

impl Log {
    fn line(&self, begun: &str, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(begun.to_owned());
        record(&mut fields);
        self.0.lines.lock().unwrap().push(fields.0);
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.line(span.metadata().name(), |fields| span.record(fields));
        Id::from_u64(self.0.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.line("record", |fields| values.record(fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.line("event", |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_message_can_be_followed_from_command_to_ack_without_its_text() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let engine = ChatEngine::builder().config(unlimited()).build().unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let send = |room: RoomId, text: &str| command::Send {
        room,
        text: text.to_owned(),
        client_id: None,
    };
    let to = |peer: UserId| RoomId::direct(bob.user(), &peer).unwrap();
    for (id, text) in [(1, "a secret"), (2, "")] {
        let command = send(to(user("alice")), text);
        bob.dispatch(Request::new(id, command)).await;
    }
    next_entry(&bob).await;
    let lines = log.0.lines.lock().unwrap();
    for expected in [
        "command user=bob",
        "append user=bob room=alice,bob",
        "store_append entries=1",
        "record seq=1",
        "event message=acked",
        "event message=refused code=\"invalid_text\"",
    ] {
        let found = lines.iter().any(|line| line.starts_with(expected));
        assert!(found, "{expected:?} is not among {lines:#?}");
    }
    let secret = lines.iter().find(|line| line.contains("secret"));
    assert_eq!(secret, None);
}
