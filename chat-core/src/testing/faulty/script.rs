//! The script of a [`Faulty`](super::Faulty): the fault of each call, and the number of calls.

use std::{
    collections::{HashMap, VecDeque},
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::yield_now, time::sleep};

use crate::port::{BackendError, BackendErrorKind, Retry};

/// A method of a port, such as [`Method::APPEND`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(pub(super) &'static str);

impl Method {
    /// [`Transport::try_send`](crate::Transport::try_send).
    pub const TRY_SEND: Self = Self("try_send");
    /// [`Transport::close`](crate::Transport::close).
    pub const CLOSE: Self = Self("close");
}

/// Allows one method where several can be named.
impl IntoIterator for Method {
    type Item = Self;
    type IntoIter = iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        iter::once(self)
    }
}

/// The outcome of one call.
///
/// Waiting uses tokio's time, so it costs no real time in a test with paused time. A call that
/// returns without waiting, as those of a [`Transport`](crate::Transport) do, passes where any
/// other call would wait.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The call is carried out.
    Pass,
    /// Nothing is carried out, and the call fails with this error.
    Refuse(BackendErrorKind, Retry),
    /// The call is carried out, and fails as if its answer had been lost: with
    /// [`BackendErrorKind::Timeout`] and [`Retry::IfIdempotent`].
    LoseAnswer,
    /// Nothing is carried out, and the call never ends.
    Hang,
    /// Nothing is carried out, and the call panics.
    Panic,
    /// The call is carried out, and yields to other tasks this many times before and after it.
    Yield(u8, u8),
    /// The other fault happens after this time.
    After(Duration, Box<Self>),
    /// The other fault happens once the gate is open.
    Behind(Gate, Box<Self>),
}

impl Fault {
    /// The backend is away: nothing is carried out, and the call may be repeated.
    pub const AWAY: Self = Self::Refuse(BackendErrorKind::Unavailable, Retry::Safe);

    /// The same fault after this time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self::After(time, Box::new(self))
    }

    /// The same fault once the gate is open.
    #[must_use]
    pub fn behind(self, gate: &Gate) -> Self {
        Self::Behind(gate.clone(), Box::new(self))
    }

    /// The fault that remains without waiting.
    pub(super) fn at_once(self) -> Self {
        match self {
            Self::After(_, then) | Self::Behind(_, then) => then.at_once(),
            fault => fault,
        }
    }
}

/// Allows one fault where several can be given.
impl IntoIterator for Fault {
    type Item = Self;
    type IntoIter = iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        iter::once(self)
    }
}

/// Holds calls until it is opened; clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// Lets all waiting calls pass, and all later ones.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn opened(&self) {
        // An error would mean that the sender is gone, but `self` holds it.
        self.0.subscribe().wait_for(|open| *open).await.ok();
    }
}

/// Decides on each call of the backends that share it, and counts the calls. Clones share one
/// state.
///
/// At first every call passes.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    methods: Mutex<HashMap<Method, Plan>>,
    called: watch::Sender<()>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    next: VecDeque<Fault>,
    always: VecDeque<Fault>,
}

impl Script {
    /// The next calls of each of these methods meet these faults, one per call, before the faults
    /// that [`always`](Self::always) sets.
    pub fn next(
        &self,
        methods: impl IntoIterator<Item = Method>,
        faults: impl IntoIterator<Item = Fault>,
    ) {
        let faults: Vec<Fault> = faults.into_iter().collect();
        self.change(methods, |plan| plan.next.extend(faults.iter().cloned()));
    }

    /// From now on every call of each of these methods meets these faults, in turn and repeatedly.
    pub fn always(
        &self,
        methods: impl IntoIterator<Item = Method>,
        faults: impl IntoIterator<Item = Fault>,
    ) {
        let faults: VecDeque<Fault> = faults.into_iter().collect();
        self.change(methods, |plan| plan.always.clone_from(&faults));
    }

    /// From now on every call passes; a call that is waiting already goes on waiting.
    pub fn pass(&self) {
        let forget = |plan: &mut Plan| {
            plan.next.clear();
            plan.always.clear();
        };
        self.methods().values_mut().for_each(forget);
        self.0.changed.send_replace(());
    }

    /// The number of calls of this method so far, whatever their outcome.
    pub fn calls(&self, method: Method) -> usize {
        self.methods().get(&method).map_or(0, |plan| plan.calls)
    }

    /// Waits until this method has been called `calls` times, whatever the outcome.
    pub async fn called(&self, method: Method, calls: usize) {
        let mut called = self.0.called.subscribe();
        called.wait_for(|()| self.calls(method) >= calls).await.ok();
    }

    fn change(&self, methods: impl IntoIterator<Item = Method>, change: impl Fn(&mut Plan)) {
        {
            let mut plans = self.methods();
            for method in methods {
                change(plans.entry(method).or_default());
            }
        }
        self.0.changed.send_replace(());
    }

    /// Waits until the script changes from its current state.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut changed = self.0.changed.subscribe();
        async move {
            changed.changed().await.ok();
        }
    }

    /// Counts a call, and takes its fault from the script.
    pub(super) fn take(&self, method: Method) -> Fault {
        self.methods().entry(method).or_default().calls += 1;
        self.0.called.send_replace(());
        self.again(method)
    }

    /// Takes a further fault for a call that has been counted already.
    pub(super) fn again(&self, method: Method) -> Fault {
        let mut plans = self.methods();
        let plan = plans.entry(method).or_default();
        plan.next.pop_front().unwrap_or_else(|| {
            let first = plan.always.pop_front();
            plan.always.extend(first.clone());
            first.unwrap_or(Fault::Pass)
        })
    }

    /// Carries out a call according to the script; `failed` converts an error to an answer.
    pub(super) async fn run<A>(
        &self,
        method: Method,
        call: impl Future<Output = A> + Send,
        failed: impl FnOnce(BackendError) -> A + Send,
    ) -> A {
        let mut fault = self.take(method);
        loop {
            fault = match fault {
                Fault::Pass => return call.await,
                Fault::Refuse(kind, retry) => return failed(error(method, kind, retry)),
                Fault::LoseAnswer => {
                    call.await;
                    let (kind, retry) = (BackendErrorKind::Timeout, Retry::IfIdempotent);
                    return failed(error(method, kind, retry));
                }
                Fault::Hang => std::future::pending().await,
                Fault::Panic => panic!("{} panics, as the script says", method.0),
                Fault::Yield(before, after) => {
                    give_way(before).await;
                    let answer = call.await;
                    give_way(after).await;
                    return answer;
                }
                Fault::After(time, then) => {
                    sleep(time).await;
                    *then
                }
                Fault::Behind(gate, then) => {
                    gate.opened().await;
                    *then
                }
            };
        }
    }

    /// The plans are whole whenever this lock is free.
    fn methods(&self) -> MutexGuard<'_, HashMap<Method, Plan>> {
        self.0
            .methods
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn give_way(times: u8) {
    for _ in 0..times {
        yield_now().await;
    }
}

fn error(method: Method, kind: BackendErrorKind, retry: Retry) -> BackendError {
    BackendError::new("faulty", kind, retry, method.0, "as the script says")
}
