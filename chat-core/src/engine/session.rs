//! One connected device.

use std::{ops::Deref, sync::Arc};

use super::{Actor, ChatEngine, presence::Departure, relay};
use crate::{
    command::RoomCursor,
    error::{CloseReason, Error},
    event::{Answer, Event, Outgoing, Reply},
    frame::Frame,
    hub::Link,
    ids::{SessionId, UserId},
    log::Cursor,
    outbox::Outbox,
    port::Transport,
};

/// Who connects, and from where they left off.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The user.
    pub user: UserId,
    /// Rooms to resume; each is caught up, and then live.
    pub cursors: Vec<RoomCursor>,
    /// The number of the `hello` to answer with [`Reply::Welcome`], before anything else is sent.
    pub request: Option<u64>,
}

impl Connect {
    /// Connects with nothing to resume.
    pub fn new(user: UserId) -> Self {
        Self {
            user,
            cursors: Vec::new(),
            request: None,
        }
    }
}

/// One connected device of a user: everything an [`Actor`] can do, and events through its
/// transport. It receives what happens in every room of its user.
///
/// Dropping it disconnects.
#[derive(Debug)]
pub struct Session {
    actor: Actor,
    pub(super) link: Arc<Link>,
}

impl Session {
    /// Which device.
    pub fn id(&self) -> SessionId {
        self.link.session
    }

    /// Sends everything after a cursor again, and gives the position reached.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent nothing again; what is live goes on.
    pub async fn resume(&self, cursor: RoomCursor) -> Result<Cursor, Error> {
        let shared = &self.engine.shared;
        self.link.begin_catch_up(&cursor.room);
        shared
            .catch_up(&self.link, &cursor, &mut shared.resume_budget(), |_| None)
            .await
    }

    /// Ends the connection for this reason, after what is queued.
    pub fn close(&self, reason: CloseReason) {
        self.link.close(reason);
    }

    pub(super) fn send(&self, frame: Frame) {
        self.link.send(frame);
    }
}

impl Deref for Session {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.actor
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.engine.shared.hub.remove(&self.link);
        self.engine.shared.metrics.sessions.down();
        let departure = Departure {
            user: self.user.clone(),
            session: self.link.session,
        };
        if self.engine.departures.try_send(departure).is_err() {
            // The lease ends by itself.
            tracing::debug!("too many departures at once");
        }
    }
}

/// A [`Session`] in this process, whose events are read here.
#[derive(Debug)]
pub struct LocalSession {
    session: Session,
    outbox: Arc<Outbox>,
}

impl LocalSession {
    pub(super) fn new(session: Session, outbox: Arc<Outbox>) -> Self {
        Self { session, outbox }
    }

    /// Waits for the next event; `None` when the session is closed.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses nothing.
    pub async fn next_event(&self) -> Option<Event> {
        let mut frames = Vec::with_capacity(1);
        loop {
            if self.outbox.recv_many(&mut frames, 1).await.is_some() {
                return None;
            }
            for frame in frames.drain(..) {
                if let Outgoing::Event(event) = frame.outgoing() {
                    return Some(event.clone());
                }
            }
        }
    }
}

impl Deref for LocalSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl ChatEngine {
    /// Connects a device through a transport of one's own.
    ///
    /// When this returns, the rooms named in [`Connect::cursors`] are caught up: all that was
    /// missed, or an [`Event::Gap`], has gone out before [`Event::Resumed`] and anything newer.
    /// With more rooms than the transport holds frames, it has to be read meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`], [`Error::ShuttingDown`], or a backend's failure.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves nobody connected.
    pub async fn connect_with(
        &self,
        connect: Connect,
        transport: Arc<dyn Transport>,
    ) -> Result<Session, Error> {
        if self.is_draining() {
            return Err(Error::ShuttingDown);
        }
        let shared = &self.shared;
        let Connect {
            user,
            cursors,
            request,
        } = connect;
        let id = SessionId(shared.ids.next());
        let link = Arc::new(Link::new(id, user.clone(), transport));
        // Live entries wait from before the first one can come: nothing falls between.
        for cursor in &cursors {
            link.begin_catch_up(&cursor.room);
        }
        let welcome = request.map(|request| {
            let result = Reply::Welcome {
                user: user.clone(),
                session: id,
            };
            Frame::from(Answer::Reply {
                id: request,
                result,
            })
        });
        let max = shared.config.sessions_per_user;
        let add = || shared.hub.add(Arc::clone(&link), max, welcome);
        if !relay::listen(shared, &self.grown, &user, add).await? {
            return Err(Error::TooManySessions { max });
        }
        shared.metrics.sessions.up();
        let session = Session {
            actor: self.actor(user),
            link,
        };
        // `drain` may have begun since, and listed the sessions before this one was there.
        if self.is_draining() {
            return Err(Error::ShuttingDown);
        }
        shared.touch(&session.link).await;
        let mut budget = shared.resume_budget();
        for cursor in cursors {
            // However quick the store: the transport's reader has its turn between two rooms.
            tokio::task::yield_now().await;
            let room = cursor.room.clone();
            let resumed = |cursor| Some(Event::Resumed { room, cursor }.into());
            match shared
                .catch_up(&session.link, &cursor, &mut budget, resumed)
                .await
            {
                Ok(_) => {}
                Err(Error::NoRoom) => session.send(Event::Closed { room: cursor.room }.into()),
                Err(error) => return Err(error),
            }
        }
        Ok(session)
    }
}
