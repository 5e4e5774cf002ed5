//! The versions of the schema, and the migrations between them.

use rusqlite::{Connection, TransactionBehavior};

use crate::connection::number;

/// The application id that marks a file as a store of this crate: "CHAT" in ASCII.
pub(crate) const APPLICATION_ID: i64 = 0x4348_4154;

/// The migrations from each version of the schema to the next. A published one never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
];

/// The schema version that this code reads and writes.
pub(crate) const VERSION: usize = MIGRATIONS.len();

/// Migrates the schema to [`VERSION`]. Each step is applied completely or not at all.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let from = usize::try_from(number(connection, "user_version")?).unwrap_or(0);
    for (version, script) in (1..).zip(MIGRATIONS).skip(from) {
        if from > 0 {
            // With very many entries it takes seconds; ended in the middle, it begins anew.
            tracing::info!(version, "bringing the schema up to date");
        }
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(script)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", version)?;
        step.commit()?;
        tracing::info!(version, "schema brought up to date");
    }
    Ok(())
}
