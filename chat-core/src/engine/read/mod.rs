//! Reading rooms and their logs so that the store is asked as little as can be.

pub(crate) mod blocks;
pub(crate) mod directory;
pub(crate) mod shared_reads;
pub(crate) mod windows;
