//! The newest message of each room, which its document holds: inboxes are in the order of its time.
//!
//! It is noted with one command while the entries are inserted, so that an append takes no longer for it.
//! A number that was noted and then not stored, because another node was quicker or the message was there
//! already, is corrected from the log. Between the two a crash may leave a number that no message has; the
//! next message with a higher one replaces it.

use std::collections::HashMap;

use chat_core::{EntryKind, RoomId};
use mongodb::{
    bson::{Bson, Document, doc},
    error::Result,
    options::ReadConcern,
};

use crate::{
    collections::Collections,
    doc::{EntryDoc, ROOMS},
};

/// The update of a room that notes its newest message, unless a later one is noted. Documents are compared by
/// their first field first.
pub(crate) fn note(room: &RoomId, seq: i64, at: i64) -> Document {
    doc! {
        "q": { "_id": room.as_str() },
        "u": { "$max": { "last": { "seq": seq, "at": at } } },
    }
}

/// The filter of messages and of what is left of them: the edits of a deleted message keep their target.
pub(crate) fn messages() -> Document {
    let kinds = [EntryKind::Message.name(), EntryKind::Deleted.name()];
    doc! { "kind": { "$in": kinds.as_slice() }, "target": { "$exists": false } }
}

/// The newest message of each room among entries, by their order.
fn newest<'a>(entries: &[&'a EntryDoc]) -> HashMap<&'a RoomId, &'a EntryDoc> {
    let messages = entries.iter().filter(|it| it.kind == EntryKind::Message);
    messages.map(|it| (&it.room_id, *it)).collect()
}

impl Collections {
    /// Notes the newest message of each room among these entries.
    pub(crate) async fn note_newest(&self, entries: &[&EntryDoc]) {
        let notes = newest(entries).into_values();
        let notes = notes.map(|it| note(&it.room_id, it.seq, it.at)).collect();
        // The entries count, whether or not this succeeds: it is for the order of inboxes only.
        if let Err(error) = self.update_all(ROOMS, notes).await {
            tracing::warn!(%error, "the newest messages are not noted");
        }
    }

    /// Corrects what was noted for entries of which only the first few were stored.
    pub(crate) async fn correct_newest(&self, entries: &[&EntryDoc], stored: usize) {
        let (stored, _) = entries.split_at(stored.min(entries.len()));
        let stored = newest(stored);
        for (room, noted) in newest(entries) {
            if stored.get(room).is_none_or(|it| it.seq != noted.seq)
                && let Err(error) = self.correct(room, noted).await
            {
                tracing::warn!(%error, %room, "the newest message is not corrected");
            }
        }
    }

    async fn correct(&self, room: &RoomId, noted: &EntryDoc) -> Result<()> {
        let mut message = doc! { "roomId": room.as_str(), "seq": { "$gt": 0 } };
        message.extend(messages());
        // The entry that was quicker may not be at a majority yet.
        let found = self
            .messages
            .find_one(message)
            .sort(doc! { "seq": -1 })
            .read_concern(ReadConcern::local())
            .await?;
        let (seq, at): (i64, Bson) = match found {
            Some(found) => (found.seq, found.at.into()),
            None => (0, "$createdAt".into()),
        };
        let noted = doc! {
            "_id": room.as_str(), "last": { "seq": noted.seq, "at": noted.at },
        };
        let newest = vec![doc! { "$set": { "last": { "seq": seq, "at": at } } }];
        self.rooms.update_one(noted, newest).await.map(drop)
    }
}
