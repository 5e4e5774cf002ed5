#![doc = include_str!("../README.md")]

mod blocks;
mod connection;
mod copy;
mod decisions;
mod doctor;
mod erasure;
mod error;
mod inbox;
mod invites;
mod lock;
mod log;
mod log_mark;
mod looks;
mod open;
mod open_error;
mod readers;
mod receipts;
mod rooms;
mod row;
mod schema;
mod store;
mod transaction;
mod writer;

pub use copy::{CopyError, Progress, backup, restore};
pub use doctor::{Finding, examine};
pub use open_error::OpenError;
pub use store::SqliteStore;
