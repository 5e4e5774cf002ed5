//! The public conformance suite: proof that a backend keeps the contracts of [`port`](crate::port).
//!
//! Each sentence of a contract is one case, and each case becomes one test of yours. In
//! `tests/conformance.rs`, with the feature `testing`, a constructor and one line are all:
//!
//! ```ignore
//! async fn fresh() -> impl chat_core::testing::cache::CacheHarness {
//!     MyHarness::start().await // an empty cache for every case
//! }
//! chat_core::cache_conformance!(fresh);
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
pub mod model;
pub mod store;
mod suite;

#[doc(hidden)]
pub use suite::block_on;
pub use suite::{Case, Suite};
