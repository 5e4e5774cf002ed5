//! Complete backends in the process's own memory: for tests, for one node, and as the reference.

mod block_store;
mod blocks;
mod broker;
mod cache;
mod decisions;
mod erasure;
mod inbox;
mod invites;
mod looks;
mod people;
mod store;
mod windows;

pub use broker::{MemoryBroker, MemoryBus};
pub use cache::MemoryCache;
pub use store::MemoryStore;
