//! Version 5 of the schema: rooms count their members and know their newest message, and members know when
//! they joined.
//!
//! The number of members is written last, so a room that has it is done. Whatever ends an upgrade in the
//! middle, the next start goes on with the rooms that have none.

use futures_util::TryStreamExt;
use mongodb::{
    Database,
    bson::{Document, doc},
    error::Result,
};

use crate::{
    collections::Collections,
    doc::{MEMBERS, MESSAGES, ROOMS},
};

/// The field of the schema's document that is there until all rooms are done.
pub(crate) const OPEN: &str = "roomsOpen";

/// The number of rooms that are brought up to date together.
const PAGE: i64 = 500;

/// Brings all rooms and members up to date.
pub(crate) async fn upgrade(database: &Database) -> Result<()> {
    let all = Collections::of(database);
    // What a program of the version before left open has to be done before members are counted.
    all.settle(doc! {}).await?;
    all.settle_rooms(doc! {}).await?;
    let rooms = database.collection::<Document>(ROOMS);
    let total = rooms.estimated_document_count().await?;
    let (mut last, mut done) = (String::new(), 0);
    loop {
        let open = doc! { "_id": { "$gt": last.as_str() }, "members": { "$exists": false } };
        let page = rooms.find(open).projection(doc! { "_id": 1 });
        let page = page.sort(doc! { "_id": 1 }).limit(PAGE).await?;
        let page: Vec<Document> = page.try_collect().await?;
        let ids = page.iter().filter_map(|room| room.get_str("_id").ok());
        let ids: Vec<&str> = ids.collect();
        let Some(newest) = ids.last() else { break };
        last = (*newest).to_owned();
        done += ids.len();
        date_members(database, &ids).await?;
        count_members(database, &ids).await?;
        tracing::info!("{done} of at most {total} rooms have version 5 of the schema");
    }
    Ok(())
}

/// Writes when the members of these rooms joined: with the newest entry that let them in, or else, as a first
/// member, with the room.
async fn date_members(database: &Database, rooms: &[&str]) -> Result<()> {
    let joined = doc! { "$and": [
        { "$lte": ["$seq", "$$revision"] }, { "$eq": ["$user", "$$user"] },
    ] };
    let pipeline = [
        doc! { "$match": {
            "roomId": { "$in": rooms }, "member": true, "joinedSeq": { "$exists": false },
        } },
        doc! { "$lookup": {
            "from": MESSAGES, "localField": "roomId", "foreignField": "roomId",
            "let": { "user": "$user", "revision": { "$ifNull": ["$revision", 0] } },
            "pipeline": [
                { "$match": { "seq": { "$gt": 0 }, "kind": "joined", "$expr": joined } },
                { "$sort": { "seq": -1 } },
                { "$limit": 1 },
                { "$project": { "seq": 1, "at": 1 } },
            ],
            "as": "entry",
        } },
        doc! { "$lookup": {
            "from": ROOMS, "localField": "roomId", "foreignField": "_id", "as": "room",
        } },
        doc! { "$project": {
            "_id": 0, "roomId": 1, "user": 1,
            "joinedSeq": { "$ifNull": [{ "$first": "$entry.seq" }, 0] },
            "joinedAt": { "$ifNull": [{ "$first": "$entry.at" }, { "$first": "$room.createdAt" }] },
        } },
        doc! { "$merge": {
            "into": MEMBERS, "on": ["roomId", "user"],
            "whenMatched": [{ "$set": {
                "joinedSeq": { "$ifNull": ["$joinedSeq", "$$new.joinedSeq"] },
                "joinedAt": { "$ifNull": ["$joinedAt", "$$new.joinedAt"] },
            } }],
            "whenNotMatched": "discard",
        } },
    ];
    let members = database.collection::<Document>(MEMBERS);
    let merged = members.aggregate(pipeline).allow_disk_use(true);
    merged.await.map(drop)
}

/// Writes the newest message of each of these rooms, or what is left of it, and the number of members.
async fn count_members(database: &Database, rooms: &[&str]) -> Result<()> {
    let newest = |field: &str, rest: Document, more: Document| {
        let mut entries = doc! { "seq": { "$gt": 0 } };
        entries.extend(rest);
        doc! { "$lookup": {
            "from": MESSAGES, "localField": "_id", "foreignField": "roomId",
            "let": more,
            "pipeline": [
                { "$match": entries },
                { "$sort": { field: -1 } },
                { "$limit": 1 },
                { "$project": { "seq": 1, "at": 1, "target": 1 } },
            ],
            "as": "newest",
        } }
    };
    let first = |field: &str| doc! { "$first": format!("$newest.{field}") };
    let pipeline = [
        doc! { "$match": { "_id": { "$in": rooms }, "members": { "$exists": false } } },
        newest("seq", doc! { "kind": "message" }, doc! {}),
        doc! { "$set": { "seq": { "$ifNull": [first("seq"), 0] }, "at": first("at") } },
        // A deletion names the message of which it left nothing.
        newest(
            "target",
            doc! {
                "kind": "delete", "target": { "$gt": 0 }, "$expr": { "$gt": ["$target", "$$seq"] },
            },
            doc! { "seq": "$seq" },
        ),
        doc! { "$set": { "deleted": { "$ifNull": [first("target"), 0] } } },
        newest(
            "seq",
            doc! { "$expr": { "$eq": ["$seq", "$$deleted"] } },
            doc! { "deleted": "$deleted" },
        ),
        doc! { "$lookup": {
            "from": MEMBERS, "localField": "_id", "foreignField": "roomId",
            "pipeline": [{ "$match": { "member": true } }, { "$count": "count" }],
            "as": "count",
        } },
        doc! { "$project": {
            "last": {
                "seq": { "$max": ["$seq", "$deleted"] },
                "at": { "$ifNull": [first("at"), "$at", "$createdAt"] },
            },
            "members": { "$ifNull": [{ "$first": "$count.count" }, 0] },
        } },
        doc! { "$merge": {
            "into": ROOMS, "on": "_id",
            "whenMatched": [{ "$set": {
                "last": { "$max": ["$last", "$$new.last"] },
                "members": { "$ifNull": ["$members", "$$new.members"] },
            } }],
            "whenNotMatched": "discard",
        } },
    ];
    let rooms = database.collection::<Document>(ROOMS);
    rooms.aggregate(pipeline).await.map(drop)
}
