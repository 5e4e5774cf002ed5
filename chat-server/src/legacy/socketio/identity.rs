//! The user that a client is, while it has a name.

use std::sync::Arc;

use chat_core::{
    Actor, CloseReason, Connect, Error, Frame, Mark, MessageId, Outbox, RoomId, Session, Transport,
    UserId,
};

use super::{context::Context, online::Named, queue::Queue};

/// The most frames that are taken from the engine at once.
const FRAMES: usize = 64;

/// The state of a client that has a name.
pub(super) struct Identity {
    pub(super) user: Actor,
    /// Ends before the rest when the client leaves.
    pub(super) session: Option<Session>,
    pub(super) outbox: Arc<Outbox>,
    /// The one direct room that the client shows.
    pub(super) room: Option<RoomId>,
    /// As long as it lives, the client gets the list of who is online.
    _named: Arc<Named>,
}

impl Identity {
    /// Connects the user, unless the client is `gone`.
    pub(super) async fn take(
        context: &Context,
        queue: Arc<Queue>,
        connect: Connect,
        gone: bool,
    ) -> Result<Self, Error> {
        let engine = &context.app.engine;
        let outbox = engine.outbox();
        let named = Arc::new(Named::new(queue, connect.principal.user.clone()));
        let (user, session) = if gone {
            (engine.actor_of(connect.principal), None)
        } else {
            let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
            let session = engine.connect_with(connect, transport).await?;
            context.newcomers.send(Arc::downgrade(&named)).await.ok();
            (Actor::clone(&session), Some(session))
        };
        Ok(Self {
            user,
            session,
            outbox,
            room: None,
            _named: named,
        })
    }

    pub(super) fn shows(&self, room: &RoomId) -> bool {
        self.room.as_ref() == Some(room)
    }

    pub(super) fn room(&self) -> Result<&RoomId, Error> {
        self.room
            .as_ref()
            .ok_or_else(|| bad("say whom you talk to first: start-dm"))
    }
}

/// Waits for frames, or for the end of the session; for ever while there is no session.
pub(super) async fn receive(
    identity: Option<&Identity>,
    frames: &mut Vec<Frame>,
) -> Option<CloseReason> {
    match identity {
        Some(identity) if identity.session.is_some() => {
            identity.outbox.recv_many(frames, FRAMES).await
        }
        _ => std::future::pending().await,
    }
}

/// Waits for the end of the session, for a client that can't be sent frames now.
pub(super) async fn until_closed(identity: Option<&Identity>) -> CloseReason {
    match identity {
        Some(identity) if identity.session.is_some() => identity.outbox.until_closed().await,
        _ => std::future::pending().await,
    }
}

/// A receipt counts for a message that exists, in the direct room with its author.
pub(super) async fn receipt(
    user: &Actor,
    mark: Mark,
    id: MessageId,
    from: &UserId,
) -> Result<(), Error> {
    let unknown = || bad(format!("there is no such message from {from}"));
    let room = RoomId::direct(user.user(), from)?;
    let entry = match user.find(&room, id).await {
        Ok(Some(entry)) if entry.author == *from => entry,
        Ok(_) | Err(Error::NoRoom) => return Err(unknown()),
        Err(error) => return Err(error),
    };
    user.receipt(&room, mark, entry.seq).await.map(drop)
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadRequest(why.into())
}
