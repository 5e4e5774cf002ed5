//! The background tasks of an engine, and what becomes of one that panics: it is started again.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::port::panics::caught_async;

/// How long a task that panicked rests before it is started again: at first, and at most.
const REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(10);

/// For how long a task must have run until its next rest is a short one again.
const SOUND: Duration = Duration::from_mins(1);

/// A background task. It may be run again after it panicked, so what it owns is whole whenever it waits.
pub(crate) trait Task: Send + 'static {
    /// The name of the task in the log and in the health.
    const NAME: &'static str;

    /// Runs until there is nothing left to do.
    fn run(&mut self) -> impl Future<Output = ()> + Send;

    /// Is called before the task is run again after a panic.
    fn recover(&mut self) {}
}

/// All tasks of one engine; they stop when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: TaskTracker,
    stop: CancellationToken,
    resting: Arc<Resting>,
}

/// The tasks that panicked and have not been started again yet.
#[derive(Debug, Default)]
struct Resting(Mutex<BTreeSet<&'static str>>);

impl Resting {
    fn names(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tasks {
    /// Runs a task until it ends by itself.
    pub(crate) fn spawn(&self, task: impl Task) {
        let resting = Arc::clone(&self.resting);
        self.running.spawn(supervise(task, resting));
    }

    /// Runs a task until the engine stops.
    pub(crate) fn spawn_until_stop(&self, task: impl Task) {
        let (stop, resting) = (self.stop.clone(), Arc::clone(&self.resting));
        self.running.spawn(async move {
            stop.run_until_cancelled_owned(supervise(task, resting))
                .await;
        });
    }

    /// The names of the tasks that panicked and are not running at this moment.
    pub(crate) fn resting(&self) -> Vec<&'static str> {
        self.resting.names().iter().copied().collect()
    }

    /// Stops the tasks, and waits until the last one has ended.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Runs a task to its end, again after each panic, with longer and longer rests between.
async fn supervise<T: Task>(mut task: T, resting: Arc<Resting>) {
    let mut rest = REST;
    loop {
        let begun = Instant::now();
        let Err(panic) = caught_async(task.run()).await else {
            return;
        };
        if begun.elapsed() >= SOUND {
            rest = REST;
        }
        tracing::error!(task = T::NAME, %panic, ?rest, "a background task is started again");
        resting.names().insert(T::NAME);
        sleep(rest).await;
        resting.names().remove(T::NAME);
        rest = LONGEST_REST.min(rest * 2);
        task.recover();
    }
}
