//! The documents of blocks.

use chat_core::{Block, UserId, Watermarks};
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::doc::{number, seq};

/// A block, in collection `blocks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockDoc {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) by: UserId,
    pub(crate) user: UserId,
    /// The times in microseconds.
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen: Option<i64>,
    delivered: i64,
    read: i64,
}

/// The id of the block of the second user by the first: both names, in which there are no commas.
pub(crate) fn key((by, user): (&UserId, &UserId)) -> String {
    format!("{by},{user}")
}

impl BlockDoc {
    pub(crate) fn of(block: Block) -> Self {
        Self {
            id: key((&block.by, &block.user)),
            by: block.by,
            user: block.user,
            at: block.at.timestamp_micros(),
            last_seen: block.last_seen.map(|at| at.timestamp_micros()),
            delivered: number(block.watermarks.delivered),
            read: number(block.watermarks.read),
        }
    }

    pub(crate) fn block(self) -> Block {
        Block {
            by: self.by,
            user: self.user,
            at: DateTime::from_timestamp_micros(self.at).unwrap_or_default(),
            last_seen: self.last_seen.and_then(DateTime::from_timestamp_micros),
            watermarks: Watermarks {
                delivered: seq(self.delivered),
                read: seq(self.read),
            },
        }
    }
}
