//! Looking into a room from outside, for administrators.

use std::sync::Arc;

use crate::{
    engine::parts::Parts,
    model::{Entry, Member, Page, Room, RoomId},
    wire::Error,
};

/// How many members an [`Inspection`] lists.
const MEMBERS_SHOWN: usize = 200;

/// A room as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The room.
    pub room: Room,
    /// Its first members in ascending order of their names, at most 200.
    pub members: Vec<Member>,
    /// A page of its log, in ascending order.
    pub entries: Vec<Arc<Entry>>,
}

/// Carries out [`ChatEngine::inspect`](crate::ChatEngine::inspect).
pub(crate) async fn inspect(
    parts: &Parts,
    id: &RoomId,
    page: Page,
    limit: Option<usize>,
) -> Result<Inspection, Error> {
    let Parts { store, config, .. } = parts;
    let room = store.room(id).await?.ok_or(Error::NoRoom)?;
    let members = store.members(id, None, MEMBERS_SHOWN).await?;
    let entries = store.page(id, page, config.page_limit(limit)).await?;
    Ok(Inspection {
        room,
        members,
        entries,
    })
}
