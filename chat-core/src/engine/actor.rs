//! Somebody who acts: lists, opens and asks. Sending, reading and receipts have their own files.

use super::{ChatEngine, rooms::IfAbsent};
use crate::{
    body::EntryBody,
    error::Error,
    event::{MemberView, RoomView},
    ids::{ClientMessageId, RoomId, UserId},
    presence::Presence,
    room::Membership,
};

/// A user as the one who acts, with or without a connection.
///
/// [`Session`](super::Session) is one with a connection.
#[derive(Debug, Clone)]
pub struct Actor {
    pub(crate) engine: ChatEngine,
    pub(crate) user: UserId,
}

/// How many members a [`RoomView`] names.
const MEMBERS_SHOWN: usize = 200;

impl Actor {
    /// Who acts.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Opens the direct room with `peer`, making it if need be.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] when `peer` is the user, or a backend's failure.
    pub async fn open(&self, peer: &UserId) -> Result<RoomView, Error> {
        let id = RoomId::direct(&self.user, peer)?;
        self.engine
            .shared
            .enter(&self.user, &id, IfAbsent::Create)
            .await?;
        self.view(&id).await
    }

    /// A room that the user is in, with its members; who is online as far as is known.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn view(&self, id: &RoomId) -> Result<RoomView, Error> {
        let shared = &self.engine.shared;
        let live = shared.enter(&self.user, id, IfAbsent::Refuse).await?;
        let room = shared.stored(shared.store.room(id).await)?;
        let room = room.ok_or(Error::NoRoom)?;
        let members = live.members();
        let members = &members[..members.len().min(MEMBERS_SHOWN)];
        let presence = shared.presence_as_known(members).await;
        let watermarks = shared.store.watermarks(id, members).await;
        let watermarks = shared.stored(watermarks)?;
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

    /// The user's rooms in ascending order of id, from the first one after `after`, and whether
    /// there are more. Default 50, at most 200.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn rooms(
        &self,
        after: Option<&RoomId>,
        limit: Option<usize>,
    ) -> Result<(Vec<Membership>, bool), Error> {
        let shared = &self.engine.shared;
        let limit = shared.page_limit(limit);
        let one_more = limit.saturating_add(1);
        let rooms = shared.store.rooms_of(&self.user, after, one_more).await;
        let mut rooms = shared.stored(rooms)?;
        let more = rooms.len() > limit;
        rooms.truncate(limit);
        Ok((rooms, more))
    }

    /// How these users are, at most 100 of them, in the order asked.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] for more than 100, or a backend's failure.
    pub async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, Error> {
        const MAX: usize = 100;
        if users.len() > MAX {
            return Err(Error::BadRequest(format!("at most {MAX} users at once")));
        }
        let shared = &self.engine.shared;
        Ok(shared.cached(shared.cache.presence(users).await)?)
    }

    /// Makes `user` a member of a group that this user is in.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, or a backend's failure.
    pub async fn add_member(&self, room: &RoomId, user: UserId) -> Result<(), Error> {
        self.change_members(room, EntryBody::Joined { user }).await
    }

    /// Ends the membership of `user`, who may be the one who acts, in a group that this user is in.
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
        let live = self
            .engine
            .shared
            .enter(&self.user, room, IfAbsent::Refuse)
            .await?;
        self.append(live, body, self.new_client_id()?)
            .await
            .map(drop)
    }

    pub(crate) fn new_client_id(&self) -> Result<ClientMessageId, Error> {
        Ok(ClientMessageId::new(
            self.engine.shared.ids.next().to_string(),
        )?)
    }
}
