//! Inboxes, and what members have set for their rooms.

use std::fmt;

use async_trait::async_trait;

use super::BackendError;
use crate::model::{InboxFilter, InboxPlace, InboxRoom, Me, MeChange, RoomId, Seq, UserId};

/// The rooms of each user in the order of their newest messages, with the user's own settings.
#[async_trait]
pub trait InboxStore: fmt::Debug + Send + Sync + 'static {
    /// The rooms of a user that the filter lets through, in the order of [`InboxPlace`], from the first one
    /// after `after`, at most `limit`.
    ///
    /// - `last` is the newest [`Message`](crate::EntryBody::Message), or what is left of it. Where the room's
    ///   [history](crate::History) begins with joining, an older one is not shown, but counts for the order.
    /// - `unread` is counted as in [`rooms_of`](super::RoomStore::rooms_of).
    /// - A room that its member has hidden is hidden until a message is newer than the hiding.
    /// - After a crash, or while several nodes append to one room, a store may take an earlier message for the
    ///   newest one, until the next message.
    async fn inbox(
        &self,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> Result<Vec<InboxRoom>, BackendError>;

    /// One room as it stands in the inbox of a member, hidden or not; `None` for a user who is no member.
    async fn inbox_room(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<InboxRoom>, BackendError>;

    /// The members who have hidden a room, in no order, each with the newest entry at that time.
    ///
    /// - A member who shows the room again is not among them. One to whom a message has brought it back may be.
    async fn hidden_by(&self, room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError>;

    /// Changes what a member has set for a room, and gives all of it; `None` for a user who is no member.
    ///
    /// - What the change doesn't name stays as it is; changes at the same time are all made.
    /// - The settings end with the membership: a member who returns has those of a new one.
    async fn set_me(
        &self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> Result<Option<Me>, BackendError>;
}
