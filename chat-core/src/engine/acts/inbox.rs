//! The inbox, and how a user has a room set.

use super::{
    act::{Act, Answering},
    actor::Actor,
    page::cut,
    session::Session,
};
use crate::{
    engine::parts::Parts,
    model::{Action, InboxFilter, InboxPlace, InboxRoom, Me, MeChange, RoomId},
    port::{Hint, Topic},
    wire::{
        Error, Event, Frame, InboxPage, RoomNews,
        command::{Inbox, SetMe},
    },
};

impl Actor {
    /// One page of the user's rooms in the order of their newest messages, from the first one after `after`.
    /// Default 50 rooms, at most 200, and fewer where they
    /// are large, so that the page fits into an outbox.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn inbox(
        &self,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: Option<usize>,
    ) -> Result<InboxPage, Error> {
        let Parts {
            access,
            store,
            config,
            ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Inbox).await?;
        let limit = config.page_limit(limit);
        let one_more = limit.saturating_add(1);
        let mut rooms = store.inbox(self.user(), filter, after, one_more).await?;
        let more = cut(&mut rooms, limit, config.reply_bytes(), InboxRoom::size);
        let next = rooms.last().filter(|_| more).map(InboxRoom::place);
        Ok(InboxPage { rooms, next })
    }

    /// Changes how the user has a room set, and gives all of it. The user's connected devices are sent it, and
    /// the room as the inbox shows it then.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn set_me(&self, room: &RoomId, change: MeChange) -> Result<Me, Error> {
        let Parts {
            access,
            store,
            hub,
            hints,
            news,
            ..
        } = &*self.parts;
        access.allow(&self.principal, Action::Inbox).await?;
        let live = access.enter(&self.principal, Action::Read, room).await?;
        let mut topics = vec![Topic::User(self.user().clone())];
        if change.hidden == Some(true) {
            // A node where the user is not yet keeps who has hidden the room.
            topics.push(Topic::Rooms);
            live.hidden.forget();
        }
        let me = store.set_me(room, self.user(), change).await?;
        let me = me.ok_or(Error::NoRoom)?;
        if me.hidden {
            // Once more, for the store may have been asked in between.
            live.hidden.forget();
        }
        let room = room.clone();
        let hint = Hint::Me { room: room.clone() };
        news.note(&room, self.user(), RoomNews::Changed);
        let frame = Frame::from(Event::Me { room, me });
        hub.each(self.user(), |device| device.send(frame.clone()));
        hints.publish(topics, hint);
        Ok(me)
    }
}

impl Act for Inbox {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self {
            filter,
            after,
            limit,
        } = self;
        answer.give(by.inbox(filter, after.as_ref(), limit).await);
    }
}

impl Act for SetMe {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.set_me(&self.room, self.change).await);
    }
}
