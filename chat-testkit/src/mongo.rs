//! MongoDB: a database of a test's own on the common server, and servers and replica sets of its own.

use std::{
    ffi::OsString,
    ops::{Deref, DerefMut},
    time::Duration,
};

use chat_core::{IdGen as _, RandomIds};
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
};
use tokio::time::timeout;

use crate::{Daemon, PATIENCE, service, until};

/// An empty database on the common server. It is dropped with this.
#[derive(Debug)]
pub struct Database {
    /// The address of the server, with the name of the database.
    pub uri: String,
    /// The name of the database.
    pub name: String,
}

impl Database {
    /// `None` when the tests with MongoDB are left out.
    pub fn new() -> Option<Self> {
        let server = service("MONGODB_URI")?;
        let name = format!("chat_test_{}", RandomIds.next().simple());
        // The server may be given with or without a database, and options.
        let (base, options) = server.split_once('?').unwrap_or((&server, ""));
        let (scheme, rest) = base.split_once("://").expect("scheme://...");
        let hosts = rest.split('/').next().unwrap_or(rest);
        let question = if options.is_empty() { "" } else { "?" };
        let uri = format!("{scheme}://{hosts}/{name}{question}{options}");
        Some(Self { uri, name })
    }

    /// The documents themselves.
    pub async fn collection(&self, name: &str) -> Collection<Document> {
        let client = Client::with_uri_str(&self.uri).await.unwrap();
        client.database(&self.name).collection(name)
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

/// A MongoDB server of a test's own.
#[derive(Debug)]
pub struct Mongod(Daemon);

impl Mongod {
    /// Starts one with these options and waits until it answers; `None` when the tests with servers of
    /// their own are left out.
    pub async fn start(options: &[&str]) -> Option<Self> {
        let server = Self::within(&[], options)?;
        server.ready().await;
        Some(server)
    }

    /// Starts one as the arguments of another command, `["unshare", "--mount"]` say, and doesn't wait.
    pub fn within(wrapper: &[&str], options: &[&str]) -> Option<Self> {
        let mongod = service("MONGOD")?;
        let mut command = wrapper.iter().copied().chain([&*mongod]);
        let program = command.next().expect("mongod at least");
        Some(Self(Daemon::start(program, |port, files| {
            let (port, files) = (port.to_string(), files.to_str().unwrap());
            command
                .chain(["--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"])
                .chain(["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"])
                // It costs time and, when it finds no room for it, the process.
                .chain(["--setParameter", "diagnosticDataCollectionEnabled=false"])
                .chain(options.iter().copied())
                .chain(["--port", &port, "--dbpath", files])
                .map(OsString::from)
                .collect()
        })))
    }

    /// Its address, with a database. A login goes before the host: `name:password@`.
    pub fn uri(&self, login: &str) -> String {
        format!("mongodb://{login}{}/chat", self.address())
    }

    /// Waits until it answers.
    pub async fn ready(&self) {
        until("mongod answers", async || {
            self.run(doc! { "hello": 1 }).await.is_some()
        })
        .await;
    }

    /// Runs a command on the database `admin`, without a login; `None` when it refuses, or doesn't answer
    /// within 3 s.
    pub async fn run(&self, command: Document) -> Option<Document> {
        self.run_as("", command).await
    }

    /// The same, with a login: `name:password@`.
    pub async fn run_as(&self, login: &str, command: Document) -> Option<Document> {
        let options = "directConnection=true&serverSelectionTimeoutMS=500&connectTimeoutMS=500";
        let uri = format!("mongodb://{login}{}/?{options}", self.address());
        let client = Client::with_uri_str(uri).await.unwrap();
        let admin = client.database("admin");
        let answer = timeout(Duration::from_secs(3), admin.run_command(command)).await;
        answer.ok()?.ok()
    }
}

impl Deref for Mongod {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Mongod {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}

/// A replica set of three, with quick elections.
#[derive(Debug)]
pub struct ReplicaSet {
    /// Its members, which may be killed.
    pub members: Vec<Mongod>,
    /// Its address, with a database.
    pub uri: String,
}

impl ReplicaSet {
    /// Starts one and waits for a primary; `None` when the tests with servers of their own are left out.
    pub async fn start() -> Option<Self> {
        // A secondary that follows a primary that hangs looks for another one after this.
        let patience = "oplogNetworkTimeoutBufferSeconds=1";
        let options = ["--replSet", "three", "--setParameter", patience];
        let members = (0..3).map(|_| Mongod::within(&[], &options));
        let members: Vec<Mongod> = members.collect::<Option<_>>()?;
        let hosts = members.iter().map(|member| member.address().to_string());
        let hosts: Vec<String> = hosts.collect();
        let set = Self {
            uri: format!("mongodb://{}/chat?replicaSet=three", hosts.join(",")),
            members,
        };
        for member in &set.members {
            member.ready().await;
        }
        let members: Vec<Document> = (0..)
            .zip(&hosts)
            .map(|(id, host): (i32, _)| doc! { "_id": id, "host": host })
            .collect();
        let settings = doc! {
            "electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 200, "heartbeatTimeoutSecs": 2,
        };
        let config = doc! { "_id": "three", "members": members, "settings": settings };
        let admin = Client::with_uri_str(format!("mongodb://{}/?directConnection=true", hosts[0]));
        let admin = admin.await.unwrap().database("admin");
        let initiated = admin.run_command(doc! { "replSetInitiate": config });
        timeout(PATIENCE, initiated).await.unwrap().unwrap();
        set.primary().await;
        Some(set)
    }

    /// Which member takes writes; waits until one does.
    pub async fn primary(&self) -> usize {
        let mut primary = 0;
        until("a primary is elected", async || {
            for (at, member) in self.members.iter().enumerate() {
                if is(member, "isWritablePrimary").await {
                    primary = at;
                    return true;
                }
            }
            false
        })
        .await;
        primary
    }

    /// Waits until no member is still recovering: with one that is, another may not be lost.
    pub async fn whole(&self) {
        for member in &self.members {
            until("all members serve", async || {
                is(member, "isWritablePrimary").await || is(member, "secondary").await
            })
            .await;
        }
    }

    /// The primary gives way, and another one is elected.
    pub async fn step_down(&self) {
        let command = doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 2 };
        let primary = &self.members[self.primary().await];
        until("the primary steps down", async || {
            // The answer to the first one may have been late.
            primary.run(command.clone()).await.is_some() || !is(primary, "isWritablePrimary").await
        })
        .await;
    }
}

/// Whether a member says so of itself.
async fn is(member: &Mongod, state: &str) -> bool {
    let hello = member.run(doc! { "hello": 1 }).await;
    hello.is_some_and(|hello| hello.get_bool(state).unwrap_or(false))
}
