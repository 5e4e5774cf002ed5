//! The sessions that requests can name, by their ids. One that began on a WebSocket is not among them,
//! for no other request belongs to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::{body::Bytes, upgrade::OnUpgrade};
use tokio::sync::{mpsc, oneshot};

use super::{engine_packet::Encoded, session::Refused};
use crate::http::connections::Slot;

/// The most sessions where connections are not counted by our own listener.
const MAX: usize = 1 << 16;

/// A request that names the session.
#[derive(Debug)]
pub(super) enum Request {
    /// A GET, and where its answer goes.
    Poll(oneshot::Sender<Result<Vec<Encoded>, Refused>>),
    /// A POST, whose body comes later.
    Post(Post),
    /// A WebSocket, which has been accepted.
    Upgrade(OnUpgrade),
}

/// A POST under way. When the client breaks it off, `body` ends without a value.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) body: oneshot::Receiver<Bytes>,
    pub(super) answer: oneshot::Sender<Result<(), Refused>>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<u128, Place>>);

/// The transport of a session, as requests find it.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On polling; its task takes requests.
    Polling(mpsc::Sender<Request>),
    /// On a WebSocket that it has moved to.
    WebSocket,
}

/// A session's place among the others, until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    sessions: Arc<Sessions>,
    id: u128,
    /// A session on polling counts as a connection.
    slot: Option<Slot>,
}

impl Sessions {
    fn places(&self) -> MutexGuard<'_, HashMap<u128, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session on polling; `None` when there are too many.
    pub(super) fn add(
        self: &Arc<Self>,
        requests: mpsc::Sender<Request>,
        slot: Option<Slot>,
    ) -> Option<Entry> {
        let mut places = self.places();
        if places.len() >= MAX {
            return None;
        }
        let id = rand::random();
        places.insert(id, Place::Polling(requests));
        drop(places);
        let sessions = Arc::clone(self);
        Some(Entry { sessions, id, slot })
    }

    /// Looks a session up by the text of its id.
    pub(super) fn find(&self, sid: &str) -> Option<Place> {
        // Only the text that was given out names it.
        let id = u128::from_str_radix(sid, 16).ok();
        let id = id.filter(|id| text(*id) == sid)?;
        self.places().get(&id).cloned()
    }
}

impl Entry {
    /// The id that requests name it by.
    pub(super) fn sid(&self) -> String {
        text(self.id)
    }

    /// The session has moved to a WebSocket, which counts as a connection itself.
    pub(super) fn moved(&mut self) {
        self.slot = None;
        self.sessions.places().insert(self.id, Place::WebSocket);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.sessions.places().remove(&self.id);
    }
}

/// An id that nobody can guess.
pub(super) fn new_sid() -> String {
    text(rand::random())
}

fn text(id: u128) -> String {
    format!("{id:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_id_until_it_is_dropped() {
        let sessions = Arc::<Sessions>::default();
        let (requests, _taken) = mpsc::channel(1);
        let mut entry = sessions.add(requests, None).unwrap();
        let sid = entry.sid();
        assert!(matches!(sessions.find(&sid), Some(Place::Polling(_))));
        for other in ["", "1", &sid.to_uppercase(), &format!("+{}", &sid[1..])] {
            assert!(*other == sid || sessions.find(other).is_none(), "{other}");
        }
        entry.moved();
        assert!(matches!(sessions.find(&sid), Some(Place::WebSocket)));
        drop(entry);
        assert!(sessions.find(&sid).is_none());
    }
}
