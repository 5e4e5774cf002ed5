//! The collections of a store, and the time limits of calls on them.

use std::time::Duration;

use chat_core::{
    Entry,
    port::{BackendError, Retry},
};
use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database,
    bson::{Document, doc},
    error::Result as MongoResult,
};
use tokio::time::timeout;

use crate::{
    block_doc::BlockDoc,
    connect::LIMIT,
    decision_doc::DecisionDoc,
    doc::{
        BLOCKS, DECISIONS, EntryDoc, LOOKS, LookDoc, MEMBERS, MESSAGES, MemberDoc, ROOMS, RoomDoc,
        RoomMemberDoc,
    },
    error,
};

/// How soon a document whose id is taken, and which is at no majority yet, is looked for again.
pub(crate) const AGAIN: Duration = Duration::from_millis(2);

/// The collections of a store.
#[derive(Debug, Clone)]
pub(crate) struct Collections {
    pub(crate) messages: Collection<EntryDoc>,
    pub(crate) rooms: Collection<RoomDoc>,
    pub(crate) members: Collection<MemberDoc>,
    pub(crate) decisions: Collection<DecisionDoc>,
    pub(crate) looks: Collection<LookDoc>,
    pub(crate) blocks: Collection<BlockDoc>,
}

impl Collections {
    pub(crate) fn of(database: &Database) -> Self {
        Self {
            messages: database.collection(MESSAGES),
            rooms: database.collection(ROOMS),
            members: database.collection(MEMBERS),
            decisions: database.collection(DECISIONS),
            looks: database.collection(LOOKS),
            blocks: database.collection(BLOCKS),
        }
    }

    /// Finds rooms, with their newest numbers.
    pub(crate) async fn rooms(&self, filter: Document) -> MongoResult<Vec<RoomDoc>> {
        let pipeline = [doc! { "$match": filter }]
            .into_iter()
            .chain(with_head("_id"));
        let found = self.rooms.aggregate(pipeline).with_type().await?;
        found.try_collect().await
    }

    /// Finds the entries that one of these filters selects, in no order.
    pub(crate) async fn entries(&self, either: Vec<Document>) -> MongoResult<Vec<Entry>> {
        if either.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.messages.find(doc! { "$or": either }).await?;
        let found: Vec<EntryDoc> = found.try_collect().await?;
        found.into_iter().map(EntryDoc::entry).collect()
    }

    /// Finds the members that one of these filters selects, in no order.
    pub(crate) async fn members_of(
        &self,
        either: Vec<Document>,
    ) -> MongoResult<Vec<RoomMemberDoc>> {
        if either.is_empty() {
            return Ok(Vec::new());
        }
        let members = self.members.clone_with_type::<RoomMemberDoc>();
        let found = members.find(doc! { "$or": either }).await?;
        found.try_collect().await
    }
}

/// Returns the answer of an operation, or an error when there is none in time.
///
/// The operation runs in a task of its own, so that it completes even when its caller no longer
/// waits: after a caller that wanted a connection has gone away, the driver makes others wait for
/// one, for seconds.
pub(crate) async fn within<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = MongoResult<T>> + Send + 'static,
) -> Result<T, BackendError> {
    match tokio::spawn(timeout(LIMIT, work)).await {
        Ok(Ok(answer)) => answer.map_err(|error| error::classify(&error, operation)),
        Ok(Err(_)) => Err(error::timed_out(operation, Retry::IfIdempotent)),
        Err(_) => Err(error::interrupted(operation)),
    }
}

/// Does as [`within`], for an operation that changes nothing.
pub(crate) async fn read<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = MongoResult<T>> + Send + 'static,
) -> Result<T, BackendError> {
    let answer = within(operation, work).await;
    answer.map_err(BackendError::of_a_read)
}

/// Converts a limit to the type that a query takes.
pub(crate) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Returns stages that join the newest entry of the room whose id is in `field`, as
/// [`RoomDoc::newest`].
pub(crate) fn with_head(field: &str) -> [Document; 1] {
    [doc! { "$lookup": {
        "from": MESSAGES,
        "localField": field,
        "foreignField": "roomId",
        "pipeline": [
            { "$match": { "seq": { "$gt": 0 } } },
            { "$sort": { "seq": -1 } },
            { "$limit": 1 },
            { "$project": { "_id": 0, "seq": 1 } },
        ],
        "as": "newest",
    } }]
}
