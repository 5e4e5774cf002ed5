//! Servers under load, on which a scenario plays a fault; in the end everything that was seen is judged.

use std::{
    env, fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_testkit::{Database, Node, PATIENCE, Proxy, Redis, ReplicaSet, turn, until};
use futures_util::future::select_all;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::{MutexGuard, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::checker::{
    Fault, Report, check,
    client::{Device, Manner, Phase, Progress, REFUSED_WORD, Run},
    history::History,
    ring::Ring,
};

/// How long a node's users outlive it.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// How large a run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    nodes: usize,
    clients: usize,
    rooms: usize,
    seconds: u64,
    /// Messages a second, of all clients together.
    rate: u64,
    seed: u64,
}

impl Scale {
    fn of_environment() -> Self {
        let variable = |name: &str, default: u64| {
            env::var(name).map_or(default, |text| text.parse().expect("a number"))
        };
        let size = |name: &str, default| usize::try_from(variable(name, default)).unwrap();
        let clients = size("MATRIX_CLIENTS", 24);
        Self {
            nodes: size("MATRIX_NODES", 3),
            clients,
            rooms: size("MATRIX_ROOMS", 6),
            seconds: variable("MATRIX_SECONDS", 4),
            rate: variable("MATRIX_RATE", (clients as u64 * 4).min(500)),
            seed: variable("MATRIX_SEED", 1),
        }
    }

    /// What lasts so long in a run of a minute, and never less than `least`.
    pub(crate) fn part(self, of_a_minute: u64, least: Duration) -> Duration {
        Duration::from_millis(of_a_minute * 1_000 * self.seconds / 60).max(least)
    }

    /// How often something is done that takes so many seconds, and never less than `least`.
    pub(crate) fn rounds(self, seconds: u64, least: usize) -> usize {
        usize::try_from(self.seconds / seconds).unwrap().max(least)
    }

    /// A burst has 3.5 messages on average.
    fn pause(self) -> std::ops::Range<u64> {
        let mean = self.clients as u64 * 3_500 / self.rate.max(1);
        mean / 4..mean * 7 / 4 + 1
    }
}

/// What a scenario needs beside the common servers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// Three MongoDB servers that can be killed.
    pub(crate) replica_set: bool,
    /// A way to Redis for each node that can be cut.
    pub(crate) proxies: bool,
    /// The last node keeps its messages elsewhere: a fault that has to be found.
    pub(crate) stray: bool,
}

enum Store {
    /// Databases on the common server, which are dropped with this.
    Common(#[expect(dead_code, reason = "only kept")] [Database; 2]),
    Own(ReplicaSet),
}

pub(crate) struct Stage {
    scenario: &'static str,
    pub(crate) scale: Scale,
    pub(crate) nodes: Vec<Node>,
    pub(crate) redis: Redis,
    pub(crate) proxies: Vec<Proxy>,
    store: Store,
    circle: Ring,
    run: Arc<Run>,
    phase: watch::Sender<Phase>,
    clients: Vec<String>,
    running: JoinSet<()>,
    pub(crate) outcome: Outcome,
    begun: Instant,
    _turn: MutexGuard<'static, ()>,
}

/// What is measured beside the checker.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The longest wait for an ack before the first fault.
    calm: Option<Duration>,
    /// How many were acked before the fault began that lasts, and while such faults lasted.
    before: u64,
    meanwhile: u64,
    /// The longest time from the end of a fault until every member had every entry.
    pub(crate) converged: Duration,
    /// The longest time from a node's death until all others say that its users are offline.
    pub(crate) gone: Option<Duration>,
    /// How many warnings each node logged.
    warnings: Vec<usize>,
}

impl Outcome {
    /// Fails when a node logged more than a line for each change.
    pub(crate) fn warned_of_changes_only(&self) {
        let warnings = &self.warnings;
        assert!(warnings.iter().all(|many| *many <= 6), "{warnings:?}");
    }

    /// Fails when it took longer than it may after the return of Redis, beside the time that a
    /// message takes on a busy machine without any fault.
    pub(crate) fn converged_in_time(&self) {
        const LIMIT: Duration = Duration::from_secs(5);
        let (took, calm) = (self.converged, self.calm.unwrap_or_default());
        assert!(took <= LIMIT + calm, "{took:?}, {calm:?} without a fault");
    }
}

impl Stage {
    /// `None` when the scenario is to be left out.
    #[expect(clippy::too_many_lines, reason = "one step after the other")]
    pub(crate) async fn set(scenario: &'static str, needs: Needs) -> Option<Self> {
        let turn = turn().await;
        let scale = Scale::of_environment();
        let (store, uri, stray) = if needs.replica_set {
            let set = ReplicaSet::start().await?;
            let uri = set.uri.clone();
            (Store::Own(set), uri.clone(), uri)
        } else {
            let databases = [Database::new()?, Database::new()?];
            let [uri, stray] = [&databases[0], &databases[1]].map(|one| one.uri.clone());
            (Store::Common(databases), uri, stray)
        };
        let redis = Redis::start().await?;
        let (mut nodes, mut proxies) = (Vec::new(), Vec::new());
        for number in 0..scale.nodes {
            let cache = if needs.proxies {
                let proxy = Proxy::to(redis.address()).await;
                let url = format!("redis://{}", proxy.address());
                proxies.push(proxy);
                url
            } else {
                redis.url()
            };
            let uri = if needs.stray && number + 1 == scale.nodes {
                &stray
            } else {
                &uri
            };
            nodes.push(Node::start(&[
                "--store",
                uri,
                "--cache",
                &cache,
                // Never reached, but asked for with every message.
                "--rate-limit",
                "1000000/60s",
                "--frame-rate",
                "10000/1s",
                // All clients come from one address, and all devices of a user may end up on one node.
                "--connections-per-user",
                "1000",
                "--pending-per-ip",
                "1000",
                "--presence-lease",
                "3s",
                "--presence-refresh",
                "1s",
            ]));
        }
        for node in &nodes {
            node.ready().await;
        }
        let circle = Ring::open(nodes[0].address(), scale.rooms).await;
        let (phase, phases) = watch::channel(Phase::Load);
        let run = Arc::new(Run {
            addresses: nodes.iter().map(|node| node.address()).collect(),
            manner: Manner {
                pause: scale.pause(),
                // A node that waits for MongoDB answers nothing for up to 5 s; it isn't dead.
                silence: Duration::from_secs(if needs.replica_set { 10 } else { 2 }),
                gives_up: false,
                may_fail: true,
            },
            phase: phases,
            incarnation: watch::channel(1).1,
            acked: watch::Sender::new(0),
            ops: Mutex::new(Vec::new()),
            progress: watch::Sender::new(vec![Progress::default(); scale.clients + 2]),
            stall: AtomicU64::default(),
        });
        let mut rng = StdRng::seed_from_u64(scale.seed);
        let (mut running, mut clients) = (JoinSet::new(), Vec::new());
        for number in 0..scale.clients {
            let (user, rooms) = (circle.user(number), circle.rooms_of(number));
            let device = Device::new(&run, number, &user, rooms, rng.random());
            running.spawn(device.run());
            clients.push(user);
        }
        // And one who writes where she does not belong, and wants to hear what is said there.
        let rooms = vec![circle.room(0), circle.room(2), circle.group()];
        let mallory = Device::new(&run, scale.clients, "mallory", rooms, rng.random());
        running.spawn(mallory.run());
        clients.push("mallory".to_owned());
        let (crowd, place) = (circle.crowd.clone(), scale.clients + 1);
        running.spawn(crowd.steward(Arc::clone(&run), place, rng.random()));
        let stage = Self {
            scenario,
            scale,
            nodes,
            redis,
            proxies,
            store,
            circle,
            run,
            phase,
            clients,
            running,
            outcome: Outcome::default(),
            begun: Instant::now(),
            _turn: turn,
        };
        // What all do at once when they come is not what they wait for later.
        stage.load(Duration::from_millis(500)).await;
        stage.run.stall.store(0, Ordering::Relaxed);
        stage.load(Duration::from_secs(1)).await;
        Some(stage)
    }

    /// Of a node, and of the others.
    pub(crate) fn addresses(&self, node: usize) -> (SocketAddr, Vec<SocketAddr>) {
        let mut others = self.run.addresses.clone();
        (others.remove(node), others)
    }

    pub(crate) fn replica_set(&mut self) -> &mut ReplicaSet {
        match &mut self.store {
            Store::Own(set) => set,
            Store::Common(_) => panic!("the scenario needs a replica set"),
        }
    }

    /// Goes on for so long, at least until something more is acked.
    pub(crate) async fn load(&self, time: Duration) {
        let acked = self.acked();
        sleep(time).await;
        until("something is acked", async || self.acked() > acked).await;
    }

    fn acked(&self) -> u64 {
        self.run.progress.borrow().iter().map(|one| one.acked).sum()
    }

    /// A fault is about to begin.
    pub(crate) fn fault(&mut self) {
        if self.outcome.calm.is_none() {
            let calm = self.run.stall.swap(0, Ordering::Relaxed);
            self.outcome.calm = Some(Duration::from_micros(calm));
        }
        self.outcome.before = self.acked();
    }

    async fn all_answered(&self) {
        let answered = async || {
            let all = self.run.progress.borrow();
            all.iter().all(|one| one.pending == 0)
        };
        until("every message is answered", answered).await;
    }

    /// Waits until all that was sent by now is answered, while the fault lasts and more is sent.
    pub(crate) async fn answered(&mut self) {
        let sent: Vec<u64> = self
            .run
            .progress
            .borrow()
            .iter()
            .map(|one| one.sent)
            .collect();
        until("what was sent is answered", async || {
            let all = self.run.progress.borrow();
            all.iter().zip(&sent).all(|(one, sent)| one.done >= *sent)
        })
        .await;
        self.outcome.meanwhile += self.acked() - self.outcome.before;
        assert!(
            self.outcome.meanwhile > 0,
            "nothing was sent while the fault lasted"
        );
    }

    /// The fault is over; waits until every member has every entry that is stored by now.
    pub(crate) async fn healed(&mut self) {
        let took = self.converge(PATIENCE).await;
        self.outcome.converged = self.outcome.converged.max(took);
    }

    /// The same, and nothing new is sent meanwhile: no later message on its node brings the last along.
    pub(crate) async fn settled(&mut self) {
        self.phase.send_replace(Phase::Drain);
        self.all_answered().await;
        self.healed().await;
        self.phase.send_replace(Phase::Load);
    }

    /// Fails nothing when it gives up: the checker tells more of what is missing.
    async fn converge(&self, patience: Duration) -> Duration {
        let since = Instant::now();
        // Whichever node answers first: one that was away may have much to do.
        let heads = self.nodes.iter().map(|node| {
            Box::pin(async {
                node.ready().await;
                self.circle.heads(node.address()).await
            })
        });
        let (heads, ..) = select_all(heads).await;
        let converged = || {
            let all = self.run.progress.borrow();
            let mut all = all.iter().zip(&self.clients).take(self.scale.clients);
            all.all(|(one, user)| one.has_all(user, &heads))
        };
        let converging = async {
            while !converged() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        drop(timeout(patience, converging).await);
        let took = since.elapsed();
        for node in &self.nodes {
            node.ready().await;
        }
        took
    }

    /// Lets all come to rest, and judges.
    async fn judge(mut self, patience: Duration) -> Verdict {
        self.phase.send_replace(Phase::Drain);
        self.all_answered().await;
        let took = self.converge(patience).await;
        self.outcome.converged = self.outcome.converged.max(took);
        self.phase.send_replace(Phase::End);
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        let mut views = Vec::new();
        for node in &self.nodes {
            views.extend(self.circle.read(node.address()).await);
        }
        self.outcome.warnings = self.nodes.iter().map(Node::warnings).collect();
        let history = History {
            clients: self.clients,
            refused_word: REFUSED_WORD.to_owned(),
            links_are_final: false,
            rooms: self.circle.rooms,
            ops: std::mem::take(&mut *self.run.ops.lock().unwrap()),
            views,
        };
        let verdict = Verdict {
            scenario: self.scenario,
            report: check(&history),
            outcome: self.outcome,
            stall: Duration::from_micros(self.run.stall.load(Ordering::Relaxed)),
        };
        println!("{verdict}");
        verdict
    }

    /// Lets all come to rest, judges, and fails when a promise is broken.
    pub(crate) async fn end(self) -> Outcome {
        let scale = self.scale;
        let whole = Duration::from_secs(scale.seconds);
        self.load(whole.saturating_sub(self.begun.elapsed())).await;
        let verdict = self.judge(PATIENCE).await;
        let report = &verdict.report;
        assert!(report.faults.is_empty(), "{scale:?}\n{verdict}\n{report}");
        assert!(report.acked > 0 && report.refused > 0, "{report}");
        verdict.outcome
    }

    /// Lets all come to rest, without waiting for what doesn't come; gives what was found.
    pub(crate) async fn found(self) -> Report {
        self.judge(Duration::from_secs(1)).await.report
    }
}

/// A line of the table in `docs/RELIABILITY.md`.
struct Verdict {
    scenario: &'static str,
    report: Report,
    outcome: Outcome,
    stall: Duration,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            report, outcome, ..
        } = self;
        let count = |fault| report.count(fault);
        let (lost, duplicated) = (count(Fault::Lost), count(Fault::Duplicated));
        let gaps = count(Fault::Gap);
        write!(
            f,
            "MATRIX {}: acked {}, lost {lost}, duplicated {duplicated}, gaps {gaps}, other faults {}, \
             unknown {}, longest stall {:.2} s",
            self.scenario,
            report.acked,
            report.faults.len() - lost - duplicated - gaps,
            report.unknown,
            self.stall.as_secs_f64(),
        )?;
        if let Some(calm) = outcome.calm {
            write!(f, " (before it {:.2} s)", calm.as_secs_f64())?;
        }
        write!(
            f,
            ", time to converge {:.2} s",
            outcome.converged.as_secs_f64()
        )?;
        if outcome.meanwhile > 0 {
            write!(f, ", acked meanwhile {}", outcome.meanwhile)?;
        }
        if let Some(gone) = outcome.gone {
            write!(f, ", offline after {:.2} s", gone.as_secs_f64())?;
        }
        write!(f, ", warnings {:?}", outcome.warnings)
    }
}
