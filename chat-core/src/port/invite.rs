//! Invitations into rooms.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::BackendError;
use crate::model::{Invite, InviteId, InviteToken, RoomId};

/// The invitations into all rooms.
#[async_trait]
pub trait InviteStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps an invitation. The same id again changes nothing.
    async fn add_invite(&self, invite: Invite) -> Result<(), BackendError>;

    /// The invitation with this token, open or not; `None` if there is none.
    async fn invite(&self, token: &InviteToken) -> Result<Option<Invite>, BackendError>;

    /// The invitations into a room in ascending order of id, from the first one after `after`, at most
    /// `limit`: those that have not been taken back, open or not.
    async fn invites(
        &self,
        room: &RoomId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, BackendError>;

    /// Takes an invitation into this room back; `false` if there is none with this id.
    async fn remove_invite(&self, room: &RoomId, id: InviteId) -> Result<bool, BackendError>;

    /// Uses an invitation once, if it [is open](Invite::is_open), and gives it as it stands then; `None` if
    /// it is not, or does not exist.
    ///
    /// - Of calls at the same time, no more succeed than there were uses left.
    async fn use_invite(
        &self,
        token: &InviteToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Invite>, BackendError>;

    /// Gives one use back, of a user who did not come in after all. It does nothing for an invitation without
    /// a limit of uses, or that was taken back.
    async fn unuse_invite(&self, id: InviteId) -> Result<(), BackendError>;
}
