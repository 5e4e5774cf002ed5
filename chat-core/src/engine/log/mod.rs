//! Writing to the logs of rooms: the queue, the one task that appends and publishes, and what follows.

pub(crate) mod follower;
mod healing;
pub(crate) mod lagging;
pub(crate) mod publish;
pub(crate) mod queue;
pub(crate) mod sequencer;
