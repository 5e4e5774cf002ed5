//! Changes of presence that others have not been sent yet.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::model::UserId;

/// Users who came or went since others were last notified, and whether they were online before that.
/// `None` for a user who did both: other nodes may have notified others in between.
#[derive(Debug, Default)]
pub(crate) struct Moved(Mutex<HashMap<UserId, Option<bool>>>);

impl Moved {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Option<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change, to be sent with the next gathering.
    pub(crate) fn note(&self, user: &UserId, was_online: Option<bool>) {
        let mut moved = self.lock();
        let was = moved.entry(user.clone()).or_insert(was_online);
        if *was != was_online {
            *was = None;
        }
    }

    /// Takes out all changes.
    pub(crate) fn take(&self) -> HashMap<UserId, Option<bool>> {
        std::mem::take(&mut *self.lock())
    }
}
