//! Blocks between two users, in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::model::{Block, UserId};

/// All blocks, by the user who blocks and the one who is blocked.
#[derive(Debug, Default, Clone)]
pub(super) struct Blocks(BTreeMap<UserId, BTreeMap<UserId, Block>>);

impl Blocks {
    /// True if one of the two has blocked the other.
    pub(super) fn between(&self, one: &UserId, other: &UserId) -> bool {
        let blocks = |by, user| {
            self.0
                .get(by)
                .is_some_and(|theirs| theirs.contains_key(user))
        };
        blocks(one, other) || blocks(other, one)
    }

    /// Adds a block unless one stands, and gives the one that stands.
    pub(super) fn add(&mut self, block: Block) -> Block {
        let theirs = self.0.entry(block.by.clone()).or_default();
        theirs.entry(block.user.clone()).or_insert(block).clone()
    }

    /// Ends all blocks by a user, and of them.
    pub(super) fn forget(&mut self, user: &UserId) {
        self.0.remove(user);
        for theirs in self.0.values_mut() {
            theirs.remove(user);
        }
    }

    pub(super) fn end(&mut self, by: &UserId, user: &UserId) -> Option<Block> {
        self.0.get_mut(by)?.remove(user)
    }

    /// A page of the blocks by a user.
    pub(super) fn by(&self, by: &UserId, after: Option<&UserId>, limit: usize) -> Vec<Block> {
        let range = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let theirs = self.0.get(by).into_iter();
        let page = theirs.flat_map(|theirs| theirs.range::<UserId, _>(range));
        page.take(limit).map(|(_, block)| block.clone()).collect()
    }

    /// The blocks of any of `users` by any of `by`.
    pub(super) fn of(&self, users: &[UserId], by: &[UserId]) -> Vec<Block> {
        let users: BTreeSet<&UserId> = users.iter().collect();
        let by: BTreeSet<&UserId> = by.iter().collect();
        let theirs = by.into_iter().filter_map(|by| self.0.get(by));
        let all = theirs.flat_map(BTreeMap::values);
        let chosen = all.filter(|block| users.contains(&block.user));
        chosen.cloned().collect()
    }
}
