//! The one thread that writes, with group commit: what has queued up while the last transaction
//! was synced goes into the next one, and one sync acknowledges it all.

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

/// Jobs that wait; a caller beyond them waits for room.
const QUEUE: usize = 1_024;

/// Where a group ends: this many jobs, or jobs with this many entries.
const GROUP_JOBS: usize = 1_000;
const GROUP_ENTRIES: usize = 4_000;

/// After this long without writes the log is copied into the file and emptied, so that the file by
/// itself is whole. As often it is looked whether the file is still there.
const REST: Duration = Duration::from_secs(2);

/// A log of this many pages that can't be emptied is worth a warning, this often.
const LONG_LOG: i64 = 4 * CHECKPOINT_PAGES;
const WARN_EVERY: Duration = Duration::from_mins(1);

/// A piece of work for the writer.
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
            // Dropping `reply` says that it is not known what became of it.
            (Ok(()), None) => return,
        };
        // Nobody may be waiting any more; the work is done nevertheless.
        drop(self.reply.send(answer));
    }
}

/// The handle to the writer thread; dropping it waits until all that was submitted is stored.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which keeps `lock` until the file is closed.
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

    /// Runs `work`, which writes about this many `entries`, and waits until it is on the disk.
    ///
    /// # Cancel safety
    ///
    /// Once submitted it is done, whether or not anybody waits for it.
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

/// The file as the thread holds it.
struct Writable {
    connection: Connection,
    lock: Arc<Lock>,
    rooms: OpenRooms,
    /// False after a failure that the connection can't be trusted after.
    sound: bool,
    /// The log may hold something.
    logged: bool,
    /// All of the log is in the file, so the next transaction may begin another one.
    begins_a_log: bool,
    /// When it was last said that the log is long.
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

    /// The store has had no write for a while.
    fn rest(&mut self) {
        if self.lock.look() && self.logged && self.sound {
            self.empty_the_log();
        }
    }

    /// Copies the log into the file and makes it empty, unless somebody reads an older state.
    fn empty_the_log(&mut self) {
        // A reader that takes long is no reason to keep writers waiting.
        let emptied = connection::without_waiting(&self.connection, |connection| {
            connection::checkpoint(connection, "TRUNCATE")
        });
        match emptied {
            Ok(log) if !log.busy => (self.logged, self.begins_a_log) = (false, true),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the log is emptied later"),
        }
    }

    /// Copies a log that has grown long into the file, so that it can begin anew.
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
            // The new one is opened before the old one closes, so that the log of the file is
            // never without a user, who would have to build its index anew on a full disk.
            self.connection = connection::writer(&self.lock.path).map_err(Failure::before)?;
            self.sound = true;
            tracing::info!("the writer's connection was opened anew");
        }
        self.logged = true;
        // Only once: whatever becomes of the transaction, the file may have no third mark.
        let begins_a_log = std::mem::take(&mut self.begins_a_log);
        let outcome = transact(&mut self.connection, &mut self.rooms, jobs, begins_a_log);
        if let Err(failure) = &outcome {
            self.rooms.forget();
            self.sound = failure.leaves_connection_sound();
        }
        outcome
    }

    /// Leaves nothing in the write-ahead log.
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

/// One transaction for all of them.
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
