#![doc = include_str!("../../README.md")]

pub mod port;

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
pub use log::{Cursor, Entry, EntryBody, NewEntry, Page, Seq};
pub use outbox::{Outbox, OutboxLimits};
pub use presence::Presence;
pub use receipt::{Mark, Watermarks};
pub use room::{Membership, NewRoom, Room, UNREAD_CAP};
pub use time::{Clock, CountingIds, IdGen, ManualClock, RandomIds, SystemClock};
