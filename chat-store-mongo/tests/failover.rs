//! A replica set of three that loses its primary while two nodes append.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod common;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_core::{
    EntryBody, NewEntry, Seq,
    port::{AppendError, Retry, RoomStore as _},
    testing::service,
};
use chat_store_mongo::MongoStore;
use common::{append, entry, log, message, new_room, room};
use mongodb::{
    Client,
    bson::{Document, doc},
};
use tempfile::TempDir;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// In less than this there is an answer of some kind.
const PATIENCE: Duration = Duration::from_secs(5);

/// For what the servers need to start, to elect and to come back.
const LONG: Duration = Duration::from_secs(30);

/// Time counts, so one set runs after the other.
static TURN: Mutex<()> = Mutex::const_new(());

/// A set of three with quick elections; its members are killed when this is dropped.
struct Set {
    members: Vec<Member>,
    uri: String,
}

struct Member {
    command: Command,
    process: Child,
    uri: String,
    _folder: TempDir,
}

impl Set {
    async fn start() -> Option<Self> {
        let program = service("MONGOD")?;
        // All are taken before the first is let go, so none comes twice.
        let ports = [(); 3].map(|()| free_port()).map(|(_, port)| port);
        let members = ports.map(|port| Member::start(&program, port));
        let hosts = ports.map(|port| format!("127.0.0.1:{port}"));
        let set = Self {
            members: members.into(),
            uri: format!("mongodb://{}/chat?replicaSet=chat", hosts.join(",")),
        };
        let members = hosts.iter().zip(0..);
        let members: Vec<_> = members
            .map(|(host, at)| doc! { "_id": at, "host": host })
            .collect();
        let settings = doc! {
            "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 200, "heartbeatTimeoutSecs": 2,
        };
        let set_up = doc! { "_id": "chat", "members": members, "settings": settings };
        // Refused until all members answer, and when it was done before.
        let done = async {
            loop {
                set.ask(0, doc! { "replSetInitiate": &set_up }).await;
                let hello = set.ask(0, doc! { "hello": 1 }).await;
                if hello.is_some_and(|it| it.contains_key("setName")) {
                    return;
                }
            }
        };
        timeout(LONG, done).await.unwrap();
        set.primary().await;
        Some(set)
    }

    /// Waits until there is a primary, and gives its place.
    async fn primary(&self) -> usize {
        let found = async {
            loop {
                for at in 0..self.members.len() {
                    let hello = self.ask(at, doc! { "hello": 1 }).await;
                    if hello.is_some_and(|it| it.get_bool("isWritablePrimary").unwrap_or(false)) {
                        return at;
                    }
                }
            }
        };
        timeout(LONG, found).await.unwrap()
    }

    /// Asks one member; `None` when it refuses, or after a moment.
    async fn ask(&self, member: usize, command: Document) -> Option<Document> {
        let asked = async {
            let client = Client::with_uri_str(&self.members[member].uri).await?;
            client.database("admin").run_command(command).await
        };
        let answer = timeout(Duration::from_secs(1), asked).await.ok()?.ok();
        if answer.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        answer
    }
}

/// Below the ports that systems give to outgoing connections: while a member is dead, one of those
/// could take its place.
fn free_port() -> (TcpListener, u16) {
    loop {
        let port = 20_000 + u16::try_from(RandomState::new().hash_one(0) % 12_000).unwrap();
        if let Ok(taken) = TcpListener::bind(("127.0.0.1", port)) {
            return (taken, port);
        }
    }
}

impl Member {
    fn start(program: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command
            .args([
                "--bind_ip",
                "127.0.0.1",
                "--replSet",
                "chat",
                "--nounixsocket",
            ])
            .args(["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            // A secondary that follows a primary that hangs looks for another one after this.
            .args(["--setParameter", "oplogNetworkTimeoutBufferSeconds=1"])
            .args(["--port", &port.to_string()])
            .arg("--dbpath")
            .arg(folder.path())
            .stdout(Stdio::null());
        Self {
            process: command.spawn().unwrap(),
            command,
            uri: format!("mongodb://127.0.0.1:{port}/?directConnection=true"),
            _folder: folder,
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self) {
        self.process = self.command.spawn().unwrap();
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two nodes that append to one room, each a message and an edit of it by turns, until they are
/// stopped. What fails is sent again, as clients do, with the same client message id.
struct Traffic {
    nodes: Vec<tokio::task::JoinHandle<Node>>,
    acked: Arc<[AtomicU64; 2]>,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct Node {
    acked: Vec<(NewEntry, Seq)>,
    failures: usize,
    /// The longest time from one ack to the next.
    stall: Duration,
}

impl Traffic {
    async fn start(uri: &str) -> Self {
        let (acked, stop) = (
            Arc::<[AtomicU64; 2]>::default(),
            Arc::<AtomicBool>::default(),
        );
        let mut nodes = Vec::new();
        for node in 0..2 {
            let store = MongoStore::connect(uri).await.unwrap();
            store.create_room(new_room(room())).await.unwrap();
            let (acked, stop) = (Arc::clone(&acked), Arc::clone(&stop));
            nodes.push(tokio::spawn(async move {
                let mut done = Node::default();
                let count = &acked[usize::from(node == 1)];
                while !stop.load(Ordering::Relaxed) {
                    let number = node * 1_000_000 + done.acked.len() as u64;
                    let new = match done.acked.last() {
                        Some((sent, target)) if number % 2 == 1 => {
                            assert!(matches!(sent.body, EntryBody::Message { .. }));
                            let (target, text) = (*target, format!("edit {target}").into());
                            entry(number, EntryBody::Edit { target, text })
                        }
                        _ => message(number, "hello"),
                    };
                    let seq = send(&store, &new, &mut done).await;
                    done.acked.push((new, seq));
                    count.fetch_add(1, Ordering::Relaxed);
                }
                done
            }));
        }
        let traffic = Self { nodes, acked, stop };
        traffic.goes_on().await;
        traffic
    }

    /// Waits until each node has had ten more acks. More would take long while a member hangs: then
    /// the servers tell each other only twice a second what they have.
    async fn goes_on(&self) {
        let seen = || {
            self.acked
                .each_ref()
                .map(|acked| acked.load(Ordering::Relaxed))
        };
        let before = seen();
        let more = async {
            while seen()
                .iter()
                .zip(before)
                .any(|(now, before)| *now < before + 10)
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let done = timeout(LONG, more).await;
        assert!(done.is_ok(), "no more acks: {before:?}, {:?}", seen());
    }

    /// Stops, and compares what was acked with what is there.
    async fn check(self, set: &Set) {
        self.stop.store(true, Ordering::Relaxed);
        let mut nodes = Vec::new();
        for node in self.nodes {
            nodes.push(timeout(LONG, node).await.unwrap().unwrap());
        }
        let store = MongoStore::connect(&set.uri).await.unwrap();
        let log = log(&store, &room()).await;
        let mut places = HashMap::new();
        for entry in &log {
            let before = places.insert(entry.client_id.clone(), entry.seq);
            assert_eq!(before, None, "twice: {entry:?}");
        }
        let mut acks = 0;
        for node in nodes {
            println!("{} failures, longest stall {:?}", node.failures, node.stall);
            for (sent, seq) in &node.acked {
                acks += 1;
                let kept = log.get(usize::try_from(seq.0 - 1).unwrap());
                let kept = kept.unwrap_or_else(|| panic!("lost: {seq} of {}", log.len()));
                assert_eq!((&kept.client_id, kept.id), (&sent.client_id, sent.id));
                if let EntryBody::Edit { target, text } = &sent.body {
                    let edited = &log[usize::try_from(target.0 - 1).unwrap()].body;
                    assert!(
                        matches!(edited, EntryBody::Message { text: now, .. } if now == text),
                        "{edited:?}"
                    );
                }
            }
        }
        assert_eq!(acks, log.len(), "each entry was acked");
    }
}

/// Sends until it is acked.
async fn send(store: &MongoStore, new: &NewEntry, node: &mut Node) -> Seq {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = append(store, new.clone()).await;
        assert!(
            asked.elapsed() < PATIENCE,
            "{:?}: {answer:?}",
            asked.elapsed()
        );
        match answer {
            Ok(kept) => {
                node.stall = node.stall.max(begun.elapsed());
                return kept.entry.seq;
            }
            Err(AppendError::Backend(error)) => {
                assert_ne!(error.retry, Retry::No, "{error:?}");
                node.failures += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_steps_down_loses_and_doubles_nothing() {
    let _turn = TURN.lock().await;
    let Some(set) = Set::start().await else {
        return;
    };
    let traffic = Traffic::start(&set.uri).await;
    for _ in 0..2 {
        let primary = set.primary().await;
        let down = doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 2 };
        assert!(set.ask(primary, down).await.is_some());
        traffic.goes_on().await;
    }
    traffic.check(&set).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_loses_and_doubles_nothing() {
    let _turn = TURN.lock().await;
    let Some(mut set) = Set::start().await else {
        return;
    };
    let traffic = Traffic::start(&set.uri).await;
    let primary = set.primary().await;
    set.members[primary].kill();
    traffic.goes_on().await;
    set.members[primary].restart();
    traffic.goes_on().await;
    traffic.check(&set).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_and_wakes_up_loses_and_doubles_nothing() {
    let _turn = TURN.lock().await;
    let Some(set) = Set::start().await else {
        return;
    };
    let traffic = Traffic::start(&set.uri).await;
    let primary = set.primary().await;
    set.members[primary].signal("STOP");
    // Another one was elected, and the one that wakes up still believes that it is the primary.
    traffic.goes_on().await;
    set.members[primary].signal("CONT");
    traffic.goes_on().await;
    traffic.check(&set).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_on_old_messages_needs_no_more_than_a_majority_of_the_members() {
    let _turn = TURN.lock().await;
    let Some(mut set) = Set::start().await else {
        return;
    };
    let client = Client::with_uri_str(&set.uri).await.unwrap();
    let messages = client.database("chat").collection("messages");
    // An index of nothing is made at once, whoever is away.
    let old = doc! { "roomId": "alice,bob", "from": "alice", "text": "old" };
    messages.insert_one(old).await.unwrap();
    let primary = set.primary().await;
    set.members[(primary + 1) % 3].kill();
    let started = timeout(PATIENCE, MongoStore::connect(&set.uri)).await;
    started.unwrap().unwrap();
}
