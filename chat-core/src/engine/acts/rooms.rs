//! Listing the rooms of a user.

use super::{
    act::{Act, Answering},
    actor::Actor,
    page::cut,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, RoomId, UserId},
    wire::{Error, RoomList, command::Rooms},
};

impl Actor {
    /// One page of the user's rooms in ascending order of id, from the first one after `after`. Default 50
    /// rooms, at most 200.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn rooms(
        &self,
        after: Option<&RoomId>,
        limit: Option<usize>,
    ) -> Result<RoomList, Error> {
        self.parts
            .access
            .allow(&self.principal, Action::Rooms)
            .await?;
        page(&self.parts, self.user(), after, limit).await
    }
}

/// One page of a user's rooms, whoever asks.
pub(crate) async fn page(
    parts: &Parts,
    user: &UserId,
    after: Option<&RoomId>,
    limit: Option<usize>,
) -> Result<RoomList, Error> {
    let limit = parts.config.page_limit(limit);
    let one_more = limit.saturating_add(1);
    let mut rooms = parts.store.rooms_of(user, after, one_more).await?;
    let bytes = parts.config.reply_bytes();
    let more = cut(&mut rooms, limit, bytes, |room| room.room.size());
    Ok(RoomList { rooms, more })
}

impl Act for Rooms {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.rooms(self.after.as_ref(), self.limit).await);
    }
}
