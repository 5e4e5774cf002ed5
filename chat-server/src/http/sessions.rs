//! The limits on the sessions of one client address: native connections and sessions of Socket.IO, however
//! many of them share a proxy's connections.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    connections::network,
    metrics::{Limit, Metrics},
    peer::Address,
};
use crate::config::Settings;

/// Counts sessions and refuses those beyond the limits.
#[derive(Debug)]
pub(crate) struct Sessions {
    max: usize,
    max_nameless: usize,
    counts: Mutex<HashMap<IpAddr, Count>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Count {
    live: usize,
    nameless: usize,
}

/// The place of a session among those of its address; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct SessionSlot {
    sessions: Arc<Sessions>,
    /// The client's address, if it is known.
    address: Option<IpAddr>,
    named: bool,
}

impl Sessions {
    pub(crate) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            max: settings.sessions_per_ip,
            max_nameless: settings.pending_per_ip,
            counts: Mutex::default(),
            metrics,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a session of this client, which has no name yet; `None` when it is one too many. One whose
    /// address is not known is not counted.
    pub(crate) fn admit(self: &Arc<Self>, Address(client): Address) -> Option<SessionSlot> {
        if let Some(client) = client {
            let mut counts = self.counts();
            let count = counts.entry(network(client)).or_default();
            let reached = if count.live >= self.max {
                Some(Limit::Address)
            } else if count.nameless >= self.max_nameless {
                Some(Limit::New)
            } else {
                None
            };
            if let Some(limit) = reached {
                self.metrics.refused.count(limit);
                return None;
            }
            count.live += 1;
            count.nameless += 1;
        }
        Some(SessionSlot {
            sessions: Arc::clone(self),
            address: client,
            named: false,
        })
    }
}

impl SessionSlot {
    /// The client's address; `None` when it is not known.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The client has a name now.
    pub(crate) fn name(&mut self) {
        if !std::mem::replace(&mut self.named, true)
            && let Some(address) = self.address
            && let Some(count) = self.sessions.counts().get_mut(&network(address))
        {
            count.nameless -= 1;
        }
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        self.name();
        if let Some(address) = self.address
            && let Entry::Occupied(mut count) = self.sessions.counts().entry(network(address))
        {
            count.get_mut().live -= 1;
            if count.get().live == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_without_a_name_have_a_limit_of_their_own() {
        let settings = Settings::with(&[("sessions-per-ip", "3"), ("pending-per-ip", "2")]);
        let sessions = Sessions::new(&settings.unwrap(), Arc::default());
        let (one, other) = (
            Address(Some([10, 0, 0, 1].into())),
            Address(Some([10, 0, 0, 2].into())),
        );
        let mut first = sessions.admit(one).unwrap();
        let mut second = sessions.admit(one).unwrap();
        assert!(sessions.admit(one).is_none());
        assert!(sessions.admit(other).is_some());
        first.name();
        first.name();
        let third = sessions.admit(one).unwrap();
        second.name();
        assert!(sessions.admit(one).is_none());
        drop(third);
        assert!(sessions.admit(one).is_some());
        drop((first, second));
        assert!(sessions.counts().is_empty());
        let unknown: Vec<_> = (0..9).map(|_| sessions.admit(Address(None))).collect();
        assert_eq!(unknown.iter().flatten().count(), 9);
    }
}
