//! Access: may this user do this here. The one place that asks the permission table, before any act reads or
//! writes.

use std::sync::Arc;

use super::{limits::Limits, looks::Looks};
use crate::{
    engine::{nodes::policy::Policy, read::directory::Directory, state::rooms::LiveRoom},
    model::{Action, Epoch, NewRoom, Permission, Principal, Role, RoomId, UserId, may},
    port::{Created, Policy as Rules, Request, panics::caught},
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
    /// The embedder's own rules.
    pub(crate) rules: Option<Arc<dyn Rules>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
}

/// The message to a user whom the table refuses.
const NOT_FOR_THIS: &str = "neither your token nor your role is for this";

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

    /// Whether a login is accepted, and may be used for what happens in no room.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), [`Error::Forbidden`], or [`Error::AuthUnavailable`] until the decisions have
    /// been read for the first time.
    pub(crate) async fn allow(&self, by: &Principal, action: Action) -> Result<(), Error> {
        self.policy.known().await?;
        self.check(by)?;
        self.decide(by, action, None, None)
    }

    /// The room, if a user may do this in it.
    pub(crate) async fn enter(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<Arc<LiveRoom>, Error> {
        Ok(self.enter_as(by, action, id).await?.0)
    }

    /// The room, if a user may do this in it, and the role by which; none for an admin who is not in it.
    pub(crate) async fn enter_as(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<(Arc<LiveRoom>, Option<Role>), Error> {
        match self.find(by, action, id).await? {
            (Some(room), role) => Ok((room, role)),
            (None, _) => Err(Error::NoRoom),
        }
    }

    /// As [`enter`](Self::enter), where a direct room that nobody has opened is `None`.
    pub(crate) async fn look(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<Option<Arc<LiveRoom>>, Error> {
        let (room, _) = self.find(by, action, id).await?;
        match room {
            None if id.pair().is_none() => Err(Error::NoRoom),
            room => Ok(room),
        }
    }

    /// The room, and the user's role in it. A direct room has its members before it exists.
    async fn find(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<(Option<Arc<LiveRoom>>, Option<Role>), Error> {
        self.policy.known().await?;
        self.check(by)?;
        let (room, role) = match id.pair() {
            Some(pair) if !pair.contains(&by.user) => (None, None),
            Some(_) => (self.directory.room(id).await?, Some(Role::Member)),
            None => match self.directory.room(id).await? {
                Some(room) => {
                    let role = self.directory.role(&room, &by.user).await?;
                    (Some(room), role)
                }
                None => (None, None),
            },
        };
        self.decide(by, action, Some(id), role)?;
        Ok((room, role))
    }

    /// Asks the table, then the embedder's policy.
    fn decide(
        &self,
        by: &Principal,
        action: Action,
        room: Option<&RoomId>,
        role: Option<Role>,
    ) -> Result<(), Error> {
        let (standings, now) = (&self.policy.standings, self.clock.now());
        match may(action, &standings.of(&by.user, now), role, by) {
            Permission::Allowed => {}
            Permission::Banned => return Err(Error::Banned { retry_after: None }),
            Permission::Forbidden => return Err(Error::Forbidden(NOT_FOR_THIS)),
            Permission::NoRoom => return Err(Error::NoRoom),
            // If it has ended this very moment, nothing speaks against it.
            Permission::Muted => standings.check_speech(&by.user, now)?,
        }
        let Some(rules) = &self.rules else {
            return Ok(());
        };
        let request = Request {
            by,
            action,
            room,
            role,
        };
        match caught(|| rules.refuse(&request)) {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(Error::Forbidden(why)),
            Err(panic) => {
                tracing::error!(%panic, action = action.name(), "the policy failed");
                Err(Error::Forbidden(NOT_FOR_THIS))
            }
        }
    }

    /// Refuses what is between two users one of whom has blocked the other.
    pub(crate) async fn unless_blocked(&self, user: &UserId, id: &RoomId) -> Result<(), Error> {
        match id.peer_of(user) {
            Some(peer) if self.directory.blocks.are_between(user, &peer).await? => {
                Err(Error::Blocked)
            }
            _ => Ok(()),
        }
    }

    /// Makes a direct room that doesn't exist; takes from the user's budget for rooms.
    pub(crate) async fn make_direct(
        &self,
        user: &UserId,
        id: &RoomId,
    ) -> Result<Arc<LiveRoom>, Error> {
        let members = id.pair().ok_or(Error::NoRoom)?.to_vec();
        self.limits
            .charge("room", user, self.room_limit.as_ref())
            .await?;
        Ok(self.create_room(id.clone(), None, members).await?.0)
    }

    /// Makes a room with these members, one of whom owns it if it is a group; the room that has this id already
    /// stays as it is.
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
