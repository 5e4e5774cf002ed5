//! Rooms and their members.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{
    EntryKind, Member, Membership, NewRoom, Room, RoomId, RoomKind, UNREAD_CAP, UserId,
    port::{BackendError, Created, RoomStore},
};
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Document, doc},
    error::Result as MongoResult,
};

use crate::{
    collections::{Collections, at_most, read, with_head, within},
    doc::{MESSAGES, ROOMS},
    error,
    room_doc::{Listed, MemberDoc, RoomDoc},
    store::MongoStore,
};

#[async_trait]
impl RoomStore for MongoStore {
    async fn create_room(&self, new: NewRoom) -> Result<Created, BackendError> {
        let all = self.collections.clone();
        let room = Arc::new(RoomDoc::of(&new));
        let inserted = {
            let (all, room) = (all.clone(), Arc::clone(&room));
            within("create_room", async move { all.insert_room(&room).await })
        };
        if let Some(existing) = inserted.await? {
            return Ok(Created::Existing(existing.room()));
        }
        // A call has so much time, but a large room takes several.
        for users in room.entering_in_portions() {
            let (all, room, users) = (all.clone(), Arc::clone(&room), users.to_vec());
            let entered = async move { all.enter_some(&room, &users).await };
            within("create_room", entered).await?;
        }
        let made = Arc::clone(&room);
        let entered = async move { all.all_entered(&made).await };
        within("create_room", entered).await?;
        Ok(Created::New(Arc::unwrap_or_clone(room).room()))
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        let (all, id) = (self.collections.clone(), id.clone());
        let found = read("room", async move { all.room(&id).await }).await?;
        Ok(found.map(RoomDoc::room))
    }

    async fn member(&self, id: &RoomId, user: &UserId) -> Result<Option<Member>, BackendError> {
        let (all, id, user) = (self.collections.clone(), id.clone(), user.clone());
        read("member", async move {
            all.settle_room(&id).await?;
            let member = doc! { "roomId": id.as_str(), "user": user.as_str(), "member": true };
            let found = all.members.find_one(member).await?;
            Ok(found.map(MemberDoc::member))
        })
        .await
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, id, after) = (self.collections.clone(), id.clone(), after.cloned());
        read("members", async move {
            all.settle_room(&id).await?;
            let after = after.as_ref().map_or("", UserId::as_str);
            let found: Vec<MemberDoc> = all
                .members
                .find(doc! { "roomId": id.as_str(), "user": { "$gt": after }, "member": true })
                .sort(doc! { "user": 1 })
                .limit(at_most(limit))
                .await?
                .try_collect()
                .await?;
            Ok(found.into_iter().map(MemberDoc::member).collect())
        })
        .await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, user, after) = (self.collections.clone(), user.clone(), after.cloned());
        let work = async move { all.rooms_of(&user, after.as_ref(), limit).await };
        read("rooms_of", work).await
    }

    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let names: Vec<_> = users.iter().map(|user| user.as_str().to_owned()).collect();
        let (all, after) = (self.collections.clone(), after.cloned());
        let work = async move { all.rooms_with(names, after.as_ref(), limit).await };
        read("rooms_with", work).await
    }

    async fn directory(
        &self,
        query: &str,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, query, after) = (self.collections.clone(), query.to_owned(), after.cloned());
        let work = async move { all.directory(query, after.as_ref(), limit).await };
        read("directory", work).await
    }
}

impl Collections {
    /// The room with this id and its head, as its entries have left it.
    pub(crate) async fn room(&self, id: &RoomId) -> MongoResult<Option<RoomDoc>> {
        self.settle_room(id).await?;
        let found = self.rooms(doc! { "_id": id.as_str() }).await?;
        Ok(found.into_iter().next())
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> MongoResult<Vec<Membership>> {
        // A deleted message is not unread; an edited one is as it was.
        let edits = EntryKind::Edit.name();
        self.settle_rooms_of(&[user.as_str()], doc! { "kind": { "$ne": edits } })
            .await?;
        let after = after.map_or("", RoomId::as_str);
        let pipeline = [
            doc! { "$match": {
                "user": user.as_str(), "member": true, "roomId": { "$gt": after },
            } },
            doc! { "$sort": { "roomId": 1 } },
            doc! { "$limit": at_most(limit) },
            with_room(),
            with_unread(user),
        ];
        let listed = self.listed(pipeline.into_iter().chain(with_head("roomId")));
        let listed = listed.await?.into_iter();
        Ok(listed.map(Listed::membership).collect())
    }

    /// Stores a room, unless there is one with this id, which is the answer.
    async fn insert_room(&self, room: &RoomDoc) -> MongoResult<Option<RoomDoc>> {
        match self.rooms.insert_one(room).await {
            Ok(_) => Ok(None),
            Err(error) if error::code(&error) == Some(error::DUPLICATE_KEY) => {
                self.room(&room.id).await?.ok_or(error).map(Some)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a pipeline on members.
    pub(crate) async fn listed(
        &self,
        pipeline: impl IntoIterator<Item = Document>,
    ) -> MongoResult<Vec<Listed>> {
        let found = self.members.aggregate(pipeline).with_type::<Listed>();
        found.await?.try_collect().await
    }

    async fn rooms_with(
        &self,
        users: Vec<String>,
        after: Option<&RoomId>,
        limit: usize,
    ) -> MongoResult<Vec<Room>> {
        let names: Vec<&str> = users.iter().map(String::as_str).collect();
        let texts = [EntryKind::Edit.name(), EntryKind::Delete.name()];
        self.settle_rooms_of(&names, doc! { "kind": { "$nin": texts.as_slice() } })
            .await?;
        let after = after.map_or("", RoomId::as_str);
        let pipeline = [
            doc! { "$match": {
                "user": { "$in": users }, "member": true, "roomId": { "$gt": after },
            } },
            doc! { "$group": { "_id": "$roomId" } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": at_most(limit) },
            doc! { "$lookup": {
                "from": ROOMS, "localField": "_id", "foreignField": "_id", "as": "room",
            } },
            doc! { "$replaceRoot": { "newRoot": { "$first": "$room" } } },
        ];
        let pipeline = pipeline.into_iter().chain(with_head("_id"));
        let found = self.members.aggregate(pipeline).with_type::<RoomDoc>();
        let found: Vec<RoomDoc> = found.await?.try_collect().await?;
        Ok(found.into_iter().map(RoomDoc::room).collect())
    }

    async fn directory(
        &self,
        query: String,
        after: Option<&RoomId>,
        limit: usize,
    ) -> MongoResult<Vec<Room>> {
        let texts = [EntryKind::Edit.name(), EntryKind::Delete.name()];
        self.settle(doc! { "kind": { "$nin": texts.as_slice() } })
            .await?;
        let after = after.map_or("", RoomId::as_str);
        // A channel without details has no name.
        let name = doc! { "$ifNull": ["$details.folded", ""] };
        let place = doc! { "$indexOfBytes": [name, { "$literal": query }] };
        let pipeline = [
            doc! { "$match": {
                "kind": RoomKind::Channel.name(),
                "_id": { "$gt": after },
                "details.archived": { "$ne": true },
                "$expr": { "$gte": [place, 0] },
            } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": at_most(limit) },
        ];
        let pipeline = pipeline.into_iter().chain(with_head("_id"));
        let found = self.rooms.aggregate(pipeline).with_type::<RoomDoc>();
        let found: Vec<RoomDoc> = found.await?.try_collect().await?;
        Ok(found.into_iter().map(RoomDoc::room).collect())
    }
}

/// The stage that joins the room of a membership, as `room`.
pub(crate) fn with_room() -> Document {
    doc! { "$lookup": {
        "from": ROOMS, "localField": "roomId", "foreignField": "_id", "as": "room",
    } }
}

/// The stage that counts the unread messages of a membership with its room, as `unread`.
pub(crate) fn with_unread(user: &UserId) -> Document {
    let history = doc! { "$first": "$room.details.settings.history" };
    let first = doc! { "$cond": [
        { "$eq": [history, "joined"] }, { "$ifNull": ["$joinedSeq", 0] }, 0,
    ] };
    doc! { "$lookup": {
        "from": MESSAGES,
        "localField": "roomId",
        "foreignField": "roomId",
        "let": { "read": { "$max": [{ "$ifNull": ["$read", 0] }, first] } },
        "pipeline": [
            { "$match": {
                "seq": { "$gt": 0 },
                "$expr": { "$gt": ["$seq", "$$read"] },
                "kind": EntryKind::Message.name(),
                "from": { "$ne": user.as_str() },
            } },
            { "$limit": at_most(usize::try_from(UNREAD_CAP).unwrap_or(usize::MAX)) },
            { "$count": "count" },
        ],
        "as": "unread",
    } }
}
