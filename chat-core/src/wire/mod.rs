//! The native protocol: commands come in; replies, errors and events go out, each as one frame of JSON.

pub mod command;
mod decode;
mod error;
mod event;
mod frame;
mod reply;

pub use command::{Ask, Command, Request, RoomCursor};
pub use decode::decode;
pub use error::{CloseReason, Error, ErrorBody, ErrorCode};
pub use event::{Event, GapReason, RoomNews};
pub use frame::{Frame, Outgoing};
pub use reply::{
    Answer, BlockList, BlockView, Directory, Done, HistoryPage, InboxPage, InviteList, MemberList,
    MemberView, OnlineUsers, Pong, PresenceOfUsers, Renewed, Reply, Resumed, RoomList, RoomView,
    SanctionList, Sanctioned, Sent, Welcome,
};
