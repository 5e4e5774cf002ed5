//! Plays faults on several nodes under load, and looks whether a promise was broken.
//!
//! Each scenario is a test, and can be run alone. As they are, they are small enough for every change;
//! `docs/RELIABILITY.md` says how to run them at full scale, and what came of it.

mod stage;

use std::{net::SocketAddr, time::Duration};

use chat_testkit::{Client, PATIENCE, Proxy, until};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use self::stage::{LEASE, Needs, Stage};
use crate::checker::Fault;

const SECOND: Duration = Duration::from_secs(1);

const COMMON: Needs = Needs {
    replica_set: false,
    proxies: false,
    stray: false,
};

const REPLICA_SET: Needs = Needs {
    replica_set: true,
    ..COMMON
};

const PROXIES: Needs = Needs {
    proxies: true,
    ..COMMON
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_killed_break_no_promise() {
    let Some(mut stage) = Stage::set("kill -9 of a node", COMMON).await else {
        return;
    };
    for round in 0..stage.scale.rounds(6, 3) {
        let victim = round % stage.nodes.len();
        let (on, others) = stage.addresses(victim);
        let watch = Watch::begin(on, &others).await;
        stage.fault();
        stage.nodes[victim].kill();
        let gone = tokio::spawn(watch.gone(Instant::now()));
        stage.load(SECOND / 4).await;
        stage.nodes[victim].restart();
        stage.healed().await;
        let gone = gone.await.unwrap();
        // The machine may be busy.
        assert!(gone < LEASE + 2 * SECOND, "{gone:?}");
        stage.outcome.gone = stage.outcome.gone.max(Some(gone));
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_stopped_breaks_no_promise_when_it_wakes() {
    let Some(mut stage) = Stage::set("SIGSTOP of a node", COMMON).await else {
        return;
    };
    stage.fault();
    stage.nodes[0].signal("STOP");
    stage.load(stage.scale.part(30, 4 * SECOND)).await;
    stage.nodes[0].signal("CONT");
    stage.healed().await;
    stage.load(SECOND).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_breaks_no_promise() {
    let Some(mut stage) = Stage::set("rolling restart of all nodes", COMMON).await else {
        return;
    };
    for node in 0..stage.nodes.len() {
        stage.fault();
        stage.nodes[node].terminate().await;
        stage.nodes[node].restart();
        stage.healed().await;
        stage.load(stage.scale.part(15, SECOND / 2)).await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_steps_down_breaks_no_promise() {
    let Some(mut stage) = Stage::set("MongoDB primary steps down", REPLICA_SET).await else {
        return;
    };
    for _ in 0..stage.scale.rounds(20, 2) {
        stage.fault();
        stage.replica_set().step_down().await;
        stage.replica_set().primary().await;
        stage.healed().await;
        stage.load(stage.scale.part(15, SECOND)).await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_breaks_no_promise() {
    let Some(mut stage) = Stage::set("kill -9 of the MongoDB primary", REPLICA_SET).await else {
        return;
    };
    for _ in 0..stage.scale.rounds(20, 1) {
        let primary = stage.replica_set().primary().await;
        stage.fault();
        stage.replica_set().members[primary].kill();
        stage.load(stage.scale.part(10, 2 * SECOND)).await;
        stage.replica_set().members[primary].restart();
        stage.replica_set().whole().await;
        stage.healed().await;
        stage.load(stage.scale.part(5, SECOND)).await;
    }
    stage.end().await;
}

/// Everything goes on while Redis is away, and all is made up for soon after it is back.
async fn without_redis(
    scenario: &'static str,
    needs: Needs,
    goes: impl AsyncFnOnce(&mut Stage),
    comes_back: impl AsyncFnOnce(&mut Stage),
) {
    let Some(mut stage) = Stage::set(scenario, needs).await else {
        return;
    };
    stage.fault();
    goes(&mut stage).await;
    stage.load(stage.scale.part(20, 2 * SECOND)).await;
    stage.answered().await;
    // Load goes on over the return: what is on its way then, and what comes next, has to arrive too.
    comes_back(&mut stage).await;
    stage.healed().await;
    stage.load(SECOND).await;
    stage.settled().await;
    let outcome = stage.end().await;
    outcome.converged_in_time();
    outcome.warned_of_changes_only();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_breaks_no_promise() {
    let goes = async |stage: &mut Stage| stage.redis.kill();
    let comes_back = async |stage: &mut Stage| {
        stage.redis.restart();
        stage.redis.ready().await;
    };
    without_redis("kill -9 of Redis", COMMON, goes, comes_back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stalls_breaks_no_promise() {
    let goes = async |stage: &mut Stage| stage.redis.signal("STOP");
    let comes_back = async |stage: &mut Stage| stage.redis.signal("CONT");
    without_redis("SIGSTOP of Redis", COMMON, goes, comes_back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_nobody_reaches_breaks_no_promise() {
    let goes = async |stage: &mut Stage| stage.proxies.iter().for_each(Proxy::hang);
    let comes_back = async |stage: &mut Stage| stage.proxies.iter().for_each(Proxy::heal);
    let scenario = "Redis cut off from all nodes";
    without_redis(scenario, PROXIES, goes, comes_back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_one_node_does_not_reach_breaks_no_promise() {
    let goes = async |stage: &mut Stage| stage.proxies[0].hang();
    let comes_back = async |stage: &mut Stage| stage.proxies[0].heal();
    let scenario = "Redis cut off from one node";
    without_redis(scenario, PROXIES, goes, comes_back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_everything_breaks_no_promise() {
    let Some(mut stage) = Stage::set("FLUSHALL of Redis", COMMON).await else {
        return;
    };
    for _ in 0..stage.scale.rounds(6, 2) {
        stage.fault();
        assert_eq!(stage.redis.command("FLUSHALL"), "+OK");
        stage.healed().await;
        stage.load(stage.scale.part(5, SECOND)).await;
    }
    let outcome = stage.end().await;
    outcome.converged_in_time();
    outcome.warned_of_changes_only();
}

/// The harness itself: a node that goes its own way has to be found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_database_of_its_own_is_found_out() {
    let stray = Needs {
        stray: true,
        ..COMMON
    };
    let Some(stage) = Stage::set("a stray node (faults are right)", stray).await else {
        return;
    };
    let report = stage.found().await;
    for fault in [Fault::Lost, Fault::Divergence, Fault::Unseen] {
        assert!(report.count(fault) > 0, "no {fault:?} found: {report}");
    }
}

/// Users on a node that is about to be killed, and somebody on each other node who asks for them.
struct Watch {
    users: Vec<Client>,
    watchers: Vec<Client>,
}

const WATCHED: [&str; 3] = ["one who goes", "another who goes", "the last who goes"];

impl Watch {
    async fn begin(on: SocketAddr, others: &[SocketAddr]) -> Self {
        let (mut users, mut watchers) = (Vec::new(), Vec::new());
        for user in WATCHED {
            users.push(Client::connect(on, user).await);
        }
        for other in others {
            watchers.push(Client::connect(*other, "watcher").await);
        }
        let mut watch = Self { users, watchers };
        for watcher in &mut watch.watchers {
            // A busy Redis may hear of somebody only with the next renewal.
            until("they are online", async || {
                online(watcher).await == WATCHED.len()
            })
            .await;
        }
        watch
    }

    /// How long it took until they were offline everywhere.
    async fn gone(mut self, since: Instant) -> Duration {
        for watcher in &mut self.watchers {
            let asking = async {
                while online(watcher).await > 0 {
                    sleep(Duration::from_millis(50)).await;
                }
            };
            timeout(PATIENCE, asking).await.expect("they go offline");
        }
        drop(self.users);
        since.elapsed()
    }
}

/// How many of the watched are, or all while a busy Redis can't say.
async fn online(watcher: &mut Client) -> usize {
    let ask = json!({ "type": "presence", "users": WATCHED });
    let Ok(answer) = watcher.try_result(ask).await else {
        return WATCHED.len();
    };
    let users = answer["users"].as_array().unwrap().iter();
    users.filter(|user| user["online"] == true).count()
}
