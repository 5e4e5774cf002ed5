//! The part of the store in memory that holds blocks.

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    model::{Block, UserId},
    port::{BackendError, BlockStore},
};

#[async_trait]
impl BlockStore for MemoryStore {
    async fn block(&self, block: Block) -> Result<Block, BackendError> {
        Ok(self.lock().blocks.add(block))
    }

    async fn unblock(&self, by: &UserId, user: &UserId) -> Result<Option<Block>, BackendError> {
        Ok(self.lock().blocks.end(by, user))
    }

    async fn blocks_by(
        &self,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError> {
        Ok(self.lock().blocks.by(by, after, limit))
    }

    async fn blocks_of(&self, users: &[UserId], by: &[UserId]) -> Result<Vec<Block>, BackendError> {
        Ok(self.lock().blocks.of(users, by))
    }
}
