//! The public conformance suite: proof that a backend keeps the contracts of [`port`](crate::port).
//!
//! Each sentence of a contract is one case, and each case becomes one test of yours. In
//! `tests/conformance.rs`, with the feature `testing`, a constructor and one line are all:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use chat_core::{ManualClock, memory::MemoryCache, port::Cache};
//! use chat_core::testing::cache::{CASES, CacheHarness};
//!
//! struct Harness(Arc<ManualClock>, Arc<MemoryCache>);
//!
//! #[async_trait::async_trait]
//! impl CacheHarness for Harness {
//!     async fn cache(&self) -> Arc<dyn Cache> {
//!         self.1.clone()
//!     }
//!
//!     async fn elapse(&self, time: Duration) {
//!         self.0.advance(time); // or a sleep, where the time can't be set
//!     }
//! }
//!
//! /// Called for each case: an empty cache.
//! async fn fresh() -> impl CacheHarness {
//!     let clock = Arc::new(ManualClock::default());
//!     Harness(clock.clone(), Arc::new(MemoryCache::new(clock)))
//! }
//!
//! chat_core::cache_conformance!(fresh);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // A single case, to see for instance that a cache that is broken on purpose is caught:
//! let verdict = CASES.run("a_lease_that_is_not_renewed_ends", &fresh().await).await;
//! assert_eq!(verdict, Ok(()));
//! # }
//! ```
//!
//! The suite follows the contracts, not semantic versioning: a new release may hold new cases.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a case fails by panicking, as every test does"
)]

pub mod broker;
pub mod cache;
mod faulty;
pub mod model;
pub mod rooms;
mod service;
pub mod store;
mod suite;

pub use faulty::{Fault, Faulty, Gate, Hooks, Method, Script};
pub use service::service;
#[doc(hidden)]
pub use suite::block_on;
pub use suite::{Case, Suite};
