//! The actor: a user as the one who acts. What an actor can do stands in one file per use case.

use std::sync::Arc;

use crate::{engine::parts::Parts, model::UserId};

/// A user as the one who acts, with or without a connection.
///
/// [`Session`](crate::Session) is one with a connection.
#[derive(Debug, Clone)]
pub struct Actor {
    pub(crate) parts: Arc<Parts>,
    pub(crate) user: UserId,
}

impl Actor {
    /// The user who acts.
    pub fn user(&self) -> &UserId {
        &self.user
    }
}
