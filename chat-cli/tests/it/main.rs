//! The client library over connections that break, the program from outside, and what decoders make of
//! spoilt bytes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod breaking;
mod decoders;
mod program;
mod reconnect;
