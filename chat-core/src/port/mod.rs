//! The ports: what the engine needs from the outside, as traits to implement.
//!
//! Rules that hold for every method of [`Store`], [`Cache`] and [`Broker`]:
//!
//! - Success means that every later call sees the effect, from any node; for a store it also means
//!   that a power cut can't take it back.
//! - A future that is dropped before it is done may or may not have had its effect, as after a
//!   crash; it never leaves half of one.
//! - A method that returns an error doesn't log it as well.
//! - No method should panic. The engine takes a panic as the failure of that call, of kind
//!   [`Other`](BackendErrorKind::Other): [`Retry::Safe`] for a call that only reads, else
//!   [`Retry::IfIdempotent`], so an append that panicked is answered as `outcome_unknown`. Other calls go on.
//!
//! An `Arc` or a `Box` of an implementation is one too, so whoever gives one to the engine may keep a
//! handle to it.
//!
//! Each sentence of a contract is a case of the conformance suite, `chat_core::testing`.

mod access;
mod authenticator;
mod block;
mod broker;
mod cache;
mod erasure;
mod error;
mod inbox;
mod inbox_store;
mod invite;
mod look;
mod moderator;
pub(crate) mod panics;
mod pointer;
mod policy;
mod secret;
mod store;

pub use crate::model::Via;
pub use access::{Policy, Request};
pub use authenticator::{AuthError, Authenticator, Credential};
pub use block::BlockStore;
pub use broker::{Broker, Delivery, Hint, Topic};
pub use cache::{Cache, HistoryCache, PresenceCache, RateCache, RateKey, Transition, WINDOW};
pub use erasure::ErasureStore;
pub use error::{BackendError, BackendErrorKind, Retry};
pub use inbox::Inbox;
pub use inbox_store::InboxStore;
pub use invite::InviteStore;
pub use look::LookStore;
pub use moderator::{Draft, Moderator, Verdict};
pub use policy::PolicyStore;
pub use secret::Secret;
pub use store::{
    AppendError, Appended, Change, Created, LogStore, Outcome, ReceiptStore, RoomStore, Store,
};
