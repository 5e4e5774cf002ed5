#![doc = include_str!("../README.md")]

mod connection;
mod error;
mod log;
mod open;
mod readers;
mod receipts;
mod rooms;
mod row;
mod schema;
mod store;
mod transaction;
mod writer;

pub use open::OpenError;
pub use store::SqliteStore;
