//! The one thread that writes, with group commit: what has queued up while the last transaction
//! was synced goes into the next one, and one sync acknowledges it all.

use std::{fs::File, io, path::PathBuf, thread};

use chat_core::port::{BackendError, BackendErrorKind, Retry};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{
    connection,
    error::{BACKEND, Failure},
    transaction::{OpenRooms, Transaction},
};

/// Jobs that wait; a caller beyond them waits for room.
const QUEUE: usize = 1_024;

/// Where a group ends: this many jobs, or jobs with this many entries.
const GROUP_JOBS: usize = 1_000;
const GROUP_ENTRIES: usize = 4_000;

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
    pub(crate) fn start(connection: Connection, path: PathBuf, lock: File) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("chat-store-sqlite".to_owned())
            .spawn(move || {
                let mut file = Writable {
                    connection,
                    path,
                    rooms: OpenRooms::default(),
                    sound: true,
                };
                file.serve(queue);
                file.close();
                drop(lock);
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
    path: PathBuf,
    rooms: OpenRooms,
    /// False after a failure that the connection can't be trusted after.
    sound: bool,
}

impl Writable {
    fn serve(&mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = queue.blocking_recv() {
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
        }
    }

    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        if !self.sound {
            // The new one is opened before the old one closes, so that the log of the file is
            // never without a user, who would have to build its index anew on a full disk.
            self.connection = connection::writer(&self.path).map_err(Failure::before)?;
            self.sound = true;
            tracing::info!("the writer's connection was opened anew");
        }
        let outcome = transact(&mut self.connection, &mut self.rooms, jobs);
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
) -> Result<(), Failure> {
    let transaction = run(connection, rooms, jobs).map_err(Failure::before)?;
    transaction.commit().map_err(Failure::in_commit)
}

fn run<'a>(
    connection: &'a mut Connection,
    rooms: &'a mut OpenRooms,
    jobs: &mut [Box<dyn Job>],
) -> rusqlite::Result<rusqlite::Transaction<'a>> {
    let mut transaction = Transaction::begin(connection, rooms)?;
    for job in jobs {
        job.run(&mut transaction)?;
    }
    transaction.finish()
}
