//! Rooms of which it is not known what the store has: they are read again within a second.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::publish::{Publisher, Reached};
use crate::{
    engine::state::{hints::Hints, rooms::LiveRoom},
    model::RoomId,
    port::Store,
};

/// How often such rooms are read again.
pub(crate) const RECHECK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Healing {
    store: Arc<dyn Store>,
    hints: Hints,
    /// An append to them may have happened or not, or the store could not be read.
    doubtful: HashMap<RoomId, Arc<LiveRoom>>,
}

impl Healing {
    pub(crate) fn new(store: Arc<dyn Store>, hints: Hints) -> Self {
        Self {
            store,
            hints,
            doubtful: HashMap::new(),
        }
    }

    pub(crate) fn is_needed(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Has a room read again within a second.
    pub(crate) fn doubt(&mut self, room: Arc<LiveRoom>) {
        self.doubtful.insert(room.id.clone(), room);
    }

    /// Has a room read again within a second, unless it was published as far as it was to be.
    pub(crate) fn doubt_unless_reached(&mut self, room: &Arc<LiveRoom>, reached: Reached) {
        if reached != Reached::Wanted {
            self.doubt(Arc::clone(room));
        }
    }

    /// Reads all doubtful rooms again, and publishes what they hold.
    pub(crate) async fn recheck(&mut self, publisher: &Publisher) {
        let mut readable = true;
        for (id, room) in std::mem::take(&mut self.doubtful) {
            // A store that hangs is not asked for each room.
            if !readable {
                self.doubt(room);
                continue;
            }
            let before = room.published();
            match self.store.room(&id).await {
                Ok(Some(found)) => {
                    let reached = publisher.publish_up_to(&room, found.head).await;
                    readable = reached != Reached::Unreadable;
                    self.doubt_unless_reached(&room, reached);
                    // It may be an entry of which this node could not tell whether it had stored it.
                    if room.published() > before {
                        self.hints.appended(&room, room.published(), None);
                    }
                }
                Ok(None) => {}
                Err(_) => {
                    readable = false;
                    self.doubt(room);
                }
            }
        }
    }
}
