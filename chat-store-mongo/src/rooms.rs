//! Rooms and their members.

use async_trait::async_trait;
use chat_core::{
    EntryKind, Member, Membership, NewRoom, Role, Room, RoomId, UNREAD_CAP, UserId,
    port::{BackendError, Created, RoomStore},
};
use futures_util::{TryStreamExt, future};
use mongodb::{bson::doc, error::Result as MongoResult};
use serde::Deserialize;

use crate::{
    collections::{Collections, at_most, read, with_head, within},
    doc::{MESSAGES, MemberDoc, Numbered, ROOMS, RoomDoc},
    error,
    store::MongoStore,
};

#[async_trait]
impl RoomStore for MongoStore {
    async fn create_room(&self, new: NewRoom) -> Result<Created, BackendError> {
        let all = self.collections.clone();
        within("create_room", async move {
            let users = new.first_members().into_iter().map(|member| member.user);
            let room = RoomDoc {
                id: new.id.clone(),
                epoch: new.epoch.0,
                created_at: new.created_at.timestamp_micros(),
                entering: Some(users.collect()),
                owner: new.owner,
                newest: Vec::new(),
            };
            match all.rooms.insert_one(&room).await {
                Ok(_) => {
                    all.enter(&room).await?;
                    Ok(Created::New(room.room()))
                }
                Err(error) if error::code(&error) == Some(error::DUPLICATE_KEY) => {
                    all.settle_rooms(doc! { "_id": new.id.as_str() }).await?;
                    let found = all.rooms(doc! { "_id": new.id.as_str() }).await?;
                    let room = found.into_iter().next().ok_or(error)?;
                    Ok(Created::Existing(room.room()))
                }
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        let (all, filter) = (self.collections.clone(), doc! { "_id": id.as_str() });
        let found = read("room", async move { all.rooms(filter).await }).await?;
        Ok(found.into_iter().next().map(RoomDoc::room))
    }

    async fn role(&self, id: &RoomId, user: &UserId) -> Result<Option<Role>, BackendError> {
        let (all, id, user) = (self.collections.clone(), id.clone(), user.clone());
        read("role", async move {
            all.settle_room(&id).await?;
            let member = doc! { "roomId": id.as_str(), "user": user.as_str(), "member": true };
            let found = all.members.find_one(member).await?;
            Ok(found.map(|member| member.role))
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
}

/// A membership, joined with the fields that a list of rooms shows.
#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(flatten)]
    member: MemberDoc,
    room: [RoomDoc; 1],
    newest: Vec<Numbered>,
    unread: Vec<Count>,
}

#[derive(Debug, Deserialize)]
struct Count {
    count: i64,
}

impl Collections {
    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> MongoResult<Vec<Membership>> {
        // A deleted message is not unread.
        let relevant =
            doc! { "$or": [{ "user": user.as_str() }, { "kind": EntryKind::Delete.name() }] };
        let entries = self.settle(relevant);
        let rooms = self.settle_rooms(doc! { "entering": user.as_str() });
        future::try_join(entries, rooms).await?;
        let after = after.map_or("", RoomId::as_str);
        let chosen = [
            doc! { "$match": {
                "user": user.as_str(), "member": true, "roomId": { "$gt": after },
            } },
            doc! { "$sort": { "roomId": 1 } },
            doc! { "$limit": at_most(limit) },
            doc! { "$lookup": {
                "from": ROOMS, "localField": "roomId", "foreignField": "_id", "as": "room",
            } },
        ];
        let unread = doc! { "$lookup": {
            "from": MESSAGES,
            "localField": "roomId",
            "foreignField": "roomId",
            "let": { "read": { "$ifNull": ["$read", 0] } },
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
        } };
        let pipeline = chosen
            .into_iter()
            .chain(with_head("roomId"))
            .chain([unread]);
        let listed: Vec<Listed> = self
            .members
            .aggregate(pipeline)
            .with_type()
            .await?
            .try_collect()
            .await?;
        Ok(listed.into_iter().map(Listed::membership).collect())
    }

    async fn rooms_with(
        &self,
        users: Vec<String>,
        after: Option<&RoomId>,
        limit: usize,
    ) -> MongoResult<Vec<Room>> {
        let entries = self.settle(doc! { "user": { "$in": &users } });
        let rooms = self.settle_rooms(doc! { "entering": { "$in": &users } });
        future::try_join(entries, rooms).await?;
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
}

impl Listed {
    fn membership(self) -> Membership {
        let [mut room] = self.room;
        room.newest = self.newest;
        let unread = self.unread.first().map_or(0, |it| it.count);
        Membership {
            room: room.room(),
            watermarks: self.member.watermarks(),
            unread: u64::try_from(unread).unwrap_or(0),
        }
    }
}
