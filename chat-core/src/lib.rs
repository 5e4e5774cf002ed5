#![doc = include_str!("../README.md")]
//! ## Where to look
//!
//! | item | what it is |
//! |---|---|
//! | [`ChatEngine`], [`Config`] | the engine and its settings |
//! | [`Session`], [`LocalSession`], [`Actor`] | a connected device, one in this process, and a user without one |
//! | [`Command`], [`Reply`], [`Event`], [`Frame`] | what devices send and receive: the native protocol |
//! | [`Error`], [`ErrorCode`], [`CloseReason`] | refusals and failures, and why a session is closed |
//! | [`Entry`], [`Room`], [`Cursor`], [`Watermarks`] | what rooms hold, and positions in them |
//! | [`port`] | the traits to implement: store, cache, broker, transport, moderator |
//! | [`memory`] | complete implementations of them, in this process |
//! | [`moderation`], [`rate`], [`metrics`] | word lists, limits, and what the engine counts |
//! | `testing` | the conformance suite, with the feature `testing` |

pub mod port;

mod body;
mod command;
mod engine;
mod error;
mod event;
mod frame;
mod hub;
mod ids;
mod log;
pub mod memory;
pub mod metrics;
pub mod moderation;
mod outbox;
mod presence;
pub mod rate;
mod receipt;
mod room;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod time;

pub use body::{Effect, EntryBody, EntryKind, FlatBody};
pub use command::{Command, Request, RoomCursor};
pub use engine::{
    Actor, BuildError, ChatEngine, ChatEngineBuilder, Config, Connect, Health, LocalSession,
    NewBody, Responder, Session,
};
pub use error::{CloseReason, Error, ErrorBody, ErrorCode};
pub use event::{
    Answer, Event, GapReason, HistoryPage, MemberView, Outgoing, Reply, RoomView, Sent,
};
pub use frame::Frame;
pub use ids::{ClientMessageId, Epoch, InvalidId, MessageId, RoomId, RoomKind, SessionId, UserId};
pub use log::{Cursor, Entry, NewEntry, Page, Seq};
pub use outbox::{Outbox, OutboxLimits};
pub use presence::Presence;
pub use receipt::{Mark, Watermarks};
pub use room::{Membership, NewRoom, Room, UNREAD_CAP};
pub use time::{Clock, CountingIds, IdGen, ManualClock, RandomIds, SystemClock};
