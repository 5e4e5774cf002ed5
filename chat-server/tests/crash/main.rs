//! Kills the real server in mid load, again and again, and looks whether it broke a promise.
//!
//! `CRASH_KILLS` says how often, `CRASH_SEED` makes other random choices. The moments are random
//! whatever the seed; the verdict must not be.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod checker;

mod checker_tests;
mod client;
mod corruptions;
mod history;
mod model;
mod server;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use self::{
    checker::check,
    client::{Device, PATIENCE, Phase, Progress, Reader, Run, entry, marks, string},
    history::{History, Room, View},
    server::Server,
};

/// Users in a ring; each writes in a room with either neighbour.
const USERS: usize = 8;
const DEVICES: usize = 20;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn user(number: usize) -> String {
    format!("user{}", number % USERS)
}

fn room(number: usize) -> String {
    let mut pair = [user(number), user(number + 1)];
    pair.sort();
    pair.join(",")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acked_message_survives_kill_9_once_and_in_order() {
    let kills = u32::try_from(variable("CRASH_KILLS", 50)).unwrap();
    let seed = variable("CRASH_SEED", 1);
    println!("CRASH_SEED={seed} CRASH_KILLS={kills}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut server = Server::start();

    let rooms = make_rooms(&server).await;
    let (phase, phases) = watch::channel(Phase::Load);
    let (incarnation, incarnations) = watch::channel(1);
    let run = Arc::new(Run {
        address: server.address,
        phase: phases,
        incarnation: incarnations,
        acked: watch::Sender::new(0),
        ops: Mutex::new(Vec::new()),
        progress: watch::Sender::new(vec![Progress::default(); DEVICES + 1]),
    });
    let named = |number| (room(number), rooms[&room(number)].epoch.clone());
    let mut clients = Vec::new();
    let mut running = JoinSet::new();
    for number in 0..DEVICES {
        let theirs = vec![named(number % USERS), named(number % USERS + USERS - 1)];
        let device = Device::new(&run, number, &user(number), theirs, rng.random());
        running.spawn(device.run());
        clients.push(user(number));
    }
    // And one who writes where she does not belong, and wants to hear what is said there.
    let theirs = vec![named(0), named(3)];
    let device = Device::new(&run, DEVICES, "mallory", theirs, rng.random());
    running.spawn(device.run());
    clients.push("mallory".to_owned());

    let mut acked = run.acked.subscribe();
    let mut recoveries = Vec::new();
    let mut killed_at = None;
    for killed in 0..kills {
        let current = *incarnation.borrow();
        // Some kills hit a server that is just starting.
        if killed % 4 == 3 {
            sleep(Duration::from_millis(rng.random_range(0..150))).await;
        } else {
            let first_ack = acked.wait_for(|acked| *acked >= current);
            timeout(PATIENCE, first_ack).await.expect("an ack").unwrap();
            recoveries.extend(killed_at.map(|at: Instant| at.elapsed()));
            sleep(Duration::from_millis(rng.random_range(20..150))).await;
        }
        killed_at = Some(Instant::now());
        server.kill().await;
        incarnation.send_replace(current + 1);
        server.restart();
    }

    let drained = settle(&run, &phase, &rooms).await;
    phase.send_replace(Phase::End);
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    // What counts is what a fresh start finds.
    server.kill().await;
    server.restart();
    let views = read_all(&server, &rooms).await;
    let history = History {
        clients,
        refused_word: client::REFUSED_WORD.to_owned(),
        rooms,
        ops: std::mem::take(&mut *run.ops.lock().unwrap()),
        views,
    };
    let report = check(&history);
    recoveries.sort();
    println!(
        "{kills} kills; from SIGKILL to the first ack: median {:?}, longest {:?}; drained in {drained:?}\n{report}",
        recoveries.get(recoveries.len() / 2),
        recoveries.last(),
    );
    assert!(report.faults.is_empty(), "CRASH_SEED={seed}\n{report}");
    let said = server.said();
    assert!(!said.contains("panicked"), "{said}");
    // It was worth it.
    let kills = usize::try_from(kills).unwrap();
    assert!(report.acked >= 10 * kills, "too little was acked: {report}");
    assert!(report.refused > 0 && report.abandoned > 0, "{report}");
    assert!(report.unknown >= kills, "too little was cut off: {report}");
    assert!(report.recovered > 0, "no retry found its message: {report}");
}

/// Opens the rooms of the ring, so that there are cursors from the first message on.
async fn make_rooms(server: &Server) -> BTreeMap<String, Room> {
    let mut rooms = BTreeMap::new();
    for number in 0..USERS {
        let mut reader = Reader::connect(server.address, &user(number)).await;
        let view = reader
            .ask(json!({ "type": "open", "user": user(number + 1) }))
            .await;
        let made = Room {
            members: vec![user(number), user(number + 1)],
            epoch: string(&view["room"]["epoch"]),
        };
        rooms.insert(string(&view["room"]["id"]), made);
    }
    rooms
}

/// Waits until every message has its answer, and every member every entry; the latter fails no
/// test here, for the checker sees what is missing.
async fn settle(
    run: &Run,
    phase: &watch::Sender<Phase>,
    rooms: &BTreeMap<String, Room>,
) -> Duration {
    let since = Instant::now();
    phase.send_replace(Phase::Drain);
    let mut progress = run.progress.subscribe();
    let answered = progress.wait_for(|all| all.iter().all(|one| one.pending == 0));
    drop(timeout(PATIENCE, answered).await.expect("answers").unwrap());
    let mut heads = BTreeMap::new();
    for (name, room) in rooms {
        let mut reader = Reader::connect(run.address, &room.members[0]).await;
        let view = reader
            .ask(json!({ "type": "open", "user": room.members[1] }))
            .await;
        heads.insert(name, view["room"]["head"].as_u64().unwrap());
    }
    let up_to_date = progress.wait_for(|all| {
        let members = all.iter().take(DEVICES);
        members
            .flat_map(|one| &one.seen)
            .all(|(room, seen)| *seen >= heads[room])
    });
    drop(timeout(Duration::from_secs(5), up_to_date).await);
    since.elapsed()
}

/// Every room as each of its members reads it, page by page.
async fn read_all(server: &Server, rooms: &BTreeMap<String, Room>) -> Vec<View> {
    let mut views = Vec::new();
    for (name, room) in rooms {
        for (member, peer) in [(0, 1), (1, 0)] {
            let mut reader = Reader::connect(server.address, &room.members[member]).await;
            let open = json!({ "type": "open", "user": room.members[peer] });
            let view = reader.ask(open).await;
            let mut lines = Vec::new();
            let mut epoch = string(&view["room"]["epoch"]);
            loop {
                let after = lines.last().map_or(0, |line: &history::Line| line.seq);
                let ask = json!({
                    "type": "history", "room": name, "page": { "after": after }, "limit": 200,
                });
                let page = reader.ask(ask).await;
                if page["epoch"] != *epoch {
                    epoch.push_str(", and another in its history");
                }
                let entries = page["entries"].as_array().unwrap();
                lines.extend(entries.iter().map(|line| entry(line).1));
                if page["newer"] == false {
                    break;
                }
                assert!(!entries.is_empty(), "an empty page with more after it");
            }
            let members = view["members"].as_array().unwrap().iter();
            views.push(View {
                room: name.clone(),
                epoch,
                lines,
                marks: members
                    .map(|member| (string(&member["user"]), marks(member)))
                    .collect(),
            });
        }
    }
    views
}
