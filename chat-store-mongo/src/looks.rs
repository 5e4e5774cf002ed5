//! The looks of names, in collection `looks`. A look belongs to a user by being inserted as the id of a
//! document.

use async_trait::async_trait;
use chat_core::{
    Look, UserId,
    port::{BackendError, LookStore},
};
use mongodb::{bson::doc, error::Result as MongoResult};
use tokio::time::sleep;

use crate::{
    collections::{AGAIN, Collections, within},
    doc::LookDoc,
    error::{self, DUPLICATE_KEY},
    store::MongoStore,
};

#[async_trait]
impl LookStore for MongoStore {
    async fn claim_look(&self, look: &Look, user: &UserId) -> Result<UserId, BackendError> {
        let (all, look, user) = (self.collections.clone(), look.clone(), user.clone());
        within(
            "claim_look",
            async move { all.claim_look(look, user).await },
        )
        .await
    }
}

impl Collections {
    async fn claim_look(&self, look: Look, user: UserId) -> MongoResult<UserId> {
        let id = doc! { "_id": look.as_str() };
        loop {
            if let Some(holder) = self.looks.find_one(id.clone()).await? {
                return Ok(holder.user);
            }
            let claim = LookDoc {
                look: look.as_str().to_owned(),
                user: user.clone(),
            };
            match self.looks.insert_one(&claim).await {
                Ok(_) => return Ok(user),
                // The document that has the look may not be at a majority yet.
                Err(taken) if error::code(&taken) == Some(DUPLICATE_KEY) => sleep(AGAIN).await,
                Err(error) => return Err(error),
            }
        }
    }
}
