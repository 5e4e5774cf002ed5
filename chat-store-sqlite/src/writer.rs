//! The one thread that writes, with group commit: jobs that are queued while a transaction is
//! synced become the next transaction, and one sync acknowledges all of them.

use std::{io, sync::Arc, thread, time::Duration};

use chat_core::port::{BackendError, BackendErrorKind, Retry};
use rusqlite::Connection;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use crate::{
    connection::{self, CHECKPOINT_PAGES},
    error::{BACKEND, Failure},
    lock::Lock,
    log_mark,
    transaction::{OpenRooms, Transaction},
};

/// The length of the queue; further callers wait for a free place.
const QUEUE: usize = 1_024;

/// The limits of a group: this many jobs, or jobs with this many entries.
const GROUP_JOBS: usize = 1_000;
const GROUP_ENTRIES: usize = 4_000;

/// After this time without writes the log is copied into the file and emptied, so that the file by
/// itself is complete. At the same interval the writer checks that the file still exists.
const REST: Duration = Duration::from_secs(2);

/// A log of at least this many pages that can't be emptied causes a warning, repeated at this
/// interval.
const LONG_LOG: i64 = 4 * CHECKPOINT_PAGES;
const WARN_EVERY: Duration = Duration::from_mins(1);

/// A job of the writer.
trait Job: Send {
    fn entries(&self) -> usize;
    fn run(&mut self, transaction: &mut Transaction<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), &Failure>);
}

struct Task<F, T> {
    operation: &'static str,
    entries: usize,
    work: Option<F>,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, BackendError>>,
}

impl<F, T> Job for Task<F, T>
where
    F: FnOnce(&mut Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn entries(&self) -> usize {
        self.entries
    }

    fn run(&mut self, transaction: &mut Transaction<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(transaction)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), &Failure>) {
        let answer = match (outcome, self.result) {
            (Err(failure), _) => Err(failure.of(self.operation)),
            (Ok(()), Some(result)) => Ok(result),
            // Dropping `reply` reports that the outcome is unknown.
            (Ok(()), None) => return,
        };
        // The caller may have stopped waiting; the job is done nevertheless.
        drop(self.reply.send(answer));
    }
}

/// The handle to the writer thread. Dropping it waits until all submitted jobs are stored.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which holds `lock` until the file is closed.
    pub(crate) fn start(connection: Connection, lock: Arc<Lock>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let timer = Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new()
            .name("chat-store-sqlite".to_owned())
            .spawn(move || {
                let mut file = Writable {
                    connection,
                    lock,
                    rooms: OpenRooms::default(),
                    sound: true,
                    logged: true,
                    begins_a_log: false,
                    warned: None,
                };
                file.empty_the_log();
                file.serve(&timer, queue);
                file.close();
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work`, which writes about this many `entries`, and waits until the result is on the
    /// disk.
    ///
    /// # Cancel safety
    ///
    /// A submitted job is done, even if the call is dropped.
    pub(crate) async fn submit<F, T>(
        &self,
        operation: &'static str,
        entries: usize,
        work: F,
    ) -> Result<T, BackendError>
    where
        F: FnOnce(&mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let gone = |retry| {
            let reason = "the writer thread has ended";
            BackendError::new(
                BACKEND,
                BackendErrorKind::Unavailable,
                retry,
                operation,
                reason,
            )
        };
        let (reply, answer) = oneshot::channel();
        let task = Task {
            operation,
            entries,
            work: Some(work),
            result: None,
            reply,
        };
        let jobs = self.jobs.as_ref().ok_or_else(|| gone(Retry::Safe))?;
        let sent = jobs.send(Box::new(task)).await;
        sent.map_err(|_| gone(Retry::Safe))?;
        answer.await.map_err(|_| gone(Retry::IfIdempotent))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread of the store panicked");
        }
    }
}

/// The file as the writer thread holds it.
struct Writable {
    connection: Connection,
    lock: Arc<Lock>,
    rooms: OpenRooms,
    /// False after a failure that makes the connection unreliable.
    sound: bool,
    /// The log may contain pages.
    logged: bool,
    /// The whole log is in the file, so the next transaction may begin a new log.
    begins_a_log: bool,
    /// The time of the last warning about a long log.
    warned: Option<Instant>,
}

impl Writable {
    fn serve(&mut self, timer: &Runtime, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        loop {
            let first = match timer.block_on(async { timeout(REST, queue.recv()).await }) {
                Ok(Some(first)) => first,
                Ok(None) => return,
                Err(_) => {
                    self.rest();
                    continue;
                }
            };
            let mut entries = first.entries();
            let mut jobs = vec![first];
            while jobs.len() < GROUP_JOBS && entries < GROUP_ENTRIES {
                let Ok(job) = queue.try_recv() else { break };
                entries += job.entries();
                jobs.push(job);
            }
            let outcome = self.commit(&mut jobs);
            for job in jobs {
                job.answer(outcome.as_ref().copied());
            }
            self.shorten_the_log();
        }
    }

    /// Called when the store has had no write for [`REST`].
    fn rest(&mut self) {
        if self.lock.look() && self.logged && self.sound {
            self.empty_the_log();
        }
    }

    /// Copies the log into the file and empties it, unless a connection reads an older state.
    fn empty_the_log(&mut self) {
        // Writers must not wait for a reader that takes long.
        let emptied = connection::without_waiting(&self.connection, |connection| {
            connection::checkpoint(connection, "TRUNCATE")
        });
        match emptied {
            Ok(log) if !log.busy => (self.logged, self.begins_a_log) = (false, true),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the log is emptied later"),
        }
    }

    /// Copies a long log into the file, so that the next transaction can begin a new one.
    fn shorten_the_log(&mut self) {
        let is_long = |log: connection::Log| log.pages >= CHECKPOINT_PAGES;
        if !self.sound || !connection::checkpoint(&self.connection, "NOOP").is_ok_and(is_long) {
            return;
        }
        match connection::checkpoint(&self.connection, "PASSIVE") {
            Ok(log) if log.copied == log.pages => self.begins_a_log = true,
            Ok(log) if log.pages >= LONG_LOG => {
                let recently = |at: Instant| at.elapsed() < WARN_EVERY;
                if !self.warned.is_some_and(recently) {
                    self.warned = Some(Instant::now());
                    tracing::warn!(
                        "{}-wal has grown to {} MiB: another program reads the file in one long \
                         transaction",
                        self.lock.path.display(),
                        log.pages / 256
                    );
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the log is copied later"),
        }
    }

    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        if !self.lock.look() {
            return Err(Failure::moved());
        }
        if !self.sound {
            // The new connection is opened before the old one is closed, so that the log always has
            // a user. Otherwise its index would have to be rebuilt, possibly on a full disk.
            self.connection = connection::writer(&self.lock.path).map_err(Failure::before)?;
            self.sound = true;
            tracing::info!("the writer's connection was opened anew");
        }
        self.logged = true;
        // Done once, whatever the outcome of the transaction: the file may have no third mark.
        let begins_a_log = std::mem::take(&mut self.begins_a_log);
        let outcome = transact(&mut self.connection, &mut self.rooms, jobs, begins_a_log);
        if let Err(failure) = &outcome {
            self.rooms.forget();
            self.sound = failure.leaves_connection_sound();
        }
        outcome
    }

    /// Copies the log into the file and closes the connection, which leaves the log empty.
    fn close(self) {
        let emptied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let closed = self.connection.close().map_err(|(_, error)| error);
        if let Err(error) = emptied.and(closed) {
            tracing::warn!(%error, "the store was not closed cleanly; nothing is lost");
        }
    }
}

/// Runs all jobs in one transaction.
fn transact(
    connection: &mut Connection,
    rooms: &mut OpenRooms,
    jobs: &mut [Box<dyn Job>],
    begins_a_log: bool,
) -> Result<(), Failure> {
    let transaction = run(connection, rooms, jobs, begins_a_log).map_err(Failure::before)?;
    transaction.commit().map_err(Failure::in_commit)
}

fn run<'a>(
    connection: &'a mut Connection,
    rooms: &'a mut OpenRooms,
    jobs: &mut [Box<dyn Job>],
    begins_a_log: bool,
) -> rusqlite::Result<rusqlite::Transaction<'a>> {
    let mut transaction = Transaction::begin(connection, rooms)?;
    if begins_a_log {
        log_mark::renew(&transaction.sql)?;
    }
    for job in jobs {
        job.run(&mut transaction)?;
    }
    transaction.finish()
}
