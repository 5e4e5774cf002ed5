//! Blocks between two users.

use std::fmt;

use async_trait::async_trait;

use super::BackendError;
use crate::model::{Block, UserId};

/// The blocks of users by others. [`LogStore::append`](super::LogStore::append) asks for them.
#[async_trait]
pub trait BlockStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a block unless one of the same user by the same user stands already, and answers with the one
    /// that stands.
    ///
    /// - It is kept as it was given; times may lose what is below a microsecond.
    /// - Of several calls at once for the same two users, all are answered with the same block.
    async fn block(&self, block: Block) -> Result<Block, BackendError>;

    /// Ends the block of `user` by `by`, and answers with it; `None` if there is none.
    ///
    /// - A block in the other direction stays.
    async fn unblock(&self, by: &UserId, user: &UserId) -> Result<Option<Block>, BackendError>;

    /// The blocks by a user, in ascending order of the names of those who are blocked, from the first one after
    /// `after`, at most `limit`.
    async fn blocks_by(
        &self,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError>;

    /// The blocks of any of these users by any of those in `by`, each once, in no order.
    async fn blocks_of(&self, users: &[UserId], by: &[UserId]) -> Result<Vec<Block>, BackendError>;
}
