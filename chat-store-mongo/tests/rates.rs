//! How many messages a second are acknowledged; run by hand, optimized.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod common;

use std::{sync::Arc, time::Duration};

use chat_core::{ChatEngine, Config, RoomId};
use common::{Database, user};
use tokio::time::Instant;

const TASKS: u64 = 64;
const TIME: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of half a minute"]
async fn acknowledged_messages_a_second() {
    for rooms in [1, 16, 64] {
        for nodes in [1, 2] {
            let Some(database) = Database::new() else {
                return;
            };
            let mut engines = Vec::new();
            for _ in 0..nodes {
                let config = Config {
                    send_limit: None,
                    ..Config::default()
                };
                let builder = ChatEngine::builder().config(config);
                engines.push(Arc::new(
                    builder.store(database.connect().await).build().unwrap(),
                ));
            }
            let end = Instant::now() + TIME;
            let tasks = (0..TASKS).map(|task| {
                let engine = Arc::clone(&engines[usize::try_from(task % nodes).unwrap()]);
                let (pair, text) = (task % rooms, "x".repeat(100));
                tokio::spawn(async move {
                    let (one, other) = (user(&format!("a{pair}")), user(&format!("b{pair}")));
                    let actor = engine.actor(one.clone());
                    actor.open(&other).await.unwrap();
                    let room = RoomId::direct(&one, &other).unwrap();
                    let mut waits = Vec::new();
                    while Instant::now() < end {
                        let start = Instant::now();
                        actor.send(&room, &text).await.unwrap();
                        waits.push(start.elapsed());
                    }
                    waits
                })
            });
            let mut waits = Vec::new();
            for task in tasks.collect::<Vec<_>>() {
                waits.extend(task.await.unwrap());
            }
            waits.sort_unstable();
            let at = |percent: usize| waits[waits.len() * percent / 100];
            let rate = waits.len() as u64 / TIME.as_secs();
            let (half, most) = (at(50), at(99));
            println!("{nodes} nodes, {rooms} rooms: {rate}/s, p50 {half:.1?}, p99 {most:.1?}");
        }
    }
}
