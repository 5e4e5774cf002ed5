//! The looks of names in memory.

use std::sync::PoisonError;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    model::{Look, UserId},
    port::{BackendError, LookStore},
};

#[async_trait]
impl LookStore for MemoryStore {
    async fn claim_look(&self, look: &Look, user: &UserId) -> Result<UserId, BackendError> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = looks.entry(look.clone()).or_insert_with(|| user.clone());
        Ok(holder.clone())
    }
}
