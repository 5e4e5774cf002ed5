//! Taking back what is stored: rooms, and users.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::BackendError;
use crate::model::{Entry, Epoch, RoomId, Seq, UserId};

/// Deletes rooms and erases users, for administrators. Each of these may take a while, and may be repeated.
#[async_trait]
pub trait ErasureStore: fmt::Debug + Send + Sync + 'static {
    /// Deletes a room with its log, members, receipts and invitations; `false` if there is none with this epoch.
    ///
    /// - Nothing of it can be read any more, and it can be made anew, beginning with entry 1.
    /// - A room of another epoch stays as it is.
    async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> Result<bool, BackendError>;

    /// The rooms in which something is stored of a user, in ascending order of id, from the first one after
    /// `after`, at most `limit`: a membership, a receipt, an invitation by the user, an entry by or about the
    /// user, or that the user has made the room.
    async fn rooms_about(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomId>, BackendError>;

    /// The entries of a room by a user or about them, in ascending order, from the first one after `after`, at
    /// most `limit`.
    async fn entries_about(
        &self,
        room: &RoomId,
        user: &UserId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError>;

    /// Takes a user who is no member any more out of a group or channel.
    ///
    /// - Each entry by or about the user is as [`Entry::without`] says, and no number is missing.
    /// - The room has no maker if the user was it. Receipts of the user, and invitations by them, are gone.
    async fn erase_in(
        &self,
        room: &RoomId,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError>;

    /// Takes a user out of all that is in no room: the look of the name, blocks by and of the user, and
    /// decisions, in which the user is called `name` from now on.
    async fn erase_user(&self, user: &UserId, name: &UserId) -> Result<(), BackendError>;
}
