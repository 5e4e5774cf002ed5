//! Invitations, in collection `invites`.

use async_trait::async_trait;
use chat_core::{
    Invite, InviteId, InviteToken, RoomId,
    port::{BackendError, InviteStore},
};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use mongodb::{bson::doc, error::Result as MongoResult, options::ReturnDocument};

use crate::{
    collections::{at_most, read, within},
    error::{self, DUPLICATE_KEY, Taken},
    invite_doc::InviteDoc,
    store::MongoStore,
};

#[async_trait]
impl InviteStore for MongoStore {
    async fn add_invite(&self, invite: Invite) -> Result<(), BackendError> {
        let all = self.collections.clone();
        within("add_invite", async move {
            match all.invites.insert_one(InviteDoc::of(invite)).await {
                Err(error) if is_known(&error) => Ok(()),
                added => added.map(drop),
            }
        })
        .await
    }

    async fn invite(&self, token: &InviteToken) -> Result<Option<Invite>, BackendError> {
        let (all, token) = (self.collections.clone(), token.clone());
        read("invite", async move {
            let found = all.invites.find_one(doc! { "token": token.as_str() });
            Ok(found.await?.map(InviteDoc::invite))
        })
        .await
    }

    async fn invites(
        &self,
        room: &RoomId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, room) = (self.collections.clone(), room.clone());
        let after = after.map_or_else(String::new, |id| id.to_string());
        read("invites", async move {
            let found = all
                .invites
                .find(doc! { "roomId": room.as_str(), "_id": { "$gt": after } })
                .sort(doc! { "_id": 1 })
                .limit(at_most(limit))
                .await?;
            let found: Vec<InviteDoc> = found.try_collect().await?;
            Ok(found.into_iter().map(InviteDoc::invite).collect())
        })
        .await
    }

    async fn remove_invite(&self, room: &RoomId, id: InviteId) -> Result<bool, BackendError> {
        let (all, room) = (self.collections.clone(), room.clone());
        within("remove_invite", async move {
            let invite = doc! { "_id": id.to_string(), "roomId": room.as_str() };
            let removed = all.invites.delete_one(invite).await?;
            Ok(removed.deleted_count > 0)
        })
        .await
    }

    async fn use_invite(
        &self,
        token: &InviteToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Invite>, BackendError> {
        let (all, token) = (self.collections.clone(), token.clone());
        within("use_invite", async move {
            // A comparison with a number leaves out what has none.
            let open = doc! {
                "token": token.as_str(),
                "usesLeft": { "$not": { "$lte": 0 } },
                "expiresAt": { "$not": { "$lte": now.timestamp_micros() } },
            };
            let limited = doc! { "$gt": ["$usesLeft", null] };
            let left = doc! { "$subtract": ["$usesLeft", 1] };
            let used = doc! { "$set": { "usesLeft": { "$cond": [limited, left, "$$REMOVE"] } } };
            let used = all
                .invites
                .find_one_and_update(open, vec![used])
                .return_document(ReturnDocument::After);
            Ok(used.await?.map(InviteDoc::invite))
        })
        .await
    }

    async fn unuse_invite(&self, id: InviteId) -> Result<(), BackendError> {
        let all = self.collections.clone();
        within("unuse_invite", async move {
            let limited = doc! { "_id": id.to_string(), "usesLeft": { "$exists": true } };
            let more = doc! { "$inc": { "usesLeft": 1 } };
            let given: MongoResult<_> = all.invites.update_one(limited, more).await;
            given.map(drop)
        })
        .await
    }
}

/// True if an invitation with this id is there already.
fn is_known(error: &mongodb::error::Error) -> bool {
    let taken = error::message(error).map(Taken::told_in);
    error::code(error) == Some(DUPLICATE_KEY) && taken == Some(Taken::Id)
}
