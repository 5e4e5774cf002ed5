//! The old protocol's outbound events, and the client that they are written to.

use std::{sync::Arc, time::Duration};

use chat_core::{CloseReason, Error, MessageId, RoomId, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use socketioxide::{SendError, SocketError, extract::SocketRef};
use tokio_util::sync::CancellationToken;

use super::super::time::old_time;
use crate::http::metrics::Metrics;

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

/// The client of one socket, to write to, and the signals of its end.
#[derive(Clone)]
pub(super) struct Client {
    socket: SocketRef,
    /// Cancelled when this side wants to end it.
    pub(super) kick: CancellationToken,
    /// Cancelled when the other side is gone.
    pub(super) gone: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
}

impl Client {
    pub(super) fn new(
        socket: SocketRef,
        kick: CancellationToken,
        gone: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            socket,
            kick,
            gone,
            metrics,
        }
    }

    pub(super) fn socket(&self) -> &SocketRef {
        &self.socket
    }

    /// Queues an event. A socket whose queue is full is too slow, and is kicked.
    pub(super) fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) {
        // The library spreads tuples over the arguments, and takes a newtype for one.
        match self.socket.emit(event, &(data,)) {
            Ok(()) | Err(SendError::Socket(SocketError::Closed)) => {}
            Err(SendError::Socket(SocketError::InternalChannelFull)) => {
                if !self.kick.is_cancelled() {
                    tracing::info!(sid = %self.socket.id, "closing a slow consumer");
                    self.metrics.closed.count(CloseReason::Slow);
                    self.kick.cancel();
                }
            }
            Err(error) => tracing::error!(%error, event, "an event could not be encoded"),
        }
    }

    /// Takes the socket from its client, after a moment in which the client can read why.
    ///
    /// A client that doesn't read has no room for the goodbye. It is tried again until there is,
    /// or until the client has failed to answer a ping.
    pub(super) async fn hang_up(self) {
        const PAUSE: Duration = Duration::from_millis(250);
        while self
            .gone
            .run_until_cancelled(tokio::time::sleep(PAUSE))
            .await
            .is_some()
        {
            if self.socket.clone().disconnect().is_ok() {
                return;
            }
        }
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
            (Error::Muted { retry_after }, "You are temporarily muted"),
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
