//! Inboxes, and what members have set for their rooms.
//!
//! A page of an inbox takes three queries, however many rooms its user has: the memberships of the user; when
//! each of these rooms was last active, which gives the order; and what the page shows of its rooms.

use std::{cmp::Reverse, collections::HashMap};

use async_trait::async_trait;
use chat_core::{
    InboxFilter, InboxPlace, InboxRoom, Me, MeChange, RoomId, Seq, UserId,
    port::{BackendError, InboxStore},
};
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Bson, Document, doc, serialize_to_bson},
    error::Result as MongoResult,
    options::ReturnDocument,
};
use serde::Deserialize;

use crate::{
    activity,
    collections::{Collections, at_most, read, with_head, within},
    doc::{MESSAGES, number, seq},
    room_doc::{LastDoc, Listed},
    rooms::{with_room, with_unread},
    store::MongoStore,
};

#[async_trait]
impl InboxStore for MongoStore {
    async fn inbox(
        &self,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> Result<Vec<InboxRoom>, BackendError> {
        // No message can mention a member yet.
        if limit == 0 || filter == InboxFilter::Mentions {
            return Ok(Vec::new());
        }
        let (all, user, after) = (self.collections.clone(), user.clone(), after.cloned());
        let work = async move { all.inbox(&user, filter, after.as_ref(), limit).await };
        read("inbox", work).await
    }

    async fn inbox_room(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<InboxRoom>, BackendError> {
        let (all, room, user) = (self.collections.clone(), room.clone(), user.clone());
        read("inbox_room", async move {
            all.settle_room(&room).await?;
            let shown = all.shown(&user, vec![room.as_str()], None).await?;
            Ok(shown.into_iter().next())
        })
        .await
    }

    async fn hidden_by(&self, room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError> {
        let (all, room) = (self.collections.clone(), room.clone());
        let found: Vec<HiddenDoc> = read("hidden_by", async move {
            all.settle_room(&room).await?;
            let hidden = doc! {
                "roomId": room.as_str(), "member": true, "hiddenAt": { "$ne": Bson::Null },
            };
            let members = all.members.clone_with_type::<HiddenDoc>();
            let found = members
                .find(hidden)
                .projection(doc! { "user": 1, "hiddenAt": 1 });
            found.await?.try_collect().await
        })
        .await?;
        let found = found.into_iter();
        Ok(found.map(|it| (it.user, seq(it.hidden_at))).collect())
    }

    async fn set_me(
        &self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> Result<Option<Me>, BackendError> {
        let (all, room, user) = (self.collections.clone(), room.clone(), user.clone());
        let work = async move { all.set_me(&room, &user, change.in_micros()).await };
        within("set_me", work).await
    }
}

/// An answer holds the rooms of an ordinary user whole.
const BATCH: u32 = 10_000;

/// The fields of a membership by which a filter lets the room through or not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seat {
    room_id: String,
    #[serde(default)]
    read: i64,
    #[serde(default)]
    pinned: bool,
    hidden_at: Option<i64>,
}

/// A member who has hidden a room, and the newest entry at that time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HiddenDoc {
    user: UserId,
    hidden_at: i64,
}

/// The newest message of a room, which says when it was last active.
#[derive(Debug, Deserialize)]
struct Active {
    #[serde(rename = "_id")]
    room: String,
    #[serde(default)]
    last: LastDoc,
}

impl Collections {
    async fn inbox(
        &self,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> MongoResult<Vec<InboxRoom>> {
        self.settle_rooms_of(&[user.as_str()], doc! {}).await?;
        let seats = self.seats(user).await?.into_iter();
        let seats: HashMap<String, Seat> = seats.map(|it| (it.room_id.clone(), it)).collect();
        let passes = |room: &Active| {
            seats.get(&room.room).is_some_and(|seat| {
                let hidden = seat.hidden_at.is_some_and(|at| at >= room.last.seq);
                match filter {
                    InboxFilter::All => !hidden,
                    InboxFilter::Pinned => !hidden && seat.pinned,
                    // Whether they are unread is asked of the messages.
                    InboxFilter::Unread => !hidden && room.last.seq > seat.read,
                    InboxFilter::Hidden => hidden,
                    InboxFilter::Mentions => false,
                }
            })
        };
        let after = after.map(|place| {
            let at = place.active_at.timestamp_micros();
            (Reverse(at), place.room.to_string())
        });
        let mut rooms = self.active(seats.keys()).await?;
        rooms.retain(passes);
        let mut order: Vec<_> = rooms
            .into_iter()
            .map(|it| (Reverse(it.last.at), it.room))
            .collect();
        order.retain(|place| after.as_ref().is_none_or(|after| place > after));
        order.sort_unstable();
        let unread = (filter == InboxFilter::Unread).then_some(limit);
        if unread.is_none() {
            order.truncate(limit);
        }
        let page = order.iter().map(|(_, room)| room.as_str()).collect();
        self.shown(user, page, unread).await
    }

    /// The memberships of a user.
    async fn seats(&self, user: &UserId) -> MongoResult<Vec<Seat>> {
        let fields = doc! { "roomId": 1, "read": 1, "pinned": 1, "hiddenAt": 1 };
        let found = self.members.clone_with_type::<Seat>();
        let found = found
            .find(doc! { "user": user.as_str(), "member": true })
            .projection(fields)
            .batch_size(BATCH);
        found.await?.try_collect().await
    }

    async fn active(&self, rooms: impl Iterator<Item = &String>) -> MongoResult<Vec<Active>> {
        let ids: Vec<&String> = rooms.collect();
        let found = self.rooms.clone_with_type::<Active>();
        let found = found
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "last": 1 })
            .batch_size(BATCH);
        found.await?.try_collect().await
    }

    /// These rooms of a user, in the order of the inbox; with `unread`, the first so many of those that have
    /// unread messages.
    async fn shown(
        &self,
        user: &UserId,
        rooms: Vec<&str>,
        unread: Option<usize>,
    ) -> MongoResult<Vec<InboxRoom>> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let chosen = [
            doc! { "$match": {
                "user": user.as_str(), "member": true, "roomId": { "$in": rooms },
            } },
            with_room(),
            doc! { "$sort": { "room.last.at": -1, "roomId": 1 } },
            with_unread(user),
        ];
        let unread = unread.map(|limit| {
            [
                doc! { "$match": { "unread": { "$ne": [] } } },
                doc! { "$limit": at_most(limit) },
            ]
        });
        let unread = unread.into_iter().flatten();
        let shown = with_head("roomId").into_iter().chain([with_last()]);
        let listed = self
            .listed(chosen.into_iter().chain(unread).chain(shown))
            .await?;
        listed.into_iter().map(Listed::inbox_room).collect()
    }

    async fn set_me(
        &self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> MongoResult<Option<Me>> {
        let Some(found) = self.room(room).await? else {
            return Ok(None);
        };
        let (mut set, mut unset) = (Document::new(), Document::new());
        if let Some(notify) = change.notify {
            set.insert("notify", serialize_to_bson(&notify)?);
        }
        if let Some(pinned) = change.pinned {
            set.insert("pinned", pinned);
        }
        match change.hidden {
            Some(true) => drop(set.insert("hiddenAt", number(found.head()))),
            Some(false) => drop(unset.insert("hiddenAt", "")),
            None => {}
        }
        match change.muted_until {
            Some(Some(until)) => drop(set.insert("mutedUntil", until.timestamp_micros())),
            Some(None) => drop(unset.insert("mutedUntil", "")),
            None => {}
        }
        let member = doc! { "roomId": room.as_str(), "user": user.as_str(), "member": true };
        let member = self
            .members
            .find_one_and_update(member, doc! { "$set": set, "$unset": unset })
            .return_document(ReturnDocument::After)
            .await?;
        Ok(member.map(|member| member.me(&found)))
    }
}

/// The stage that joins the newest message of a room, or what is left of it, as `last`.
fn with_last() -> Document {
    // If the number is noted and its message not yet stored, the one before is the newest.
    let mut newest = doc! { "seq": { "$gt": 0 }, "$expr": { "$lte": ["$seq", "$$last"] } };
    newest.extend(activity::messages());
    doc! { "$lookup": {
        "from": MESSAGES,
        "localField": "roomId",
        "foreignField": "roomId",
        "let": { "last": { "$first": "$room.last.seq" } },
        "pipeline": [
            { "$match": newest },
            { "$sort": { "seq": -1 } },
            { "$limit": 1 },
        ],
        "as": "last",
    } }
}
