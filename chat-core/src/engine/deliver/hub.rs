//! The hub: which devices are connected to this node, by user.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::device::Device;
use crate::{
    model::UserId,
    wire::{Error, Frame},
};

/// All devices that are connected to this node, by user.
#[derive(Debug)]
pub(crate) struct Hub {
    shards: Vec<Mutex<HashMap<UserId, Vec<Arc<Device>>>>>,
    hasher: RandomState,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            shards: (0..64).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Hub {
    fn shard(&self, user: &UserId) -> MutexGuard<'_, HashMap<UserId, Vec<Arc<Device>>>> {
        let bits = usize::try_from(self.hasher.hash_one(user) % 64).unwrap_or(0);
        self.shards[bits]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a device unless its user has `max` of them already; `first` is sent to it before anything else.
    ///
    /// The device is `checked` in the same step: whoever visits all devices after a change either visits this
    /// one, or the check has seen the change.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`], or what the check says.
    pub(crate) fn add(
        &self,
        device: Arc<Device>,
        max: usize,
        first: Option<Frame>,
        checked: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut shard = self.shard(&device.user);
        checked()?;
        let devices = shard.entry(device.user.clone()).or_default();
        if devices.len() >= max {
            return Err(Error::TooManySessions { max });
        }
        if let Some(frame) = first {
            device.send(frame);
        }
        devices.push(device);
        Ok(())
    }

    pub(crate) fn remove(&self, device: &Device) {
        let mut shard = self.shard(&device.user);
        if let Some(devices) = shard.get_mut(&device.user) {
            devices.retain(|other| other.session != device.session);
            if devices.is_empty() {
                shard.remove(&device.user);
            }
        }
    }

    pub(crate) fn has(&self, user: &UserId) -> bool {
        self.shard(user).contains_key(user)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_empty()
        })
    }

    /// Calls `visit` for each device of a user.
    pub(crate) fn each(&self, user: &UserId, mut visit: impl FnMut(&Device)) {
        if let Some(devices) = self.shard(user).get(user) {
            for device in devices {
                visit(device);
            }
        }
    }

    pub(crate) fn user_count(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// All users who have a device here at this moment.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.keys().cloned().collect::<Vec<_>>()
            })
            .collect()
    }

    /// All devices at this moment.
    pub(crate) fn devices(&self) -> Vec<Arc<Device>> {
        self.shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.values().flatten().cloned().collect::<Vec<_>>()
            })
            .collect()
    }
}
