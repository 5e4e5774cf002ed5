//! The domain: values that are valid once they exist. Nothing here knows the wire, a port or the engine.

mod block;
mod body;
mod decision;
mod effects;
mod ids;
mod invalid_id;
mod log;
mod look;
mod name;
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
pub use body::{Effect, EntryBody, EntryKind, FlatBody};
pub use decision::{
    Announcement, Decision, Ends, NO_END, NewDecision, Reason, Ruling, Scope, Version, Via,
};
pub use ids::{ClientMessageId, Epoch, MessageId, RoomId, RoomKind, SessionId, UserId};
pub use invalid_id::InvalidId;
pub use log::{Entry, NewEntry};
pub use look::Look;
pub use permission::{Action, Permission, may};
pub use position::{Cursor, Page, Seq};
pub use presence::Presence;
pub use principal::{Principal, Rank, Scopes, TokenId};
pub use receipt::{Mark, ReceiptTimes, Watermarks};
pub use role::{Member, Role};
pub use room::{Membership, NewRoom, Room, UNREAD_CAP};
pub use standing::{Sanction, Standing};
