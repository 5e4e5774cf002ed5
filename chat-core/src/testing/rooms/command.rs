//! The commands of users, and the numbers of users and rooms.

use crate::{InboxFilter, Page, Role, RoomChange, RoomKind, Seq, Settings, UserId};

/// A command of a user.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// The room takes a place among those in use.
    Create {
        place: usize,
        kind: RoomKind,
        settings: Settings,
        members: Vec<UserId>,
    },
    Open(UserId),
    Block(UserId),
    Unblock(UserId),
    Inbox(InboxFilter, usize),
    In(usize, In),
}

/// A command of a user in a room. Invitations have their numbers in the room.
#[derive(Debug, Clone)]
pub(super) enum In {
    Join,
    Leave,
    Add(UserId, Option<Role>),
    Remove(UserId),
    Role(UserId, Role),
    Invite(Option<u32>, Role),
    Uninvite(usize),
    Accept(usize),
    Ban(UserId),
    Unban(UserId),
    Mute(UserId),
    Unmute(UserId),
    Bans,
    Mutes,
    Update(RoomChange),
    Send(String),
    Edit(Seq, String),
    Delete(Seq),
    Receipt(Seq),
    History(Page, usize),
    Members,
}

/// The number of users.
pub(super) const USERS: usize = 10;

/// The number of rooms that are in use at a time; the first is the direct room of the first two users.
pub(super) const ROOMS: usize = 5;

pub(super) fn user(number: usize) -> UserId {
    UserId::new(format!("user{number}")).expect("a valid name")
}
