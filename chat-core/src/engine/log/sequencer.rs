//! The sequencer: the one task that appends to the logs and publishes from them.
//!
//! It drains the queue and hands what it finds to the store as one batch (group commit); the senders are
//! answered when the store has it for good; then the entries are published, room by room in the order of
//! their numbers.

use std::{pin::pin, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tracing::Instrument;

use super::{
    healing::{Healing, RECHECK},
    lagging::Lagging,
    publish::Publisher,
    queue::{Append, Job, Waiter},
};
use crate::{
    engine::{
        metrics::Metrics,
        state::{
            admission::{Admission, BATCH},
            hints::Hints,
            rooms::LiveRoom,
            standings::Kind,
        },
        tasks::Task,
    },
    model::{Effect, Entry, EntryBody, NewEntry, Principal},
    port::{AppendError, Appended, BackendError, Outcome, Retry},
    wire::{Error, Sent},
};

#[derive(Debug)]
pub(crate) struct Sequencer {
    metrics: Arc<Metrics>,
    admission: Arc<Admission>,
    publisher: Publisher,
    lagging: Lagging,
    healing: Healing,
    jobs: mpsc::Receiver<Job>,
}

impl Sequencer {
    pub(crate) fn new(
        jobs: mpsc::Receiver<Job>,
        metrics: Arc<Metrics>,
        admission: Arc<Admission>,
        hints: Hints,
        publisher: Publisher,
        lagging: Lagging,
    ) -> Self {
        let healing = Healing::new(Arc::clone(&publisher.store), hints);
        Self {
            metrics,
            admission,
            publisher,
            lagging,
            healing,
            jobs,
        }
    }
}

/// Runs until the last sender of jobs is gone, or the queue is closed.
impl Task for Sequencer {
    const NAME: &'static str = "sequencer";

    async fn run(&mut self) {
        let mut queued = Vec::new();
        let mut recheck = interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = self.jobs.recv_many(&mut queued, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.work(&mut queued).await;
                    if self.jobs.is_empty() {
                        self.admission.caught_up();
                    }
                }
                Some(read) = self.lagging.next() => {
                    self.lagging.publish(read, &self.publisher, &mut self.healing);
                }
                _ = recheck.tick(), if self.healing.is_needed() => {
                    self.healing.recheck(&self.publisher).await;
                    // However long that took, what is queued has its turn first.
                    recheck.reset();
                }
            }
        }
    }

    /// Entries of any room may have been stored, and not been published.
    fn recover(&mut self) {
        for room in self.lagging.directory.rooms.all() {
            self.healing.doubt(room);
        }
    }
}

impl Sequencer {
    /// Carries out one batch of jobs.
    async fn work(&mut self, queued: &mut Vec<Job>) {
        let mut batch = Vec::with_capacity(queued.len());
        let mut waiting = Vec::with_capacity(queued.len());
        let mut finished: Vec<oneshot::Sender<()>> = Vec::new();
        for job in queued.drain(..) {
            match job {
                Job::Append(Append {
                    room,
                    entry,
                    by,
                    waiter,
                }) => match self.allow(&by, &entry) {
                    Ok(()) => {
                        waiting.push((room, entry.body.clone(), waiter));
                        batch.push(entry);
                    }
                    Err(error) => waiter.answer(&*self.publisher.clock, &self.metrics, Err(error)),
                },
                Job::Flush(done) => finished.push(done),
                Job::Close(done) => {
                    self.jobs.close();
                    finished.push(done);
                }
            }
        }
        if !batch.is_empty() {
            let answers = self.commit(batch).await;
            for ((room, asked, waiter), answer) in waiting.into_iter().zip(answers) {
                self.settle(&room, &asked, waiter, answer).await;
            }
        }
        for done in finished {
            done.send(()).ok();
        }
    }

    /// Whether the author of an entry may still have it stored: a decision may have been made since it was
    /// queued.
    fn allow(&self, by: &Principal, entry: &NewEntry) -> Result<(), Error> {
        let (standings, room, now) = (
            &self.publisher.standings,
            &entry.room,
            self.publisher.clock.now(),
        );
        let is_banned = |user| standings.in_room(room, user, Kind::Ban, now).is_some();
        standings.check(by, now)?;
        match entry.body.effect() {
            Effect::Admit { user, .. } if is_banned(user) => {
                return Err(Error::Forbidden("this user is banned from the room"));
            }
            // The end of the author's membership may be on its way.
            Effect::Dismiss { .. } => {}
            _ if is_banned(&by.user) => return Err(Error::NoRoom),
            _ => {}
        }
        match entry.body.text() {
            Some(_) => {
                standings.check_speech(&by.user, now)?;
                standings.check_speech_in(room, &by.user, now)
            }
            None => Ok(()),
        }
    }

    /// Has the store append a batch, and notes what that took.
    async fn commit(&mut self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let begun = self.publisher.clock.monotonic();
        self.admission.begin(begun);
        self.metrics.batch.note(batch.len());
        let span = tracing::debug_span!("store_append", entries = batch.len());
        let answers = self.append(batch).instrument(span).await;
        let took = self.publisher.clock.monotonic().saturating_sub(begun);
        self.admission.end(took);
        self.metrics.append_time.note_time(took);
        answers
    }

    /// Hands a batch to the store. Rooms that have grown elsewhere are published meanwhile.
    async fn append(&mut self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let store = Arc::clone(&self.publisher.store);
        let mut answers = pin!(store.append(batch));
        loop {
            tokio::select! {
                answers = &mut answers => return answers,
                Some(read) = self.lagging.next() => {
                    self.lagging.publish(read, &self.publisher, &mut self.healing);
                }
            }
        }
    }

    /// Publishes an entry, unless that has been done.
    async fn publish(&mut self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        let reached = self.publisher.publish(room, entry).await;
        self.healing.doubt_unless_reached(room, reached);
    }

    /// Answers the sender of an entry, then publishes the entry.
    async fn settle(
        &mut self,
        room: &Arc<LiveRoom>,
        asked: &EntryBody,
        waiter: Waiter,
        answer: Result<Appended, AppendError>,
    ) {
        self.metrics.appends.count((&answer).into());
        match answer {
            Ok(Appended { entry, outcome }) => {
                let sent = Sent {
                    room: entry.room.clone(),
                    id: entry.id,
                    seq: entry.seq,
                    at: entry.at,
                    duplicate: outcome == Outcome::Duplicate,
                };
                let answer = if sent.duplicate && !asked.repeats(&entry.body) {
                    Err(Error::Conflict)
                } else {
                    Ok(sent)
                };
                // Who has the answer to a change of rights finds the rights changed: it is published before.
                if changes_rights(&entry.body) {
                    self.publish(room, &entry).await;
                }
                waiter.answer(&*self.publisher.clock, &self.metrics, answer);
                self.publish(room, &entry).await;
                for follower in &*self.publisher.followers {
                    follower.stored(room, &entry);
                }
            }
            Err(error) => {
                if let AppendError::Backend(BackendError {
                    retry: Retry::IfIdempotent,
                    ..
                }) = &error
                {
                    self.healing.doubt(Arc::clone(room));
                }
                waiter.answer(
                    &*self.publisher.clock,
                    &self.metrics,
                    Err(Error::from(error)),
                );
            }
        }
    }
}

/// True if an entry changes what users may do in its room.
fn changes_rights(body: &EntryBody) -> bool {
    let effect = body.effect();
    effect.membership().is_some() || matches!(effect, Effect::Describe { .. })
}
