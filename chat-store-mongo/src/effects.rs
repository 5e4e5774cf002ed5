//! The effects of entries on other documents, applied so that a crash leaves none half done.
//!
//! An entry with an effect is inserted as `pending`: that one write decides that it happened. Then
//! the effect is applied, and then the mark is removed. Every reader looks for marks first, and
//! applies the effects that are still open. An effect may be applied twice, late and in any order:
//! a member and a text hold the number of the entry that they come from, and only a later entry
//! replaces them.
//!
//! `docs/adr/0007-mongo-effects-are-helped.md` has the reasons.

use std::sync::Arc;

use chat_core::{Effect, Entry, EntryBody, EntryKind, Role, RoomId, UserId};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use mongodb::{
    bson::{Document, doc},
    error::Result,
};

use crate::{
    collections::Collections,
    doc::{EntryDoc, RoomDoc, number},
};

/// The number of effects that are applied concurrently.
const AT_ONCE: usize = 8;

impl Collections {
    /// Applies the effects that a crash, or only another node's slowness, left open.
    pub(crate) async fn settle(&self, entries: Document) -> Result<()> {
        let mut filter = doc! { "pending": true };
        filter.extend(entries);
        let pending: Vec<EntryDoc> = self.messages.find(filter).await?.try_collect().await?;
        self.apply(&pending).await
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

    /// Adds the first members of a room, and then clears the list of those still to be added.
    pub(crate) async fn enter(&self, room: &RoomDoc) -> Result<()> {
        let members = room.entering.iter().flatten();
        let enter = |user: &UserId| {
            let role = match &room.owner {
                Some(owner) if owner == user => Role::Owner,
                _ => Role::Member,
            };
            self.set_member(&room.id, user.clone(), Some(role), 0)
        };
        at_once(members.map(enter)).await?;
        self.rooms
            .update_one(
                doc! { "_id": room.id.as_str() },
                doc! { "$unset": { "entering": "" } },
            )
            .await
            .map(drop)
    }

    /// Applies the effects of these entries, and removes their marks.
    pub(crate) async fn apply(&self, entries: &[EntryDoc]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        at_once(entries.iter().map(|entry| self.apply_one(entry))).await?;
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

    async fn apply_one(&self, entry: &EntryDoc) -> Result<()> {
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
                    "$unset": { "text": "", "target": "", "editedAt": "", "revision": "" },
                };
                self.messages
                    .update_many(message_and_edits, change)
                    .await
                    .map(drop)
            }
            effect @ (Effect::Admit { .. } | Effect::Assign { .. } | Effect::Dismiss { .. }) => {
                let Some((user, role)) = effect.membership() else {
                    return Ok(());
                };
                let (room, seq) = (&entry.room_id, entry.seq);
                self.set_member(room, user.clone(), role, seq).await
            }
            // A deletion may have removed the effect meanwhile.
            Effect::None => Ok(()),
        }
    }

    /// Makes a user a member with this role, or with none no member, as entry `seq` says, unless a later
    /// entry has decided it.
    async fn set_member(
        &self,
        room: &RoomId,
        user: UserId,
        role: Option<Role>,
        seq: i64,
    ) -> Result<()> {
        let name = |role: Option<Role>| role.unwrap_or_default().name();
        let later = doc! { "$lt": [{ "$ifNull": ["$revision", -1] }, seq] };
        let now = doc! { "$ifNull": ["$member", false] };
        self.members
            .update_one(
                doc! { "roomId": room.as_str(), "user": user.as_str() },
                vec![doc! { "$set": {
                    "member": { "$cond": [later.clone(), role.is_some(), now] },
                    "role": { "$cond": [later, name(role), { "$ifNull": ["$role", name(None)] }] },
                    "revision": { "$max": ["$revision", seq] },
                } }],
            )
            .upsert(true)
            .await
            .map(drop)
    }
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
            | Effect::Dismiss { .. } => {}
        }
    }
    Ok(entries.into_iter().map(Arc::new).collect())
}
