//! Coming into a channel from the directory, or into a room by an invitation.

use std::sync::Arc;

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{parts::Parts, state::rooms::LiveRoom},
    model::{Action, InviteToken, Role, RoomId, RoomKind},
    wire::{
        Error, RoomView,
        command::{Accept, Join},
    },
};

/// The outcome for a user who comes in.
enum ComeIn {
    /// The user is a member from now on.
    New,
    /// The user was a member already.
    Already,
}

impl Actor {
    /// Comes into a channel as a member, and shows it; a user who is a member already stays as they are.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for what is no channel, [`Error::Forbidden`] for a user who is banned from it and for
    /// an archived one, [`Error::Full`], or a backend's failure.
    pub async fn join(&self, room: &RoomId) -> Result<RoomView, Error> {
        let Parts {
            access, directory, ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Join).await?;
        let live = access.unentered(room).await?.ok_or(Error::NoRoom)?;
        if directory.standing(&live, self.user()).await?.seat.is_some() {
            return self.view(room).await;
        }
        if live.kind != RoomKind::Channel {
            return Err(Error::NoRoom);
        }
        access.may_come_in(self.user(), room).await?;
        let room = room.clone();
        let come_in = |me: Self| async move {
            me.come_in(live, Role::Member, Some(Role::Reader)).await?;
            me.view(&room).await
        };
        self.to_the_end(come_in).await
    }

    /// Comes into a room by an invitation, in the role that it gives, and shows the room. A user who is a
    /// member already stays as they are, and uses nothing up.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for an invitation that doesn't exist, has ended, is used up or was taken back;
    /// [`Error::Forbidden`] for a user who is banned from the room and for an archived room, [`Error::Full`],
    /// or a backend's failure.
    pub async fn accept(&self, token: &InviteToken) -> Result<RoomView, Error> {
        let Parts {
            access,
            directory,
            store,
            ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Join).await?;
        let invite = store.invite(token).await?.ok_or(Error::NoRoom)?;
        let room = &invite.room;
        let live = access.unentered(room).await?.ok_or(Error::NoRoom)?;
        let in_room = directory.standing(&live, self.user()).await?;
        if in_room.seat.is_some() {
            return self.view(room).await;
        }
        if in_room.archived {
            return Err(Error::Forbidden("the room is archived"));
        }
        access.may_come_in(self.user(), room).await?;
        let come_in = |me: Self| async move {
            let Parts { store, clock, .. } = &*me.parts;
            let used = store.use_invite(&invite.token, clock.now()).await?;
            let used = used.ok_or(Error::NoRoom)?;
            // The inviter's right was asked when the invitation was made.
            match me.come_in(live, used.role, None).await {
                Ok(ComeIn::New) => {}
                Ok(ComeIn::Already) => store.unuse_invite(used.id).await?,
                Err(error) => {
                    store.unuse_invite(used.id).await?;
                    return Err(error);
                }
            }
            me.view(&used.room).await
        };
        self.to_the_end(come_in).await
    }

    /// Makes the user a member, unless another device was quicker.
    async fn come_in(
        &self,
        live: Arc<LiveRoom>,
        role: Role,
        require: Option<Role>,
    ) -> Result<ComeIn, Error> {
        let room = live.id.clone();
        match self.admit(live, self.user().clone(), role, require).await {
            Ok(()) => Ok(ComeIn::New),
            Err(Error::Forbidden(_)) if self.role_of(&room, self.user()).await?.is_some() => {
                Ok(ComeIn::Already)
            }
            Err(error) => Err(error),
        }
    }
}

impl Act for Join {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.join(&self.room).await);
    }
}

impl Act for Accept {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.accept(&self.token).await);
    }
}
