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

mod engine;
pub mod memory;
pub mod metrics;
mod model;
pub mod moderation;
pub mod rate;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
mod wire;

pub use engine::{
    Actor, BuildError, ChatEngine, ChatEngineBuilder, Config, Connect, Export, Exported, Greeting,
    Health, Inspection, LocalSession, NewBody, OnlineList, Outbox, OutboxLimits, PolicyStale,
    Responder, Session, SessionOrigin, SessionView, Transport, TrySendError,
};
pub use model::{
    Action, Announcement, Block, ClientMessageId, Cursor, Data, Decision, Details, Effect, Ends,
    Entry, EntryBody, EntryKind, Epoch, FlatBody, History, InboxFilter, InboxPlace, InboxRoom,
    InvalidId, Invite, InviteId, InviteToken, LeftWhy, Look, Mark, Me, MeChange, Member,
    Membership, MessageId, NO_END, NameHash, NewDecision, NewEntry, NewRoom, Notice, Notify,
    OpenTo, Page, Permission, Presence, Principal, Rank, Reason, ReceiptTimes, Role, Room,
    RoomChange, RoomId, RoomKind, RoomName, Ruling, Sanction, Scope, Scopes, Seq, SessionId,
    Settings, SettingsChange, Standing, TokenId, Topic, UNREAD_CAP, UserId, Version, Via,
    Watermarks, may,
};
#[doc(hidden)]
pub use time::old_time;
pub use time::{Clock, CountingIds, IdGen, ManualClock, RandomIds, SystemClock};
pub use wire::{
    Answer, Ask, BlockList, BlockView, CloseReason, Command, Directory, Done, Error, ErrorBody,
    ErrorCode, Event, Frame, GapReason, HistoryPage, InboxPage, InviteList, MemberList, MemberView,
    OnlineUsers, Outgoing, Pong, PresenceOfUsers, Renewed, Reply, Request, Resumed, RoomCursor,
    RoomList, RoomNews, RoomView, SanctionList, Sanctioned, Sent, Welcome, command, decode,
};
