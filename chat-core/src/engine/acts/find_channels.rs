//! Searching the directory of channels.

use super::{
    act::{Act, Answering},
    actor::Actor,
    page::cut,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, Room, RoomId, RoomName},
    wire::{Directory, Error, command::FindChannels},
};

impl Actor {
    /// One page of the channels whose name holds `query`, in ascending order of id, from the first one after
    /// `after`. Upper and lower case are the same; archived channels are left out. Default 50, at most 200.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] for a query that can't stand in a name, or a backend's failure.
    pub async fn find_channels(
        &self,
        query: &str,
        after: Option<&RoomId>,
        limit: Option<usize>,
    ) -> Result<Directory, Error> {
        let Parts {
            access,
            store,
            config,
            ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Directory).await?;
        let query = RoomName::new(query)?.folded();
        let limit = config.page_limit(limit);
        let one_more = limit.saturating_add(1);
        let mut rooms = store.directory(&query, after, one_more).await?;
        let more = cut(&mut rooms, limit, config.reply_bytes(), Room::size);
        Ok(Directory { rooms, more })
    }
}

impl Act for FindChannels {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            query,
            after,
            limit,
        } = self;
        answer.give(by.find_channels(&query, after.as_ref(), limit).await);
    }
}
