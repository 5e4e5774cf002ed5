//! Sending hints to other nodes, and announcing what was appended here.
//!
//! Hints may be lost, and nothing depends on them; `hints_in` makes up for lost ones.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    engine::{
        log::follower::Follower,
        metrics::Metrics,
        state::{
            hints::{Hints, Outbound, WAITING},
            rooms::LiveRoom,
        },
        tasks::Task,
    },
    model::{Effect, Entry},
    port::{Broker, Hint, Topic},
};

impl Follower for Hints {
    /// Also for an entry that another node has caught up with, or stored: that node may have died before
    /// it announced the entry.
    fn stored(&self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        let admitted = match entry.body.effect() {
            Effect::Admit { user, .. } => Some(user),
            _ => None,
        };
        self.appended(room, entry.seq, admitted);
    }
}

/// Hands hints to the broker. What the broker doesn't take is kept until it does: the nodes that it reaches
/// don't know that they miss something.
#[derive(Debug)]
pub(crate) struct HintsOut {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) waiting: mpsc::Receiver<Outbound>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Runs until the engine stops.
impl Task for HintsOut {
    const NAME: &'static str = "hints_out";

    async fn run(&mut self) {
        run(&self.broker, &mut self.waiting, &self.metrics).await;
    }
}

async fn run(broker: &Arc<dyn Broker>, waiting: &mut mpsc::Receiver<Outbound>, metrics: &Metrics) {
    const AT_ONCE: usize = 1_024;
    const RETRY: Duration = Duration::from_millis(500);
    let mut outbound = Vec::new();
    let mut unsent: Vec<(Topic, Hint)> = Vec::new();
    let mut again = Instant::now();
    loop {
        let mut hints = tokio::select! {
            count = waiting.recv_many(&mut outbound, AT_ONCE) => {
                if count == 0 {
                    return;
                }
                let hints = outbound.drain(..).flat_map(|Outbound { topics, hint }| {
                    let hints = topics.into_iter().map(move |topic| (topic, hint.clone()));
                    hints.collect::<Vec<_>>()
                });
                hints.collect()
            }
            () = sleep_until(again), if !unsent.is_empty() => std::mem::take(&mut unsent),
        };
        leave_out_the_outdated(&mut hints);
        let count = hints.len();
        let refused = hand_over(broker, hints).await;
        metrics.hints_sent.add(count - refused.len());
        metrics.hints_failed.add(refused.len());
        if !refused.is_empty() {
            again = Instant::now() + RETRY;
        }
        let kept = |(_, hint): &(Topic, Hint)| !matches!(hint, Hint::Typing { .. });
        unsent.extend(refused.into_iter().filter(kept));
        if unsent.len() >= 2 * WAITING {
            leave_out_the_outdated(&mut unsent);
            let excess = unsent.len().saturating_sub(WAITING);
            metrics.hints_dropped.add(excess);
            unsent.drain(..excess);
        }
        metrics.hints_unsent.set(unsent.len());
    }
}

/// Publishes the hints for one topic in their order, and several topics at once, so that a hint does not
/// wait for as many round trips as there are topics. Gives the hints that the broker did not take.
async fn hand_over(broker: &Arc<dyn Broker>, hints: Vec<(Topic, Hint)>) -> Vec<(Topic, Hint)> {
    const TOPICS: usize = 64;
    let mut topics: HashMap<Topic, Vec<Hint>> = HashMap::new();
    for (topic, hint) in hints {
        topics.entry(topic).or_default().push(hint);
    }
    let mut topics = topics.into_iter();
    let mut refused = Vec::new();
    let mut calls = JoinSet::new();
    loop {
        for (topic, hints) in topics.by_ref().take(TOPICS - calls.len()) {
            calls.spawn(publish_all(Arc::clone(broker), topic, hints));
        }
        match calls.join_next().await {
            Some(Ok(more)) => refused.extend(more),
            // Lost hints are made up for on the other nodes.
            Some(Err(_)) => {}
            None => return refused,
        }
    }
}

async fn publish_all(
    broker: Arc<dyn Broker>,
    topic: Topic,
    hints: Vec<Hint>,
) -> Vec<(Topic, Hint)> {
    let mut refused = Vec::new();
    for hint in hints {
        if let Err(error) = broker.publish(&topic, &hint).await {
            tracing::debug!(%error, "a hint for other nodes waits");
            refused.push((topic.clone(), hint));
        }
    }
    refused
}

/// Of the hints that a room, or the log of decisions, has grown, keeps the last one for each topic; of other
/// hints that are repeated, the first one.
fn leave_out_the_outdated(hints: &mut Vec<(Topic, Hint)>) {
    let mut grown = HashSet::new();
    let newest = |(topic, hint): &(Topic, Hint)| match hint {
        Hint::Appended { room, .. } => grown.insert((topic.clone(), Some(room.clone()))),
        Hint::Policy { .. } => grown.insert((topic.clone(), None)),
        _ => true,
    };
    let mut keep: Vec<bool> = hints.iter().rev().map(newest).collect();
    let mut seen = HashSet::new();
    hints.retain(|(topic, hint)| {
        let what = match hint {
            Hint::Receipt { room, user, .. } => Some((Some(room.clone()), Some(user.clone()))),
            Hint::Presence { user } => Some((None, Some(user.clone()))),
            Hint::Online => Some((None, None)),
            Hint::Appended { .. }
            | Hint::Policy { .. }
            | Hint::Typing { .. }
            | Hint::Made { .. }
            | Hint::Me { .. }
            | Hint::Deleted { .. } => None,
        };
        let first = what.is_none_or(|what| seen.insert((topic.clone(), what)));
        keep.pop().unwrap_or(true) && first
    });
}
