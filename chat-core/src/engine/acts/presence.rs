//! Asking which users are online.

use std::collections::HashSet;

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{config::OnlineList, parts::Parts},
    model::{Action, Presence, Rank, UserId},
    wire::{
        Error, OnlineUsers, PresenceOfUsers,
        command::{self, Online},
    },
};

impl Actor {
    /// The presence of these users, at most 100 of them, in the order asked. Unless the
    /// [setting](crate::Config::online_list) shows everybody, users who share no room with this one are as if
    /// they had never been online. Users who have blocked this one went offline when they did.
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
        let mut presence = self.parts.cache.presence(users).await?;
        if self.sees() != OnlineList::All {
            let directory = &self.parts.directory;
            let peers = directory.peers_among(self.user(), users).await?;
            for one in &mut presence {
                if one.user != *self.user() && !peers.contains(&one.user) {
                    (one.online, one.last_seen) = (false, None);
                }
            }
        }
        if self.principal.rank != Rank::Admin {
            self.parts
                .directory
                .blocks
                .apply(self.user(), &mut presence)
                .await?;
        }
        Ok(presence)
    }

    /// The users who are online, each once, in ascending order. Which ones is a
    /// [setting](crate::Config::online_list): of all users, or of those who share a room with this one, at most
    /// 10,000, those of rooms of more than 100 members last. Users who have blocked this one are never among
    /// them, but for admins.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn online(&self) -> Result<Vec<UserId>, Error> {
        self.parts
            .access
            .allow(&self.principal, Action::Presence)
            .await?;
        let mut users = match self.sees() {
            OnlineList::All => online(&self.parts).await?,
            OnlineList::Rooms => self.online_peers().await?,
            OnlineList::Off => Vec::new(),
        };
        if self.principal.rank != Rank::Admin {
            let blocks = self.parts.directory.blocks.of(self.user(), &users).await?;
            let by: HashSet<UserId> = blocks.into_iter().map(|block| block.by).collect();
            users.retain(|user| !by.contains(user));
        }
        Ok(users)
    }

    /// Whom this user sees.
    fn sees(&self) -> OnlineList {
        match self.principal.rank {
            Rank::Admin => OnlineList::All,
            Rank::User | Rank::Moderator => self.parts.config.online_list,
        }
    }

    /// Those of the user, and of up to 10,000 users who share a room with them, who are online.
    async fn online_peers(&self) -> Result<Vec<UserId>, Error> {
        const AT_ONCE: usize = 200;
        let directory = &self.parts.directory;
        let mut peers = directory.peers_of(self.user(), MAX).await?;
        peers.insert(self.user().clone());
        let mut peers: Vec<UserId> = peers.into_iter().collect();
        peers.sort_unstable();
        let mut online = Vec::new();
        for some in peers.chunks(AT_ONCE) {
            let presence = self.parts.cache.presence(some).await?;
            let here = presence.into_iter().filter(|one| one.online);
            online.extend(here.map(|one| one.user));
        }
        Ok(online)
    }
}

/// The most users that a list of users online has.
const MAX: usize = 10_000;

/// The users who are online, each once, in ascending order; at most 10,000.
pub(crate) async fn online(parts: &Parts) -> Result<Vec<UserId>, Error> {
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
