//! One connected device: the way to its transport, and the gate that holds live entries of a room back
//! while the room is caught up.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use super::transport::{Transport, TrySendError};
use crate::{
    model::{Effect, Principal, RoomId, Seq, SessionId, UserId},
    port::{Via, panics::caught},
    wire::{Answer, CloseReason, Error, Event, Frame, Outgoing},
};

/// The way by which a session came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOrigin {
    /// The protocol.
    pub via: Via,
    /// The address of the client, or the network in which it is; `None` when that is not known.
    pub address: Option<IpAddr>,
}

impl Default for SessionOrigin {
    /// This process.
    fn default() -> Self {
        Self {
            via: Via::Host,
            address: None,
        }
    }
}

/// A connected session, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Its user.
    pub user: UserId,
    /// The way by which it came.
    pub origin: SessionOrigin,
    /// The server's clock when it connected.
    pub since: DateTime<Utc>,
}

/// The device of one session.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    origin: SessionOrigin,
    since: DateTime<Utc>,
    /// The login that it acts by; a newer one of the same user replaces it.
    principal: Mutex<Arc<Principal>>,
    transport: Arc<dyn Transport>,
    /// The gates of the rooms that are being caught up, or were.
    gates: Mutex<HashMap<RoomId, Gate>>,
}

/// Whether live entries of a room that is resumed may pass.
#[derive(Debug)]
enum Gate {
    /// They wait until the room is caught up.
    Waiting(Vec<Frame>),
    /// Those up to this number have been sent already: the store had them before they were published.
    Past(Seq),
}

/// How many live entries of a room may wait for its catch-up; with more the device is closed as slow.
const WAITING_MAX: usize = 1_024;

impl Device {
    pub(crate) fn new(
        view: SessionView,
        principal: Arc<Principal>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        let SessionView {
            id,
            user,
            origin,
            since,
        } = view;
        Self {
            session: id,
            user,
            origin,
            since,
            principal: Mutex::new(principal),
            transport,
            gates: Mutex::default(),
        }
    }

    pub(crate) fn view(&self) -> SessionView {
        SessionView {
            id: self.session,
            user: self.user.clone(),
            origin: self.origin,
            since: self.since,
        }
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<RoomId, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends anything but a room's entries. A device whose transport is full is closed as slow, unless the
    /// frame may be dropped. One whose transport panics is closed too: it may lack the frame.
    pub(crate) fn send(&self, frame: Frame) {
        let ephemeral = frame.is_ephemeral();
        match caught(|| self.transport.try_send(frame)) {
            Ok(Ok(()) | Err(TrySendError::Closed)) => {}
            Ok(Err(TrySendError::Full)) if ephemeral => {}
            Err(panic) => {
                tracing::error!(%panic, user = %self.user, session = %self.session, "a transport failed");
                self.close(CloseReason::Internal);
            }
            Ok(Err(TrySendError::Full)) => {
                tracing::info!(user = %self.user, session = %self.session, "closing a slow consumer");
                self.close(CloseReason::Slow);
            }
        }
    }

    /// Sends an entry, or keeps it until its room is caught up.
    pub(crate) fn send_entry(&self, room: &RoomId, seq: Seq, frame: &Frame) {
        // The lock is held while sending, so that an entry can't overtake the end of a catch-up.
        let mut gates = self.gates();
        match gates.get_mut(room) {
            None => self.send(frame.clone()),
            Some(Gate::Past(at)) if seq <= *at => {}
            Some(Gate::Past(_)) => {
                gates.remove(room);
                self.send(frame.clone());
            }
            Some(Gate::Waiting(frames)) if frames.len() < WAITING_MAX => {
                frames.push(frame.clone());
            }
            Some(Gate::Waiting(_)) => self.close(CloseReason::Slow),
        }
    }

    /// From now on live entries of this room wait; those that wait already stay.
    pub(crate) fn begin_catch_up(&self, room: &RoomId) {
        let mut gates = self.gates();
        if !matches!(gates.get(room), Some(Gate::Waiting(_))) {
            gates.insert(room.clone(), Gate::Waiting(Vec::new()));
        }
    }

    /// Sends what was missed, up to `reached`, then what waited, then `last`; gives the position.
    pub(crate) fn end_catch_up(
        &self,
        room: &RoomId,
        missed: impl IntoIterator<Item = Frame>,
        reached: Seq,
        last: impl FnOnce(Seq) -> Option<Frame>,
    ) -> Seq {
        let mut gates = self.gates();
        for frame in missed {
            self.send(frame);
        }
        let mut at = reached;
        let waiting = match gates.remove(room) {
            Some(Gate::Waiting(frames)) => frames,
            Some(Gate::Past(_)) | None => Vec::new(),
        };
        for frame in waiting {
            if let Outgoing::Event(Event::Entry(entry)) = frame.outgoing()
                && entry.seq > at
            {
                at = entry.seq;
                self.send(frame);
            }
        }
        gates.insert(room.clone(), Gate::Past(at));
        if let Some(frame) = last(at) {
            self.send(frame);
        }
        at
    }

    /// Sends that the user is not in a room, in place of a catch-up. Of the entries that waited, those of a
    /// membership that has begun since are sent: before them the device has nothing of the room.
    pub(crate) fn close_room(&self, room: &RoomId) {
        let mut gates = self.gates();
        let waiting = match gates.remove(room) {
            Some(Gate::Waiting(frames)) => frames,
            Some(Gate::Past(_)) | None => Vec::new(),
        };
        let room = room.clone();
        self.send(Event::Closed { room }.into());
        let begins = |frame: &Frame| match frame.outgoing() {
            Outgoing::Event(Event::Entry(entry)) => match entry.body.effect() {
                Effect::Admit { user, .. } => *user == self.user,
                _ => entry.seq == Seq(1),
            },
            _ => false,
        };
        let begun = waiting.iter().rposition(begins);
        for frame in waiting.into_iter().skip(begun.unwrap_or(usize::MAX)) {
            self.send(frame);
        }
    }

    /// Gives up a catch-up that has not ended when the guard is dropped.
    pub(crate) fn abandon_unless_ended<'a>(&'a self, room: &'a RoomId) -> Unfinished<'a> {
        Unfinished { device: self, room }
    }

    /// The login that it acts by.
    pub(crate) fn principal(&self) -> Arc<Principal> {
        Arc::clone(&self.login())
    }

    /// Acts by another login from now on.
    pub(crate) fn renew(&self, principal: Arc<Principal>) {
        *self.login() = principal;
    }

    fn login(&self) -> MutexGuard<'_, Arc<Principal>> {
        self.principal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the reason for which the login is accepted no more, then closes. A transport that is full doesn't
    /// get the former.
    pub(crate) fn expel(&self, error: &Error) {
        let answer = Answer::Error {
            id: None,
            error: error.into(),
        };
        if let Err(panic) = caught(|| self.transport.try_send(answer.into()).ok()) {
            tracing::error!(%panic, user = %self.user, session = %self.session, "a transport failed");
        }
        self.close(match error {
            Error::Banned { .. } => CloseReason::Banned,
            _ => CloseReason::Revoked,
        });
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        if let Err(panic) = caught(|| self.transport.close(reason)) {
            tracing::error!(%panic, user = %self.user, session = %self.session, "a transport failed");
        }
    }
}

/// A catch-up that may be dropped half-way, with the future that carries it out.
#[must_use]
pub(crate) struct Unfinished<'a> {
    device: &'a Device,
    room: &'a RoomId,
}

impl Drop for Unfinished<'_> {
    /// What waits is sent as if the catch-up had never begun.
    fn drop(&mut self) {
        let mut gates = self.device.gates();
        if let Some(Gate::Waiting(frames)) = gates.get_mut(self.room) {
            for frame in std::mem::take(frames) {
                self.device.send(frame);
            }
            gates.remove(self.room);
        }
    }
}
