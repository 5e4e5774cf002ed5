//! What `GET /metrics` says of a server to which known things have happened.

use std::{collections::BTreeSet, time::Duration};

use chat_testkit::{Closed, PATIENCE, Server, http, program, until};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

struct Scrape(String);

impl Scrape {
    async fn of(server: &Server) -> Self {
        let (status, head, body) = server.http("GET /metrics", "", "").await;
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4"));
        Self(body)
    }

    /// Scrapes until a figure is as it should be; what clients leave is noticed in a moment.
    async fn when(server: &Server, sample: &str, value: f64) -> Self {
        let waiting = async {
            loop {
                let scrape = Self::of(server).await;
                if scrape.value(sample).to_bits() == value.to_bits() {
                    return scrape;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let scrape = timeout(PATIENCE, waiting).await;
        scrape.unwrap_or_else(|_| panic!("{sample} does not become {value}"))
    }

    /// Each line that is no comment: the name with its labels, and the value.
    fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name, value.parse().unwrap())
        })
    }

    fn value(&self, sample: &str) -> f64 {
        let found = self.samples().find(|(name, _)| *name == sample);
        found.unwrap_or_else(|| panic!("no {sample}")).1
    }

    fn assert(&self, expected: &[(&str, f64)]) {
        let found: Vec<_> = expected
            .iter()
            .map(|(name, _)| (*name, self.value(name)))
            .collect();
        assert_eq!(found, expected);
    }

    /// All counts of a family that are not zero.
    fn counts(&self, family: &str) -> Vec<(&str, f64)> {
        let labelled = self.samples().filter_map(|(name, value)| {
            let label = name.strip_prefix(family)?.strip_prefix('{')?;
            (value > 0.0).then_some((label.split('"').nth(1)?, value))
        });
        labelled.collect()
    }

    /// Name, kind and help text of each family.
    fn families(&self) -> Vec<(&str, &str, &str)> {
        let mut families = Vec::new();
        let mut lines = self.0.lines();
        while let Some(help) = lines.find_map(|line| line.strip_prefix("# HELP ")) {
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let (name, help) = help.split_once(' ').unwrap();
            families.push((name, kind.unwrap().split_once(' ').unwrap().1, help));
        }
        families
    }
}

#[tokio::test]
async fn each_thing_that_happened_is_counted_once() {
    let server = Server::start(&[("resume-max", "3")]).await;
    let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
    let view = alice.ask(json!({ "type": "open", "user": "bob" })).await;
    let (room, epoch) = ("alice,bob", &view["result"]["room"]["epoch"]);
    alice.say(room, "one").await;
    alice.say(room, "two").await;
    let once = json!({ "type": "send", "room": room, "text": "three", "client_id": "c-1" });
    alice.ask(once.clone()).await;
    alice.ask(once).await;
    alice
        .ask(json!({ "type": "edit", "room": room, "target": 1, "text": "ONE" }))
        .await;
    // Not carried out: by the store, by the engine, by the decoder, over HTTP, through Socket.IO.
    for (command, code) in [
        (
            json!({ "type": "delete", "room": room, "target": 99 }),
            "no_message",
        ),
        (
            json!({ "type": "send", "room": room, "text": "war" }),
            "moderated",
        ),
        (json!({ "type": "history", "room": "bob,carol" }), "no_room"),
        (json!({ "type": "jump" }), "unknown_command"),
    ] {
        assert_eq!(alice.ask(command).await["error"]["name"], code);
    }
    assert_eq!(server.http("GET /v1/rooms", "", "").await.0, 401);
    let polling = "/socket.io/?EIO=4&transport=polling";
    let (_, _, opened) = server.http(&format!("GET {polling}"), "", "").await;
    let opened: Value = serde_json::from_str(&opened[1..]).unwrap();
    let mine = format!("{polling}&sid={}", opened["sid"].as_str().unwrap());
    for packet in ["40", r#"42["typing"]"#] {
        server.http(&format!("POST {mine}"), "", packet).await;
    }

    Scrape::when(&server, "chat_refusals_total{code=\"bad_request\"}", 1.0).await;
    drop(bob.socket);
    Scrape::when(&server, "chat_sessions", 1.0).await;
    // Bob comes back from several places; the others have no business there.
    let other = "01980000-0000-7000-8000-000000000000";
    for (user, epoch, seq, event) in [
        ("bob", epoch, 1, "resumed"),
        ("bob", epoch, 4, "resumed"),
        ("bob", epoch, 0, "gap"),
        ("bob", &json!(other), 4, "gap"),
        ("carol", epoch, 4, "closed"),
    ] {
        let cursors = json!([{ "room": room, "epoch": epoch, "seq": seq }]);
        bob = server.resume(user, cursors).await;
        bob.event(event).await;
        drop(bob.socket);
    }

    let scrape = Scrape::when(&server, "chat_sessions", 1.0).await;
    scrape.assert(&[
        ("chat_users", 1.0),
        ("chat_rooms", 1.0),
        ("chat_ack_seconds_count", 5.0),
        ("chat_append_batch_entries_count", 6.0),
        ("chat_append_batch_entries_sum", 6.0),
        ("chat_append_seconds_count", 6.0),
        ("chat_append_queue", 0.0),
        // Four entries, each to one device of both.
        ("chat_fan_out_sessions_count", 4.0),
        ("chat_fan_out_sessions_sum", 8.0),
        ("chat_fan_out_sessions_bucket{le=\"1\"}", 0.0),
        ("chat_fan_out_sessions_bucket{le=\"2\"}", 4.0),
        ("chat_hints_sent_total", 0.0),
        ("chat_store_failing", 0.0),
    ]);
    let appends = [("stored", 4.0), ("duplicate", 1.0), ("refused", 1.0)];
    assert_eq!(scrape.counts("chat_appends_total"), appends);
    let resumes = [
        ("nothing_missed", 1.0),
        ("replayed", 1.0),
        ("gap_too_many", 1.0),
        ("gap_new_epoch", 1.0),
        ("no_room", 1.0),
    ];
    assert_eq!(scrape.counts("chat_resumes_total"), resumes);
    let refusals = [
        ("bad_request", 1.0),
        ("unknown_command", 1.0),
        ("unauthenticated", 1.0),
        ("no_room", 1.0),
        ("no_message", 1.0),
        ("moderated", 1.0),
    ];
    assert_eq!(scrape.counts("chat_refusals_total"), refusals);
    assert_eq!(scrape.counts("chat_connections_closed_total"), []);
    assert_eq!(scrape.counts("chat_store_errors_total"), []);
    let took = scrape.value("chat_ack_seconds_sum");
    assert!(took > 0.0 && took < PATIENCE.as_secs_f64(), "{took}");
    Scrape::when(&server, "chat_outbox_bytes", 0.0).await;
    // Alice, the session of the old protocol, which counts as a connection does, and the scrape itself.
    Scrape::when(&server, "chat_connections", 3.0).await;
}

#[tokio::test]
async fn a_slow_consumer_is_seen_first_in_the_outboxes_and_then_among_the_closed() {
    let settings = [
        ("frame-rate", "100000/1s"),
        ("outbox-bytes", "128KiB"),
        ("write-timeout", "1m"),
    ];
    let server = Server::start(&settings).await;
    let mut bob = server.connect_with_small_buffer("bob").await;
    let mut alice = server.connect("alice").await;
    let room = alice.open("bob").await;
    // Bob reads nothing; this is more than the system's buffers and his outbox can hold.
    let text = "x".repeat(3_900);
    for _ in 0..2_000 {
        alice.say(&room, &text).await;
    }
    let scrape = Scrape::of(&server).await;
    let waiting = scrape.value("chat_outbox_bytes");
    assert!((100e3..140e3).contains(&waiting), "{waiting}");
    assert_eq!(scrape.counts("chat_connections_closed_total"), []);
    assert_eq!(bob.end().await, (None, Closed::With(4001)));
    let scrape = Scrape::when(&server, "chat_outbox_bytes", 0.0).await;
    let closed = scrape.counts("chat_connections_closed_total");
    assert_eq!(closed, [("slow", 1.0)]);
    assert_eq!(scrape.counts("chat_appends_total"), [("stored", 2_000.0)]);
}

#[tokio::test]
async fn a_client_that_is_closed_is_counted_by_the_reason() {
    let server = Server::start(&[("bad-frames", "1"), ("auth-timeout", "100ms")]).await;
    let mut alice = server.connect("alice").await;
    for _ in 0..2 {
        alice.text("{").await;
    }
    assert_eq!(alice.end().await, (Some(100), Closed::With(4500)));
    let mut silent = server.silent().await;
    assert_eq!(silent.end().await, (Some(110), Closed::With(4501)));
    let scrape = Scrape::of(&server).await;
    let closed = [("bad_request", 1.0), ("unauthenticated", 1.0)];
    assert_eq!(scrape.counts("chat_connections_closed_total"), closed);
    let refusals = [("bad_request", 2.0), ("unauthenticated", 1.0)];
    assert_eq!(scrape.counts("chat_refusals_total"), refusals);
    assert!(scrape.value("chat_connections_accepted_total") >= 3.0);
}

/// Dashboards and alerts of others rest on these names.
#[tokio::test]
async fn names_and_kinds_are_those_that_are_documented() {
    let server = Server::start(&[]).await;
    let scrape = Scrape::of(&server).await;
    let families = scrape.families();
    let documented = include_str!("../../../docs/OPERATIONS.md");
    let table = documented.split("## Metrics").nth(1).expect("a chapter");
    let rows: Vec<_> = table
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| `chat_"))
        .collect();
    let expected: Vec<_> = families
        .iter()
        .map(|(name, kind, help)| format!("| `{name}` | {kind} | {help} |"))
        .collect();
    assert_eq!(rows, expected);
    assert!(families.iter().all(|(name, kind, _)| {
        name.starts_with("chat_") && (*kind == "counter") == name.ends_with("_total")
    }));
}

#[tokio::test]
async fn the_dashboard_asks_for_figures_that_are_there_and_for_all_families() {
    let server = Server::start(&[]).await;
    let scrape = Scrape::of(&server).await;
    let samples: BTreeSet<&str> = scrape
        .samples()
        .map(|(name, _)| name.split('{').next().unwrap())
        .collect();
    let dashboard = include_str!("../../../docs/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter();
    let targets = targets.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut asked = BTreeSet::new();
    for target in targets {
        let query = target["expr"].as_str().unwrap();
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<_> = words.filter(|word| word.starts_with("chat_")).collect();
        assert!(!names.is_empty(), "{query}");
        asked.extend(names);
    }
    let unknown: Vec<_> = asked.difference(&samples).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for (name, _, _) in scrape.families() {
        let shown = asked.iter().any(|sample| {
            let part = sample.strip_prefix(name);
            part.is_some_and(|part| ["", "_bucket", "_sum", "_count"].contains(&part))
        });
        assert!(shown, "{name} is not on the dashboard");
    }
}

#[tokio::test]
async fn the_size_of_the_log_beside_a_store_is_a_metric() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--store", "sqlite:./chat.db", "--rate-limit", "off"];
    let server = program::greeted(program::command(folder.path(), &arguments)).await;
    let bytes = async || -> u64 {
        let (_, _, body) = http::ask(server.address, "GET /metrics", "", "").await;
        let mut lines = body.lines();
        let line = lines.find_map(|line| line.strip_prefix("chat_store_log_bytes "));
        line.unwrap().parse().unwrap()
    };
    let file = std::fs::canonicalize(folder.path().join("chat.db-wal")).unwrap();
    until("the log of the start is emptied", async || {
        bytes().await == 0
    })
    .await;
    // As a write does that no checkpoint follows yet.
    let log = std::fs::File::options().append(true).open(&file).unwrap();
    log.set_len(4_096).unwrap();
    assert_eq!(bytes().await, 4_096);
    log.set_len(0).unwrap();
}
