//! What users can do: one use case per file, named as its command.

pub(crate) mod access;
pub(crate) mod act;
pub(crate) mod actor;
pub(crate) mod assign;
mod blocks;
pub(crate) mod connect;
mod history;
pub(crate) mod inspect;
pub(crate) mod limits;
pub(crate) mod looks;
pub(crate) mod members;
mod open;
pub(crate) mod presence;
mod receipt;
mod resume;
pub(crate) mod review;
pub(crate) mod rooms;
pub(crate) mod send;
pub(crate) mod session;
mod typing;
