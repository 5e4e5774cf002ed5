//! Logs: appending entries, finding one, and reading pages.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{
    Entry, MessageId, NewEntry, Page, RoomId, Seq,
    port::{AppendError, Appended, BackendError, LogStore, Retry},
};
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Document, doc},
    error::Result as MongoResult,
};
use tokio::time::timeout_at;

use crate::{
    append,
    collections::{Collections, at_most, read},
    doc::{EntryDoc, number},
    effects, error,
    store::MongoStore,
};

#[async_trait]
impl LogStore for MongoStore {
    /// # Cancel safety
    ///
    /// Once begun, the append completes, whether or not its caller still waits.
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let (all, heads) = (self.collections.clone(), Arc::clone(&self.heads));
        let (deadline, entries) = (append::deadline(), batch.len());
        let work = async move {
            match timeout_at(deadline, heads.lock()).await {
                Ok(heads) => Ok(append::append(&all, &heads, batch, deadline).await),
                Err(_) => Err(error::timed_out("append", Retry::Safe)),
            }
        };
        let answers = tokio::spawn(work).await;
        answers
            .unwrap_or_else(|_| Err(error::interrupted("append")))
            .unwrap_or_else(|error| vec![Err(error.into()); entries])
    }

    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, room) = (self.collections.clone(), room.clone());
        read("page", async move { all.page(&room, page, limit).await }).await
    }

    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError> {
        let (all, room) = (self.collections.clone(), room.clone());
        read("find", async move {
            all.settle(doc! { "roomId": room.as_str() }).await?;
            let entry =
                doc! { "_id": id.to_string(), "roomId": room.as_str(), "seq": { "$gt": 0 } };
            let found = all.messages.find_one(entry).await?;
            found.map(|it| it.entry().map(Arc::new)).transpose()
        })
        .await
    }
}

impl Collections {
    async fn page(&self, room: &RoomId, page: Page, limit: usize) -> MongoResult<Vec<Arc<Entry>>> {
        // An edit or a deletion follows the entry that it changes, so a page that reaches the end
        // of the log holds it.
        if let Page::After(seq) = page {
            let after = doc! { "$gt": number(seq) };
            let found = self.up(room, after, limit.saturating_add(1)).await?;
            if found.len() <= limit && found.iter().all(|entry| entry.pending.is_none()) {
                return effects::overlaid(found);
            }
        }
        self.settle(doc! { "roomId": room.as_str() }).await?;
        let newest = doc! { "$gt": 0 };
        let docs = match page {
            Page::Newest => self.down(room, newest, limit).await?,
            Page::Before(seq) => {
                let below = doc! { "$gt": 0, "$lt": number(seq) };
                self.down(room, below, limit).await?
            }
            Page::After(seq) => self.up(room, doc! { "$gt": number(seq) }, limit).await?,
            Page::Around(seq) => {
                let half = u64::try_from(limit / 2).unwrap_or(u64::MAX);
                let first = Seq(seq.0.saturating_sub(half).max(1));
                let found = self.up(room, doc! { "$gte": number(first) }, limit).await?;
                if found.last().is_some_and(|last| last.seq >= number(seq)) {
                    found
                } else {
                    self.down(room, newest, limit).await?
                }
            }
        };
        effects::overlaid(docs)
    }

    async fn up(&self, room: &RoomId, seq: Document, limit: usize) -> MongoResult<Vec<EntryDoc>> {
        self.range(room, seq, 1, limit).await
    }

    async fn down(&self, room: &RoomId, seq: Document, limit: usize) -> MongoResult<Vec<EntryDoc>> {
        let mut found = self.range(room, seq, -1, limit).await?;
        found.reverse();
        Ok(found)
    }

    async fn range(
        &self,
        room: &RoomId,
        seq: Document,
        direction: i32,
        limit: usize,
    ) -> MongoResult<Vec<EntryDoc>> {
        // An answer holds an ordinary page whole.
        const BATCH: u32 = 1_000;
        let filter = doc! { "roomId": room.as_str(), "seq": seq };
        let find = self.messages.find(filter).sort(doc! { "seq": direction });
        let found = find.limit(at_most(limit)).batch_size(BATCH).await?;
        found.try_collect().await
    }
}
