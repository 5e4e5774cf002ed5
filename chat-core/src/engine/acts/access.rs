//! Access: may this user do this here. The one place that decides it.

use std::sync::Arc;

use super::{limits::Limits, looks::Looks};
use crate::{
    engine::{nodes::policy::Policy, read::directory::Directory, state::rooms::LiveRoom},
    model::{Epoch, NewRoom, Principal, RoomId, UserId},
    port::Created,
    rate::RatePolicy,
    time::{Clock, IdGen},
    wire::Error,
};

#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) directory: Arc<Directory>,
    pub(crate) limits: Arc<Limits>,
    /// How often a user may make a direct room.
    pub(crate) room_limit: Option<RatePolicy>,
    pub(crate) policy: Arc<Policy>,
    /// Present when only one of the names that look alike is let in.
    pub(crate) looks: Option<Looks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
}

/// The use that an act makes of a login: the scope that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// To see what rooms hold and who is online, and to state receipts.
    Read,
    /// To send and edit messages, and to type.
    Speak,
    /// To open direct rooms, and to delete one's messages.
    Send,
    /// To change the members of groups.
    Manage,
}

/// The choice for a direct room that doesn't exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfAbsent {
    Create,
    Refuse,
}

impl Access {
    /// Whether a login that begins now is accepted.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), [`Error::AuthUnavailable`] while decisions can't be read, or
    /// [`Error::Forbidden`] for a name that looks like that of another user.
    pub(crate) async fn admit(&self, by: &Principal) -> Result<(), Error> {
        self.policy.known().await?;
        self.policy.fresh()?;
        self.check(by)?;
        match &self.looks {
            Some(looks) => looks.claim(&by.user).await,
            None => Ok(()),
        }
    }

    /// Whether a login has not ended, and no decision speaks against it.
    ///
    /// # Errors
    ///
    /// [`Error::TokenExpired`], [`Error::Revoked`] or [`Error::Banned`].
    pub(crate) fn check(&self, by: &Principal) -> Result<(), Error> {
        let now = self.clock.now();
        if by.is_expired(now) {
            return Err(Error::TokenExpired);
        }
        self.policy.standings.check(by, now)
    }

    /// Whether a login is accepted, and may be used for this.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), [`Error::Forbidden`], [`Error::Muted`], or [`Error::AuthUnavailable`] until
    /// the decisions have been read for the first time.
    pub(crate) async fn allow(&self, by: &Principal, to: Use) -> Result<(), Error> {
        self.policy.known().await?;
        self.check(by)?;
        let allowed = match to {
            Use::Read => by.scopes.read,
            Use::Speak | Use::Send => by.scopes.send,
            Use::Manage => by.scopes.manage,
        };
        if !allowed {
            return Err(Error::Forbidden("your token is not for this"));
        }
        if to == Use::Speak {
            let standings = &self.policy.standings;
            return standings.check_speech(&by.user, self.clock.now());
        }
        Ok(())
    }

    /// The room, if a user may be in it and use the login for this.
    ///
    /// Members of a room may do everything in it; to all others it doesn't exist.
    pub(crate) async fn enter(
        &self,
        by: &Principal,
        to: Use,
        id: &RoomId,
        if_absent: IfAbsent,
    ) -> Result<Arc<LiveRoom>, Error> {
        self.allow(by, to).await?;
        let user = &by.user;
        if id.pair().is_some_and(|pair| !pair.contains(user)) {
            return Err(Error::NoRoom);
        }
        let room = match self.directory.room(id).await? {
            Some(room) => room,
            None if if_absent == IfAbsent::Create => {
                let members = id.pair().ok_or(Error::NoRoom)?.to_vec();
                self.limits
                    .charge("room", user, self.room_limit.as_ref())
                    .await?;
                self.create_room(id.clone(), None, members).await?.0
            }
            None => return Err(Error::NoRoom),
        };
        match self.directory.role(&room, user).await? {
            Some(_) => Ok(room),
            None => Err(Error::NoRoom),
        }
    }

    /// Makes a room with these members, one of whom owns it if it is a group; the room that has this id already stays as it is.
    pub(crate) async fn create_room(
        &self,
        id: RoomId,
        owner: Option<UserId>,
        members: Vec<UserId>,
    ) -> Result<(Arc<LiveRoom>, Created), Error> {
        // A name that only an earlier release allowed stays valid in its rooms, but can't enter a new one.
        for member in members.iter().chain(&owner) {
            member.check()?;
        }
        let new = NewRoom {
            id,
            epoch: Epoch(self.ids.next()),
            members,
            owner,
            created_at: self.clock.now(),
        };
        Ok(self.directory.create(new).await?)
    }
}
