//! The stored data of a user, for administrators.

use serde::Serialize;
use std::sync::Arc;

use crate::{
    engine::parts::Parts,
    model::{Block, Decision, Entry, InboxRoom, Presence, RoomId, Seq, UserId, Version},
    wire::Error,
};

/// The number of rooms, entries, blocks and decisions that are read at once.
const PAGE: usize = 200;

/// Something that is stored of a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exported {
    /// The presence of the user, with the time when the user was last seen, if ever.
    Presence(Presence),
    /// A room that the user is a member of, with what the user has set and read.
    Room(Box<InboxRoom>),
    /// An entry by the user, or about them.
    Entry {
        /// The entry.
        entry: Arc<Entry>,
    },
    /// A block by the user.
    Block(Block),
    /// A decision by the user, or about them.
    Decision {
        /// The decision.
        decision: Box<Decision>,
    },
}

/// Goes through all that is stored of a user, part by part.
#[derive(Debug)]
pub struct Export {
    parts: Arc<Parts>,
    user: UserId,
    at: Place,
}

/// The place that an export has reached.
#[derive(Debug)]
enum Place {
    Presence,
    Rooms(Option<RoomId>),
    Entries(Vec<RoomId>, Seq),
    Blocks(Option<UserId>),
    Decisions(Version),
    End,
}

impl Export {
    pub(crate) fn new(parts: &Arc<Parts>, user: UserId) -> Self {
        Self {
            parts: Arc::clone(parts),
            user,
            at: Place::Presence,
        }
    }

    /// The next part, in no more than a few hundred pieces, which may be none; `None` at the end.
    ///
    /// # Errors
    ///
    /// A backend's failure; the next call reads the same part again.
    pub async fn next(&mut self) -> Result<Option<Vec<Exported>>, Error> {
        let Parts { store, cache, .. } = &*self.parts;
        let user = &self.user;
        let (found, next) = match &self.at {
            Place::Presence => {
                let presence = cache.presence(std::slice::from_ref(user)).await?;
                let found = presence.into_iter().map(Exported::Presence).collect();
                (found, Place::Rooms(None))
            }
            Place::Rooms(after) => {
                let page = store.rooms_about(user, after.as_ref(), PAGE).await?;
                let mut found = Vec::new();
                for room in &page {
                    let mine = store.inbox_room(room, user).await?;
                    found.extend(mine.map(|room| Exported::Room(Box::new(room))));
                }
                (found, Place::Entries(page, Seq::ZERO))
            }
            Place::Entries(rooms, after) => match rooms.first() {
                None => (Vec::new(), Place::Blocks(None)),
                Some(room) => {
                    let page = store.entries_about(room, user, *after, PAGE).await?;
                    let next = match page.last().filter(|_| page.len() == PAGE) {
                        Some(last) => Place::Entries(rooms.clone(), last.seq),
                        None if rooms.len() > 1 => Place::Entries(rooms[1..].to_vec(), Seq::ZERO),
                        // After the last room of a page comes the next page.
                        None => Place::Rooms(Some(room.clone())),
                    };
                    let entry = |entry| Exported::Entry { entry };
                    (page.into_iter().map(entry).collect(), next)
                }
            },
            Place::Blocks(after) => {
                let page = store.blocks_by(user, after.as_ref(), PAGE).await?;
                let next = match page.last().filter(|_| page.len() == PAGE) {
                    Some(last) => Place::Blocks(Some(last.user.clone())),
                    None => Place::Decisions(Version::ZERO),
                };
                (page.into_iter().map(Exported::Block).collect(), next)
            }
            Place::Decisions(after) => {
                let page = store.decisions(*after, PAGE).await?;
                let next = match page.last().filter(|_| page.len() == PAGE) {
                    Some(last) => Place::Decisions(last.version),
                    None => Place::End,
                };
                let theirs = page.into_iter().filter(|decision| decision.is_about(user));
                let decision = |it| Exported::Decision {
                    decision: Box::new(it),
                };
                (theirs.map(decision).collect(), next)
            }
            Place::End => return Ok(None),
        };
        self.at = next;
        Ok(Some(found))
    }
}
