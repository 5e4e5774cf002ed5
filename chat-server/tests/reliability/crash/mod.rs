//! Kills the real server in mid load, again and again, and looks whether it broke a promise.
//!
//! `CRASH_KILLS` says how often, `CRASH_SEED` makes other random choices. The moments are random
//! whatever the seed; the verdict must not be.

use std::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use chat_testkit::{Node, PATIENCE, turn};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::checker::{
    check,
    client::{self, Device, Manner, Phase, Progress, Run},
    history::History,
    ring::Ring,
};

const USERS: usize = 8;
const DEVICES: usize = 20;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acked_message_survives_kill_9_once_and_in_order() {
    let _turn = turn().await;
    let kills = u32::try_from(variable("CRASH_KILLS", 50)).unwrap();
    let seed = variable("CRASH_SEED", 1);
    println!("CRASH_SEED={seed} CRASH_KILLS={kills}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut server = Node::start(&[
        "--store",
        "sqlite:chat.db",
        "--rate-limit",
        "off",
        // A resume may be long, and clients write as fast as they can.
        "--frame-rate",
        "10000/1s",
    ]);
    server.ready().await;

    let circle = Ring::open(server.address(), USERS).await;
    let (phase, phases) = watch::channel(Phase::Load);
    let (incarnation, incarnations) = watch::channel(1);
    let run = Arc::new(Run {
        addresses: vec![server.address()],
        manner: Manner {
            pause: 10..80,
            silence: PATIENCE,
            gives_up: true,
            may_fail: false,
        },
        phase: phases,
        incarnation: incarnations,
        acked: watch::Sender::new(0),
        ops: Mutex::new(Vec::new()),
        progress: watch::Sender::new(vec![Progress::default(); DEVICES + 2]),
        stall: AtomicU64::default(),
    });
    let mut clients = Vec::new();
    let mut running = JoinSet::new();
    for number in 0..DEVICES {
        let (user, theirs) = (circle.user(number), circle.rooms_of(number));
        let device = Device::new(&run, number, &user, theirs, rng.random());
        running.spawn(device.run());
        clients.push(user);
    }
    // And one who writes where she does not belong, and wants to hear what is said there.
    let theirs = vec![circle.room(0), circle.room(3), circle.group()];
    let device = Device::new(&run, DEVICES, "mallory", theirs, rng.random());
    running.spawn(device.run());
    clients.push("mallory".to_owned());
    let (crowd, place) = (circle.crowd.clone(), DEVICES + 1);
    running.spawn(crowd.steward(Arc::clone(&run), place, rng.random()));

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
        server.kill();
        incarnation.send_replace(current + 1);
        server.restart();
    }

    // With nothing left to answer, nobody else waits for the last restart.
    server.ready().await;
    let drained = settle(&run, &phase, &circle, &clients).await;
    phase.send_replace(Phase::End);
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    // What counts is what a fresh start finds.
    server.kill();
    server.restart();
    server.ready().await;
    let views = circle.read(server.address()).await;
    let history = History {
        clients,
        refused_word: client::REFUSED_WORD.to_owned(),
        links_are_final: true,
        rooms: circle.rooms,
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
    server.warnings();
    // It was worth it.
    let kills = usize::try_from(kills).unwrap();
    assert!(report.acked >= 10 * kills, "too little was acked: {report}");
    assert!(report.refused > 0 && report.abandoned > 0, "{report}");
    assert!(report.unknown >= kills, "too little was cut off: {report}");
    assert!(report.recovered > 0, "no retry found its message: {report}");
}

/// Waits until every message has its answer, and every member every entry; the latter fails no
/// test here, for the checker sees what is missing.
async fn settle(
    run: &Run,
    phase: &watch::Sender<Phase>,
    circle: &Ring,
    clients: &[String],
) -> Duration {
    let since = Instant::now();
    phase.send_replace(Phase::Drain);
    let mut progress = run.progress.subscribe();
    let answered = progress.wait_for(|all| all.iter().all(|one| one.pending == 0));
    drop(timeout(PATIENCE, answered).await.expect("answers").unwrap());
    let heads = circle.heads(run.addresses[0]).await;
    let up_to_date = progress.wait_for(|all| {
        let mut all = all.iter().zip(clients).take(DEVICES);
        all.all(|(one, user)| one.has_all(user, &heads))
    });
    drop(timeout(Duration::from_secs(5), up_to_date).await);
    since.elapsed()
}
