//! [`MongoStore`]: the contracts of the engine in terms of collections.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{
    Entry, Mark, Membership, MessageId, NewEntry, NewRoom, Page, Room, RoomId, RoomKind, Seq,
    UNREAD_CAP, UserId, Watermarks,
    port::{
        AppendError, Appended, BackendError, Change, Created, LogStore, ReceiptStore, Retry,
        RoomStore,
    },
};
use futures_util::{TryStreamExt, future};
use mongodb::{
    Collection, Database,
    bson::{Bson, Document, doc},
    error::Result,
    options::ReturnDocument,
};
use serde::Deserialize;
use tokio::{
    sync::Mutex,
    time::{timeout, timeout_at},
};

use crate::{
    append::{self, Heads},
    connect::{self, ConnectError, LIMIT},
    doc::{EntryDoc, MEMBERS, MESSAGES, MemberDoc, ROOMS, RoomDoc, number},
    effects, error,
};

/// The collections of a store.
#[derive(Debug, Clone)]
pub(crate) struct Collections {
    pub(crate) messages: Collection<EntryDoc>,
    pub(crate) rooms: Collection<RoomDoc>,
    pub(crate) members: Collection<MemberDoc>,
}

/// A store on `MongoDB`, which several nodes may share.
///
/// Every write waits until a majority of the servers has it in its journal, and every read sees
/// only such writes. An operation takes 4 s at most; then it is an error.
#[derive(Debug)]
pub struct MongoStore {
    pub(crate) collections: Collections,
    /// Appends of one process would only race one another, so each has the heads for itself; the
    /// engine makes one at a time anyway.
    heads: Arc<Mutex<Heads>>,
}

impl MongoStore {
    /// Connects to the database that the address names, `chat` if it names none, and makes what is
    /// missing there.
    ///
    /// The address is that of the driver, `mongodb://user:password@host:port/database?options`.
    /// Write and read concern are what durability needs, whatever it says. By default a server is
    /// looked for for 2.5 s, and there are up to 32 connections.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why, in less than 5 s, and what to do.
    ///
    /// # Cancel safety
    ///
    /// What it has made stays, and the next call makes the rest.
    pub async fn connect(uri: &str) -> std::result::Result<Self, ConnectError> {
        let store = Self::on(&connect::connect(uri).await?);
        // What a crash left open is done by whoever reads it, too; so this may fail.
        let all = &store.collections;
        let settled = future::try_join(all.settle(doc! {}), all.settle_rooms(doc! {}));
        match timeout(LIMIT, settled).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "effects of old entries are left for later"),
            Err(_) => tracing::warn!("effects of old entries are left for later"),
        }
        Ok(store)
    }

    /// Connects as [`connect`](Self::connect) does, but makes nothing: for [`numbers`](Self::numbers).
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why, in less than 5 s, and what to do.
    pub async fn look(uri: &str) -> std::result::Result<Self, ConnectError> {
        connect::look(uri, connect::DATABASE)
            .await
            .map(|database| Self::on(&database))
    }

    fn on(database: &Database) -> Self {
        Self {
            collections: Collections {
                messages: database.collection(MESSAGES),
                rooms: database.collection(ROOMS),
                members: database.collection(MEMBERS),
            },
            heads: Arc::default(),
        }
    }

    /// The name of the database.
    pub fn database(&self) -> String {
        self.collections.messages.namespace().db
    }

    /// How many rooms there are, about.
    ///
    /// # Errors
    ///
    /// When the store can't be read.
    pub async fn room_count(&self) -> std::result::Result<u64, BackendError> {
        let rooms = self.collections.rooms.clone();
        read("room_count", async move {
            rooms.estimated_document_count().await
        })
        .await
    }
}

/// The answer of an operation, if there is one in time.
///
/// It runs in a task of its own, so that it goes on when nobody waits any more: the driver lets
/// others wait for a connection, for seconds, after one who wanted it has gone away.
pub(crate) async fn within<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> std::result::Result<T, BackendError> {
    match tokio::spawn(timeout(LIMIT, work)).await {
        Ok(Ok(answer)) => answer.map_err(|error| error::classify(&error, operation)),
        Ok(Err(_)) => Err(error::timed_out(operation, Retry::IfIdempotent)),
        Err(_) => Err(error::interrupted(operation)),
    }
}

/// The same for an operation that changes nothing.
async fn read<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> std::result::Result<T, BackendError> {
    let answer = within(operation, work).await;
    answer.map_err(BackendError::of_a_read)
}

/// As many as a query may be told.
fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Stages that join the newest entry of the room whose id is in `field`, as [`RoomDoc::newest`].
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

#[async_trait]
impl RoomStore for MongoStore {
    async fn create_room(&self, new: NewRoom) -> std::result::Result<Created, BackendError> {
        let all = self.collections.clone();
        within("create_room", async move {
            let room = RoomDoc {
                id: new.id.clone(),
                epoch: new.epoch.0,
                created_at: new.created_at.timestamp_micros(),
                entering: Some(new.members),
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

    async fn room(&self, id: &RoomId) -> std::result::Result<Option<Room>, BackendError> {
        let (all, filter) = (self.collections.clone(), doc! { "_id": id.as_str() });
        let found = read("room", async move { all.rooms(filter).await }).await?;
        Ok(found.into_iter().next().map(RoomDoc::room))
    }

    async fn is_member(
        &self,
        id: &RoomId,
        user: &UserId,
    ) -> std::result::Result<bool, BackendError> {
        let (all, id, user) = (self.collections.clone(), id.clone(), user.clone());
        read("is_member", async move {
            all.settle_room(&id).await?;
            let member = doc! { "roomId": id.as_str(), "user": user.as_str(), "member": true };
            let found = all.members.find_one(member).await?;
            Ok(found.is_some())
        })
        .await
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> std::result::Result<Vec<UserId>, BackendError> {
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
            Ok(found.into_iter().map(|member| member.user).collect())
        })
        .await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> std::result::Result<Vec<Membership>, BackendError> {
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
    ) -> std::result::Result<Vec<Room>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let names: Vec<_> = users.iter().map(|user| user.as_str().to_owned()).collect();
        let (all, after) = (self.collections.clone(), after.cloned());
        let work = async move { all.rooms_with(names, after.as_ref(), limit).await };
        read("rooms_with", work).await
    }
}

/// A member of a room, with what a list of rooms shows beside.
#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(flatten)]
    member: MemberDoc,
    room: [RoomDoc; 1],
    newest: Vec<crate::doc::Numbered>,
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
    ) -> Result<Vec<Membership>> {
        // A deleted message is not unread.
        let relevant = doc! { "$or": [{ "user": user.as_str() }, { "kind": "delete" }] };
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
                    "kind": "message",
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
    ) -> Result<Vec<Room>> {
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

#[async_trait]
impl LogStore for MongoStore {
    /// # Cancel safety
    ///
    /// Once it has begun it goes on, whether or not anybody waits for it.
    async fn append(
        &self,
        batch: Vec<NewEntry>,
    ) -> Vec<std::result::Result<Appended, AppendError>> {
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
            .unwrap_or_else(|error| {
                let mut tell = error::told_to_each(error);
                (0..entries).map(|_| Err(tell())).collect()
            })
    }

    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> std::result::Result<Vec<Arc<Entry>>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (all, room) = (self.collections.clone(), room.clone());
        read("page", async move { all.page(&room, page, limit).await }).await
    }

    async fn find(
        &self,
        room: &RoomId,
        id: MessageId,
    ) -> std::result::Result<Option<Arc<Entry>>, BackendError> {
        let (all, room) = (self.collections.clone(), room.clone());
        read("find", async move {
            all.settle(doc! { "roomId": room.as_str() }).await?;
            let entry =
                doc! { "_id": id.to_string(), "roomId": room.as_str(), "seq": { "$gt": 0 } };
            let found = all.messages.find_one(entry).await?;
            found.map(|it| append::entry(it).map(Arc::new)).transpose()
        })
        .await
    }
}

impl Collections {
    async fn page(&self, room: &RoomId, page: Page, limit: usize) -> Result<Vec<Arc<Entry>>> {
        // What changes an entry stands after it: a page that goes to the end of the log holds it.
        if let Page::After(seq) = page {
            let after = doc! { "$gt": number(seq) };
            let found = self.up(room, after, limit.saturating_add(1)).await?;
            if found.len() <= limit && found.iter().all(|entry| entry.pending.is_none()) {
                return entries(found);
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
        entries(docs)
    }

    async fn up(&self, room: &RoomId, seq: Document, limit: usize) -> Result<Vec<EntryDoc>> {
        self.range(room, seq, 1, limit).await
    }

    async fn down(&self, room: &RoomId, seq: Document, limit: usize) -> Result<Vec<EntryDoc>> {
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
    ) -> Result<Vec<EntryDoc>> {
        // All of an ordinary page in one answer.
        const BATCH: u32 = 1_000;
        let filter = doc! { "roomId": room.as_str(), "seq": seq };
        let find = self.messages.find(filter).sort(doc! { "seq": direction });
        let found = find.limit(at_most(limit)).batch_size(BATCH).await?;
        found.try_collect().await
    }
}

fn entries(mut docs: Vec<EntryDoc>) -> Result<Vec<Arc<Entry>>> {
    effects::overlay(&mut docs);
    docs.into_iter()
        .map(|it| append::entry(it).map(Arc::new))
        .collect()
}

#[async_trait]
impl ReceiptStore for MongoStore {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> std::result::Result<Change<Watermarks>, BackendError> {
        let (all, room, user) = (self.collections.clone(), room.clone(), user.clone());
        let work = async move { all.advance(&room, &user, mark, upto).await };
        within("advance", work).await
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> std::result::Result<Vec<Watermarks>, BackendError> {
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
}

impl Collections {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>> {
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
        // They have moved, whatever becomes of the dates.
        if room.kind() == RoomKind::Direct
            && let Err(error) = self.date_messages(room, user, from, to).await
        {
            tracing::warn!(%error, "messages are left without the date of their receipt");
        }
        Ok(Change::Moved { from, to })
    }

    /// Writes into messages when they were delivered and read, as the old server did.
    async fn date_messages(
        &self,
        room: &RoomId,
        reader: &UserId,
        from: Watermarks,
        to: Watermarks,
    ) -> Result<()> {
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
                "kind": "message",
                "from": { "$ne": reader.as_str() },
                // A message of the old server may have one.
                field: Bson::Null,
            };
            let now = doc! { "$currentDate": { field: true } };
            self.messages.update_many(messages, now).await?;
        }
        Ok(())
    }
}
