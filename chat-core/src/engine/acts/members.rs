//! Making groups, and adding and removing their members.

use super::{
    access::{IfAbsent, Use},
    actor::Actor,
};
use crate::{
    engine::parts::Parts,
    model::{EntryBody, InvalidId, Role, RoomId, UserId},
    port::Created,
    wire::Error,
};

/// Makes a group: [`ChatEngine::create_group`](crate::ChatEngine::create_group) is the contract.
pub(crate) async fn create_group(
    parts: &Parts,
    id: RoomId,
    owner: UserId,
    members: Vec<UserId>,
) -> Result<Created, Error> {
    if id.pair().is_some() {
        return Err(InvalidId::NotAPair.into());
    }
    let (_, created) = parts.access.create_room(id, Some(owner), members).await?;
    Ok(created)
}

impl Actor {
    /// Makes `user` a member of a group that this user is in.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, [`Error::Forbidden`] for readers and for a user who is a
    /// member already, or a backend's failure.
    pub async fn add_member(&self, room: &RoomId, user: UserId) -> Result<(), Error> {
        let role = Role::Member;
        self.change_members(room, EntryBody::Joined { user, role }, Role::Member)
            .await
    }

    /// Ends the membership of `user` in a group that this user is in. Both may be the same user; of others
    /// it needs a higher role than theirs, a moderator's at least.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, [`Error::Forbidden`] without the role and for the last
    /// owner, or a backend's failure.
    pub async fn remove_member(&self, room: &RoomId, user: UserId) -> Result<(), Error> {
        let require = if user == *self.user() {
            Role::Reader
        } else {
            Role::Moderator
        };
        self.change_members(room, EntryBody::Left { user }, require)
            .await
    }

    async fn change_members(
        &self,
        room: &RoomId,
        body: EntryBody,
        require: Role,
    ) -> Result<(), Error> {
        if room.pair().is_some() {
            return Err(Error::NoRoom);
        }
        let access = &self.parts.access;
        let live = access
            .enter(&self.principal, Use::Manage, room, IfAbsent::Refuse)
            .await?;
        self.append(live, body, require, None).await.map(drop)
    }
}
