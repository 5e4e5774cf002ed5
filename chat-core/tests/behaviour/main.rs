//! What the engine does, seen from outside: one property a file, on the backends in memory.

mod common;
mod ephemeral;
mod nodes;
mod receipts;
mod resuming;
mod sending;
mod trouble;
