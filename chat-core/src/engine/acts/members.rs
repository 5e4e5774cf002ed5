//! The members of a room: listing, adding and removing them, and changing their roles.

use std::sync::Arc;

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{parts::Parts, state::rooms::LiveRoom},
    model::{Action, EntryBody, LeftWhy, Member, Role, RoomId, UserId},
    wire::{
        Done, Error, MemberList,
        command::{Add, ChangeRole, Leave, Members, Remove},
    },
};

impl Actor {
    /// One page of the members of a room, in ascending order of their names, from the first one after
    /// `after`. Default 50 members, at most 200.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: Option<usize>,
    ) -> Result<MemberList, Error> {
        let Parts { access, config, .. } = &*self.parts;
        access.enter(&self.principal, Action::Read, room).await?;
        let limit = config.page_limit(limit);
        let one_more = limit.saturating_add(1);
        let mut members = self.members_as_seen(room, after, one_more).await?;
        let more = members.len() > limit;
        members.truncate(limit);
        Ok(MemberList { members, more })
    }

    /// Members as this user sees them: one who has blocked this user as they were then.
    pub(super) async fn members_as_seen(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, Error> {
        let members = self.parts.store.members(room, after, limit).await?;
        self.as_seen(room, members).await
    }

    /// These members of a room as this user sees them.
    pub(super) async fn as_seen(
        &self,
        room: &RoomId,
        mut members: Vec<Member>,
    ) -> Result<Vec<Member>, Error> {
        if let Some(peer) = room.peer_of(self.user())
            && let Some(seen) = self.seen_until(room, &peer).await?
        {
            for member in members.iter_mut().filter(|member| member.user == peer) {
                member.watermarks = member.watermarks.meet(seen);
            }
        }
        Ok(members)
    }

    /// Makes `user` a member of a group that this user is in. A user who is a member already stays as they
    /// are.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well; [`Error::Forbidden`] for readers, where only moderators add
    /// members, and for a user who is banned from the room; [`Error::Blocked`] while one of the two has blocked
    /// the other; [`Error::Full`], or a backend's failure.
    pub async fn add_member(&self, room: &RoomId, user: UserId) -> Result<Member, Error> {
        self.add(room, user, None).await
    }

    /// Makes `user` a member of a group with this role. All but owners give at most [`Role::Member`].
    ///
    /// # Errors
    ///
    /// As [`add_member`](Self::add_member), and [`Error::Forbidden`] for a role that this user can't give and
    /// for a user who is a member with another role.
    pub async fn add_member_as(
        &self,
        room: &RoomId,
        user: UserId,
        role: Role,
    ) -> Result<Member, Error> {
        self.add(room, user, Some(role)).await
    }

    async fn add(&self, room: &RoomId, user: UserId, role: Option<Role>) -> Result<Member, Error> {
        let add = |now: Option<Role>| match (now, role) {
            (None, role) => Ok(role.unwrap_or_default()),
            (Some(now), None) => Ok(now),
            (Some(now), Some(role)) if now == role => Ok(now),
            _ => Err(Error::Forbidden("this user is a member with another role")),
        };
        self.give_role(room, Action::Add, user, add).await
    }

    /// Gives a member of a group another role: one who is below this user. All but owners give at most
    /// [`Role::Member`]. To take a lower role oneself is always possible, but for the last owner.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, [`Error::Forbidden`] where the roles don't allow it and for
    /// a user who is no member, or a backend's failure.
    pub async fn set_role(&self, room: &RoomId, user: UserId, role: Role) -> Result<Member, Error> {
        let set = |now: Option<Role>| match now {
            Some(_) => Ok(role),
            None => Err(Error::Forbidden("this user is not a member")),
        };
        let action = if user == *self.user() {
            Action::Leave
        } else {
            Action::ChangeRole
        };
        self.give_role(room, action, user, set).await
    }

    /// Gives a user the role that `wanted` makes of the present one, if it is another.
    async fn give_role(
        &self,
        room: &RoomId,
        action: Action,
        user: UserId,
        wanted: impl FnOnce(Option<Role>) -> Result<Role, Error>,
    ) -> Result<Member, Error> {
        let Parts {
            access, directory, ..
        } = &*self.parts;
        let (live, mine) = access.enter_group(&self.principal, action, room).await?;
        let now = self.role_of(room, &user).await?;
        let role = wanted(now)?;
        if now != Some(role) {
            user.check()?;
            let require = mine.role().and(action.least_role());
            let given = if action == Action::Add {
                access.may_come_in(&user, room).await?;
                if directory.blocks.are_between(self.user(), &user).await? {
                    return Err(Error::Blocked);
                }
                let user = user.clone();
                let admit =
                    move |me: Self| async move { me.admit(live, user, role, require).await };
                self.to_the_end(admit).await
            } else {
                let body = EntryBody::Role {
                    user: user.clone(),
                    role,
                };
                self.append(live, body, require, None).await.map(drop)
            };
            match given {
                // Somebody else was quicker.
                Err(Error::Forbidden(_)) if self.role_of(room, &user).await? == Some(role) => {}
                given => given?,
            }
        }
        self.member(room, &user).await
    }

    /// Makes a user a member, unless the user is banned from the room by then, on whichever node that was
    /// decided.
    pub(super) async fn admit(
        &self,
        live: Arc<LiveRoom>,
        user: UserId,
        role: Role,
        require: Option<Role>,
    ) -> Result<(), Error> {
        let room = live.id.clone();
        let joined = EntryBody::Joined {
            user: user.clone(),
            role,
        };
        self.append(Arc::clone(&live), joined, require, None)
            .await?;
        let stays = self.parts.access.may_stay(&user, &room).await;
        if let Err(Error::Forbidden(_)) = stays {
            let left = EntryBody::Left {
                user,
                why: LeftWhy::Banned,
            };
            self.append(live, left, None, None).await?;
        }
        stays
    }

    /// The role of a user in a room as the store has it now, whatever this node has heard.
    pub(super) async fn role_of(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<Role>, Error> {
        let member = self.parts.store.member(room, user).await?;
        Ok(member.map(|member| member.role))
    }

    /// A member as the store has them now.
    async fn member(&self, room: &RoomId, user: &UserId) -> Result<Member, Error> {
        let member = self.parts.store.member(room, user).await?;
        member.ok_or(Error::Forbidden("this user is not a member any more"))
    }

    /// Ends the membership of `user`, who is below this user, in a group. Of a user who is no member nothing
    /// changes. To remove oneself is to [leave](Self::leave).
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, [`Error::Forbidden`] where the roles don't allow it, or a
    /// backend's failure.
    pub async fn remove_member(&self, room: &RoomId, user: UserId) -> Result<(), Error> {
        let action = if user == *self.user() {
            Action::Leave
        } else {
            Action::Remove
        };
        let access = &self.parts.access;
        let (live, mine) = access.enter_group(&self.principal, action, room).await?;
        if self.role_of(room, &user).await?.is_none() {
            return Ok(());
        }
        let why = if user == *self.user() {
            LeftWhy::Left
        } else {
            LeftWhy::Removed
        };
        let require = mine.role().and(action.least_role());
        let left = EntryBody::Left { user, why };
        self.append(live, left, require, None).await.map(drop)
    }

    /// Leaves a group. The last owner can't.
    ///
    /// # Errors
    ///
    /// As [`remove_member`](Self::remove_member).
    pub async fn leave(&self, room: &RoomId) -> Result<(), Error> {
        self.remove_member(room, self.user().clone()).await
    }
}

impl Act for Members {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self { room, after, limit } = self;
        answer.give(by.members(&room, after.as_ref(), limit).await);
    }
}

impl Act for Add {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self { room, user, role } = self;
        answer.give(by.add(&room, user, role).await);
    }
}

impl Act for Remove {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let removed = by.remove_member(&self.room, self.user).await;
        answer.give(removed.map(|()| Done {}));
    }
}

impl Act for Leave {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.leave(&self.room).await.map(|()| Done {}));
    }
}

impl Act for ChangeRole {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self { room, user, role } = self;
        answer.give(by.set_role(&room, user, role).await);
    }
}
