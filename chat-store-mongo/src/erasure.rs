//! Deleting rooms and erasing users.
//!
//! None of it is one step for other readers, and each may be repeated: a room is gone with its document, which is
//! deleted first, and what an append on another node adds after that is deleted when that node hears of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use chat_core::{
    Entry, EntryKind, Epoch, RoomId, Seq, UserId,
    port::{BackendError, ErasureStore, Retry},
};
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Bson, Document, doc},
    error::Result as MongoResult,
};
use tokio::time::timeout;

use crate::{
    collections::{Collections, at_most},
    decision_doc::DecisionDoc,
    doc::{EntryDoc, number},
    error,
    store::MongoStore,
};

/// The longest that a step may take: some of them look at every entry.
const LONG: Duration = Duration::from_mins(5);

/// Returns the answer of a step, or an error when there is none in time.
async fn patiently<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = MongoResult<T>> + Send + 'static,
) -> Result<T, BackendError> {
    match tokio::spawn(timeout(LONG, work)).await {
        Ok(Ok(answer)) => answer.map_err(|error| error::classify(&error, operation)),
        Ok(Err(_)) => Err(error::timed_out(operation, Retry::IfIdempotent)),
        Err(_) => Err(error::interrupted(operation)),
    }
}

#[async_trait]
impl ErasureStore for MongoStore {
    async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> Result<bool, BackendError> {
        let (all, heads) = (self.collections.clone(), Arc::clone(&self.heads));
        let room = room.clone();
        patiently("delete_room", async move {
            let deleted = all.delete_room(&room, epoch).await?;
            // Once more while no append of this process is under way; none begins later that knows the numbers.
            let heads = heads.lock().await;
            heads.forget(&room);
            Ok(all.delete_room(&room, epoch).await? || deleted)
        })
        .await
    }

    async fn rooms_about(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomId>, BackendError> {
        let (all, user, after) = (self.collections.clone(), user.clone(), after.cloned());
        let found = patiently("rooms_about", async move { all.rooms_about(&user).await });
        let found = found.await.map_err(BackendError::of_a_read)?.into_iter();
        let later = found.filter(|room| after.as_ref().is_none_or(|after| room > after));
        Ok(later.take(limit).collect())
    }

    async fn entries_about(
        &self,
        room: &RoomId,
        user: &UserId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, room) = (self.collections.clone(), room.clone());
        let about = doc! {
            "roomId": room.as_str(),
            "seq": { "$gt": number(after) },
            "$or": [{ "from": user.as_str() }, { "user": user.as_str() }],
        };
        let found = patiently("entries_about", async move {
            all.settle_room(&room).await?;
            let found = all.messages.find(about).sort(doc! { "seq": 1 });
            let found = found.limit(at_most(limit)).await?;
            let found: Vec<EntryDoc> = found.try_collect().await?;
            let entries = found.into_iter().map(|it| it.entry().map(Arc::new));
            entries.collect()
        });
        found.await.map_err(BackendError::of_a_read)
    }

    async fn erase_in(
        &self,
        room: &RoomId,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError> {
        let (all, room) = (self.collections.clone(), room.clone());
        let (user, name) = (user.clone(), name.clone());
        let work = async move { all.erase_in(&room, &user, &name).await };
        patiently("erase_in", work).await
    }

    async fn erase_user(&self, user: &UserId, name: &UserId) -> Result<(), BackendError> {
        let (all, user, name) = (self.collections.clone(), user.clone(), name.clone());
        let work = async move { all.erase_user(&user, &name).await };
        patiently("erase_user", work).await
    }
}

impl Collections {
    async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> MongoResult<bool> {
        let id = room.as_str();
        let this = doc! { "_id": id, "epoch": epoch.0.to_string() };
        let deleted = self.rooms.delete_one(this).await?.deleted_count > 0;
        let exists = self.rooms.find_one(doc! { "_id": id }).await?.is_some();
        if exists {
            // It has been made anew, or it is another one.
            return Ok(false);
        }
        let of_room = || doc! { "roomId": id };
        self.members.delete_many(of_room()).await?;
        self.invites.delete_many(of_room()).await?;
        self.messages.delete_many(of_room()).await?;
        Ok(deleted)
    }

    async fn rooms_about(&self, user: &UserId) -> MongoResult<BTreeSet<RoomId>> {
        let user = user.as_str();
        let by_or_about = doc! { "$or": [{ "from": user }, { "user": user }] };
        let made = doc! { "$or": [{ "createdBy": user }, { "owner": user }, { "entering": user }] };
        let found = [
            self.messages.distinct("roomId", by_or_about).await?,
            self.members
                .distinct("roomId", doc! { "user": user })
                .await?,
            self.rooms.distinct("_id", made).await?,
            self.invites.distinct("roomId", doc! { "by": user }).await?,
        ];
        let ids = found.into_iter().flatten();
        let id = |id: Bson| RoomId::try_from(id.as_str()?.to_owned()).ok();
        Ok(ids.filter_map(id).collect())
    }

    async fn erase_in(&self, room: &RoomId, user: &UserId, name: &UserId) -> MongoResult<()> {
        // No effect of an entry may wait for what is gone.
        self.settle_room(room).await?;
        let (id, user, name) = (room.as_str(), user.as_str(), name.as_str());
        let texts = [EntryKind::Message.name(), EntryKind::Edit.name()];
        let old = ["id", "to", "time", "deliveredAt", "readAt"];
        let mut text = vec!["text", "target", "editedAt", "revision"];
        text.extend(old);
        let renamed = doc! { "$set": { "from": name, "clientId": {
            "$replaceAll": { "input": "$_id", "find": "-", "replacement": "" },
        } } };
        let by = |kinds: Document| doc! { "roomId": id, "from": user, "kind": kinds };
        let erased = vec![
            doc! { "$set": { "kind": EntryKind::Deleted.name() } },
            doc! { "$unset": text },
            renamed.clone(),
        ];
        self.messages
            .update_many(by(doc! { "$in": texts }), erased)
            .await?;
        self.messages
            .update_many(by(doc! { "$nin": texts }), vec![renamed])
            .await?;
        let about = doc! { "roomId": id, "user": user };
        self.messages
            .update_many(about.clone(), doc! { "$set": { "user": name } })
            .await?;
        let mut former = about;
        former.insert("member", doc! { "$ne": true });
        self.members.delete_many(former).await?;
        self.invites
            .delete_many(doc! { "roomId": id, "by": user })
            .await?;
        for field in ["createdBy", "owner"] {
            let made = doc! { "_id": id, field: user };
            self.rooms
                .update_many(made, doc! { "$unset": { field: "" } })
                .await?;
        }
        Ok(())
    }

    async fn erase_user(&self, user: &UserId, name: &UserId) -> MongoResult<()> {
        let id = user.as_str();
        self.looks.delete_many(doc! { "user": id }).await?;
        let blocks = doc! { "$or": [{ "by": id }, { "user": id }] };
        self.blocks.delete_many(blocks).await?;
        // Direct rooms have the names of both users in their ids.
        let about = doc! { "$or": [
            { "by": id }, { "ruling.user": id }, { "ruling.room": { "$regex": "," } },
        ] };
        let mut found = self.decisions.find(about).await?;
        while let Some(found) = found.try_next().await? {
            let decision = found.decision()?;
            let renamed = decision.clone().renamed(user, name);
            if renamed != decision {
                let renamed = DecisionDoc::of(renamed);
                self.decisions
                    .replace_one(doc! { "_id": renamed.version }, renamed)
                    .await?;
            }
        }
        Ok(())
    }
}
