//! Blocks with one thing broken.

use std::slice::from_ref;

use super::*;

impl BrokenStore {
    pub(super) async fn add_block(&self, mut block: Block) -> Result<Block, BackendError> {
        let (by, user) = (block.by.clone(), block.user.clone());
        match self.fault {
            BlockForgetsWhatWasSeen => block.last_seen = None,
            SecondBlockReplaces => drop(self.inner.unblock(&by, &user).await?),
            BlocksAreCheckedThenStored => {
                let before = self.inner.blocks_of(from_ref(&user), from_ref(&by)).await?;
                yield_now().await;
                if before.is_empty() {
                    self.inner.unblock(&by, &user).await?;
                }
            }
            _ => {}
        }
        self.inner.block(block).await
    }

    pub(super) async fn end_block(
        &self,
        by: &UserId,
        user: &UserId,
    ) -> Result<Option<Block>, BackendError> {
        if self.fault == BlocksHaveNoDirection {
            self.inner.unblock(user, by).await?;
        }
        self.inner.unblock(by, user).await
    }

    pub(super) async fn list_blocks(
        &self,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError> {
        let mut blocks = self.inner.blocks_by(by, after, limit).await?;
        match (self.fault, after) {
            (BlocksBeginWithAfter, Some(after)) => {
                let first = self.inner.blocks_of(from_ref(after), from_ref(by)).await?;
                blocks.splice(0..0, first);
                blocks.truncate(limit);
            }
            (BlocksIgnoreCase, _) => blocks.sort_by_key(|it| it.user.as_str().to_lowercase()),
            _ => {}
        }
        Ok(blocks)
    }

    pub(super) async fn find_blocks(
        &self,
        users: &[UserId],
        by: &[UserId],
    ) -> Result<Vec<Block>, BackendError> {
        let mut blocks = self.inner.blocks_of(users, by).await?;
        match self.fault {
            BlocksRepeat => {
                blocks.clear();
                for user in users {
                    blocks.extend(self.inner.blocks_of(from_ref(user), by).await?);
                }
            }
            BlocksAreOfBothDirections => blocks.extend(self.inner.blocks_of(by, users).await?),
            _ => {}
        }
        Ok(blocks)
    }

    /// True if there is a block that forbids an entry.
    pub(super) async fn forbids(&self, new: &NewEntry) -> bool {
        let Some(other) = new.unblocked_with() else {
            return false;
        };
        let both = [new.author.clone(), other];
        !self.inner.blocks_of(&both, &both).await.unwrap().is_empty()
    }

    /// True if there is a block between the two users of a direct room.
    async fn has_block(&self, room: &RoomId) -> bool {
        let Some(both) = room.pair() else {
            return false;
        };
        !self.inner.blocks_of(&both, &both).await.unwrap().is_empty()
    }

    /// True if the author of an entry has blocked the other user.
    async fn overlooks_own(&self, new: &NewEntry) -> bool {
        match new.unblocked_with() {
            Some(other) => {
                let (own, other) = ([new.author.clone()], [other]);
                !self.inner.blocks_of(&other, &own).await.unwrap().is_empty()
            }
            None => false,
        }
    }

    /// Breaks an entry on its way in; an error refuses it.
    pub(super) async fn spoil(&self, new: &mut NewEntry) -> Result<(), AppendError> {
        match self.fault {
            BlocksAreAskedThenStored => {
                if self.forbids(new).await {
                    return Err(AppendError::Blocked);
                }
                yield_now().await;
                new.require = None;
            }
            BlocksForbidDeletions
                if matches!(new.body, EntryBody::Delete { .. })
                    && self.has_block(&new.room).await =>
            {
                return Err(AppendError::Blocked);
            }
            OwnBlocksAreNotAsked if self.overlooks_own(new).await => new.require = None,
            _ => {}
        }
        Ok(())
    }
}
