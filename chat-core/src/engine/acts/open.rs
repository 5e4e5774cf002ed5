//! Opening a direct room, and viewing a room.

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, Presence, RoomId, UserId, Watermarks},
    wire::{Error, MemberView, RoomView, command::Open},
};

/// How many members a [`RoomView`] lists.
const MEMBERS_SHOWN: usize = 200;

impl Actor {
    /// Opens the direct room with `peer`, making it if need be.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] when `peer` is the user, [`Error::Blocked`] while one of the two has blocked the
    /// other, or a backend's failure.
    pub async fn open(&self, peer: &UserId) -> Result<RoomView, Error> {
        let id = RoomId::direct(self.user(), peer)?;
        let access = &self.parts.access;
        access.allow(&self.principal, Action::Open).await?;
        let room = access.look(&self.principal, Action::Read, &id).await?;
        access.unless_blocked(self.user(), &id).await?;
        if room.is_none() {
            access.make_direct(self.user(), &id).await?;
        }
        self.view(&id).await
    }

    /// A room that the user is in, with its members, and which of them are online as far as is known.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn view(&self, id: &RoomId) -> Result<RoomView, Error> {
        let Parts {
            access,
            store,
            leases,
            directory,
            ..
        } = &*self.parts;
        let live = access.enter(&self.principal, Action::Read, id).await?;
        let room = store.room(id).await?.ok_or(Error::NoRoom)?;
        let members = live.members();
        let users = members.iter().map(|member| member.user.clone());
        let users: Vec<UserId> = users.take(MEMBERS_SHOWN).collect();
        let mut presence = leases.as_known(&users).await;
        let mut watermarks = store.watermarks(id, &users).await?;
        for block in directory.blocks.of(self.user(), &users).await? {
            let by = |(one, _): &(&mut Presence, &mut Watermarks)| one.user == block.by;
            let mut all = presence.iter_mut().zip(&mut watermarks);
            if let Some((presence, watermarks)) = all.find(by) {
                *presence = block.presence();
                if id.pair().is_some() {
                    *watermarks = watermarks.meet(block.watermarks);
                }
            }
        }
        let members = presence
            .into_iter()
            .zip(watermarks)
            .map(|(presence, watermarks)| MemberView {
                presence,
                watermarks,
            })
            .collect();
        Ok(RoomView { room, members })
    }
}

impl Act for Open {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.open(&self.user).await);
    }
}
