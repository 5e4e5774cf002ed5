//! Invitations into a group or channel.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{InvalidId, Role, RoomId, UserId, ids::printable, precision::whole_micros};
use std::sync::Arc;

/// The number by which an invitation is named and taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteId(pub Uuid);

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The secret of an invitation, by which a user comes in: 1 to 64 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct InviteToken(Arc<str>);

impl InviteToken {
    /// Checks a token.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        printable("an invitation", text.as_ref()).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// It does not show the secret.
impl fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteToken")
    }
}

impl TryFrom<String> for InviteToken {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

/// An invitation into a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invite {
    /// The number by which it is taken back.
    pub id: InviteId,
    /// The room.
    pub room: RoomId,
    /// The secret by which a user comes in.
    pub token: InviteToken,
    /// The member who invites.
    pub by: UserId,
    /// The role of those who come in.
    pub role: Role,
    /// The server's clock when it was made.
    pub created_at: DateTime<Utc>,
    /// Its end; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// How many users may still come in by it; absent when any number may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
}

impl Invite {
    /// The largest number of uses.
    pub const MAX_USES: u32 = 100_000;

    /// The most invitations that a room has. Those that have ended or are used up make place for new ones.
    pub const MAX_PER_ROOM: usize = 200;

    /// True if a user may come in by it at this moment.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.uses_left != Some(0) && self.expires_at.is_none_or(|end| end > now)
    }

    /// The invitation with its times in whole microseconds, the precision that every store keeps.
    #[must_use]
    pub fn in_micros(self) -> Self {
        Self {
            created_at: whole_micros(self.created_at),
            expires_at: self.expires_at.map(whole_micros),
            ..self
        }
    }
}
