//! What a newer version of the schema brings to the data of an older one.
//!
//! Version 2: members have roles, and each group has an owner.
//!
//! Version 3: the log of decisions. A program of version 2 would let in users who are banned.
//!
//! Version 4: blocks. A program of version 3 would store messages between users one of whom has blocked the
//! other.
//!
//! Version 5: rooms have kinds, details and invitations, and know their newest message and how many members
//! they have. A program of version 4 would not count members.

use mongodb::{
    Database,
    bson::{Document, doc},
    error::Result,
};

use crate::{
    connect::{VERSION, version_in},
    doc::{MEMBERS, META},
    upgrade_rooms,
};

/// Brings the data to [`VERSION`]. Several nodes may do so at once, and an interrupted upgrade is done again
/// by the next start. The caller has applied the effects of all entries.
pub(crate) async fn upgrade(database: &Database) -> Result<()> {
    let meta = database.collection::<Document>(META);
    let schema = doc! { "_id": "schema" };
    let found = meta.find_one(schema.clone()).await?;
    let Some(found) = found else { return Ok(()) };
    let from = version_in(&found);
    if from < 2 {
        tracing::info!("giving each group its owner");
        give_owners(database).await?;
    }
    let mut now = doc! { "$max": { "version": VERSION } };
    if from < 5 {
        now.insert("$set", doc! { upgrade_rooms::OPEN: true });
    }
    if from < VERSION {
        // Programs of the version before don't start from here on.
        meta.update_one(schema.clone(), now).await?;
    }
    if from < 5 || found.contains_key(upgrade_rooms::OPEN) {
        upgrade_rooms::upgrade(database).await?;
        meta.update_one(schema, doc! { "$unset": { upgrade_rooms::OPEN: "" } })
            .await?;
    }
    Ok(())
}

/// Makes the member who has been in it for longest the owner of each group that has none; of its first
/// members, whose order is not known, the first by name.
async fn give_owners(database: &Database) -> Result<()> {
    let owns = doc! { "$cond": [{ "$eq": ["$role", "owner"] }, 1, 0] };
    let pipeline = [
        doc! { "$match": { "member": true, "roomId": { "$not": { "$regex": "," } } } },
        doc! { "$sort": { "roomId": 1, "revision": 1, "user": 1 } },
        doc! { "$group": {
            "_id": "$roomId", "user": { "$first": "$user" }, "owners": { "$sum": owns },
        } },
        doc! { "$match": { "owners": 0 } },
        doc! { "$project": {
            "_id": 0, "roomId": "$_id", "user": 1, "role": { "$literal": "owner" },
        } },
        doc! { "$merge": {
            "into": MEMBERS, "on": ["roomId", "user"],
            "whenMatched": "merge", "whenNotMatched": "discard",
        } },
    ];
    let members = database.collection::<Document>(MEMBERS);
    members
        .aggregate(pipeline)
        .allow_disk_use(true)
        .await
        .map(drop)
}
