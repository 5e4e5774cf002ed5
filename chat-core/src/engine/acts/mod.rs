//! What users can do: one use case per file, named as its command.

pub(crate) mod access;
pub(crate) mod act;
pub(crate) mod actor;
pub(crate) mod assign;
mod blocks;
pub(crate) mod connect;
pub(crate) mod create;
mod find_channels;
mod history;
mod inbox;
pub(crate) mod inspect;
mod invites;
mod join;
pub(crate) mod limits;
pub(crate) mod looks;
mod members;
mod open;
pub(crate) mod presence;
mod receipt;
mod resume;
pub(crate) mod review;
pub(crate) mod rooms;
mod sanctions;
pub(crate) mod send;
pub(crate) mod session;
mod typing;
mod update;
