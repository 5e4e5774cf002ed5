//! What the engine does, seen from outside: one property a file, on the backends in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod astray;
mod blocks;
mod cluster;
mod coming_in;
mod common;
mod crossing;
mod decisions;
mod ephemeral;
mod erasure;
mod faulty;
mod growing;
mod inbox;
mod logins;
mod metrics;
mod nodes;
mod notices;
mod outages;
mod permissions;
mod plugged_in;
mod random_rooms;
mod receipts;
mod resuming;
mod rights;
mod rooms;
mod sending;
mod stopping;
mod trouble;
mod windows;
