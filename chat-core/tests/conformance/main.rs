//! The backends in memory keep every contract, and the conformance suite catches each backend that
//! breaks a sentence of one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod catches_broker;
mod catches_cache;
mod catches_erasure;
mod catches_rooms;
mod catches_store;
mod memory;
