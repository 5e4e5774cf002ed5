//! The document of an invitation.

use chat_core::{Invite, InviteId, InviteToken, Role, RoomId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{doc::as_text, room_doc::time};

/// An invitation, in collection `invites`; times are in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InviteDoc {
    #[serde(rename = "_id", with = "as_text")]
    id: Uuid,
    room_id: RoomId,
    token: InviteToken,
    by: UserId,
    role: Role,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uses_left: Option<i64>,
}

impl InviteDoc {
    pub(crate) fn of(invite: Invite) -> Self {
        Self {
            id: invite.id.0,
            room_id: invite.room,
            token: invite.token,
            by: invite.by,
            role: invite.role,
            created_at: invite.created_at.timestamp_micros(),
            expires_at: invite.expires_at.map(|end| end.timestamp_micros()),
            uses_left: invite.uses_left.map(Into::into),
        }
    }

    pub(crate) fn invite(self) -> Invite {
        Invite {
            id: InviteId(self.id),
            room: self.room_id,
            token: self.token,
            by: self.by,
            role: self.role,
            created_at: time(self.created_at),
            expires_at: self.expires_at.map(time),
            uses_left: self.uses_left.map(|left| u32::try_from(left).unwrap_or(0)),
        }
    }
}
