//! Complete backends in the process's own memory: for tests, for one node, and as the reference.

mod store;

pub use store::MemoryStore;
