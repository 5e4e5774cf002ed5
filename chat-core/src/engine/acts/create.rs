//! Making groups and channels.

use std::sync::Arc;

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{parts::Parts, state::rooms::LiveRoom},
    model::{
        Action, Details, Epoch, InvalidId, NewRoom, RoomChange, RoomId, RoomKind, UserId, once,
    },
    port::{Created, Hint, Topic},
    wire::{Error, RoomNews, RoomView, command::Create},
};

impl Actor {
    /// Makes a group or channel that this user owns, and shows it. Takes from the user's budget for rooms.
    ///
    /// With a [`client_id`](Create::client_id) it may be called again: it makes one room under each id, and gives
    /// that room as it is now. Without one, each call makes another room.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] for the kind [`Direct`](RoomKind::Direct), [`Error::Full`] for more members than a
    /// room may have, [`Error::Blocked`] for a member who has blocked this user or is blocked,
    /// [`Error::Conflict`] for a client id under which another room was made, [`Error::NoRoom`] for one whose room
    /// the user has left, [`Error::Forbidden`], [`Error::RateLimited`], or a backend's failure.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have made the room.
    pub async fn create(&self, room: Create) -> Result<RoomView, Error> {
        let access = &self.parts.access;
        access.allow(&self.principal, Action::Create).await?;
        let client_id = room.client_id.clone();
        let id = match &client_id {
            Some(client_id) => once::id(self.user(), client_id)?,
            None => RoomId::group(self.parts.ids.next().to_string())?,
        };
        let mut new = new_room(&self.parts, id.clone(), self.user().clone(), room)?;
        let mut made = None;
        if client_id.is_some() {
            new.epoch = once::epoch(new.epoch.0, &new);
            made = access.unentered(&id).await?;
        }
        let made = if let Some(made) = made {
            made
        } else {
            self.unless_blocked_by_any(&new.members).await?;
            access.charge_room(self.user()).await?;
            make(&self.parts, new.clone()).await?.0
        };
        if client_id.is_some() && !once::is_made_as(made.epoch, &new) {
            return Err(Error::Conflict);
        }
        self.view(&id).await
    }

    /// Refuses to let somebody into a room who has blocked this user, or whom this user has blocked.
    async fn unless_blocked_by_any(&self, users: &[UserId]) -> Result<(), Error> {
        let me = std::slice::from_ref(self.user());
        let blocks = &self.parts.directory.blocks;
        let (by_them, by_me) =
            tokio::try_join!(blocks.of(self.user(), users), blocks.by_users(me, users),)?;
        if by_them.is_empty() && by_me.is_empty() {
            Ok(())
        } else {
            Err(Error::Blocked)
        }
    }
}

/// The room that a user wants to have under this id.
pub(crate) fn new_room(
    parts: &Parts,
    id: RoomId,
    owner: UserId,
    room: Create,
) -> Result<NewRoom, Error> {
    let Create {
        kind,
        name,
        topic,
        data,
        settings,
        members,
        client_id: _,
    } = room;
    if kind == RoomKind::Direct {
        let why = "a direct room is opened, not created; the kind is `group` or `channel`";
        return Err(Error::BadRequest(why.to_owned()));
    }
    if id.is_direct() {
        return Err(InvalidId::NotAPair.into());
    }
    let change = RoomChange {
        name: Some(name),
        topic: Some(topic),
        data: Some(data),
        settings: Some(settings),
        archived: None,
    };
    let new = NewRoom {
        id,
        kind,
        epoch: Epoch(parts.ids.next()),
        members,
        created_by: Some(owner),
        details: Details::default().changed(&change),
        created_at: parts.clock.now(),
    };
    if new.first_members().len() > parts.config.room_members {
        return Err(Error::Full);
    }
    Ok(new)
}

/// Makes a group or channel, and tells its first members of it, here and on other nodes.
pub(crate) async fn make(parts: &Parts, new: NewRoom) -> Result<(Arc<LiveRoom>, Created), Error> {
    let members = new.first_members();
    let (live, created) = parts.access.make(new).await?;
    if let Created::New(_) = created {
        let hint = || Hint::Made {
            room: live.id.clone(),
        };
        for member in members {
            parts.news.note(&live.id, &member.user, RoomNews::Added);
            if parts.hints.has_nodes() {
                parts.hints.publish(vec![Topic::User(member.user)], hint());
            }
        }
    }
    Ok((live, created))
}

impl Act for Create {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.create(self).await);
    }
}
