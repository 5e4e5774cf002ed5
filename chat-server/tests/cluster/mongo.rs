//! A database of a test's own: on the common server, or on three servers that can be killed.

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use mongodb::{
    Client,
    bson::{Document, doc},
};

use super::{Daemon, service, until};

/// A database on the common server; it is dropped with this.
pub(crate) struct Database {
    /// The address of the server, with the name of the database.
    pub(crate) uri: String,
    name: String,
}

impl Database {
    /// `None` when tests with MongoDB are to be left out.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = service("MONGODB_URI")?.into_string().unwrap();
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // The number of the process alone may come again.
        let name = format!(
            "chat_nodes_{}_{next}_{:08x}",
            process::id(),
            rand::random::<u32>()
        );
        // With or without a database of its own, and options.
        let (base, options) = server.split_once('?').unwrap_or((&server, ""));
        let (scheme, rest) = base.split_once("://").expect("scheme://...");
        let hosts = rest.split('/').next().unwrap_or(rest);
        let uri = format!("{scheme}://{hosts}/{name}?{options}");
        Some(Self { uri, name })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        // A runtime of its own: this may be inside another one, or after it.
        let dropped = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                let client = Client::with_uri_str(&uri).await.unwrap();
                client.database(&name).drop().await.unwrap();
            });
        });
        drop(dropped.join());
    }
}

/// A replica set of three, with quick elections.
pub(crate) struct ReplicaSet {
    pub(crate) members: Vec<Daemon>,
    pub(crate) uri: String,
}

impl ReplicaSet {
    /// `None` when tests with servers of their own are to be left out.
    pub(crate) async fn start() -> Option<Self> {
        let program = service("MONGOD")?;
        let arguments = |port: u16, files: &std::path::Path| {
            let (port, files) = (port.to_string(), files.display().to_string());
            [
                "--bind_ip",
                "127.0.0.1",
                "--port",
                &port,
                "--dbpath",
                &files,
            ]
            .into_iter()
            .chain(["--replSet", "three", "--wiredTigerCacheSizeGB", "0.25"])
            .chain(["--nounixsocket", "--quiet"])
            .map(str::to_owned)
            .collect()
        };
        let members: Vec<Daemon> = (0..3)
            .map(|_| Daemon::start(program.clone(), arguments))
            .collect();
        let hosts: Vec<String> = members
            .iter()
            .map(|one| one.address().to_string())
            .collect();
        let set = Self {
            uri: format!("mongodb://{}/chat?replicaSet=three", hosts.join(",")),
            members,
        };
        set.answers().await;
        let members: Vec<Document> = (0..)
            .zip(&hosts)
            .map(|(id, host): (i32, _)| doc! { "_id": id, "host": host })
            .collect();
        let settings = doc! { "electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 200 };
        let config = doc! { "_id": "three", "members": members, "settings": settings };
        set.run(0, doc! { "replSetInitiate": config })
            .await
            .expect("initiated");
        set.primary().await;
        Some(set)
    }

    /// Waits until all members answer.
    async fn answers(&self) {
        for at in 0..self.members.len() {
            let answers = async || self.run(at, doc! { "ping": 1 }).await.is_some();
            until("mongod answers", answers).await;
        }
    }

    /// Waits until no member is still recovering: with one that is, another may not be lost.
    pub(crate) async fn whole(&self) {
        for at in 0..self.members.len() {
            let serves = async || {
                let hello = self.run(at, doc! { "hello": 1 }).await;
                let is = |state| {
                    let hello = hello.as_ref();
                    hello.is_some_and(|it| it.get_bool(state).unwrap_or(false))
                };
                is("isWritablePrimary") || is("secondary")
            };
            until("all members serve", serves).await;
        }
    }

    /// Which member takes writes; waits until one does.
    pub(crate) async fn primary(&self) -> usize {
        let mut primary = 0;
        let elected = async || {
            for at in 0..self.members.len() {
                let hello = self.run(at, doc! { "hello": 1 }).await;
                if hello.is_some_and(|it| it.get_bool("isWritablePrimary").unwrap_or(false)) {
                    primary = at;
                    return true;
                }
            }
            false
        };
        until("a primary is elected", elected).await;
        primary
    }

    /// The primary gives way; somebody else is elected.
    pub(crate) async fn step_down(&self) {
        let command = doc! { "replSetStepDown": 2, "secondaryCatchUpPeriodSecs": 1 };
        let primary = self.primary().await;
        until("the primary steps down", async || {
            self.run(primary, command.clone()).await.is_some()
        })
        .await;
    }

    async fn run(&self, member: usize, command: Document) -> Option<Document> {
        let address = self.members[member].address();
        let options = "directConnection=true&serverSelectionTimeoutMS=500&connectTimeoutMS=500";
        let uri = format!("mongodb://{address}/?{options}");
        let client = Client::with_uri_str(uri).await.unwrap();
        client.database("admin").run_command(command).await.ok()
    }
}
