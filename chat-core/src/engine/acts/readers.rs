//! The members who have read an entry.

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, Page, RoomId, Seq, UserId},
    wire::{Error, MemberList, command::Readers},
};

impl Actor {
    /// One page of the members who have read a room up to an entry or beyond, in ascending order of their
    /// names, from the first one after `after`. Default 50 members, at most 200.
    ///
    /// In rooms of more than 100 members this is the way to know, for receipts are not sent to all.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], [`Error::NoMessage`] for an entry that doesn't exist or that the user may not read,
    /// or a backend's failure.
    pub async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: Option<usize>,
    ) -> Result<MemberList, Error> {
        let Parts {
            access,
            store,
            config,
            ..
        } = &*self.parts;
        let (live, in_room) = access.enter_as(&self.principal, Action::Read, room).await?;
        let first = in_room.first_readable(&live).max(Seq(1));
        let before = Page::After(Seq(seq.0.saturating_sub(1)));
        if seq < first || store.page(room, before, 1).await?.is_empty() {
            return Err(Error::NoMessage);
        }
        let limit = config.page_limit(limit);
        let one_more = limit.saturating_add(1);
        let readers = store.readers(room, seq, after, one_more).await?;
        let mut members = self.as_seen(room, readers).await?;
        let more = members.len() > limit;
        members.truncate(limit);
        // One who has blocked this user has read as far as they had then.
        members.retain(|member| member.watermarks.read >= seq);
        Ok(MemberList { members, more })
    }
}

impl Act for Readers {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            seq,
            after,
            limit,
        } = self;
        answer.give(by.readers(&room, seq, after.as_ref(), limit).await);
    }
}
