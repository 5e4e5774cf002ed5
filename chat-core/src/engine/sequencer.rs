//! The one task that appends to the log and publishes from it.
//!
//! It drains what is queued and hands it to the store as one batch (group commit); answers leave
//! when the store has it for good; then entries go out, room by room in the order of their numbers.
//! Because nobody else publishes entries, that order needs no lock.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tracing::Instrument;

use super::{
    Shared,
    grown::{CatchUp, Grown, Missing, Read},
    relay,
    rooms::LiveRoom,
    send::Waiter,
};
use crate::{
    body::{Effect, EntryBody},
    error::Error,
    event::{Event, Sent},
    frame::Frame,
    ids::RoomId,
    log::{Entry, NewEntry, Page, Seq},
    port::{AppendError, Appended, BackendError, Outcome, Retry},
};

/// How many entries a batch has at most: beyond it, latency grows and the rate does not.
pub(crate) const BATCH: usize = 1_024;

/// How often rooms are looked at again of which it is not known what the store has.
const RECHECK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) room: Arc<LiveRoom>,
    pub(crate) entry: NewEntry,
    pub(crate) waiter: Waiter,
}

#[derive(Debug)]
pub(crate) enum Job {
    Append(Append),
    /// What was to be appended before this is stored or refused.
    Flush(oneshot::Sender<()>),
}

/// Runs until the last sender is gone.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut jobs: mpsc::Receiver<Job>,
    told: mpsc::Receiver<CatchUp>,
) {
    let mut sequencer = Sequencer {
        shared,
        doubtful: HashMap::new(),
        grown: Grown::new(told),
    };
    let mut queued = Vec::new();
    let mut recheck = interval(RECHECK);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            count = jobs.recv_many(&mut queued, BATCH) => {
                if count == 0 {
                    return;
                }
                sequencer.work(&mut queued).await;
                if jobs.is_empty() {
                    sequencer.shared.backlog.caught_up();
                }
            }
            Some(read) = sequencer.grown.next(&sequencer.shared) => sequencer.catch_up(read),
            _ = recheck.tick(), if !sequencer.doubtful.is_empty() => {
                sequencer.recheck().await;
                // However long that took, what is queued has its turn first.
                recheck.reset();
            }
        }
    }
}

struct Sequencer {
    shared: Arc<Shared>,
    /// Rooms in which an append may have happened or not, or of which the store could not be read.
    doubtful: HashMap<RoomId, Arc<LiveRoom>>,
    grown: Grown,
}

impl Sequencer {
    async fn work(&mut self, queued: &mut Vec<Job>) {
        let mut batch = Vec::with_capacity(queued.len());
        let mut waiting = Vec::with_capacity(queued.len());
        let mut flushed = Vec::new();
        for job in queued.drain(..) {
            match job {
                Job::Append(Append {
                    room,
                    entry,
                    waiter,
                }) => {
                    batch.push(entry);
                    waiting.push((room, waiter));
                }
                Job::Flush(done) => flushed.push(done),
            }
        }
        if !batch.is_empty() {
            let begun = self.shared.clock.monotonic();
            self.shared.backlog.begin(begun);
            self.shared.metrics.batch.note(batch.len());
            let span = tracing::debug_span!("store_append", entries = batch.len());
            let answers = self.append(batch).instrument(span).await;
            let failed = answers.iter().find_map(|answer| match answer {
                Err(AppendError::Backend(error)) => Some(error),
                _ => None,
            });
            let now = self.shared.clock.monotonic();
            let took = now.saturating_sub(begun);
            self.shared.backlog.end(took);
            self.shared.metrics.append_time.note_time(took);
            self.shared.store_outage.note(now, failed);
            for ((room, waiter), answer) in waiting.into_iter().zip(answers) {
                self.settle(&room, waiter, answer).await;
            }
        }
        for done in flushed {
            done.send(()).ok();
        }
    }

    /// Hands a batch to the store. What has grown elsewhere does not wait for that.
    async fn append(&mut self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let shared = Arc::clone(&self.shared);
        let mut answers = pin!(shared.store.append(batch));
        loop {
            tokio::select! {
                answers = &mut answers => return answers,
                Some(read) = self.grown.next(&shared) => self.catch_up(read),
            }
        }
    }

    async fn settle(
        &mut self,
        room: &Arc<LiveRoom>,
        waiter: Waiter,
        answer: Result<Appended, AppendError>,
    ) {
        self.shared.metrics.appends.count((&answer).into());
        match answer {
            Ok(Appended { entry, outcome }) => {
                let sent = Sent {
                    room: entry.room.clone(),
                    id: entry.id,
                    seq: entry.seq,
                    at: entry.at,
                    duplicate: outcome == Outcome::Duplicate,
                };
                waiter.answer(&self.shared, Ok(sent));
                if let Some(windows) = &self.shared.windows {
                    windows.extend(room, &entry);
                }
                self.publish(room, &entry).await;
                // Also what another node has caught up with, or stored: it may have died.
                relay::announce(&self.shared, room, &entry);
            }
            Err(error) => {
                if let AppendError::Backend(BackendError {
                    retry: Retry::IfIdempotent,
                    ..
                }) = &error
                {
                    self.doubt(room);
                }
                waiter.answer(&self.shared, Err(Error::from(error)));
            }
        }
    }

    /// It is looked at again soon.
    fn doubt(&mut self, room: &Arc<LiveRoom>) {
        self.doubtful.insert(room.id.clone(), Arc::clone(room));
    }

    /// Sends an entry to all who are in the room, after what may be missing before it.
    async fn publish(&mut self, room: &Arc<LiveRoom>, entry: &Arc<Entry>) {
        let next = room.published().next();
        if entry.seq > next {
            self.publish_up_to(room, Seq(entry.seq.0 - 1)).await;
        }
        if entry.seq == room.published().next() {
            self.fan_out(room, entry);
        }
    }

    /// Follows a log that has grown elsewhere. What was appended here meanwhile may have gone further.
    fn catch_up(&mut self, read: Read) {
        let Read {
            room,
            asked,
            mut wanted,
            missing,
        } = read;
        let before = room.published();
        match missing {
            Some(Missing::Nothing(members)) => {
                if before < asked {
                    room.skip_to(asked, members);
                }
            }
            Some(Missing::Entries(entries)) => {
                for entry in &entries {
                    if entry.seq == room.published().next() {
                        self.fan_out(&room, entry);
                    }
                }
                // After a fail-over a store may not show for a moment what it has.
                if room.published() == before && before < asked {
                    return self.doubt(&room);
                }
            }
            None => {
                // A store that hangs is not asked for each room.
                let waiting = self.grown.drain().chain([room]);
                self.doubtful
                    .extend(waiting.map(|room| (room.id.clone(), room)));
                return;
            }
        }
        let published = room.published();
        if published < wanted.head {
            wanted.waiters.retain(|(upto, _)| published < *upto);
            self.grown.add(&self.shared, room, wanted);
        }
    }

    /// Sends what the store has up to `head`, in order. What can't be read now is read later; whether
    /// the store could be read.
    async fn publish_up_to(&mut self, room: &Arc<LiveRoom>, head: Seq) -> bool {
        const PAGE: usize = 200;
        while room.published() < head {
            let page = Page::After(room.published());
            let read = self.shared.store.page(&room.id, page, PAGE).await;
            match self.shared.stored(read) {
                Ok(entries) if entries.is_empty() => {
                    // After a fail-over a store may not show for a moment what it has.
                    self.doubt(room);
                    return true;
                }
                Ok(entries) => {
                    for entry in entries {
                        self.fan_out(room, &entry);
                    }
                }
                Err(_) => {
                    self.doubt(room);
                    return false;
                }
            }
        }
        true
    }

    fn fan_out(&self, room: &LiveRoom, entry: &Arc<Entry>) {
        let shared = &self.shared;
        room.set_published(entry.seq);
        room.apply(&entry.body);
        let members = room.members();
        let frame = Frame::from(Event::Entry(Arc::clone(entry)));
        let mut sessions = 0;
        for member in &*members {
            shared.hub.each(member, |link| {
                link.send_entry(&room.id, entry.seq, &frame);
                sessions += 1;
            });
        }
        shared.metrics.fan_out.note(sessions);
        // Who left is told so, as the last thing.
        if let Effect::Dismiss { user } = entry.body.effect() {
            shared
                .hub
                .each(user, |link| link.send_entry(&room.id, entry.seq, &frame));
        }
        if let EntryBody::Message { .. } = entry.body {
            shared.stop_typing(room, &entry.author);
        }
    }

    async fn recheck(&mut self) {
        let mut readable = true;
        for (id, room) in std::mem::take(&mut self.doubtful) {
            if !readable {
                self.doubt(&room);
                continue;
            }
            let before = room.published();
            match self.shared.stored(self.shared.store.room(&id).await) {
                Ok(Some(found)) => {
                    readable = self.publish_up_to(&room, found.head).await;
                    // It may be what this node could not tell whether it had stored it.
                    if room.published() > before {
                        relay::announce_head(&self.shared, &room);
                    }
                }
                Ok(None) => {}
                Err(_) => {
                    readable = false;
                    self.doubt(&room);
                }
            }
        }
    }
}
