//! What the tests of this workspace start and stop: real databases, real servers, proxies between
//! them, and a client of the native protocol.
//!
//! A test against a server inside the test's own process takes three lines:
//!
//! ```
//! # #[cfg(feature = "server")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use chat_testkit::Server;
//!
//! let server = Server::start(&[("rate-limit", "2/60s")]).await;
//! let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
//! let room = alice.open("bob").await;
//! assert_eq!(alice.say(&room, "hello").await, 1);
//! assert_eq!(bob.hear().await, "hello");
//! # }
//! # #[cfg(not(feature = "server"))]
//! # fn main() {}
//! ```
//!
//! | what a test needs | what gives it |
//! |---|---|
//! | a server inside the test | [`Server`], with the feature `server` |
//! | a server to kill and start again | [`Node`] |
//! | the program's output and exit code | [`program`] |
//! | a database on the common MongoDB | [`Database`], with the feature `mongo` |
//! | MongoDB servers to kill | [`Mongod`] and [`ReplicaSet`], with the feature `mongo` |
//! | Redis servers to kill | [`Redis`] and [`RedisCluster`] |
//! | a connection that breaks, hangs or is slow | [`Proxy`] |
//! | a device of a user | [`Client`] |
//! | tokens that end | [`DatedLogin`] |
//! | HTTP, byte by byte | [`http`] |
//! | a part of the test in a process of its own | [`child`] |
//! | entries for a store | [`log`] |
//!
//! What is not on the machine leaves its tests out, with a line that says so: see [`service`].
//! Every server listens on a port of its own ([`free_port`]), keeps its files in a folder of its own,
//! and is killed when it is dropped. A test whose timing counts takes its [`turn`] first.
//!
//! All of this panics when something goes wrong, as tests do.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

pub mod child;
mod client;
mod daemon;
mod dated;
pub mod http;
pub mod log;
#[cfg(feature = "mongo")]
mod mongo;
mod node;
mod port;
pub mod program;
mod proxy;
mod redis;
#[cfg(feature = "server")]
mod server;
mod wait;

pub use chat_core::testing::service;

pub use client::{Client, Closed};
pub use daemon::{Daemon, signal};
pub use dated::DatedLogin;
#[cfg(feature = "mongo")]
pub use mongo::{Database, Mongod, ReplicaSet};
pub use node::Node;
pub use port::free_port;
pub use proxy::Proxy;
pub use redis::{Redis, RedisCluster};
#[cfg(feature = "server")]
pub use server::Server;
pub use wait::{PATIENCE, turn, until};
