//! The session: one connected device.

use std::{ops::Deref, sync::Arc};

use super::actor::Actor;
use crate::{
    engine::{
        deliver::{device::Device, outbox::Outbox},
        presence::leases::Departure,
    },
    model::{Principal, SessionId},
    wire::{CloseReason, Error, Event, Outgoing},
};

/// One connected device of a user: everything an [`Actor`] can do, and events through its
/// transport. It receives what happens in every room of its user.
///
/// Dropping it disconnects.
#[derive(Debug)]
pub struct Session {
    actor: Actor,
    pub(crate) device: Arc<Device>,
}

impl Session {
    /// The session of a device that the hub has.
    pub(crate) fn new(actor: Actor, device: Arc<Device>) -> Self {
        actor.parts.metrics.sessions.up();
        Self { actor, device }
    }

    /// The id of this session.
    pub fn id(&self) -> SessionId {
        self.device.session
    }

    /// Replaces the login of this session by a newer one of the same user.
    ///
    /// Whoever authenticates the users of the transport calls this, and closes the session when its login
    /// [ends](Principal::expires_at): the engine doesn't.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] when it is the login of another user; the session keeps the one it has. Or the
    /// reason for which the newer login is not accepted, which closes the session.
    pub fn renew(&mut self, principal: Arc<Principal>) -> Result<(), Error> {
        if principal.user != *self.user() {
            return Err(Error::Forbidden("the token is of another user"));
        }
        // First the device has it: a decision that comes meanwhile finds it there.
        self.device.renew(Arc::clone(&principal));
        self.actor.principal = principal;
        let refused = self.actor.parts.access.check(&self.actor.principal);
        refused.inspect_err(|error| self.device.expel(error))
    }

    /// Ends the connection for this reason, after what is queued.
    pub fn close(&self, reason: CloseReason) {
        self.device.close(reason);
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
        let parts = &self.actor.parts;
        parts.hub.remove(&self.device);
        parts.metrics.sessions.down();
        let departure = Departure {
            user: self.device.user.clone(),
            session: self.device.session,
        };
        if parts.departures.try_send(departure).is_err() {
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
    pub(crate) fn new(session: Session, outbox: Arc<Outbox>) -> Self {
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
