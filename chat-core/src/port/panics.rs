//! Panics of code that an embedder plugged in: caught where the engine calls it, so that a panic is the
//! failure of that one call.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use super::{BackendError, BackendErrorKind, Retry};

/// A call that panicked, with the text of the panic.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    #[expect(clippy::needless_pass_by_value, reason = "a panic is given as a box")]
    fn new(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "without a text".to_owned()))
    }

    /// The failure that this call has come to.
    pub(crate) fn into_error(
        self,
        backend: &'static str,
        retry: Retry,
        operation: &'static str,
    ) -> BackendError {
        BackendError::new(backend, BackendErrorKind::Other, retry, operation, self)
    }
}

/// Carries out a call.
///
/// What the call had changed when it panicked stays so: embedders answer for the state of their own code.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(Panicked::new)
}

/// Carries out a call that waits; it is dropped when it panics.
pub(crate) async fn caught_async<T>(call: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut call = pin!(call);
    poll_fn(|cx| match caught(|| call.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
