//! Listening to the topics of the users who are connected to this node.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError},
};

use tokio::sync::{Mutex, MutexGuard};

use crate::{
    engine::{
        log::lagging::CatchUps,
        read::directory::{Directory, RoomsOf},
    },
    model::UserId,
    port::{BackendError, Broker, Topic},
};

/// The topics that this node listens to.
#[derive(Debug)]
pub(crate) struct Listening {
    broker: Arc<dyn Broker>,
    directory: Arc<Directory>,
    catch_ups: CatchUps,
    /// One is held while a user's topic changes, so that a user who comes while the same user goes
    /// is listened to.
    changing: Vec<Mutex<()>>,
    /// Users who are listened to and have no session yet, and how often.
    coming: std::sync::Mutex<HashMap<UserId, usize>>,
    hasher: RandomState,
}

impl Listening {
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        directory: Arc<Directory>,
        catch_ups: CatchUps,
    ) -> Self {
        Self {
            broker,
            directory,
            catch_ups,
            changing: (0..64).map(|_| Mutex::default()).collect(),
            coming: std::sync::Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    async fn changing(&self, user: &UserId) -> MutexGuard<'_, ()> {
        let at = usize::try_from(self.hasher.hash_one(user) % 64).unwrap_or(0);
        self.changing[at].lock().await
    }

    fn coming(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, usize>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a user's session with `add`, once this node listens for the user and has published what
    /// their rooms hold, so that every entry from then on reaches the session, and none before.
    pub(crate) async fn listen<T>(
        &self,
        user: &UserId,
        add: impl FnOnce() -> T,
    ) -> Result<T, BackendError> {
        let coming = Coming::new(self, user);
        let prepared = async {
            {
                let _changing = self.changing(user).await;
                let topic = Topic::User(user.clone());
                self.broker.subscribe(&topic).await?;
            }
            self.prepare(user).await
        };
        match prepared.await {
            Ok(()) => Ok(add()),
            Err(error) => {
                drop(coming);
                self.ignore(user).await;
                Err(error)
            }
        }
    }

    /// Brings this node up to date with a user's rooms.
    async fn prepare(&self, user: &UserId) -> Result<(), BackendError> {
        let Self { directory, .. } = self;
        let mut behind = Vec::new();
        // Groups that the user was in when this node last listened for them, and may have had to leave since.
        let mut unlisted = if directory.hub.has(user) {
            HashMap::new()
        } else {
            directory.rooms.groups_with(|member| member == user)
        };
        let mut pages = RoomsOf::new(&*directory.store, std::slice::from_ref(user));
        while let Some(rooms) = pages.next().await? {
            for room in rooms {
                unlisted.remove(&room.id);
                let live = directory.take_into_use_at(&room, room.head).await?;
                behind.push((live, room.head));
            }
        }
        for (id, live) in unlisted {
            if let Some(room) = directory.store.room(&id).await? {
                behind.push((live, room.head));
            }
        }
        // Rooms that were in use here before, for another user or for a request without a session.
        behind.retain(|(live, head)| live.published() < *head);
        self.catch_ups.catch_up_and_wait(behind).await;
        Ok(())
    }

    /// Stops listening for a user who has no session here any more.
    pub(crate) async fn ignore(&self, user: &UserId) {
        let _changing = self.changing(user).await;
        if !self.directory.hub.has(user)
            && !self.coming().contains_key(user)
            && let Err(error) = self.broker.unsubscribe(&Topic::User(user.clone())).await
        {
            tracing::debug!(%error, "a topic is still listened to");
        }
    }
}

/// A user who is listened to while their session is being made.
struct Coming<'a> {
    listening: &'a Listening,
    user: &'a UserId,
}

impl<'a> Coming<'a> {
    fn new(listening: &'a Listening, user: &'a UserId) -> Self {
        *listening.coming().entry(user.clone()).or_default() += 1;
        Self { listening, user }
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut coming = self.listening.coming();
        if let Some(count) = coming.get_mut(self.user) {
            *count -= 1;
            if *count == 0 {
                coming.remove(self.user);
            }
        }
    }
}
