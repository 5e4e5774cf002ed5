//! Blocks between two users, in collection `blocks`. A block stands by being inserted under the names of both.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{
    Block, UserId,
    port::{BackendError, BlockStore},
};
use futures_util::TryStreamExt;
use mongodb::{bson::doc, error::Result as MongoResult};
use tokio::time::sleep;

use crate::{
    block_doc::{BlockDoc, key},
    collections::{AGAIN, Collections, at_most, read, within},
    error::{self, DUPLICATE_KEY},
    store::MongoStore,
};

#[async_trait]
impl BlockStore for MongoStore {
    async fn block(&self, block: Block) -> Result<Block, BackendError> {
        let (all, heads) = (self.collections.clone(), Arc::clone(&self.heads));
        within("block", async move {
            let stands = all.block(BlockDoc::of(block)).await?;
            // An append of this process that has looked for blocks before is waited for.
            drop(heads.lock().await);
            Ok(stands.block())
        })
        .await
    }

    async fn unblock(&self, by: &UserId, user: &UserId) -> Result<Option<Block>, BackendError> {
        let blocks = self.collections.blocks.clone();
        let id = doc! { "_id": key((by, user)) };
        let ended = within(
            "unblock",
            async move { blocks.find_one_and_delete(id).await },
        );
        Ok(ended.await?.map(BlockDoc::block))
    }

    async fn blocks_by(
        &self,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let after = after.map_or("", UserId::as_str);
        let filter = doc! { "by": by.as_str(), "user": { "$gt": after } };
        let blocks = self.collections.blocks.clone();
        let found: Vec<BlockDoc> = read("blocks_by", async move {
            let found = blocks.find(filter).sort(doc! { "user": 1 });
            found.limit(at_most(limit)).await?.try_collect().await
        })
        .await?;
        Ok(found.into_iter().map(BlockDoc::block).collect())
    }

    async fn blocks_of(&self, users: &[UserId], by: &[UserId]) -> Result<Vec<Block>, BackendError> {
        if users.is_empty() || by.is_empty() {
            return Ok(Vec::new());
        }
        let [users, by] = [users, by].map(|names| {
            let names: Vec<_> = names.iter().map(UserId::as_str).collect();
            doc! { "$in": names }
        });
        let blocks = self.collections.blocks.clone();
        let found: Vec<BlockDoc> = read("blocks_of", async move {
            let found = blocks.find(doc! { "by": by, "user": users });
            found.await?.try_collect().await
        })
        .await?;
        Ok(found.into_iter().map(BlockDoc::block).collect())
    }
}

impl Collections {
    /// Stores a block, or reads the one that stands.
    async fn block(&self, block: BlockDoc) -> MongoResult<BlockDoc> {
        let id = doc! { "_id": &block.id };
        loop {
            if let Some(stands) = self.blocks.find_one(id.clone()).await? {
                return Ok(stands);
            }
            match self.blocks.insert_one(&block).await {
                Ok(_) => return Ok(block),
                // The document that has the id may not be at a majority yet.
                Err(taken) if error::code(&taken) == Some(DUPLICATE_KEY) => sleep(AGAIN).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// The blocks with these ids: the user who blocks, and the one who is blocked.
    pub(crate) async fn blocked_pairs(
        &self,
        ids: Vec<String>,
    ) -> MongoResult<Vec<(UserId, UserId)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.blocks.find(doc! { "_id": { "$in": ids } });
        let found: Vec<BlockDoc> = found.await?.try_collect().await?;
        Ok(found.into_iter().map(|it| (it.by, it.user)).collect())
    }
}
