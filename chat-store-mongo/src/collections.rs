//! The collections of a store, and the time limits of calls on them.

use std::time::Duration;

use chat_core::{
    Entry,
    port::{BackendError, Retry},
};
use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database,
    bson::{Document, deserialize_from_document, doc, serialize_to_document},
    error::{ErrorKind, Result as MongoResult, WriteError, WriteFailure},
};
use tokio::time::timeout;

use crate::{
    block_doc::BlockDoc,
    connect::LIMIT,
    decision_doc::DecisionDoc,
    doc::{BLOCKS, DECISIONS, EntryDoc, INVITES, LOOKS, LookDoc, MEMBERS, MESSAGES, ROOMS},
    error,
    invite_doc::InviteDoc,
    room_doc::{MemberDoc, RoomDoc, RoomMemberDoc},
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
    pub(crate) invites: Collection<InviteDoc>,
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
            invites: database.collection(INVITES),
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

    /// Finds rooms by their ids; their heads are not read.
    pub(crate) async fn rooms_without_heads(&self, ids: Vec<&str>) -> MongoResult<Vec<RoomDoc>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.rooms.find(doc! { "_id": { "$in": ids } }).await?;
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

    /// Carries out updates of one collection with one command, for which the driver has no call. Returns the
    /// index of the first one that failed, and why; in `order`, those after it are not carried out.
    pub(crate) async fn update(
        &self,
        collection: &str,
        updates: Vec<Document>,
        order: bool,
    ) -> MongoResult<Option<(usize, WriteError)>> {
        if updates.is_empty() {
            return Ok(None);
        }
        // The command carries the write concern itself.
        let concern = self.messages.write_concern().map(serialize_to_document);
        let command = doc! {
            "update": collection,
            "updates": updates,
            "ordered": order,
            "writeConcern": concern.transpose()?.unwrap_or_default(),
        };
        let space = self.messages.namespace().db;
        let database = self.messages.client().database(&space);
        let answer = database.run_command(command).await?;
        if let Ok(concern) = answer.get_document("writeConcernError") {
            let failed = deserialize_from_document(concern.clone())?;
            return Err(ErrorKind::Write(WriteFailure::WriteConcernError(failed)).into());
        }
        let failed = answer.get_array("writeErrors").ok();
        let failed = failed.and_then(|all| all.first()?.as_document());
        let Some(failed) = failed else {
            return Ok(None);
        };
        let error: WriteError = deserialize_from_document(failed.clone())?;
        let index = failed.get_i32("index").ok();
        match index.and_then(|index| usize::try_from(index).ok()) {
            Some(index) => Ok(Some((index, error))),
            None => Err(ErrorKind::Write(WriteFailure::WriteError(error)).into()),
        }
    }

    /// Carries out updates of one collection with one command, in no order.
    pub(crate) async fn update_all(
        &self,
        collection: &str,
        updates: Vec<Document>,
    ) -> MongoResult<()> {
        match self.update(collection, updates, false).await? {
            None => Ok(()),
            Some((_, error)) => Err(ErrorKind::Write(WriteFailure::WriteError(error)).into()),
        }
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
