//! Complete backends inside the process: for tests, for embedding, and as the reference.

mod store;

pub use store::MemoryStore;
