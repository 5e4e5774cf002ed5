//! A frame: one answer or event, encoded once and shared by all connections that it is sent to.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::{
    event::Event,
    reply::{Answer, Reply},
};

/// Anything that is sent to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Outgoing {
    /// The answer to one command.
    Answer(Answer),
    /// Something that happened.
    Event(Event),
}

/// Something to be sent, cheap to clone; its JSON is made when first asked for, and then shared.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    outgoing: Outgoing,
    json: OnceLock<Arc<str>>,
}

impl Frame {
    fn new(outgoing: Outgoing) -> Self {
        Self(Arc::new(Inner {
            outgoing,
            json: OnceLock::new(),
        }))
    }

    /// The answer or event in the frame.
    pub fn outgoing(&self) -> &Outgoing {
        &self.0.outgoing
    }

    /// As a JSON text of the native protocol.
    pub fn json(&self) -> &Arc<str> {
        self.0
            .json
            .get_or_init(|| match serde_json::to_string(&self.0.outgoing) {
                Ok(json) => json.into(),
                Err(error) => {
                    // Only a map with keys that are no strings can't be written, and there is none.
                    tracing::error!(%error, "a frame could not be encoded");
                    "{}".into()
                }
            })
    }

    /// Whether it may be dropped when there is no room: typing and presence, which are soon stale,
    /// announcements, and the warning before the end of a login.
    pub fn is_ephemeral(&self) -> bool {
        matches!(
            self.0.outgoing,
            Outgoing::Event(
                Event::Typing { .. }
                    | Event::Presence(_)
                    | Event::Announcement { .. }
                    | Event::Expiring { .. }
            )
        )
    }

    /// Roughly how many bytes it takes in an outbox.
    pub fn size(&self) -> usize {
        /// Of anything without entries.
        const OTHER: usize = 300;
        match &self.0.outgoing {
            Outgoing::Event(Event::Entry(entry)) => entry.size(),
            Outgoing::Answer(Answer::Reply {
                result: Reply::History(page),
                ..
            }) => page.entries.iter().map(|entry| entry.size()).sum(),
            _ => OTHER,
        }
    }
}

impl From<Event> for Frame {
    fn from(event: Event) -> Self {
        Self::new(Outgoing::Event(event))
    }
}

impl From<Answer> for Frame {
    fn from(answer: Answer) -> Self {
        Self::new(Outgoing::Answer(answer))
    }
}
