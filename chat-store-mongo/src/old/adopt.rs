//! Importing the old server's messages as entries of this store, in the collection where the old
//! documents may already be.
//!
//! One ordered command numbers a batch. Each of its updates matches a document that has no number
//! yet and makes it an entry; where there is none it inserts one, and fails if the id is taken. So
//! every update that succeeds takes the next number, and the first one that meets a number or an id
//! of another entry ends the command: no append of a server and no second import makes a gap or a
//! double, and after a crash the first updates of a batch remain.

use std::collections::HashMap;

use chat_core::{
    MessageId, RoomId, Seq,
    port::{BackendError, Outcome},
};
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Bson, Document, doc, serialize_to_document},
    error::{Error, ErrorKind, Result, WriteFailure},
    options::ReadConcern,
};

use super::OldMessage;
use crate::{
    activity,
    collections::{Collections, within},
    doc::{EntryDoc, MESSAGES, ROOMS, number, seq},
    error::{DUPLICATE_KEY, Taken},
    room_doc::RoomDoc,
    store::MongoStore,
};

impl MongoStore {
    /// Gives messages of one room, which exists, the next numbers in this order, with the dates of
    /// their receipts; returns the number of each, whether new or from an earlier import.
    ///
    /// A document of the old server in this same database becomes the entry; if its id is no UUID,
    /// an entry replaces it. Up to a thousand messages, of a few MiB, are a good batch.
    ///
    /// # Errors
    ///
    /// When the store fails, or another entry has the id of one of these messages. The first
    /// messages may be imported by then.
    ///
    /// # Cancel safety
    ///
    /// Once begun, the import of the batch completes, and may be repeated.
    pub async fn adopt(
        &self,
        room: &RoomId,
        batch: Vec<OldMessage>,
    ) -> std::result::Result<Vec<(Seq, Outcome)>, BackendError> {
        let (all, room) = (self.collections.clone(), room.clone());
        within("adopt", async move { all.adopt(&room, &batch).await }).await
    }

    /// Returns the numbers of those messages that are already entries of the room. This writes
    /// nothing.
    ///
    /// # Errors
    ///
    /// When the store can't be read.
    pub async fn numbers(
        &self,
        room: &RoomId,
        ids: &[MessageId],
    ) -> std::result::Result<HashMap<MessageId, Seq>, BackendError> {
        let (all, room, ids) = (self.collections.clone(), room.clone(), ids.to_vec());
        within("numbers", async move { all.numbers(&room, &ids).await }).await
    }
}

impl Collections {
    async fn adopt(&self, room: &RoomId, batch: &[OldMessage]) -> Result<Vec<(Seq, Outcome)>> {
        let mut done: HashMap<MessageId, (Seq, Outcome)> = HashMap::new();
        let mut taken = None;
        loop {
            let left = batch.iter().map(|it| it.entry.id);
            let left: Vec<_> = left.filter(|id| !done.contains_key(id)).collect();
            for (id, seq) in self.numbers(room, &left).await? {
                done.insert(id, (seq, Outcome::Duplicate));
            }
            let open = batch.iter().filter(|it| !done.contains_key(&it.entry.id));
            let open: Vec<&OldMessage> = open.collect();
            let Some(first) = open.first() else { break };
            if taken == Some(first.entry.id) && !self.stands(room, first).await? {
                let id = first.entry.id;
                return Err(Error::custom(format!("another entry has the id {id}")));
            }
            let found = self.rooms(doc! { "_id": room.as_str() }).await?;
            let head = found.first().map(RoomDoc::head);
            let head = head.ok_or_else(|| Error::custom("the room is missing".to_owned()))?;
            let (stored, refused) = self.number(head, &open).await?;
            let numbers = (head.0 + 1..).map(Seq);
            for (message, seq) in open.iter().take(stored).zip(numbers) {
                done.insert(message.entry.id, (seq, Outcome::Stored));
            }
            // A taken number is no fault of the message.
            let at_fault = refused.is_some_and(|it| it != Taken::Seq);
            taken = at_fault.then(|| open[stored].entry.id);
        }
        self.forget_replaced(batch).await?;
        // An import that was interrupted here does so when it is repeated.
        let numbered = batch
            .iter()
            .filter_map(|it| Some((done.get(&it.entry.id)?.0, it.entry.at)));
        if let Some((seq, at)) = numbered.max() {
            let newest = activity::note(room, number(seq), at.timestamp_micros());
            self.update_all(ROOMS, vec![newest]).await?;
        }
        // The result may hold both a document and the entry that replaced it.
        let answers = batch.iter().filter_map(|it| done.get(&it.entry.id));
        Ok(answers.copied().collect())
    }

    /// Returns whether the message is already an entry, even if a majority may not have it yet.
    async fn stands(&self, room: &RoomId, message: &OldMessage) -> Result<bool> {
        let id = message.entry.id.to_string();
        let entry = doc! { "_id": id, "roomId": room.as_str(), "seq": { "$gt": 0 } };
        let found = self
            .messages
            .find_one(entry)
            .read_concern(ReadConcern::local());
        Ok(found.await?.is_some())
    }

    async fn numbers(&self, room: &RoomId, ids: &[MessageId]) -> Result<HashMap<MessageId, Seq>> {
        #[derive(serde::Deserialize)]
        struct Numbered {
            #[serde(rename = "_id")]
            id: String,
            seq: i64,
        }
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let filter = doc! { "_id": { "$in": ids }, "roomId": room.as_str(), "seq": { "$gt": 0 } };
        let messages = self.messages.clone_with_type::<Numbered>();
        let found = messages.find(filter).projection(doc! { "seq": 1 }).await?;
        let found: Vec<Numbered> = found.try_collect().await?;
        let known = found
            .into_iter()
            .filter_map(|it| Some((MessageId(it.id.parse().ok()?), seq(it.seq))));
        Ok(known.collect())
    }

    /// Gives the numbers after `head`, and returns how many were given and what stopped the
    /// command.
    async fn number(&self, head: Seq, open: &[&OldMessage]) -> Result<(usize, Option<Taken>)> {
        let numbers = (head.0 + 1..).map(Seq);
        let updates: Result<Vec<Document>> = open
            .iter()
            .zip(numbers)
            .map(|(it, seq)| update(it, seq))
            .collect();
        match self.update(MESSAGES, updates?, true).await? {
            None => Ok((open.len(), None)),
            Some((stored, error)) if error.code == DUPLICATE_KEY && stored < open.len() => {
                Ok((stored, Some(Taken::told_in(&error.message))))
            }
            Some((_, error)) => Err(ErrorKind::Write(WriteFailure::WriteError(error)).into()),
        }
    }

    /// Removes the old documents that an entry has replaced.
    async fn forget_replaced(&self, batch: &[OldMessage]) -> Result<()> {
        let ids = batch.iter().map(|it| it.id.bson());
        let ids = ids
            .zip(batch)
            .filter(|(id, it)| id.as_str() != Some(&it.entry.id.to_string()));
        let ids: Vec<Bson> = ids.map(|(id, _)| id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let replaced = doc! { "_id": { "$in": ids }, "seq": { "$exists": false } };
        self.messages.delete_many(replaced).await.map(drop)
    }
}

fn update(message: &OldMessage, seq: Seq) -> Result<Document> {
    let id = message.entry.id.to_string();
    let mut fields = serialize_to_document(&EntryDoc::of(&message.entry, seq))?;
    fields.remove("_id");
    fields.insert("id", id.as_str());
    if let Some(time) = &message.time {
        fields.insert("time", time);
    }
    for (field, date) in [
        ("deliveredAt", message.delivered_at.or(message.read_at)),
        ("readAt", message.read_at),
    ] {
        match date {
            Some(date) => drop(fields.insert(field, date)),
            None => drop(fields.remove(field)),
        }
    }
    Ok(doc! {
        "q": { "_id": id, "roomId": message.room.clone(), "seq": { "$exists": false } },
        "u": { "$set": fields },
        "upsert": true,
    })
}
