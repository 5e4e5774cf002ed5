//! The old protocol's outbound events, and its words for errors.

use std::time::Duration;

use chat_core::{Error, MessageId, RoomId, UserId, old_time};
use chrono::{DateTime, Utc};
use serde::Serialize;

pub(super) const DM_ERROR: &str = "dm-error";

/// A message as the old clients know it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatMessage<'a> {
    room_id: &'a RoomId,
    id: MessageId,
    from: &'a UserId,
    text: &'a str,
    to: UserId,
    time: String,
}

impl<'a> ChatMessage<'a> {
    /// `None` when the room is not a direct room of the author.
    pub(super) fn new(
        room: &'a RoomId,
        id: MessageId,
        from: &'a UserId,
        text: &'a str,
        at: DateTime<Utc>,
    ) -> Option<Self> {
        let to = room.peer_of(from)?;
        Some(Self {
            room_id: room,
            id,
            from,
            text,
            to,
            time: old_time(at),
        })
    }
}

/// An error in the old server's words, where it had some.
pub(super) fn wording(error: &Error) -> String {
    let seconds = |time: &Duration| time.as_secs_f64();
    match error {
        Error::RateLimited {
            muted_for: Some(mute),
            ..
        } => {
            format!("Too many messages. Muted for {}s.", seconds(mute))
        }
        Error::RateLimited { retry_after, .. } => {
            format!(
                "Too many messages. Wait for {}s.",
                seconds(retry_after).ceil()
            )
        }
        Error::Muted { .. } => "You are temporarily muted".to_owned(),
        Error::Moderated { .. } => "Message is not accepted".to_owned(),
        Error::UnknownCommand(name) => format!("there is no event {name:?}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_said_in_the_words_of_the_old_server() {
        let muted_for = |millis| Error::RateLimited {
            retry_after: Duration::from_millis(millis),
            muted_for: Some(Duration::from_millis(millis)),
        };
        let retry_after = Duration::from_millis(1_200);
        for (error, text) in [
            (muted_for(5_000), "Too many messages. Muted for 5s."),
            (muted_for(1_500), "Too many messages. Muted for 1.5s."),
            (
                Error::RateLimited {
                    retry_after,
                    muted_for: None,
                },
                "Too many messages. Wait for 2s.",
            ),
            (
                Error::Muted {
                    retry_after: Some(retry_after),
                },
                "You are temporarily muted",
            ),
            (
                Error::Moderated {
                    reason: "No links".to_owned(),
                },
                "Message is not accepted",
            ),
            (
                Error::UnknownCommand("join".to_owned()),
                "there is no event \"join\"",
            ),
        ] {
            assert_eq!(wording(&error), text);
        }
    }
}
