//! The cache and the broker on real Redis servers and clusters: their contracts, and what happens when
//! servers forget, stall, die and come back.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "real time is measured: how long a call waits"
)]

mod cluster;
mod conformance;
mod faults;
mod history;

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use chat_cache_redis::PATIENCE;
use chat_core::port::{BackendError, BackendErrorKind};

/// Fails when the call does not fail, or not soon.
async fn fails_soon(call: impl Future<Output = Result<impl Debug, BackendError>>) {
    let start = Instant::now();
    let error = call.await.unwrap_err();
    let took = start.elapsed();
    // The machine may be busy.
    assert!(took < PATIENCE + Duration::from_millis(150), "{took:?}");
    let kinds = [BackendErrorKind::Unavailable, BackendErrorKind::Timeout];
    assert!(kinds.contains(&error.kind), "{error:?}");
}
