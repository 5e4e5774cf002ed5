//! Delivery: frames on their way to the devices that are connected to this node.

pub(crate) mod device;
pub(crate) mod hub;
pub(crate) mod news;
pub(crate) mod notify;
pub(crate) mod outbox;
pub(crate) mod transport;
pub(crate) mod typing;
