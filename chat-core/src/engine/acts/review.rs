//! Review: what is asked about a text before it is stored, cheapest first, so that a refusal costs nothing.

use std::{sync::Arc, time::Duration};

use super::limits::Limits;
use crate::{
    engine::{read::directory::InRoom, state::rooms::LiveRoom},
    model::{Role, RoomId, UserId, text::is_invisible},
    moderation::Chain,
    port::{Draft, Verdict},
    rate::RatePolicy,
    wire::Error,
};

#[derive(Debug)]
pub(crate) struct Review {
    pub(crate) limits: Arc<Limits>,
    pub(crate) moderation: Chain,
    /// How often a user may send or edit.
    pub(crate) send_limit: Option<RatePolicy>,
    /// The longest text, in characters and in bytes of UTF-8.
    pub(crate) max_chars: usize,
    pub(crate) max_bytes: usize,
}

impl Review {
    /// Whether a text may be stored at all.
    pub(crate) fn check(&self, text: &str) -> Result<(), Error> {
        let (max_chars, max_bytes) = (self.max_chars, self.max_bytes);
        if text.len() > max_bytes || text.chars().count() > max_chars {
            return Err(Error::TextTooLong {
                max_chars,
                max_bytes,
            });
        }
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let shown = |c: char| !c.is_whitespace() && !is_invisible(c);
        if text.chars().any(control) || !text.chars().any(shown) {
            return Err(Error::InvalidText);
        }
        Ok(())
    }

    /// Makes the members of a room in slow mode wait between their messages.
    pub(crate) async fn slow_down(
        &self,
        room: &LiveRoom,
        in_room: InRoom,
        author: &UserId,
    ) -> Result<(), Error> {
        let seconds = in_room.settings.slow_mode;
        if seconds == 0 || in_room.role() >= Some(Role::Moderator) {
            return Ok(());
        }
        let policy = RatePolicy::Steady {
            interval: Duration::from_secs(seconds.into()),
            burst: 1,
        };
        let action = format!("slow:{}", room.id);
        let charged = self.limits.charge(action, author, Some(&policy)).await;
        charged.map_err(|error| match error {
            Error::RateLimited { retry_after, .. } => Error::Muted {
                retry_after: Some(retry_after),
            },
            error => error,
        })
    }

    /// Takes from the author's budget, then asks the moderators; gives the text to store.
    pub(crate) async fn review(
        &self,
        author: &UserId,
        room: &RoomId,
        text: String,
    ) -> Result<Arc<str>, Error> {
        self.limits
            .charge("send", author, self.send_limit.as_ref())
            .await?;
        let text: Arc<str> = text.into();
        let draft = Draft {
            room: room.clone(),
            author: author.clone(),
            text: Arc::clone(&text),
        };
        match self.moderation.review(&draft).await? {
            Verdict::Allow => Ok(text),
            Verdict::Mask(masked) => {
                self.check(&masked)?;
                Ok(masked)
            }
            Verdict::Reject { reason } => Err(Error::Moderated { reason }),
        }
    }
}
