//! Changing what a group or channel says about itself, and archiving it.

use std::sync::Arc;

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    model::{Action, ClientMessageId, EntryBody, RoomChange, RoomId},
    wire::{Error, RoomView, command::Update},
};

impl Actor {
    /// Changes the name, topic, data or settings of a group or channel, archives it or opens it again, and
    /// shows it. The same `client_id` again changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] for a change that names nothing, [`Error::NoRoom`] for a direct room as well,
    /// [`Error::Forbidden`] for all but owners, and in an archived room for any change but opening it; or a
    /// backend's failure.
    pub async fn update(
        &self,
        room: &RoomId,
        change: RoomChange,
        client_id: Option<ClientMessageId>,
    ) -> Result<RoomView, Error> {
        if change == RoomChange::default() {
            let why = "name what is to change: `name`, `topic`, `data`, `settings` or `archived`";
            return Err(Error::BadRequest(why.to_owned()));
        }
        let action = Action::Update;
        let (live, mine) = self
            .parts
            .access
            .enter_group(&self.principal, action, room)
            .await?;
        let require = mine.role().and(action.least_role());
        let body = EntryBody::Room(Arc::new(change));
        self.append(live, body, require, client_id).await?;
        self.shown(room).await
    }
}

impl Act for Update {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            room,
            change,
            client_id,
        } = self;
        answer.give(by.update(&room, change, client_id).await);
    }
}
