//! Opening a direct room, and viewing a room.

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{parts::Parts, state::rooms::LARGE_ABOVE},
    model::{Action, Me, Member, RoomId, UserId},
    wire::{
        Error, MemberView, RoomView,
        command::{Open, ViewRoom},
    },
};

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
        let (room, _) = access.look(&self.principal, Action::Read, &id).await?;
        access.unless_blocked(self.user(), &id).await?;
        if room.is_none() {
            access.make_direct(self.user(), &id).await?;
        }
        self.view(&id).await
    }

    /// A room that the user is in, as the user has it set, with its members, and which of them are online as
    /// far as is known. Of a room of more than 100 members no members are listed.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn view(&self, id: &RoomId) -> Result<RoomView, Error> {
        let access = &self.parts.access;
        access.enter(&self.principal, Action::Read, id).await?;
        self.shown(id).await
    }

    /// A room that the user may see, also one that the user is not in.
    pub(crate) async fn shown(&self, id: &RoomId) -> Result<RoomView, Error> {
        let Parts {
            store,
            leases,
            directory,
            ..
        } = &*self.parts;
        let (mine, listed) = tokio::try_join!(
            async { Ok(store.inbox_room(id, self.user()).await?) },
            self.members_as_seen(id, None, LARGE_ABOVE + 1)
        )?;
        let (room, me) = match mine {
            Some(mine) => (mine.room, mine.me),
            None => (store.room(id).await?.ok_or(Error::NoRoom)?, Me::default()),
        };
        let mut members = Vec::new();
        if listed.len() <= LARGE_ABOVE {
            let users: Vec<UserId> = listed.iter().map(|member| member.user.clone()).collect();
            let mut presence = leases.as_known(&users).await;
            directory.blocks.apply(self.user(), &mut presence).await?;
            let view = |(presence, member): (_, Member)| MemberView {
                presence,
                role: member.role,
                watermarks: member.watermarks,
            };
            members = presence.into_iter().zip(listed).map(view).collect();
        }
        Ok(RoomView { room, me, members })
    }
}

impl Act for ViewRoom {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.view(&self.room).await);
    }
}

impl Act for Open {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.open(&self.user).await);
    }
}
