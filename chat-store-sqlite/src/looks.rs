//! The looks of names.

use async_trait::async_trait;
use chat_core::{
    Look, UserId,
    port::{BackendError, LookStore},
};

use crate::{row, store::SqliteStore, transaction::Transaction};

#[async_trait]
impl LookStore for SqliteStore {
    async fn claim_look(&self, look: &Look, user: &UserId) -> Result<UserId, BackendError> {
        let (look, user) = (look.clone(), user.clone());
        let work = move |transaction: &mut Transaction<'_>| {
            let (look, user) = (look.as_str(), user.as_str());
            let claim = "INSERT INTO look (look, user) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            transaction
                .sql
                .prepare_cached(claim)?
                .execute((look, user))?;
            transaction
                .sql
                .prepare_cached("SELECT user FROM look WHERE look = ?1")?
                .query_row([look], |found| row::id(found, 0))
        };
        self.writer.submit("claim_look", 1, work).await
    }
}
