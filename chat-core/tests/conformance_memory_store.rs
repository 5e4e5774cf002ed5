//! The store in memory keeps the contract.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{memory::MemoryStore, port::Store, testing::store::StoreHarness};

#[derive(Default)]
struct Memory(Arc<MemoryStore>);

#[async_trait]
impl StoreHarness for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<MemoryStore>::clone(&self.0)
    }

    async fn reopen(&self) -> bool {
        false
    }
}

#[expect(clippy::unused_async, reason = "the suite awaits it")]
async fn fresh() -> Memory {
    Memory::default()
}

chat_core::store_conformance!(fresh);
