//! The watermarks of each member: the newest entries that were delivered and read.

use async_trait::async_trait;
use chat_core::{
    EntryKind, Mark, Member, ReceiptTimes, RoomId, Seq, UserId, Watermarks,
    port::{BackendError, Change, ReceiptStore},
};
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Bson, doc},
    error::Result as MongoResult,
    options::ReturnDocument,
};

use crate::{
    collections::{Collections, at_most, read, within},
    doc::{DatedDoc, number},
    room_doc::MemberDoc,
    store::MongoStore,
};

#[async_trait]
impl ReceiptStore for MongoStore {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        let (all, room, user) = (self.collections.clone(), room.clone(), user.clone());
        let work = async move { all.advance(&room, &user, mark, upto).await };
        within("advance", work).await
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        let names: Vec<_> = users.iter().map(UserId::as_str).collect();
        let filter = doc! { "roomId": room.as_str(), "user": { "$in": names } };
        let members = self.collections.members.clone();
        let found: Vec<MemberDoc> = read("watermarks", async move {
            members.find(filter).await?.try_collect().await
        })
        .await?;
        let of = |user: &UserId| {
            let member = found.iter().find(|member| member.user == *user);
            member.map(MemberDoc::watermarks).unwrap_or_default()
        };
        Ok(users.iter().map(of).collect())
    }

    async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, room, after) = (self.collections.clone(), room.clone(), after.cloned());
        read("readers", async move {
            all.settle_room(&room).await?;
            let mut readers = doc! {
                "roomId": room.as_str(),
                "user": { "$gt": after.as_ref().map_or("", UserId::as_str) },
                "member": true,
            };
            // Without a receipt there is no field.
            if seq > Seq::ZERO {
                readers.insert("read", doc! { "$gte": number(seq) });
            }
            let found: Vec<MemberDoc> = all
                .members
                .find(readers)
                .sort(doc! { "user": 1 })
                .limit(at_most(limit))
                .await?
                .try_collect()
                .await?;
            Ok(found.into_iter().map(MemberDoc::member).collect())
        })
        .await
    }

    async fn receipt_times(
        &self,
        room: &RoomId,
        user: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, BackendError> {
        let numbers: Vec<_> = seqs.iter().copied().map(number).collect();
        let filter = doc! {
            "roomId": room.as_str(),
            "seq": { "$in": numbers },
            "from": { "$ne": user.as_str() },
        };
        let messages = self.collections.messages.clone_with_type::<DatedDoc>();
        let found: Vec<DatedDoc> = read("receipt_times", async move {
            let dates = doc! { "seq": 1, "deliveredAt": 1, "readAt": 1 };
            let found = messages.find(filter).projection(dates).await?;
            found.try_collect().await
        })
        .await?;
        let of = |seq: &Seq| {
            let dated = found.iter().find(|dated| dated.seq == number(*seq));
            dated.map(DatedDoc::times).unwrap_or_default()
        };
        Ok(seqs.iter().map(of).collect())
    }
}

impl Collections {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> MongoResult<Change<Watermarks>> {
        let Some(found) = self.rooms(doc! { "_id": room.as_str() }).await?.pop() else {
            return Ok(Change::Unchanged(Watermarks::default()));
        };
        let head = found.head();
        let reached = number(upto.min(head));
        let moved = |field: &str| doc! { "$max": [{ "$ifNull": [field, 0] }, reached] };
        let mut marks = doc! { "delivered": moved("$delivered") };
        if mark == Mark::Read {
            marks.insert("read", moved("$read"));
        }
        let before = self
            .members
            .find_one_and_update(
                doc! { "roomId": room.as_str(), "user": user.as_str() },
                vec![doc! { "$set": marks }],
            )
            .upsert(true)
            .return_document(ReturnDocument::Before)
            .await?;
        let from = before.map(|it| it.watermarks()).unwrap_or_default();
        let to = from.advanced(mark, upto, head);
        if from == to {
            return Ok(Change::Unchanged(from));
        }
        // The watermarks have moved, even if the dates of the messages can't be written.
        if room.is_direct()
            && let Err(error) = self.date_messages(room, user, from, to).await
        {
            tracing::warn!(%error, "messages are left without the date of their receipt");
        }
        Ok(Change::Moved { from, to })
    }

    /// Writes the times of delivery and reading into the messages, as the old server did.
    async fn date_messages(
        &self,
        room: &RoomId,
        reader: &UserId,
        from: Watermarks,
        to: Watermarks,
    ) -> MongoResult<()> {
        for (field, from, to) in [
            ("deliveredAt", from.delivered, to.delivered),
            ("readAt", from.read, to.read),
        ] {
            if from == to {
                continue;
            }
            let messages = doc! {
                "roomId": room.as_str(),
                "seq": { "$gt": number(from), "$lte": number(to) },
                "kind": EntryKind::Message.name(),
                "from": { "$ne": reader.as_str() },
                // A message of the old server may hold this field.
                field: Bson::Null,
            };
            let now = doc! { "$currentDate": { field: true } };
            self.messages.update_many(messages, now).await?;
        }
        Ok(())
    }
}
