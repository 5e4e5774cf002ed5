//! Following the hints of other nodes.
//!
//! A node knows for each room of its users what it has published, and reads the store whenever the
//! numbers don't fit, after [`Delivery::Lagged`], again and again while the broker is away, and now
//! and then in any case.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{catch_up, policy::Policy};
use crate::{
    engine::{
        deliver::{hub::Hub, news::News, notify},
        log::lagging::CatchUps,
        metrics::Metrics,
        presence::{changes::PresenceChanges, leases::Leases},
        read::directory::Directory,
        state::rooms::LiveRoom,
        tasks::Task,
    },
    model::{UserId, Watermarks},
    port::{BackendError, Broker, Cache, Delivery, Hint, Topic},
    wire::{Event, Frame, RoomNews},
};

/// How soon a failure is made up for.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct HintsIn {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) catch_ups: CatchUps,
    pub(crate) news: News,
    pub(crate) leases: Arc<Leases>,
    pub(crate) presence: Arc<PresenceChanges>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) metrics: Arc<Metrics>,
    /// How often the store is asked whether a hint was lost.
    pub(crate) check_every: Duration,
}

/// Runs until the engine stops.
impl Task for HintsIn {
    const NAME: &'static str = "hints_in";

    async fn run(&mut self) {
        let mut check = tokio::time::interval(self.check_every);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // What a failure kept from being followed is made up for later.
        let mut missed = false;
        let mut again = Instant::now();
        loop {
            let done = tokio::select! {
                delivery = self.broker.next() => match self.metrics.heard(delivery) {
                    Delivery::Hint { topic, hint } => self.follow(&topic, hint).await,
                    Delivery::Lagged => self.catch_up_on_all().await,
                    Delivery::Away => {
                        self.policy.wake();
                        self.compare().await
                    }
                },
                () = sleep_until(again), if missed => {
                    missed = false;
                    self.catch_up_on_all().await
                }
                _ = check.tick() => {
                    for topic in [Topic::Online, Topic::Policy, Topic::Rooms] {
                        if let Err(error) = self.broker.subscribe(&topic).await {
                            tracing::debug!(%error, ?topic, "hints are not received for now");
                        }
                    }
                    self.compare().await
                }
            };
            if let Err(error) = done {
                tracing::debug!(%error, "other nodes can't be followed for now");
                missed = true;
                again = Instant::now() + RETRY;
            }
        }
    }
}

impl HintsIn {
    async fn compare(&self) -> Result<(), BackendError> {
        catch_up::on_entries(&self.directory, &self.catch_ups).await
    }

    /// Makes up for lost hints of all kinds.
    async fn catch_up_on_all(&self) -> Result<(), BackendError> {
        // The cache may have been forgotten, and changes of presence may not have arrived here.
        self.policy.wake();
        self.leases.doubt();
        self.presence.online_changed();
        self.compare().await?;
        for room in self.directory.rooms.all() {
            room.hidden.forget();
        }
        catch_up::on_receipts(&self.directory, &self.news).await?;
        self.presence.announce_again().await
    }

    /// Follows one hint, which is believed only as far as the store, or the cache, bears it out.
    async fn follow(&self, topic: &Topic, hint: Hint) -> Result<(), BackendError> {
        let Self { directory, hub, .. } = self;
        let listener = match topic {
            Topic::User(user) if hub.has(user) => Some(user),
            _ => None,
        };
        if *topic == Topic::Rooms {
            return self.follow_room(hint).await;
        }
        match (hint, listener) {
            (Hint::Online, _) => self.presence.online_changed(),
            (Hint::Policy { .. }, _) => self.policy.wake(),
            (Hint::Appended { room, seq, .. }, Some(_)) => {
                if let Some(room) = directory.room(&room).await?
                    && room.published() < seq
                {
                    self.catch_ups.catch_up(room, seq).await;
                }
            }
            // A room in use is followed even while its user is just coming.
            (Hint::Appended { room, seq, .. }, None) => {
                if let Some(room) = directory.rooms.get(&room) {
                    self.catch_ups.catch_up(room, seq).await;
                }
            }
            (Hint::Receipt { room, user, was }, Some(listener)) => {
                if let Some(live) = directory.room(&room).await?
                    && self.is_the_one_to_follow(&live, listener, &user)
                {
                    self.follow_receipt(&live, &user, was).await?;
                }
            }
            (Hint::Typing { room, user, active }, Some(listener)) => {
                if let Some(live) = directory.room(&room).await?
                    && self.is_the_one_to_follow(&live, listener, &user)
                {
                    let quiet = directory.blocks.quiet(&live, &user).await?;
                    notify::typing(hub, &live, &user, active, &quiet);
                }
            }
            (Hint::Made { room }, Some(listener)) => {
                if directory.room(&room).await?.is_some() {
                    self.news.note(&room, listener, RoomNews::Added);
                }
            }
            (Hint::Me { room }, Some(listener)) => {
                if let Some(found) = directory.store.inbox_room(&room, listener).await? {
                    self.news.note(&room, listener, RoomNews::Changed);
                    let frame = Frame::from(Event::Me { room, me: found.me });
                    hub.each(listener, |device| device.send(frame.clone()));
                }
            }
            (Hint::Deleted { room }, _) => {
                if let Some(room) = directory.rooms.get(&room) {
                    directory.delete_if_gone(&room).await?;
                }
            }
            (Hint::Presence { user }, Some(listener)) => {
                let mut presence = self.cache.presence(&[user]).await?;
                directory.blocks.apply(listener, &mut presence).await?;
                for presence in presence {
                    notify::presence(hub, [listener], presence);
                }
            }
            (_, None) => {}
        }
        Ok(())
    }

    /// Follows a hint about a group or channel. One that is not in use has no member here, or its member's own
    /// topic has a hint as well.
    async fn follow_room(&self, hint: Hint) -> Result<(), BackendError> {
        let Self { directory, hub, .. } = self;
        let room = match &hint {
            Hint::Appended { room, .. }
            | Hint::Receipt { room, .. }
            | Hint::Typing { room, .. }
            | Hint::Me { room }
            | Hint::Deleted { room } => directory.rooms.get(room),
            Hint::Made { .. } | Hint::Presence { .. } | Hint::Online | Hint::Policy { .. } => None,
        };
        let Some(room) = room else {
            return Ok(());
        };
        let is_member = |user| room.seat(user).is_some();
        match hint {
            Hint::Appended { seq, .. } => self.catch_ups.catch_up(room, seq).await,
            Hint::Receipt { user, was, .. } if is_member(&user) => {
                self.follow_receipt(&room, &user, was).await?;
            }
            Hint::Typing { user, active, .. } if is_member(&user) => {
                let quiet = directory.blocks.quiet(&room, &user).await?;
                notify::typing(hub, &room, &user, active, &quiet);
            }
            // A member has hidden it.
            Hint::Me { .. } => room.hidden.forget(),
            Hint::Deleted { .. } => directory.delete_if_gone(&room).await?,
            _ => {}
        }
        Ok(())
    }

    /// Sends the members of a room here how far one of them has got.
    async fn follow_receipt(
        &self,
        room: &LiveRoom,
        user: &UserId,
        was: Watermarks,
    ) -> Result<(), BackendError> {
        let Directory { store, blocks, .. } = &*self.directory;
        let now = store
            .watermarks(&room.id, std::slice::from_ref(user))
            .await?;
        let now = now.first().copied().unwrap_or_default();
        let quiet = blocks.quiet(room, user).await?;
        notify::receipt(&self.hub, room, user, was.meet(now), now, &quiet);
        if was.read < now.read {
            self.news.read(&room.id, user, None);
        }
        Ok(())
    }

    /// True if a hint about what `user` does in a room is the one to follow: the topic of each of the two in
    /// a direct room carries it, and both are notified at once; the topic of a member of a large room has
    /// what concerns that member's own devices. A user who is no member does nothing in the room.
    fn is_the_one_to_follow(&self, room: &LiveRoom, listener: &UserId, user: &UserId) -> bool {
        if room.is_large() {
            return listener == user;
        }
        let first = room.find_member(|member| self.hub.has(member));
        first.is_some_and(|first| first == *listener) && room.seat(user).is_some()
    }
}
