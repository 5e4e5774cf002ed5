//! Saying that one is typing.

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, RoomId},
    wire::{Done, Error, command},
};

impl Actor {
    /// Says that the user is typing; to be repeated while it lasts.
    ///
    /// The other members are notified at most once in
    /// [`typing_throttle`](crate::Config::typing_throttle), and of the end
    /// [`typing_expiry`](crate::Config::typing_expiry) after the last call, or with the message. In a room of
    /// more than 100 members nobody is notified.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn typing(&self, room: &RoomId) -> Result<(), Error> {
        let Parts {
            access,
            typing,
            directory,
            ..
        } = &*self.parts;
        let room = access.enter(&self.principal, Action::Typing, room).await?;
        if room.is_large() {
            return Ok(());
        }
        match directory.blocks.quiet(&room, self.user()).await {
            Ok(quiet) => typing.begin_or_renew(&room, self.user(), &quiet),
            // Typing may be dropped, but never shown to those who are blocked.
            Err(error) => tracing::debug!(%error, "typing is not announced"),
        }
        Ok(())
    }
}

impl Act for command::Typing {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.typing(&self.room).await.map(|()| Done {}));
    }
}
