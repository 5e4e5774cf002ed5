//! Access: may this user do this here. The one place that asks the permission table, before any act reads or
//! writes.

use std::sync::Arc;

use super::{limits::Limits, looks::Looks};
use crate::{
    engine::{
        nodes::policy::Policy,
        read::directory::{Directory, InRoom},
        state::{rooms::LiveRoom, standings::Kind},
    },
    model::{
        Action, Details, Epoch, NewRoom, Permission, Principal, RoomId, RoomKind, Sanction, UserId,
        may,
    },
    port::{Created, Policy as Rules, Request, panics::caught},
    rate::RatePolicy,
    time::{Clock, IdGen},
    wire::Error,
};

#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) directory: Arc<Directory>,
    pub(crate) limits: Arc<Limits>,
    /// The rate at which a user may make rooms.
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
        self.decide(by, action, None, InRoom::default())
    }

    /// A group or channel, whoever asks: for those who come in, and for what was allowed already.
    pub(crate) async fn unentered(&self, id: &RoomId) -> Result<Option<Arc<LiveRoom>>, Error> {
        if id.is_direct() {
            return Ok(None);
        }
        Ok(self.directory.room(id).await?)
    }

    /// Checks that a user may be let into a room.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for a user who is banned from it, or a backend's failure.
    pub(crate) async fn may_come_in(&self, user: &UserId, room: &RoomId) -> Result<(), Error> {
        if self.is_banned_from(room, user) {
            // Another node may have lifted the ban.
            self.policy.catch_up().await?;
        }
        self.unless_banned(user, room)
    }

    /// As [`may_come_in`](Self::may_come_in), of a user who has just come in, by all decisions that other nodes
    /// have stored: who bans looks for the member after the ban is stored, so one of the two sees the other.
    pub(crate) async fn may_stay(&self, user: &UserId, room: &RoomId) -> Result<(), Error> {
        self.policy.catch_up().await?;
        self.unless_banned(user, room)
    }

    fn unless_banned(&self, user: &UserId, room: &RoomId) -> Result<(), Error> {
        if self.is_banned_from(room, user) {
            return Err(Error::Forbidden("this user is banned from the room"));
        }
        Ok(())
    }

    fn is_banned_from(&self, room: &RoomId, user: &UserId) -> bool {
        let (standings, now) = (&self.policy.standings, self.clock.now());
        standings.in_room(room, user, Kind::Ban, now).is_some()
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

    /// The room, if a user may do this in it, and what the user is in it; nothing for an admin who is not in
    /// it.
    pub(crate) async fn enter_as(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<(Arc<LiveRoom>, InRoom), Error> {
        match self.find(by, action, id).await? {
            (Some(room), in_room) => Ok((room, in_room)),
            (None, _) => Err(Error::NoRoom),
        }
    }

    /// As [`enter_as`](Self::enter_as), of a group or channel: a direct room is no room for this.
    pub(crate) async fn enter_group(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<(Arc<LiveRoom>, InRoom), Error> {
        if id.is_direct() {
            self.policy.known().await?;
            self.check(by)?;
            return Err(Error::NoRoom);
        }
        self.enter_as(by, action, id).await
    }

    /// As [`enter_as`](Self::enter_as), where a direct room that nobody has opened is `None`.
    pub(crate) async fn look(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<(Option<Arc<LiveRoom>>, InRoom), Error> {
        match self.find(by, action, id).await? {
            (None, _) if !id.is_direct() => Err(Error::NoRoom),
            found => Ok(found),
        }
    }

    /// The room, and what the user is in it. A direct room has its members before it exists.
    async fn find(
        &self,
        by: &Principal,
        action: Action,
        id: &RoomId,
    ) -> Result<(Option<Arc<LiveRoom>>, InRoom), Error> {
        self.policy.known().await?;
        self.check(by)?;
        let nothing = InRoom::default();
        let (room, in_room) = match id.pair() {
            Some(pair) if !pair.contains(&by.user) => (None, nothing),
            Some(_) => (self.directory.room(id).await?, InRoom::of_direct()),
            None => match self.directory.room(id).await? {
                Some(room) => {
                    let mut in_room = self.directory.standing(&room, &by.user).await?;
                    // The end of the membership may be on its way.
                    if self.is_banned_from(id, &by.user) {
                        in_room.seat = None;
                    }
                    (Some(room), in_room)
                }
                None => (None, nothing),
            },
        };
        self.decide(by, action, Some(id), in_room)?;
        Ok((room, in_room))
    }

    /// Asks the table, then the embedder's policy.
    fn decide(
        &self,
        by: &Principal,
        action: Action,
        room: Option<&RoomId>,
        in_room: InRoom,
    ) -> Result<(), Error> {
        let (standings, now) = (&self.policy.standings, self.clock.now());
        let mut standing = standings.of(&by.user, now);
        if let Some(room) = room {
            let mute = standings.in_room(room, &by.user, Kind::Mute, now);
            standing.mutes.extend(mute.map(|mute| Sanction {
                version: mute.version,
                until: mute.what.end(),
            }));
        }
        let role = in_room.role();
        match may(action, &standing, role, by) {
            Permission::Allowed => {}
            Permission::Banned => return Err(Error::Banned { retry_after: None }),
            Permission::Forbidden => return Err(Error::Forbidden(NOT_FOR_THIS)),
            Permission::NoRoom => return Err(Error::NoRoom),
            // If it has ended this very moment, nothing speaks against it.
            Permission::Muted => {
                standings.check_speech(&by.user, now)?;
                if let Some(room) = room {
                    standings.check_speech_in(room, &by.user, now)?;
                }
            }
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
        self.charge_room(user).await?;
        let new = NewRoom {
            id: id.clone(),
            kind: RoomKind::Direct,
            epoch: Epoch(self.ids.next()),
            members,
            created_by: Some(user.clone()),
            details: Details::default(),
            created_at: self.clock.now(),
        };
        Ok(self.make(new).await?.0)
    }

    /// Takes from a user's budget for rooms.
    pub(crate) async fn charge_room(&self, user: &UserId) -> Result<(), Error> {
        self.charge_as_for_rooms("room", user).await
    }

    /// Takes from a user's budget for something else that is kept for ever, which is as large as that for rooms.
    pub(crate) async fn charge_as_for_rooms(
        &self,
        what: &'static str,
        user: &UserId,
    ) -> Result<(), Error> {
        let limit = self.room_limit.as_ref();
        self.limits.charge(what, user, limit).await
    }

    /// Makes a room; the room that has this id already stays as it is.
    pub(crate) async fn make(&self, new: NewRoom) -> Result<(Arc<LiveRoom>, Created), Error> {
        // A name that only an earlier release allowed stays valid in its rooms, but can't enter a new one.
        for member in new.members.iter().chain(&new.created_by) {
            member.check()?;
        }
        Ok(self.directory.create(new).await?)
    }
}
