#![doc = include_str!("../README.md")]

mod append;
mod connection;
mod error;
mod group;
mod open;
mod page;
mod readers;
mod row;
mod store;
mod writer;

pub use open::OpenError;
pub use store::SqliteStore;
