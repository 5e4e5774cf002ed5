//! Bans and mutes in one room.
//!
//! They are decisions, as those on the whole server are, so all nodes follow them and the record has them. A
//! ban also ends the membership, by an entry of the room's log.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    act::{Act, Answering},
    actor::Actor,
    invites::end,
    session::Session,
};
use crate::{
    engine::{parts::Parts, read::directory::InRoom, state::standings::Kind},
    model::{
        Action, ClientMessageId, Decision, EntryBody, LeftWhy, NewDecision, Reason, RoomId, Ruling,
        Scope, UserId, Version,
    },
    wire::{
        Done, Error, SanctionList, Sanctioned,
        command::{Ban, Bans, Mute, Mutes, Unban, Unmute},
    },
};

impl Actor {
    /// Bans a user from a group or channel, for some time or until the ban is lifted. A member is removed;
    /// until the end nobody can let the user in. An earlier ban of the user from the room is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] for less than a second or more than a hundred years; [`Error::NoRoom`] for a direct
    /// room as well; [`Error::Forbidden`] for all but moderators and owners, and for a user who is not below
    /// this one, or whom one above has banned; [`Error::Full`] when as many users are banned or muted as a room
    /// may have members; [`Error::RateLimited`], or a backend's failure.
    pub async fn ban_from(
        &self,
        room: &RoomId,
        user: &UserId,
        length: Option<Duration>,
        reason: Reason,
    ) -> Result<Sanctioned, Error> {
        let ban = {
            let (room, user) = (room.clone(), user.clone());
            |me: Self| async move { me.ban_and_remove(room, user, length, reason).await }
        };
        self.to_the_end(ban).await
    }

    async fn ban_and_remove(
        &self,
        room: RoomId,
        user: UserId,
        length: Option<Duration>,
        reason: Reason,
    ) -> Result<Sanctioned, Error> {
        let ruling = |until| Ruling::Ban {
            user: user.clone(),
            scope: Scope::Room(room.clone()),
            until,
        };
        let (mine, sanctioned) = self
            .sanction(&room, &user, Kind::Ban, length, reason, ruling)
            .await?;
        // The ban is stored by now. The store is asked, as the user may have come in on another node; whoever
        // comes in later sees the ban.
        if self.role_of(&room, &user).await?.is_some() {
            let access = &self.parts.access;
            let live = access.unentered(&room).await?.ok_or(Error::NoRoom)?;
            let left = EntryBody::Left {
                user: user.clone(),
                why: LeftWhy::Banned,
            };
            let require = mine.role().and(Action::Sanction.least_role());
            if let Err(error) = self.append(live, left, require, None).await {
                // The user has risen meanwhile.
                if let Error::Forbidden(_) = error {
                    self.lift(&room, &user, Kind::Ban).await?;
                }
                return Err(error);
            }
        }
        Ok(sanctioned)
    }

    /// Mutes a user in a group or channel, for some time or until the mute is lifted: the user reads, and says
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`ban_from`](Self::ban_from).
    pub async fn mute_in(
        &self,
        room: &RoomId,
        user: &UserId,
        length: Option<Duration>,
        reason: Reason,
    ) -> Result<Sanctioned, Error> {
        let ruling = |until| Ruling::Mute {
            user: user.clone(),
            scope: Scope::Room(room.clone()),
            until,
        };
        let (_, sanctioned) = self
            .sanction(room, user, Kind::Mute, length, reason, ruling)
            .await?;
        Ok(sanctioned)
    }

    /// Lifts all bans of a user from a room; without one nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well; [`Error::Forbidden`] for all but moderators and owners, for
    /// a user who is not below this one, and for what a user above this one decided; or a backend's failure.
    pub async fn unban_from(&self, room: &RoomId, user: &UserId) -> Result<(), Error> {
        self.may_lift(room, user, Kind::Ban).await?;
        self.lift(room, user, Kind::Ban).await
    }

    /// Lifts all mutes of a user in a room; without one nothing changes.
    ///
    /// # Errors
    ///
    /// As [`unban_from`](Self::unban_from).
    pub async fn unmute_in(&self, room: &RoomId, user: &UserId) -> Result<(), Error> {
        self.may_lift(room, user, Kind::Mute).await?;
        self.lift(room, user, Kind::Mute).await
    }

    /// One page of the users who are banned from a room, in ascending order of their names, from the first one
    /// after `after`. Default 50, at most 200.
    ///
    /// # Errors
    ///
    /// As [`unban_from`](Self::unban_from).
    pub async fn bans(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: Option<usize>,
    ) -> Result<SanctionList, Error> {
        self.sanctions(room, Kind::Ban, after, limit).await
    }

    /// One page of the users who are muted in a room, as [`bans`](Self::bans).
    ///
    /// # Errors
    ///
    /// As [`unban_from`](Self::unban_from).
    pub async fn mutes(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: Option<usize>,
    ) -> Result<SanctionList, Error> {
        self.sanctions(room, Kind::Mute, after, limit).await
    }

    async fn sanctions(
        &self,
        room: &RoomId,
        kind: Kind,
        after: Option<&UserId>,
        limit: Option<usize>,
    ) -> Result<SanctionList, Error> {
        self.judge(room).await?;
        let Parts {
            policy,
            config,
            clock,
            ..
        } = &*self.parts;
        let (standings, now) = (&policy.standings, clock.now());
        let limit = config.page_limit(limit);
        let mut found = standings.of_room(room, kind, after, limit.saturating_add(1), now);
        let more = found.len() > limit;
        found.truncate(limit);
        let users = found.iter().filter_map(|it| sanctioned(it)).collect();
        Ok(SanctionList { users, more })
    }

    /// Checks that the user may ban and mute in a room. Afterwards this node knows all that was decided before.
    async fn judge(&self, room: &RoomId) -> Result<InRoom, Error> {
        let Parts { access, policy, .. } = &*self.parts;
        let entered = access.enter_group(&self.principal, Action::Sanction, room);
        let in_room = entered.await?.1;
        policy.catch_up().await?;
        Ok(in_room)
    }

    /// Decides against a user who is below this one, or no member, in place of earlier decisions of this kind.
    async fn sanction(
        &self,
        room: &RoomId,
        user: &UserId,
        kind: Kind,
        length: Option<Duration>,
        reason: Reason,
        ruling: impl FnOnce(Option<DateTime<Utc>>) -> Ruling,
    ) -> Result<(InRoom, Sanctioned), Error> {
        let now = self.parts.clock.now();
        let until = length.map(|length| end(now, length, "for")).transpose()?;
        let mine = self.may_lift(room, user, kind).await?;
        user.check()?;
        let about = self.role_of(room, user).await?;
        // An administrator who is not in the room is above all.
        if mine.role().is_some() && (about >= mine.role() || user == self.user()) {
            return Err(Error::Forbidden("this user is not below you"));
        }
        let Parts {
            access,
            policy,
            config,
            ..
        } = &*self.parts;
        access.charge_as_for_rooms("sanction", self.user()).await?;
        let before = policy.standings.versions_in(room, user, kind);
        // They are kept in memory, on all nodes.
        if before.is_empty() && policy.standings.users_in(room) >= config.room_members {
            return Err(Error::Full);
        }
        let Decision { by, at, reason, .. } = self.decide(ruling(until), reason).await?;
        self.lift_these(before).await?;
        let sanctioned = Sanctioned {
            user: user.clone(),
            by,
            at,
            until,
            reason,
        };
        Ok((mine, sanctioned))
    }

    /// Checks that this user may lift what is decided against a user: nobody lifts what is decided against
    /// themselves, against somebody of their role, or by somebody above them.
    async fn may_lift(&self, room: &RoomId, user: &UserId, kind: Kind) -> Result<InRoom, Error> {
        let mine = self.judge(room).await?;
        // An administrator who is not in the room is above all.
        let Some(own) = mine.role() else {
            return Ok(mine);
        };
        let Parts { policy, clock, .. } = &*self.parts;
        let Some(sanction) = policy.standings.in_room(room, user, kind, clock.now()) else {
            return Ok(mine);
        };
        let is_below = user != self.user() && self.role_of(room, user).await? < Some(own);
        if is_below && self.role_of(room, &sanction.by).await? <= Some(own) {
            Ok(mine)
        } else {
            Err(Error::Forbidden(
                "this was decided by a user above you, or is about one who is not below you",
            ))
        }
    }

    async fn lift(&self, room: &RoomId, user: &UserId, kind: Kind) -> Result<(), Error> {
        let versions = self.parts.policy.standings.versions_in(room, user, kind);
        self.lift_these(versions).await
    }

    async fn lift_these(&self, versions: Vec<Version>) -> Result<(), Error> {
        for version in versions {
            self.decide(Ruling::Lift { version }, Reason::default())
                .await?;
        }
        Ok(())
    }

    async fn decide(&self, what: Ruling, reason: Reason) -> Result<Decision, Error> {
        let Parts {
            policy, clock, ids, ..
        } = &*self.parts;
        let new = NewDecision {
            at: clock.now(),
            by: self.user().clone(),
            via: self.via,
            address: None,
            reason,
            client_id: ClientMessageId::new(ids.next().to_string())?,
            what,
        };
        Ok(policy.decide(new).await?)
    }
}

/// A ban or a mute as moderators see it.
fn sanctioned(decision: &Decision) -> Option<Sanctioned> {
    match &decision.what {
        Ruling::Ban { user, until, .. } | Ruling::Mute { user, until, .. } => Some(Sanctioned {
            user: user.clone(),
            by: decision.by.clone(),
            at: decision.at,
            until: *until,
            reason: decision.reason.clone(),
        }),
        _ => None,
    }
}

impl Act for Ban {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            user,
            seconds,
            reason,
        } = self;
        let length = seconds.map(Duration::from_secs);
        answer.give(by.ban_from(&room, &user, length, reason).await);
    }
}

impl Act for Mute {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            user,
            seconds,
            reason,
        } = self;
        let length = seconds.map(Duration::from_secs);
        answer.give(by.mute_in(&room, &user, length, reason).await);
    }
}

impl Act for Unban {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let lifted = by.unban_from(&self.room, &self.user).await;
        answer.give(lifted.map(|()| Done {}));
    }
}

impl Act for Unmute {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let lifted = by.unmute_in(&self.room, &self.user).await;
        answer.give(lifted.map(|()| Done {}));
    }
}

impl Act for Bans {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.bans(&self.room, self.after.as_ref(), self.limit).await);
    }
}

impl Act for Mutes {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.mutes(&self.room, self.after.as_ref(), self.limit).await);
    }
}
