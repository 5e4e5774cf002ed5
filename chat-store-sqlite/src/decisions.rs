//! The log of decisions.

use async_trait::async_trait;
use chat_core::{
    ClientMessageId, Decision, Ends, NewDecision, Reason, UserId, Version, Via,
    port::{BackendError, PolicyStore},
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, named_params, types::Type};

use crate::{
    row::{self, at_most, damaged},
    store::SqliteStore,
    transaction::Transaction,
};

/// The columns of a decision, in the order in which [`decision`] reads them.
const COLUMNS: &str = "version, at, author, via, address, reason, client_id, ruling";

impl Transaction<'_> {
    fn decide(&mut self, new: NewDecision) -> rusqlite::Result<Decision> {
        let first = self
            .sql
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM decision WHERE author = ?1 AND client_id = ?2"
            ))?
            .query_row((new.by.as_str(), new.client_id.as_str()), decision)
            .optional()?;
        if let Some(first) = first {
            return Ok(first);
        }
        let decided = new.in_micros().numbered(newest(&self.sql)?.next());
        let what = &decided.what;
        self.sql
            .prepare_cached(&format!(
                "INSERT INTO decision ({COLUMNS}, until, lifts) VALUES (:version, :at, :author, \
                 :via, :address, :reason, :client_id, :ruling, :until, :lifts)"
            ))?
            .execute(named_params! {
                ":version": number(decided.version),
                ":at": decided.at.timestamp_micros(),
                ":author": decided.by.as_str(),
                ":via": decided.via.name(),
                ":address": decided.address.map(|address| address.to_string()),
                ":reason": decided.reason.as_str(),
                ":client_id": decided.client_id.as_str(),
                ":ruling": serde_json::to_string(what)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?,
                ":until": what.end().map(|end| end.timestamp_micros()),
                ":lifts": what.lifts().map(number),
            })?;
        Ok(decided)
    }
}

impl Transaction<'_> {
    /// Calls a user something else in all decisions.
    pub(crate) fn rename(&mut self, user: &UserId, name: &UserId) -> rusqlite::Result<()> {
        let failed =
            |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
        // As it stands in JSON.
        let text = serde_json::to_string(user).map_err(failed)?;
        let found: Vec<Decision> = self
            .sql
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM decision WHERE author = ?1 OR instr(ruling, ?2) > 0"
            ))?
            .query_map((user.as_str(), text.trim_matches('"')), decision)?
            .collect::<rusqlite::Result<_>>()?;
        let mut update = self
            .sql
            .prepare_cached("UPDATE decision SET author = ?2, ruling = ?3 WHERE version = ?1")?;
        for found in found {
            let renamed = found.clone().renamed(user, name);
            if renamed != found {
                let ruling = serde_json::to_string(&renamed.what).map_err(failed)?;
                update.execute((number(renamed.version), renamed.by.as_str(), ruling))?;
            }
        }
        Ok(())
    }

    /// Removes old decisions of those after this version, as many at a time as delay nobody; returns where the
    /// next ones begin, `None` after the last ones.
    ///
    /// It reads only up to the first young decision: reading them all would fill the cache of the writer. Those
    /// of a clock that was ahead don't end it.
    fn forget(&mut self, before: i64, now: i64, after: i64) -> rusqlite::Result<Option<i64>> {
        const PORTION: i64 = 5_000;
        let newest = number(newest(&self.sql)?);
        let upto = newest.min(after.saturating_add(PORTION + 1));
        let young = self
            .sql
            .prepare_cached(
                "SELECT version FROM decision WHERE version > ?1 AND version < ?2 AND at BETWEEN ?3 AND ?4 \
                 ORDER BY version LIMIT 1",
            )?
            .query_row((after, upto, before, now), |row| row.get(0))
            .optional()?;
        let end = young.unwrap_or(upto);
        self.sql
            .prepare_cached(
                "DELETE FROM decision WHERE at < ?1 AND version > ?4 AND version < ?2 \
                 AND lifts IS NULL AND (until IS NULL OR until <= ?3 OR EXISTS \
                 (SELECT 1 FROM decision AS later \
                  WHERE later.lifts = decision.version AND later.version > decision.version))",
            )?
            .execute((before, end, now, after))?;
        if young.is_none() && end < newest {
            return Ok(Some(end - 1));
        }
        self.sql
            .prepare_cached(
                "DELETE FROM decision WHERE at < ?1 AND version < ?2 AND lifts IS NOT NULL \
                 AND NOT EXISTS (SELECT 1 FROM decision AS lifted \
                 WHERE lifted.version = decision.lifts)",
            )?
            .execute((before, end))?;
        Ok(None)
    }
}

/// Converts a version to a column; one above the highest storable one becomes that one.
fn number(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}

fn newest(connection: &Connection) -> rusqlite::Result<Version> {
    connection
        .prepare_cached("SELECT ifnull(max(version), 0) FROM decision")?
        .query_row((), |found| version(found, 0))
}

fn version(row: &Row<'_>, column: usize) -> rusqlite::Result<Version> {
    row::seq(row, column).map(|number| Version(number.0))
}

fn decision(row: &Row<'_>) -> rusqlite::Result<Decision> {
    let via: String = row.get(3)?;
    let address = row.get::<_, Option<String>>(4)?;
    let ruling: String = row.get(7)?;
    Ok(Decision {
        version: version(row, 0)?,
        at: row::time(row, 1)?,
        by: row::id(row, 2)?,
        via: Via::from_name(&via)
            .ok_or("an unknown way")
            .map_err(damaged(3, Type::Text))?,
        address: address
            .map(|address| address.parse())
            .transpose()
            .map_err(damaged(4, Type::Text))?,
        reason: row::id::<Reason>(row, 5)?,
        client_id: row::id::<ClientMessageId>(row, 6)?,
        what: serde_json::from_str(&ruling).map_err(damaged(7, Type::Text))?,
    })
}

#[async_trait]
impl PolicyStore for SqliteStore {
    async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError> {
        let work = |transaction: &mut Transaction<'_>| transaction.decide(new);
        self.writer.submit("decide", 1, work).await
    }

    async fn decisions(&self, after: Version, limit: usize) -> Result<Vec<Decision>, BackendError> {
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM decision WHERE version > ?1 ORDER BY version LIMIT ?2"
                ))?
                .query_map((number(after), at_most(limit)), decision)?
                .collect()
        };
        self.readers.read("decisions", query).await
    }

    async fn newest_decision(&self) -> Result<Version, BackendError> {
        self.readers.read("newest_decision", newest).await
    }

    async fn forget_decisions(
        &self,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BackendError> {
        let (before, now) = (before.timestamp_micros(), now.timestamp_micros());
        let mut next = Some(0);
        while let Some(after) = next {
            let work =
                move |transaction: &mut Transaction<'_>| transaction.forget(before, now, after);
            next = self.writer.submit("forget_decisions", 1, work).await?;
        }
        Ok(())
    }

    async fn in_force(&self, after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError> {
        let after = (after.at.timestamp_micros(), number(after.version));
        let query = move |snapshot: &Connection| {
            let found = snapshot
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM decision \
                     WHERE until IS NOT NULL AND (until, version) > (?1, ?2) AND NOT EXISTS \
                     (SELECT 1 FROM decision AS later \
                      WHERE later.lifts = decision.version AND later.version > decision.version) \
                     ORDER BY until, version LIMIT ?3"
                ))?
                .query_map((after.0, after.1, at_most(limit)), decision)?
                .collect();
            // All of it is read once, at the start; the memory for its pages is given back.
            snapshot.execute_batch("PRAGMA shrink_memory")?;
            found
        };
        self.readers.read("in_force", query).await
    }
}
