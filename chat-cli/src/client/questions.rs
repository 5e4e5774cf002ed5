//! The questions that most programs ask, as methods of a client.

use chat_core::{
    HistoryPage, InboxFilter, InboxPage, InboxPlace, Page, Presence, RoomChange, RoomId, RoomList,
    RoomView, UserId, command,
};

use super::handle::Client;
use crate::error::RequestError;

impl Client {
    /// Opens the direct room with a user, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; [`TimedOut`](RequestError::TimedOut) after 15 s, connected or not.
    /// The same holds for every question below.
    ///
    /// Cancel safe, as is every question: dropped, its answer is thrown away.
    pub async fn open(&self, user: &UserId) -> Result<RoomView, RequestError> {
        self.ask(command::Open { user: user.clone() }).await
    }

    /// A room that the user is in, with its members if it has at most 100.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn room(&self, room: &RoomId) -> Result<RoomView, RequestError> {
        self.ask(command::ViewRoom { room: room.clone() }).await
    }

    /// Makes a group or channel that the user owns. However often the connection breaks, it is one room.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn create(&self, room: command::Create) -> Result<RoomView, RequestError> {
        self.ask(room).await
    }

    /// Changes what a group or channel says about itself. However often the connection breaks, it is one
    /// change.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn update(
        &self,
        room: &RoomId,
        change: RoomChange,
    ) -> Result<RoomView, RequestError> {
        let (room, client_id) = (room.clone(), None);
        self.ask(command::Update {
            room,
            change,
            client_id,
        })
        .await
    }

    /// Comes into a channel. Its entries come as events from then on.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn join(&self, room: &RoomId) -> Result<RoomView, RequestError> {
        self.ask(command::Join { room: room.clone() }).await
    }

    /// Leaves a group or channel.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn leave(&self, room: &RoomId) -> Result<(), RequestError> {
        let room = room.clone();
        self.ask(command::Leave { room }).await.map(drop)
    }

    /// One page of the user's rooms, the one with the newest message first.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn inbox(
        &self,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: Option<usize>,
    ) -> Result<InboxPage, RequestError> {
        let after = after.cloned();
        self.ask(command::Inbox {
            filter,
            after,
            limit,
        })
        .await
    }

    /// One page of the user's rooms in ascending order, and whether there are more.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn rooms(
        &self,
        after: Option<&RoomId>,
        limit: Option<usize>,
    ) -> Result<RoomList, RequestError> {
        let after = after.cloned();
        self.ask(command::Rooms { after, limit }).await
    }

    /// A page of a room's log; 50 entries by default, at most 200.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn history(
        &self,
        room: &RoomId,
        page: Page,
        limit: Option<usize>,
    ) -> Result<HistoryPage, RequestError> {
        let room = room.clone();
        self.ask(command::History { room, page, limit }).await
    }

    /// The presence of users; at most 100, answered in the order asked.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, RequestError> {
        let users = users.to_vec();
        Ok(self.ask(command::Presence { users }).await?.users)
    }

    /// All users who are online, in ascending order.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn online(&self) -> Result<Vec<UserId>, RequestError> {
        Ok(self.ask(command::Online {}).await?.users)
    }
}
