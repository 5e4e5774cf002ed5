//! Invitations: making, listing and taking them back.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, Invite, InviteId, InviteToken, OpenTo, Role, RoomId, Ruling},
    wire::{
        Done, Error, InviteList,
        command::{Invites, MakeInvite, Uninvite},
    },
};

impl Actor {
    /// Makes an invitation into a group or channel: for so many uses, for so long, into this role. By default
    /// for any number of uses, without an end, as a member.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] for 0 or more than 100,000 uses, and for an end after less than a second or more
    /// than a hundred years; [`Error::NoRoom`] for a direct room as well; [`Error::Forbidden`] for readers,
    /// where only moderators add members, for an archived room, and for a role that this user can't give;
    /// [`Error::Full`] for a room with [so many](Invite::MAX_PER_ROOM) invitations; [`Error::RateLimited`], or a
    /// backend's failure.
    pub async fn invite(
        &self,
        room: &RoomId,
        uses: Option<u32>,
        ends_after: Option<Duration>,
        role: Option<Role>,
    ) -> Result<Invite, Error> {
        let Parts {
            access,
            store,
            clock,
            ids,
            ..
        } = &*self.parts;
        let max = Invite::MAX_USES;
        if uses.is_some_and(|uses| uses == 0 || uses > max) {
            return Err(Error::BadRequest(format!("`uses` is 1 to {max}")));
        }
        let now = clock.now();
        let expires_at = ends_after.map(|after| end(now, after, "ttl")).transpose()?;
        let (_, mine) = access
            .enter_group(&self.principal, Action::Add, room)
            .await?;
        let role = role.unwrap_or_default();
        // An administrator who is not in the room has no role, and gives any.
        if let Some(own) = mine.role() {
            let moderates = own >= Role::Moderator;
            if mine.settings.add == OpenTo::Moderators && !moderates {
                return Err(Error::Forbidden("only moderators invite here"));
            }
            if role > own.gives_up_to() {
                return Err(Error::Forbidden("you can't give this role"));
            }
        }
        if mine.archived {
            return Err(Error::Forbidden("the room is archived"));
        }
        access.charge_as_for_rooms("invite", self.user()).await?;
        self.make_place_for_an_invite(room, now).await?;
        // Two ids: at least 124 random bits, of which nobody guesses one.
        let token = format!("{}{}", ids.next().simple(), ids.next().simple());
        let invite = Invite {
            id: InviteId(ids.next()),
            room: room.clone(),
            token: InviteToken::new(token)?,
            by: self.user().clone(),
            role,
            created_at: now,
            expires_at,
            uses_left: uses,
        };
        store.add_invite(invite.clone()).await?;
        Ok(invite.in_micros())
    }

    /// Removes invitations that nobody can use, if there are too many for one more.
    async fn make_place_for_an_invite(
        &self,
        room: &RoomId,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let store = &self.parts.store;
        let there = store.invites(room, None, Invite::MAX_PER_ROOM).await?;
        if there.len() < Invite::MAX_PER_ROOM {
            return Ok(());
        }
        let over: Vec<_> = there.iter().filter(|it| !it.is_open(now)).collect();
        if over.is_empty() {
            return Err(Error::Full);
        }
        for invite in over {
            store.remove_invite(room, invite.id).await?;
        }
        Ok(())
    }

    /// One page of the invitations into a room, in ascending order of id, from the first one after `after`.
    /// Default 50, at most 200.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, [`Error::Forbidden`] for all but moderators and owners, or a
    /// backend's failure.
    pub async fn invites(
        &self,
        room: &RoomId,
        after: Option<InviteId>,
        limit: Option<usize>,
    ) -> Result<InviteList, Error> {
        let Parts {
            access,
            store,
            config,
            ..
        } = &*self.parts;
        access
            .enter_group(&self.principal, Action::Invites, room)
            .await?;
        let limit = config.page_limit(limit);
        let mut invites = store.invites(room, after, limit.saturating_add(1)).await?;
        let more = invites.len() > limit;
        invites.truncate(limit);
        Ok(InviteList { invites, more })
    }

    /// Takes an invitation back; one that doesn't exist is taken back already.
    ///
    /// # Errors
    ///
    /// As [`invites`](Self::invites).
    pub async fn uninvite(&self, room: &RoomId, invite: InviteId) -> Result<(), Error> {
        let Parts { access, store, .. } = &*self.parts;
        access
            .enter_group(&self.principal, Action::Invites, room)
            .await?;
        store.remove_invite(room, invite).await?;
        Ok(())
    }
}

/// The moment after this time, which is 1 s to a hundred years; `name` is the field that says so.
pub(super) fn end(now: DateTime<Utc>, after: Duration, name: &str) -> Result<DateTime<Utc>, Error> {
    let longest = Ruling::LONGEST;
    let is_allowed = (Duration::from_secs(1)..=longest).contains(&after);
    let after = TimeDelta::from_std(after).ok().filter(|_| is_allowed);
    let end = after.and_then(|after| now.checked_add_signed(after));
    end.ok_or_else(|| {
        let max = longest.as_secs();
        Error::BadRequest(format!("`{name}` is 1 to {max} seconds"))
    })
}

impl Act for MakeInvite {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            uses,
            ttl,
            role,
        } = self;
        let ends_after = ttl.map(Duration::from_secs);
        answer.give(by.invite(&room, uses, ends_after, role).await);
    }
}

impl Act for Invites {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.invites(&self.room, self.after, self.limit).await);
    }
}

impl Act for Uninvite {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let done = by.uninvite(&self.room, self.invite).await;
        answer.give(done.map(|()| Done {}));
    }
}
