#![doc = include_str!("../README.md")]

mod activity;
mod append;
mod block_doc;
mod blocks;
mod collections;
mod connect;
mod decision_doc;
mod decisions;
mod details_doc;
mod doc;
mod effects;
mod erasure;
mod error;
mod inbox;
mod invite_doc;
mod invites;
mod log;
mod looks;
pub mod old;
mod plan;
mod receipts;
mod room_doc;
mod rooms;
mod store;
mod upgrade;
mod upgrade_rooms;

pub use connect::ConnectError;
pub use store::MongoStore;
