//! Blocks between two users.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chat_core::{
    Block, UserId, Watermarks,
    port::{BackendError, BlockStore},
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{
    row::{self, at_most},
    store::SqliteStore,
    transaction::Transaction,
};

/// The columns of a block, in the order in which [`block`] reads them.
macro_rules! block_columns {
    () => {
        "by, user, at, last_seen, delivered, read"
    };
}

/// Up to so many pairs of users, blocks are looked for pair by pair.
const PAIRS: usize = 1_000;

/// True if one of two users has blocked the other.
pub(crate) fn between(
    connection: &Connection,
    one: &UserId,
    other: &UserId,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM block WHERE by = ?1 AND user = ?2 \
             UNION ALL SELECT 1 FROM block WHERE by = ?2 AND user = ?1",
        )?
        .exists((one.as_str(), other.as_str()))
}

fn block(found: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block {
        by: row::id(found, 0)?,
        user: row::id(found, 1)?,
        at: row::time(found, 2)?,
        last_seen: row::optional(found, 3, row::time)?,
        watermarks: Watermarks {
            delivered: row::seq(found, 4)?,
            read: row::seq(found, 5)?,
        },
    })
}

/// Reads the block of one user by another.
fn stored(connection: &Connection, by: &str, user: &str) -> rusqlite::Result<Option<Block>> {
    connection
        .prepare_cached(concat!(
            "SELECT ",
            block_columns!(),
            " FROM block WHERE by = ?1 AND user = ?2"
        ))?
        .query_row((by, user), block)
        .optional()
}

#[async_trait]
impl BlockStore for SqliteStore {
    async fn block(&self, block: Block) -> Result<Block, BackendError> {
        let new = block.in_micros();
        let work = move |transaction: &mut Transaction<'_>| {
            let (sql, by, user) = (&transaction.sql, new.by.as_str(), new.user.as_str());
            if let Some(stands) = stored(sql, by, user)? {
                return Ok(stands);
            }
            sql.prepare_cached(concat!(
                "INSERT INTO block (",
                block_columns!(),
                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            ))?
            .execute((
                by,
                user,
                new.at.timestamp_micros(),
                new.last_seen.map(|at| at.timestamp_micros()),
                row::number(new.watermarks.delivered),
                row::number(new.watermarks.read),
            ))?;
            transaction.rooms.forget_block(&new.by, &new.user);
            Ok(new)
        };
        self.writer.submit("block", 1, work).await
    }

    async fn unblock(&self, by: &UserId, user: &UserId) -> Result<Option<Block>, BackendError> {
        let (by, user) = (by.clone(), user.clone());
        let work = move |transaction: &mut Transaction<'_>| {
            let ended = stored(&transaction.sql, by.as_str(), user.as_str())?;
            transaction
                .sql
                .prepare_cached("DELETE FROM block WHERE by = ?1 AND user = ?2")?
                .execute((by.as_str(), user.as_str()))?;
            transaction.rooms.forget_block(&by, &user);
            Ok(ended)
        };
        self.writer.submit("unblock", 1, work).await
    }

    async fn blocks_by(
        &self,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError> {
        let (by, after) = (by.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            let after = after.as_ref().map_or("", UserId::as_str);
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    block_columns!(),
                    " FROM block WHERE by = ?1 AND user > ?2 ORDER BY user LIMIT ?3"
                ))?
                .query_map((by.as_str(), after, at_most(limit)), block)?
                .collect()
        };
        self.readers.read("blocks_by", query).await
    }

    async fn blocks_of(&self, users: &[UserId], by: &[UserId]) -> Result<Vec<Block>, BackendError> {
        let users: BTreeSet<UserId> = users.iter().cloned().collect();
        let by: BTreeSet<UserId> = by.iter().cloned().collect();
        let query = move |snapshot: &Connection| {
            // Of each user only what the other list names, or all that the user has, whichever is less work.
            let few = users.len() * by.len() <= PAIRS;
            let mut blocks = Vec::new();
            if few {
                for (by, user) in by
                    .iter()
                    .flat_map(|by| users.iter().map(move |user| (by, user)))
                {
                    blocks.extend(stored(snapshot, by.as_str(), user.as_str())?);
                }
                return Ok(blocks);
            }
            let (column, fewer) = if users.len() < by.len() {
                ("user", &users)
            } else {
                ("by", &by)
            };
            let select = format!("SELECT {} FROM block WHERE {column} = ?1", block_columns!());
            let mut statement = snapshot.prepare_cached(&select)?;
            for one in fewer {
                for found in statement.query_map([one.as_str()], block)? {
                    let found = found?;
                    if users.contains(&found.user) && by.contains(&found.by) {
                        blocks.push(found);
                    }
                }
            }
            Ok(blocks)
        };
        self.readers.read("blocks_of", query).await
    }
}
