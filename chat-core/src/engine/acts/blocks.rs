//! Blocking users, and listing whom one has blocked.

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{deliver::notify, parts::Parts},
    model::{Action, Block, Presence, RoomId, UserId, Watermarks},
    port::{Hint, Topic},
    wire::{
        BlockList, BlockView, Done, Error,
        command::{self, Blocks, Unblock},
    },
};

impl Actor {
    /// Blocks a user, who is not notified. While the block stands, neither of the two opens or writes to their
    /// direct room, though both read and delete what stands there, and `user` sees this user as somebody who
    /// went offline: no presence, no typing and no receipts. A user who is blocked already stays so.
    ///
    /// It takes from a budget as large as that for [rooms](crate::Config::room_limit).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] when `user` is this user, [`Error::RateLimited`], or a backend's failure.
    pub async fn block(&self, user: &UserId) -> Result<(), Error> {
        let room = RoomId::direct(self.user(), user)?;
        let Parts {
            access,
            store,
            directory,
            leases,
            ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Block).await?;
        access.charge_as_for_rooms("block", self.user()).await?;
        let me = std::slice::from_ref(self.user());
        let at = self.parts.clock.now();
        let presence = leases.as_known(me).await.pop();
        let was_online = presence.as_ref().is_some_and(|it| it.online);
        let new = Block {
            by: self.user().clone(),
            user: user.clone(),
            at,
            last_seen: match presence {
                Some(presence) if !presence.online => presence.last_seen,
                _ => Some(at),
            },
            watermarks: store.watermarks(&room, me).await?.pop().unwrap_or_default(),
        }
        .in_micros();
        let stored = store.block(new).await;
        directory.blocks.forget(self.user());
        let stands = stored?;
        if was_online {
            // Also the second time, for the first may have stored the block and done no more.
            self.show_to(user, stands.presence()).await?;
        }
        Ok(())
    }

    /// Ends the block of a user. What they could not see meanwhile, they see now. Of a user who is not blocked
    /// nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] when `user` is this user, or a backend's failure.
    pub async fn unblock(&self, user: &UserId) -> Result<(), Error> {
        let room = RoomId::direct(self.user(), user)?;
        let Parts {
            access,
            store,
            directory,
            leases,
            ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Block).await?;
        let ended = store.unblock(self.user(), user).await;
        directory.blocks.forget(self.user());
        let Some(block) = ended? else {
            return Ok(());
        };
        let me = std::slice::from_ref(self.user());
        if let Some(live) = directory.room(&room).await? {
            let now = store.watermarks(&room, me).await?;
            let now = now.first().copied().unwrap_or_default();
            if now.is_ahead_of(block.watermarks) {
                self.announce_receipt(&live, block.watermarks, now).await;
            }
        }
        match leases.as_known(me).await.pop() {
            Some(presence) => self.show_to(user, presence).await,
            None => Ok(()),
        }
    }

    /// One page of the users whom this user has blocked, in ascending order of their names, from the first one
    /// after `after`. Default 50, at most 200.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn blocks(
        &self,
        after: Option<&UserId>,
        limit: Option<usize>,
    ) -> Result<BlockList, Error> {
        let Parts {
            access,
            store,
            config,
            ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Block).await?;
        let limit = config.page_limit(limit);
        let one_more = limit.saturating_add(1);
        let mut blocks = store.blocks_by(self.user(), after, one_more).await?;
        let more = blocks.len() > limit;
        blocks.truncate(limit);
        let view = |block: Block| BlockView {
            user: block.user,
            at: block.at,
        };
        let blocks = blocks.into_iter().map(view).collect();
        Ok(BlockList { blocks, more })
    }

    /// Sends a user the presence of this one, as that user is to see it, if the two share a room.
    async fn show_to(&self, user: &UserId, presence: Presence) -> Result<(), Error> {
        let Parts {
            directory,
            hub,
            hints,
            presence: changes,
            ..
        } = &*self.parts;
        // Each list of users online is made again.
        changes.online_changed();
        hints.publish(vec![Topic::Online], Hint::Online);
        let one = std::slice::from_ref(user);
        if directory.peers_among(self.user(), one).await?.is_empty() {
            return Ok(());
        }
        notify::presence(hub, [user], presence);
        let by = self.user().clone();
        hints.publish(vec![Topic::User(user.clone())], Hint::Presence { user: by });
        Ok(())
    }

    /// The watermarks of a member when they blocked this user; `None` for one who has not done so, and in a
    /// group.
    pub(super) async fn seen_until(
        &self,
        room: &RoomId,
        member: &UserId,
    ) -> Result<Option<Watermarks>, Error> {
        if room.peer_of(self.user()).as_ref() != Some(member) {
            return Ok(None);
        }
        let blocks = &self.parts.directory.blocks;
        let block = blocks.of(self.user(), std::slice::from_ref(member)).await?;
        Ok(block.first().map(|block| block.watermarks))
    }
}

impl Act for command::Block {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.block(&self.user).await.map(|()| Done {}));
    }
}

impl Act for Unblock {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.unblock(&self.user).await.map(|()| Done {}));
    }
}

impl Act for Blocks {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.blocks(self.after.as_ref(), self.limit).await);
    }
}
