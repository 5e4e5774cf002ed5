//! The versions of the schema.

use rusqlite::{Connection, TransactionBehavior};

use crate::connection::number;

/// Marks a file as ours: "CHAT" in ASCII.
pub(crate) const APPLICATION_ID: i64 = 0x4348_4154;

/// The steps from one version of the schema to the next; a published one never changes.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema_2.sql")];

/// The version that this code reads and writes.
pub(crate) const VERSION: usize = MIGRATIONS.len();

/// Brings the schema up to [`VERSION`], each step whole or not at all.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let from = usize::try_from(number(connection, "user_version")?).unwrap_or(0);
    for (version, script) in (1..).zip(MIGRATIONS).skip(from) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(script)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", version)?;
        step.commit()?;
        tracing::info!(version, "schema brought up to date");
    }
    Ok(())
}
