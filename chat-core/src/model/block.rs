//! Blocks: one user wants to have nothing to do with another.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Effect, NewEntry, Presence, UserId, Watermarks, precision::whole_micros};

/// The block of one user by another. While it stands, neither writes to their direct room, and the one who is
/// blocked sees the other as somebody who went offline when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The user who has blocked the other.
    pub by: UserId,
    /// The user who is blocked.
    pub user: UserId,
    /// The server's clock when it began.
    pub at: DateTime<Utc>,
    /// The time at which `by` was last online until then, as far as is known.
    pub last_seen: Option<DateTime<Utc>>,
    /// The watermarks of `by` in the direct room of both at that time.
    pub watermarks: Watermarks,
}

impl Block {
    /// The presence of the one who blocks, as the one who is blocked sees it.
    pub fn presence(&self) -> Presence {
        Presence {
            user: self.by.clone(),
            online: false,
            last_seen: self.last_seen,
        }
    }

    /// The block with its times in whole microseconds, the precision that every store keeps.
    #[must_use]
    pub fn in_micros(self) -> Self {
        Self {
            at: whole_micros(self.at),
            last_seen: self.last_seen.map(whole_micros),
            ..self
        }
    }
}

impl NewEntry {
    /// The user with whom the author must have no block, in either direction, when the entry gets its number:
    /// the other one of a direct room. `None` for an entry that [requires](Self::require) nothing, and for
    /// deletions, which are always allowed.
    pub fn unblocked_with(&self) -> Option<UserId> {
        self.require?;
        match self.body.effect() {
            Effect::Erase { .. } => None,
            _ => self.room.peer_of(&self.author),
        }
    }
}
