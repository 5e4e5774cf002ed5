//! The engine's plain state: no task, no call to a backend, nothing that knows the engine.

pub(crate) mod admission;
pub(crate) mod flights;
pub(crate) mod hidden;
pub(crate) mod hints;
pub(crate) mod moved;
pub(crate) mod outage;
pub(crate) mod rooms;
pub(crate) mod standings;
pub(crate) mod typists;
pub(crate) mod window_writes;
