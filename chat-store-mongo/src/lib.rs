//! Durable storage for `chat-core` on `MongoDB`: one server, a replica set or a sharded cluster,
//! and as many nodes of the engine on it as it takes.

mod append;
mod connect;
mod doc;
mod effects;
mod error;
pub mod old;
mod plan;
mod store;

pub use connect::ConnectError;
pub use store::MongoStore;
