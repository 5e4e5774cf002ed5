#![doc = include_str!("../README.md")]

mod append;
mod block_doc;
mod blocks;
mod collections;
mod connect;
mod decision_doc;
mod decisions;
mod doc;
mod effects;
mod error;
mod log;
mod looks;
pub mod old;
mod plan;
mod receipts;
mod rooms;
mod store;
mod upgrade;

pub use connect::ConnectError;
pub use store::MongoStore;
