//! Presence: the leases of the devices of this node, and announcing which users came and went.

pub(crate) mod changes;
pub(crate) mod leases;
mod task;

pub(crate) use task::PresenceTask;
