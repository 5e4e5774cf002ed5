//! Following the log of decisions: what is in force at start, then each decision in its order.
//!
//! A decision that is made here is applied before its caller has the answer. Other nodes read it when a hint
//! comes, and look by themselves now and then, so a lost hint costs at most [`LOOK_EVERY`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OnceCell},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    engine::{
        config::PolicyStale,
        deliver::{device::Device, hub::Hub, notify},
        state::{
            hints::Hints,
            standings::{Concerned, Standings},
        },
        tasks::Task,
    },
    model::{Decision, Ends, NewDecision, Ruling, Version},
    port::{BackendError, Hint, Store, Topic},
    time::Clock,
    wire::{CloseReason, Error},
};

/// How often the log is looked at without a hint.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How soon a log that could not be read is read again.
const RETRY: Duration = Duration::from_secs(1);

/// The longest time for which a reading of the log is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long the log may not be readable until it counts as stale.
const STALE_AFTER: Duration = Duration::from_mins(1);

/// The number of decisions that are read at once: some 500 KB.
const PAGE: usize = 1_000;

/// The decisions in force, and the place up to which this node has followed the log.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) standings: Arc<Standings>,
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    hints: Hints,
    clock: Arc<dyn Clock>,
    if_stale: PolicyStale,
    /// Set once the decisions in force have been read.
    begun: OnceCell<()>,
    /// Decisions up to this one are applied. The lock is held while they are, so that each is applied once.
    followed: Mutex<Version>,
    /// The time since which the log can't be read, by the monotonic clock.
    failing: Mutex<Option<Duration>>,
    wake: Notify,
}

impl Policy {
    pub(crate) fn new(
        standings: Arc<Standings>,
        store: Arc<dyn Store>,
        hub: Arc<Hub>,
        hints: Hints,
        clock: Arc<dyn Clock>,
        if_stale: PolicyStale,
    ) -> Self {
        Self {
            standings,
            store,
            hub,
            hints,
            clock,
            if_stale,
            begun: OnceCell::new(),
            followed: Mutex::default(),
            failing: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Reads the decisions in force, unless that is done already. Nothing is allowed to anybody before.
    pub(crate) async fn known(&self) -> Result<(), BackendError> {
        self.begun.get_or_try_init(|| self.begin()).await.map(drop)
    }

    /// Whether new logins may be accepted by what this node knows.
    ///
    /// # Errors
    ///
    /// [`Error::AuthUnavailable`] when the log could not be read for too long.
    pub(crate) fn fresh(&self) -> Result<(), Error> {
        if self.if_stale == PolicyStale::Refuse && self.is_stale() {
            return Err(Error::AuthUnavailable {
                retry_after: LOOK_EVERY,
            });
        }
        Ok(())
    }

    /// Whether the log could not be read for a minute.
    pub(crate) fn is_stale(&self) -> bool {
        let now = self.clock.monotonic();
        let failing = *self.failing();
        failing.is_some_and(|since| now.saturating_sub(since) > STALE_AFTER)
    }

    /// The version up to which this node knows the log.
    pub(crate) fn version(&self) -> Version {
        *self.followed()
    }

    /// Has the log read soon.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Stores a decision, applies it on this node, and announces it to the others.
    pub(crate) async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError> {
        self.known().await?;
        let decision = self.store.decide(new).await?;
        let one = std::slice::from_ref(&decision);
        if !self.follow(one) && self.catch_up().await.is_err() {
            // It holds from now on, also before the decisions that could not be read.
            self.apply(one);
        }
        let version = decision.version;
        let hint = Hint::Policy { version };
        self.hints.publish(vec![Topic::Policy], hint);
        Ok(decision)
    }

    /// Reads on in the log, and applies what is new. Afterwards every decision that was stored before the call
    /// is in force here.
    pub(crate) async fn catch_up(&self) -> Result<(), BackendError> {
        self.known().await?;
        loop {
            let page = self.store.decisions(self.version(), PAGE).await?;
            self.follow(&page);
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Reads the decisions in force. What is decided meanwhile comes after the version that is read first.
    async fn begin(&self) -> Result<(), BackendError> {
        let newest = self.store.newest_decision().await?;
        let mut after = Ends::after(self.clock.now());
        loop {
            let page = self.store.in_force(after, PAGE).await?;
            let Some(last) = page.last().and_then(Ends::of) else {
                break;
            };
            self.apply(&page);
            after = last;
        }
        *self.followed() = newest;
        Ok(())
    }

    /// Applies those of these decisions, which stand in the log one after the other, that are not applied yet.
    /// Returns false, and applies none, if others come before them.
    fn follow(&self, decisions: &[Decision]) -> bool {
        let mut followed = self.followed();
        let next = followed.next();
        let new = decisions.partition_point(|decision| decision.version < next);
        let new = decisions.get(new..).unwrap_or_default();
        if let (Some(first), Some(last)) = (new.first(), new.last()) {
            if first.version > next {
                return false;
            }
            self.apply(new);
            *followed = last.version;
        }
        true
    }

    /// Takes decisions in, sends announcements, and closes the sessions that they end.
    fn apply(&self, decisions: &[Decision]) {
        let Self { hub, standings, .. } = self;
        let mut anybody = false;
        let close_refused = |device: &Device| {
            if let Err(error) = standings.check(&device.principal(), self.clock.now()) {
                device.expel(&error);
            }
        };
        for decision in decisions {
            if let Ruling::Announce { text } = &decision.what {
                notify::announcement(hub, text.clone(), decision.at);
            }
            match standings.apply(decision) {
                Concerned::Nobody => {}
                Concerned::Kicked(user) => {
                    hub.each(&user, |device| device.close(CloseReason::Kicked));
                }
                Concerned::User(user) => hub.each(&user, close_refused),
                Concerned::Anybody => anybody = true,
            }
        }
        if anybody {
            hub.devices()
                .iter()
                .for_each(|device| close_refused(device));
        }
    }

    /// Reads on, and notes whether that was possible.
    async fn look(&self) -> bool {
        // What is read after a start may be much. Later, what was read in time stays read.
        let begun = self.known().await;
        let looked = match begun {
            Ok(()) => timeout(PATIENCE, self.catch_up()).await,
            Err(error) => Ok(Err(error)),
        };
        let failed = match looked {
            Ok(Ok(())) => {
                *self.failing() = None;
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        tracing::debug!(%failed, "decisions can't be read for now");
        let now = self.clock.monotonic();
        self.failing().get_or_insert(now);
        false
    }

    fn followed(&self) -> MutexGuard<'_, Version> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failing(&self) -> MutexGuard<'_, Option<Duration>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the engine stops.
impl Task for Arc<Policy> {
    const NAME: &'static str = "policy";

    async fn run(&mut self) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.wake.notified() => {}
            }
            while !self.look().await {
                tokio::time::sleep(RETRY).await;
            }
            self.standings.sweep(self.clock.now());
        }
    }
}
