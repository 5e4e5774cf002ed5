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
    /// [`Error::NoRoom`] for a direct room as well, or a backend's failure.
    pub async fn add_member(&self, room: &RoomId, user: UserId) -> Result<(), Error> {
        let role = Role::Member;
        self.change_members(room, EntryBody::Joined { user, role })
            .await
    }

    /// Ends the membership of `user` in a group that this user is in. Both may be the same user.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, or a backend's failure.
    pub async fn remove_member(&self, room: &RoomId, user: UserId) -> Result<(), Error> {
        self.change_members(room, EntryBody::Left { user }).await
    }

    async fn change_members(&self, room: &RoomId, body: EntryBody) -> Result<(), Error> {
        if room.pair().is_some() {
            return Err(Error::NoRoom);
        }
        let access = &self.parts.access;
        let live = access
            .enter(&self.principal, Use::Manage, room, IfAbsent::Refuse)
            .await?;
        self.append(live, body, None).await.map(drop)
    }
}
