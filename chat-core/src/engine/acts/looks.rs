//! Names that people can't tell apart: of those that have one look, the first to log in is let in.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    model::{Look, UserId},
    port::Store,
    wire::Error,
};

/// How many users are remembered; beyond that all are forgotten, which costs a question to the store each.
const KNOWN: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Looks {
    store: Arc<dyn Store>,
    /// Users to whom their look belongs. It does so for good.
    known: Mutex<HashSet<UserId>>,
}

impl Looks {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let known = Mutex::default();
        Self { store, known }
    }

    /// Lets a user in whose name looks like no other user's.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], or a backend's failure.
    pub(crate) async fn claim(&self, user: &UserId) -> Result<(), Error> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(user) {
            return Ok(());
        }
        if self.store.claim_look(&Look::of(user), user).await? != *user {
            return Err(Error::Forbidden(
                "your name looks like that of another user",
            ));
        }
        let mut known = known();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(user.clone());
        Ok(())
    }
}
