//! The domain: values that are valid once they exist. Nothing here knows the wire, a port or the engine.

mod block;
mod body;
mod decision;
mod details;
mod effects;
mod erased;
mod ids;
mod inbox;
mod invalid_id;
mod invite;
mod log;
mod look;
mod member;
mod name;
mod name_hash;
pub(crate) mod once;
mod permission;
mod position;
mod precision;
mod presence;
mod principal;
mod receipt;
mod rights;
mod role;
mod room;
mod standing;
pub(crate) mod text;

pub use block::Block;
pub use body::{Effect, EntryBody, EntryKind, FlatBody, LeftWhy, Notice};
pub use decision::{
    Announcement, Decision, Ends, NO_END, NewDecision, Reason, Ruling, Scope, Version, Via,
};
pub use details::{
    Data, Details, History, OpenTo, RoomChange, RoomKind, RoomName, Settings, SettingsChange, Topic,
};
pub use ids::{ClientMessageId, Epoch, MessageId, RoomId, SessionId, UserId};
pub use inbox::{InboxFilter, InboxPlace, InboxRoom};
pub use invalid_id::InvalidId;
pub use invite::{Invite, InviteId, InviteToken};
pub use log::{Entry, NewEntry};
pub use look::Look;
pub use member::{Me, MeChange, Member, Notify};
pub use name_hash::NameHash;
pub use permission::{Action, Permission, may};
pub use position::{Cursor, Page, Seq};
pub use presence::Presence;
pub use principal::{Principal, Rank, Scopes, TokenId};
pub use receipt::{Mark, ReceiptTimes, Watermarks};
pub use role::Role;
pub use room::{Membership, NewRoom, Room, UNREAD_CAP};
pub use standing::{Sanction, Standing};
