//! How long a connection may send nothing: between two requests, and within the head of one.
//!
//! hyper has one time for both, and a pool of connections that a proxy keeps open needs the first to be
//! longer than the second.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// Counts when requests of one connection begin and end to be served: odd while one is.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    turns: AtomicUsize,
    /// Woken at the end of a turn: hyper doesn't read again by itself then.
    waker: AtomicWaker,
}

/// A request that is being served, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn(Turns);

impl Turns {
    /// A request is served from now on.
    pub(super) fn begin(&self) -> Turn {
        self.0.turns.fetch_add(1, Ordering::Relaxed);
        Turn(self.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Turns(count) = &self.0;
        count.turns.fetch_add(1, Ordering::Relaxed);
        count.waker.wake();
    }
}

/// The body of an answer, at the end of which the request has been served.
#[derive(Debug)]
pub(super) struct Served<B> {
    body: B,
    _turn: Turn,
}

impl<B> Served<B> {
    pub(super) fn new(body: B, turn: Turn) -> Self {
        Self { body, _turn: turn }
    }
}

impl<B: Body + Unpin> Body for Served<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits for the head of the next request.
#[derive(Debug)]
pub(super) struct Patience {
    turns: Turns,
    /// How long a head may take, and a new connection to send its first one.
    head: Duration,
    /// How long nothing may come after an answer.
    idle: Duration,
    /// The count of turns that what follows is about.
    turn: usize,
    /// Whether a part of a head has come.
    begun: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(head: Duration, idle: Duration) -> Self {
        Self {
            turns: Turns::default(),
            head,
            idle,
            turn: 0,
            begun: false,
            sleep: None,
        }
    }

    pub(super) fn turns(&self) -> Turns {
        self.turns.clone()
    }

    /// Takes note of whether bytes have come; ready when the client has taken too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, received: bool) -> Poll<()> {
        let Turns(count) = &self.turns;
        let turn = count.turns.load(Ordering::Relaxed);
        if turn != self.turn {
            self.turn = turn;
            self.begun = false;
            self.sleep = None;
        }
        if turn % 2 == 1 {
            count.waker.register(cx.waker());
            return Poll::Pending;
        }
        let is_first = turn == 0;
        if received && !self.begun {
            self.begun = true;
            if !is_first {
                self.sleep = None;
            }
        }
        let patience = if self.begun || is_first {
            self.head
        } else {
            self.idle
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{Instant, sleep};

    use super::*;

    const HEAD: Duration = Duration::from_secs(5);
    const IDLE: Duration = Duration::from_secs(75);

    /// The time until the connection ends.
    async fn end(patience: &mut Patience) -> Duration {
        let since = Instant::now();
        poll_fn(|cx| patience.poll(cx, false)).await;
        since.elapsed()
    }

    async fn receive(patience: &mut Patience) {
        poll_fn(|cx| Poll::Ready(patience.poll(cx, true).is_ready())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_stays_and_half_a_head_does_not() {
        let mut patience = Patience::new(HEAD, IDLE);
        receive(&mut patience).await;
        drop(patience.turns().begin());
        assert_eq!(end(&mut patience).await.as_secs(), IDLE.as_secs());

        let mut patience = Patience::new(HEAD, IDLE);
        drop(patience.turns().begin());
        receive(&mut patience).await;
        assert_eq!(end(&mut patience).await.as_secs(), HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_one_by_one_do_not_prolong_a_head() {
        for requests in 0..3 {
            let mut patience = Patience::new(HEAD, IDLE);
            for _ in 0..requests {
                drop(patience.turns().begin());
            }
            let since = Instant::now();
            for _ in 0..4 {
                receive(&mut patience).await;
                sleep(Duration::from_secs(1)).await;
            }
            end(&mut patience).await;
            assert_eq!(since.elapsed().as_secs(), HEAD.as_secs(), "{requests}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_the_time_of_a_head() {
        let mut patience = Patience::new(HEAD, IDLE);
        assert_eq!(end(&mut patience).await.as_secs(), HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_served_takes_as_long_as_it_takes() {
        let mut patience = Patience::new(HEAD, IDLE);
        let turn = patience.turns().begin();
        receive(&mut patience).await;
        let ended = tokio::time::timeout(IDLE * 2, end(&mut patience)).await;
        assert!(ended.is_err());
        drop(turn);
        assert_eq!(end(&mut patience).await.as_secs(), IDLE.as_secs());
    }
}
