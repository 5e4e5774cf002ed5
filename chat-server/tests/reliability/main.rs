//! A program of its own, because its runs take the whole machine and measure time: faults under load, and
//! whether a promise was broken.
//!
//! `docs/RELIABILITY.md` says how to run it at full scale, and what came of it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]
#![expect(clippy::print_stdout, reason = "a run says what it measured")]

mod checker;
mod crash;
mod matrix;
