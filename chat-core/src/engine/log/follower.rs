//! What happens after a commit. The builder has the list of all followers.

use std::{fmt, sync::Arc};

use crate::{engine::state::rooms::LiveRoom, model::Entry};

/// Is called after each commit, by the sequencer, in the order of each room's log. It must not block; what
/// takes time goes into a queue of the follower's own.
pub(crate) trait Follower: fmt::Debug + Send + Sync {
    /// This node has stored an entry, or found it stored by an earlier send with the same client message
    /// id; its sender has been answered, and its devices here have been sent it.
    fn stored(&self, _room: &Arc<LiveRoom>, _entry: &Arc<Entry>) {}

    /// An entry, stored by this node or by another, has been sent to so many devices of this node.
    fn published(&self, _room: &Arc<LiveRoom>, _entry: &Arc<Entry>, _devices: usize) {}
}

/// The followers of an engine, in the order in which they are called.
pub(crate) type Followers = Arc<[Box<dyn Follower>]>;
