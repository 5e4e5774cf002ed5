//! The queue of entries that are to be appended, and of the callers that await them.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tracing::{Span, field::Empty};

use crate::{
    engine::{
        metrics::Metrics,
        state::{
            admission::{Admission, PATIENCE},
            rooms::LiveRoom,
        },
    },
    model::{NewEntry, Principal, RoomId, UserId},
    port::{BackendError, BackendErrorKind, Retry, panics::caught},
    time::Clock,
    wire::{Error, Sent},
};

/// Is called once, when an entry is stored for good or refused. A panic in it is logged, and costs nothing
/// else.
pub struct Responder(Box<dyn FnOnce(Result<Sent, Error>) + Send>);

impl Responder {
    /// Calls `done`, which must not block.
    pub fn new(done: impl FnOnce(Result<Sent, Error>) + Send + 'static) -> Self {
        Self(Box::new(done))
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder")
    }
}

/// The caller that awaits an append, and when it began.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// `None` once the caller has been answered.
    done: Option<Responder>,
    pub(crate) since: Duration,
    /// From the command to its acknowledgement.
    pub(crate) span: Span,
    /// The sequencer has the entry, so it may be stored.
    queued: bool,
}

impl Waiter {
    pub(crate) fn new(user: &UserId, room: &RoomId, since: Duration, done: Responder) -> Self {
        Self {
            done: Some(done),
            since,
            queued: false,
            span: tracing::debug_span!("append", %user, %room, seq = Empty),
        }
    }

    /// Answers the caller.
    pub(crate) fn answer(
        mut self,
        clock: &dyn Clock,
        metrics: &Metrics,
        result: Result<Sent, Error>,
    ) {
        let span = &self.span;
        match &result {
            Ok(sent) => {
                let took = clock.monotonic().saturating_sub(self.since);
                metrics.ack_time.note_time(took);
                span.record("seq", sent.seq.0);
                tracing::debug!(parent: span, ?took, duplicate = sent.duplicate, "acked");
            }
            Err(error) => {
                tracing::debug!(parent: span, code = error.code().name(), "refused");
            }
        }
        self.respond(result);
    }

    fn respond(&mut self, result: Result<Sent, Error>) {
        if let Some(done) = self.done.take()
            && let Err(panic) = caught(|| (done.0)(result))
        {
            tracing::error!(parent: &self.span, %panic, "a responder failed");
        }
    }
}

impl Drop for Waiter {
    /// An entry that the sequencer has lost, for it panicked, may be stored or not.
    fn drop(&mut self) {
        if self.queued && self.done.is_some() {
            let (kind, retry) = (BackendErrorKind::Other, Retry::IfIdempotent);
            let why = "the task that appends panicked";
            let error = BackendError::new("engine", kind, retry, "append", why);
            self.respond(Err(error.into()));
        }
    }
}

/// An entry that waits to be appended.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) room: Arc<LiveRoom>,
    pub(crate) entry: NewEntry,
    /// The author, whose login may be refused until the entry is handed to the store.
    pub(crate) by: Arc<Principal>,
    pub(crate) waiter: Waiter,
}

/// A job for the sequencer.
#[expect(clippy::large_enum_variant, reason = "nearly all jobs are appends")]
#[derive(Debug)]
pub(crate) enum Job {
    Append(Append),
    /// Answers once everything that was queued before is stored or refused.
    Flush(oneshot::Sender<()>),
    /// As [`Flush`](Self::Flush), and takes nothing more from then on.
    Close(oneshot::Sender<()>),
}

/// The way to the sequencer.
#[derive(Debug)]
pub(crate) struct AppendQueue {
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
}

impl AppendQueue {
    /// How many entries wait to be handed to the store.
    pub(crate) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Refuses an entry that comes now, if it would wait for too long.
    pub(crate) fn admit(&self, now: Duration) -> Result<(), Error> {
        match self.admission.refuses(now, self.waiting()) {
            Some(retry_after) => Err(Error::Overloaded { retry_after }),
            None => Ok(()),
        }
    }

    /// Queues an entry, which fixes its place among the entries of its room; or refuses it.
    pub(crate) fn push(&self, mut append: Append) {
        append.waiter.queued = true;
        let (job, error) = match self.jobs.try_send(Job::Append(append)) {
            Ok(()) => return,
            Err(TrySendError::Full(job)) => {
                let retry_after = PATIENCE;
                (job, Error::Overloaded { retry_after })
            }
            Err(TrySendError::Closed(job)) => (job, Error::ShuttingDown),
        };
        if let Job::Append(Append { waiter, .. }) = job {
            self.answer(waiter, Err(error));
        }
    }

    /// Answers a caller whose entry was not queued.
    pub(crate) fn answer(&self, waiter: Waiter, result: Result<Sent, Error>) {
        waiter.answer(&*self.clock, &self.metrics, result);
    }

    /// Waits until everything that was queued before is stored or refused.
    pub(crate) async fn flush(&self) {
        self.finish(Job::Flush).await;
    }

    /// As [`flush`](Self::flush), and refuses everything that comes later.
    pub(crate) async fn close(&self) {
        self.finish(Job::Close).await;
    }

    async fn finish(&self, job: fn(oneshot::Sender<()>) -> Job) {
        let (finished, done) = oneshot::channel();
        if self.jobs.send(job(finished)).await.is_ok() {
            done.await.ok();
        }
    }
}
