//! The task that keeps presence: renews leases, ends those of devices that have gone, announces changes.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{
    changes::PresenceChanges,
    leases::{Departure, Leases},
};
use crate::engine::{config::Config, nodes::listen::Listening, tasks::Task};

/// How many departures wait until the cache is back; of more, the leases end by themselves.
const UNRELEASED: usize = 65_536;

#[derive(Debug)]
pub(crate) struct PresenceTask {
    leases: Arc<Leases>,
    changes: Arc<PresenceChanges>,
    listening: Option<Arc<Listening>>,
    refresh: Duration,
    expire: Duration,
    gather: Duration,
    departures: mpsc::Receiver<Departure>,
}

impl PresenceTask {
    pub(crate) fn new(
        leases: Arc<Leases>,
        changes: Arc<PresenceChanges>,
        listening: Option<Arc<Listening>>,
        config: &Config,
        departures: mpsc::Receiver<Departure>,
    ) -> Self {
        Self {
            leases,
            changes,
            listening,
            refresh: config.presence_refresh,
            expire: config.presence_lease / 30,
            gather: config.presence_window,
            departures,
        }
    }
}

/// Runs until the engine stops.
impl Task for PresenceTask {
    const NAME: &'static str = "presence";

    async fn run(&mut self) {
        let every = |time| {
            let mut interval = tokio::time::interval(time);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        let mut refresh = every(self.refresh);
        let mut expire = every(self.expire);
        let mut gather = every(self.gather);
        let mut unreleased = Vec::new();
        let (leases, departures) = (&self.leases, &mut self.departures);
        loop {
            tokio::select! {
                Some(departure) = departures.recv() => {
                    if let Some(listening) = &self.listening {
                        listening.ignore(&departure.user).await;
                    }
                    if !leases.release(&departure).await && unreleased.len() < UNRELEASED {
                        unreleased.push(departure);
                    }
                }
                _ = refresh.tick() => leases.renew().await,
                _ = expire.tick() => {
                    if leases.take_doubt() {
                        leases.renew().await;
                        for departure in std::mem::take(&mut unreleased) {
                            if !leases.release(&departure).await {
                                unreleased.push(departure);
                            }
                        }
                    }
                    // Leases that aren't taken now are taken later.
                    leases.take_expired().await.ok();
                }
                _ = gather.tick() => self.changes.announce().await,
            }
        }
    }
}
