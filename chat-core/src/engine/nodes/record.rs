//! The end of the record: decisions that are not in force are removed when they are old.
//!
//! It is a task beside the one that [follows](super::policy) the log, which it must not hold up.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};

use crate::{engine::tasks::Task, port::Store, time::Clock};

/// The interval at which old decisions are removed.
const EVERY: Duration = Duration::from_hours(1);

/// Removes old decisions.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The time for which decisions are kept that are not in force any more.
    pub(crate) keep: Duration,
}

impl Record {
    async fn end(&self) {
        let now = self.clock.now();
        let keep = TimeDelta::from_std(self.keep).ok();
        let Some(before) = keep.and_then(|keep| now.checked_sub_signed(keep)) else {
            return;
        };
        if let Err(error) = self.store.forget_decisions(before, now).await {
            tracing::debug!(%error, "old decisions can't be removed for now");
        }
    }
}

/// Runs until the engine stops.
impl Task for Record {
    const NAME: &'static str = "record";

    async fn run(&mut self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.end().await;
        }
    }
}
