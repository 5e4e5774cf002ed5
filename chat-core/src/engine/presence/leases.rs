//! Leases in the cache: a user is online while the lease of any of their devices lives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    engine::{
        deliver::{device::Device, hub::Hub},
        state::moved::Moved,
    },
    model::{Presence, SessionId, UserId},
    port::{BackendError, Cache, Transition},
};

/// A device that has gone.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
}

/// The leases of the devices of this node.
#[derive(Debug)]
pub(crate) struct Leases {
    cache: Arc<dyn Cache>,
    hub: Arc<Hub>,
    moved: Arc<Moved>,
    lease: Duration,
    /// The cache may lack a lease, or have one that is to end.
    in_doubt: AtomicBool,
}

impl Leases {
    pub(crate) fn new(
        cache: Arc<dyn Cache>,
        hub: Arc<Hub>,
        moved: Arc<Moved>,
        presence_lease: Duration,
    ) -> Self {
        Self {
            cache,
            hub,
            moved,
            // The rest of the promised time is for noticing the end of the lease and announcing it.
            lease: presence_lease * 9 / 10,
            in_doubt: AtomicBool::new(false),
        }
    }

    /// Gives a device its lease, or renews it; if the cache is away, it is tried again soon.
    pub(crate) async fn touch(&self, device: &Device) {
        let touched = self.cache.touch(&device.user, device.session, self.lease);
        match touched.await {
            Ok(Transition::BecameOnline) => self.moved.note(&device.user, Some(false)),
            Ok(_) => {}
            Err(_) => self.doubt(),
        }
    }

    /// Renews the leases of all devices.
    pub(crate) async fn renew(&self) {
        for device in self.hub.devices() {
            self.touch(&device).await;
        }
    }

    /// Ends the lease of a device that has gone; whether the cache has done so.
    pub(crate) async fn release(&self, Departure { user, session }: &Departure) -> bool {
        match self.cache.release(user, *session).await {
            Ok(Transition::BecameOffline) => self.moved.note(user, Some(true)),
            // The cache may have forgotten, and no other node knows that the user has gone.
            Ok(_) if !self.hub.has(user) => self.moved.note(user, Some(true)),
            Ok(_) => {}
            Err(_) => {
                self.doubt();
                return false;
            }
        }
        true
    }

    /// Notes the users whose last lease ran out, on any node.
    pub(crate) async fn take_expired(&self) -> Result<(), BackendError> {
        const EXPIRED: usize = 1_000;
        loop {
            let expired = self.cache.take_expired(EXPIRED).await?;
            for user in &expired {
                self.moved.note(user, Some(true));
            }
            if expired.len() < EXPIRED {
                return Ok(());
            }
        }
    }

    /// Has all leases renewed soon.
    pub(crate) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::Relaxed);
    }

    /// Whether leases were in doubt since the last call.
    pub(crate) fn take_doubt(&self) -> bool {
        self.in_doubt.swap(false, Ordering::Relaxed)
    }

    /// The presence of these users. While the cache can't be reached, those are online who are connected
    /// here.
    pub(crate) async fn as_known(&self, users: &[UserId]) -> Vec<Presence> {
        self.cache.presence(users).await.unwrap_or_else(|_| {
            let as_seen_here = |user: &UserId| Presence {
                user: user.clone(),
                online: self.hub.has(user),
                last_seen: None,
            };
            users.iter().map(as_seen_here).collect()
        })
    }
}
