//! The effects of entries on other documents, applied so that a crash leaves none half done.
//!
//! An entry with an effect is inserted as `pending`: that one write decides that it happened. Then
//! the effect is applied, and then the mark is removed. Every reader looks for marks first, and
//! applies the effects that are still open. An effect may be applied twice, late and in any order:
//! a member, a text and what a room says hold the number of the entry that they come from, and only a
//! later entry replaces them. What becomes of a room is in the entry itself: its writer knew the room
//! as it was just before.
//!
//! `docs/adr/0007-mongo-effects-are-helped.md` has the reasons.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chat_core::{Effect, Entry, EntryBody, EntryKind, Role, RoomId, UserId};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use mongodb::{
    bson::{Bson, Document, doc, serialize_to_bson},
    error::Result,
};

use crate::{
    collections::Collections,
    doc::{EntryDoc, MEMBERS, ROOMS, number},
    room_doc::RoomDoc,
};

/// The number of effects on texts that are applied concurrently.
const AT_ONCE: usize = 8;

impl Collections {
    /// Applies the effects that a crash, or only another node's slowness, left open.
    pub(crate) async fn settle(&self, entries: Document) -> Result<()> {
        self.apply(&self.pending(entries).await?).await
    }

    async fn pending(&self, entries: Document) -> Result<Vec<EntryDoc>> {
        let mut filter = doc! { "pending": true };
        filter.extend(entries);
        self.messages.find(filter).await?.try_collect().await
    }

    /// Lets in the first members of rooms where a crash or another node's slowness left that open.
    pub(crate) async fn settle_rooms(&self, rooms: Document) -> Result<()> {
        let mut filter = doc! { "entering": { "$exists": true } };
        filter.extend(rooms);
        let rooms: Vec<RoomDoc> = self.rooms.find(filter).await?.try_collect().await?;
        for room in &rooms {
            self.enter(room).await?;
        }
        Ok(())
    }

    /// Applies all effects that are open in this room.
    pub(crate) async fn settle_room(&self, room: &RoomId) -> Result<()> {
        let entries = self.settle(doc! { "roomId": room.as_str() });
        let rooms = self.settle_rooms(doc! { "_id": room.as_str() });
        future::try_join(entries, rooms).await.map(drop)
    }

    /// Applies the effects of entries that are open in the rooms of these users, or that make them members.
    pub(crate) async fn settle_rooms_of(&self, users: &[&str], entries: Document) -> Result<()> {
        let rooms = self.settle_rooms(doc! { "entering": { "$in": users } });
        let (mut pending, ()) = future::try_join(self.pending(entries), rooms).await?;
        if pending.is_empty() {
            return Ok(());
        }
        let open: HashSet<&str> = pending.iter().map(|it| it.room_id.as_str()).collect();
        let open: Vec<&str> = open.into_iter().collect();
        let mine = doc! { "user": { "$in": users }, "member": true, "roomId": { "$in": open } };
        let mine = self.members_of(vec![mine]).await?;
        let mut mine: HashSet<RoomId> = mine.into_iter().map(|it| it.room_id).collect();
        let about = |it: &&EntryDoc| {
            it.user
                .as_ref()
                .is_some_and(|it| users.contains(&it.as_str()))
        };
        mine.extend(pending.iter().filter(about).map(|it| it.room_id.clone()));
        pending.retain(|it| mine.contains(&it.room_id));
        self.apply(&pending).await
    }

    /// Adds the first members of a room, and then clears the list of those still to be added.
    pub(crate) async fn enter(&self, room: &RoomDoc) -> Result<()> {
        for users in room.entering_in_portions() {
            self.enter_some(room, users).await?;
        }
        self.all_entered(room).await
    }

    /// Adds these of the first members of a room, and takes them off the list of those still to be added: so
    /// whoever is interrupted has not worked in vain.
    pub(crate) async fn enter_some(&self, room: &RoomDoc, users: &[UserId]) -> Result<()> {
        let members = users.iter().map(|user| {
            let role = Some(room.first_role(user));
            member(&room.id, user, role, 0, Some(room.created_at))
        });
        self.update_all(MEMBERS, members.collect()).await?;
        if room.entering.as_deref() == Some(users) {
            // These are all, and the list is about to be cleared.
            return Ok(());
        }
        let names: Vec<_> = users.iter().map(UserId::as_str).collect();
        let off = doc! { "$pull": { "entering": { "$in": names } } };
        let room = doc! { "_id": room.id.as_str() };
        self.rooms.update_one(room, off).await.map(drop)
    }

    /// Clears the list of those still to be added.
    pub(crate) async fn all_entered(&self, room: &RoomDoc) -> Result<()> {
        let room = doc! { "_id": room.id.as_str() };
        let clear = doc! { "$unset": { "entering": "" } };
        self.rooms.update_one(room, clear).await.map(drop)
    }

    /// Applies the effects of these entries, and removes their marks.
    pub(crate) async fn apply(&self, entries: &[EntryDoc]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        future::try_join3(
            at_once(entries.iter().map(|entry| self.change_texts(entry))),
            self.update_all(MEMBERS, entries.iter().filter_map(membership).collect()),
            self.update_all(ROOMS, rooms_after(entries)?),
        )
        .await?;
        let rooms: Vec<_> = entries.iter().map(|it| it.room_id.as_str()).collect();
        let ids: Vec<_> = entries.iter().map(|it| it.id.to_string()).collect();
        self.messages
            .update_many(
                doc! { "_id": { "$in": ids }, "roomId": { "$in": rooms } },
                doc! { "$unset": { "pending": "" } },
            )
            .await
            .map(drop)
    }

    async fn change_texts(&self, entry: &EntryDoc) -> Result<()> {
        let (room, body) = (entry.room_id.as_str(), entry.body());
        match body.as_ref().map_or(Effect::None, EntryBody::effect) {
            Effect::Replace { target, text } => {
                let message = doc! {
                    "roomId": room, "seq": number(target), "kind": EntryKind::Message.name(),
                    "revision": { "$not": { "$gte": entry.seq } },
                };
                let change = doc! { "$set": {
                    "text": &**text, "editedAt": entry.at, "revision": entry.seq,
                } };
                self.messages.update_one(message, change).await.map(drop)
            }
            Effect::Erase { target } => {
                // Each branch names the room, or none of the indexes would serve it.
                let target = number(target);
                let message_and_edits = doc! { "roomId": room, "$or": [
                    { "roomId": room, "seq": target },
                    { "roomId": room, "target": target, "kind": EntryKind::Edit.name() },
                ] };
                let change = doc! {
                    "$set": { "kind": EntryKind::Deleted.name() },
                    "$unset": { "text": "", "editedAt": "", "revision": "" },
                };
                self.messages
                    .update_many(message_and_edits, change)
                    .await
                    .map(drop)
            }
            // These change no text, and a deletion may have removed the effect meanwhile.
            Effect::Admit { .. }
            | Effect::Assign { .. }
            | Effect::Dismiss { .. }
            | Effect::Describe { .. }
            | Effect::None => Ok(()),
        }
    }
}

/// The update that an entry makes to a membership.
fn membership(entry: &EntryDoc) -> Option<Document> {
    let body = entry.body()?;
    let (user, role) = body.effect().membership()?;
    let joined_at = entry.joins.and(Some(entry.at));
    Some(member(&entry.room_id, user, role, entry.seq, joined_at))
}

/// The update that makes a user a member with this role, or with none no member, as entry `seq` says, unless a
/// later entry has decided it. With a time of joining, a new membership begins, and what the user had set in
/// an earlier one is forgotten.
fn member(
    room: &RoomId,
    user: &UserId,
    role: Option<Role>,
    seq: i64,
    joined_at: Option<i64>,
) -> Document {
    let name = |role: Option<Role>| role.unwrap_or_default().name();
    let later = doc! { "$lt": [{ "$ifNull": ["$revision", -1] }, seq] };
    let now = doc! { "$ifNull": ["$member", false] };
    let mut change = doc! {
        "member": { "$cond": [later.clone(), role.is_some(), now] },
        "role": { "$cond": [later, name(role), { "$ifNull": ["$role", name(None)] }] },
        "revision": { "$max": ["$revision", seq] },
    };
    if let Some(at) = joined_at {
        // This has a guard of its own: a later entry about the same membership may have come first.
        let anew = doc! { "$lt": [{ "$ifNull": ["$joinedSeq", -1] }, seq] };
        change.insert("joinedSeq", doc! { "$max": ["$joinedSeq", seq] });
        change.insert(
            "joinedAt",
            doc! { "$cond": [anew.clone(), at, "$joinedAt"] },
        );
        for set in ["notify", "pinned", "hiddenAt", "mutedUntil"] {
            let kept = format!("${set}");
            change.insert(set, doc! { "$cond": [anew.clone(), "$$REMOVE", kept] });
        }
    }
    doc! {
        "q": { "roomId": room.as_str(), "user": user.as_str() },
        "u": [{ "$set": change }],
        "upsert": true,
    }
}

/// The updates that entries make to their rooms. Details and the number of members each have the number of
/// the entry that they come from, because an entry changes one or the other.
fn rooms_after(entries: &[EntryDoc]) -> Result<Vec<Document>> {
    let mut updates = HashMap::new();
    // Of the entries of one room the last one counts.
    let mut by_seq: Vec<_> = entries.iter().collect();
    by_seq.sort_by_key(|entry| entry.seq);
    for entry in by_seq {
        let mut set = |field: &'static str, to: Bson| {
            let revision = format!("{field}Seq");
            let unless_later = doc! { "_id": entry.room_id.as_str(), &revision: { "$not": { "$gte": entry.seq } } };
            let change = doc! { "$set": { field: to, revision: entry.seq } };
            let update = doc! { "q": unless_later, "u": change };
            updates.insert((&entry.room_id, field), update);
        };
        if let Some(members) = entry.members {
            set("members", members.into());
        }
        if let Some(details) = &entry.details {
            set("details", serialize_to_bson(details)?);
        }
    }
    Ok(updates.into_values().collect())
}

async fn at_once(work: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    let work: Vec<_> = work.collect();
    stream::iter(work)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Applies the edits and deletions of a page of one room to the entries of the same page. A page
/// that is read while one of these is carried out may hold it and not its effect.
pub(crate) fn overlaid(page: Vec<EntryDoc>) -> Result<Vec<Arc<Entry>>> {
    let mut revisions: Vec<_> = page.iter().map(|doc| doc.revision).collect();
    let entries = page.into_iter().map(EntryDoc::entry);
    let mut entries: Vec<Entry> = entries.collect::<Result<_>>()?;
    for place in 0..entries.len() {
        if entries[place].body.effect().target().is_none() {
            continue;
        }
        let Entry {
            seq,
            author,
            at,
            body,
            ..
        } = entries[place].clone();
        match body.effect() {
            Effect::Replace { target, .. } => {
                let revision = Some(number(seq));
                if let Ok(message) = entries.binary_search_by_key(&target, |entry| entry.seq)
                    && revisions[message] < revision
                    && let Some(body) = body.effect().on(&entries[message], &author, at)
                {
                    (entries[message].body, revisions[message]) = (body, revision);
                }
            }
            Effect::Erase { .. } => {
                for entry in &mut entries {
                    if let Some(body) = body.effect().on(entry, &author, at) {
                        entry.body = body;
                    }
                }
            }
            Effect::None
            | Effect::Admit { .. }
            | Effect::Assign { .. }
            | Effect::Dismiss { .. }
            | Effect::Describe { .. } => {}
        }
    }
    Ok(entries.into_iter().map(Arc::new).collect())
}
