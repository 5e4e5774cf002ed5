//! Connecting a device, and catching it up on the rooms it names.

use std::{fmt, sync::Arc};

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{
        deliver::{
            device::{Device, SessionOrigin, SessionView},
            transport::Transport,
        },
        parts::Parts,
    },
    model::{Action, Principal, SessionId, UserId},
    wire::{
        Error, Event, Frame, Pong, RoomCursor,
        command::{Hello, Ping, Renew},
    },
};

/// A user who connects, and the positions to resume from.
#[derive(Debug)]
pub struct Connect {
    /// The user who connects, and what the login allows.
    pub principal: Arc<Principal>,
    /// The way by which the session comes, for administrators. Default: this process.
    pub origin: SessionOrigin,
    /// The rooms to resume; each is caught up, and then live.
    pub cursors: Vec<RoomCursor>,
    /// The frame that is sent before anything else once the session is accepted. Default: none.
    pub greeting: Option<Greeting>,
}

impl Connect {
    /// Connects a [trusted](Principal::trusted) user with nothing to resume.
    pub fn new(user: UserId) -> Self {
        Arc::new(Principal::trusted(user)).into()
    }
}

impl From<Arc<Principal>> for Connect {
    /// Connects a user who has logged in, with nothing to resume.
    fn from(principal: Arc<Principal>) -> Self {
        Self {
            principal,
            origin: SessionOrigin::default(),
            cursors: Vec::new(),
            greeting: None,
        }
    }
}

/// Makes the first frame of a session, which may name the session.
pub struct Greeting(Box<dyn FnOnce(SessionId) -> Frame + Send>);

impl Greeting {
    /// A greeting that `make` makes.
    pub fn new(make: impl FnOnce(SessionId) -> Frame + Send + 'static) -> Self {
        Self(Box::new(make))
    }
}

impl fmt::Debug for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Greeting")
    }
}

/// Carries out [`ChatEngine::connect_with`](crate::ChatEngine::connect_with), whose docs say what callers may
/// rely on.
pub(crate) async fn connect(
    parts: &Arc<Parts>,
    connect: Connect,
    transport: Arc<dyn Transport>,
) -> Result<Session, Error> {
    if parts.is_draining() {
        return Err(Error::ShuttingDown);
    }
    let Connect {
        principal,
        origin,
        cursors,
        greeting,
    } = connect;
    parts.access.admit(&principal).await?;
    // A device is sent what its rooms hold.
    parts.access.allow(&principal, Action::Connect).await?;
    let id = SessionId(parts.ids.next());
    let via = origin.via;
    let view = SessionView {
        id,
        user: principal.user.clone(),
        origin,
        since: parts.clock.now(),
    };
    let device = Arc::new(Device::new(view, Arc::clone(&principal), transport));
    // Live entries are held back before the device joins the hub; otherwise one that arrives before the
    // catch-up could be lost.
    for cursor in &cursors {
        device.begin_catch_up(&cursor.room);
    }
    let first = greeting.map(|Greeting(make)| make(id));
    let max = parts.config.sessions_per_user;
    // The login is checked once more, for a decision may have been made since.
    let check = || parts.access.check(&principal);
    let add = || parts.hub.add(Arc::clone(&device), max, first, check);
    match &parts.listening {
        Some(listening) => listening.listen(&principal.user, add).await??,
        None => add()?,
    }
    let actor = Actor {
        parts: Arc::clone(parts),
        principal,
        via,
        session: Some(id),
    };
    let session = Session::new(actor, device);
    // `drain` may have begun since, and listed the sessions before this one was there.
    if parts.is_draining() {
        return Err(Error::ShuttingDown);
    }
    parts.leases.touch(&session.device).await;
    let mut budget = parts.config.resume_budget();
    for cursor in cursors {
        // The transport's reader has its turn between two rooms, even if the store answers at once.
        tokio::task::yield_now().await;
        let room = cursor.room.clone();
        let resumed = |cursor| Some(Event::Resumed { room, cursor }.into());
        match session.catch_up(&cursor, &mut budget, resumed).await {
            Ok(_) => {}
            Err(Error::NoRoom) => session.device.close_room(&cursor.room),
            Err(error) => return Err(error),
        }
    }
    Ok(session)
}

impl Act for Hello {
    async fn act(self, _: &Session, answer: Answering<Self>) {
        answer.give(Err(Error::BadRequest(
            "`hello` may only be the first command".to_owned(),
        )));
    }
}

impl Act for Renew {
    async fn act(self, _: &Session, answer: Answering<Self>) {
        // A server renews logins itself, before it dispatches; this is for transports that don't.
        let why = "this transport renews no logins";
        answer.give(Err(Error::BadRequest(why.to_owned())));
    }
}

impl Act for Ping {
    async fn act(self, _: &Session, answer: Answering<Self>) {
        answer.give(Ok(Pong {}));
    }
}
