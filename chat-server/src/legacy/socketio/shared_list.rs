//! The list of users online, encoded once for all its readers: at 10,000 users it has 100 kB.

use std::sync::{Mutex, PoisonError};

use chat_core::UserId;

use super::{engine_packet::Encoded, packet};

pub(super) const ONLINE_USERS: &str = "online-users";

/// The newest list.
#[derive(Debug)]
pub(super) struct SharedList(Mutex<Encoded>);

impl SharedList {
    /// The list of nobody.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Self::encode(&[])))
    }

    pub(super) fn encode(users: &[UserId]) -> Encoded {
        let packet = packet::event(ONLINE_USERS, users);
        match packet {
            Ok(packet) => packet.into(),
            // Only a map with keys that are no strings can't be written, and there is none.
            Err(error) => {
                tracing::error!(%error, "the list could not be encoded");
                Encoded::from_static(r#"42["online-users",[]]"#)
            }
        }
    }

    /// Gives how many bytes the list has.
    pub(super) fn set(&self, users: &[UserId]) -> usize {
        let list = Self::encode(users);
        let size = list.len();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = list;
        size
    }

    /// As a packet.
    pub(super) fn get(&self) -> Encoded {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.clone()
    }
}
