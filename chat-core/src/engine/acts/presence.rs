//! Asking which users are online.

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, Presence, UserId},
    wire::{
        Error, OnlineUsers, PresenceOfUsers,
        command::{self, Online},
    },
};

impl Actor {
    /// The presence of these users, at most 100 of them, in the order asked.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] for more than 100, or a backend's failure.
    pub async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, Error> {
        const MAX: usize = 100;
        if users.len() > MAX {
            return Err(Error::BadRequest(format!("at most {MAX} users at once")));
        }
        self.parts
            .access
            .allow(&self.principal, Action::Presence)
            .await?;
        Ok(self.parts.cache.presence(users).await?)
    }

    /// The users who are online, each once, in ascending order; at most 10,000.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn online(&self) -> Result<Vec<UserId>, Error> {
        self.parts
            .access
            .allow(&self.principal, Action::Presence)
            .await?;
        online(&self.parts).await
    }
}

/// The users who are online, each once, in ascending order; at most 10,000.
pub(crate) async fn online(parts: &Parts) -> Result<Vec<UserId>, Error> {
    const MAX: usize = 10_000;
    Ok(parts.cache.online(MAX).await?)
}

impl Act for command::Presence {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let users = by.presence(&self.users).await;
        answer.give(users.map(|users| PresenceOfUsers { users }));
    }
}

impl Act for Online {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let users = by.online().await;
        answer.give(users.map(|users| OnlineUsers { users }));
    }
}
