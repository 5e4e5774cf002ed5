#![doc = include_str!("../README.md")]

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
