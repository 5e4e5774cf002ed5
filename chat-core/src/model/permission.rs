//! The permission table: which action is allowed to whom. The engine asks it before any read or write, and
//! [`NewEntry::is_allowed`](super::NewEntry::is_allowed) asks the roles again at an entry's number.

use super::{Principal, Rank, Role, Standing};

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// An act of a user: a row of the permission table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $variant,)+ }

        impl Action {
            /// All actions, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name for people, and in the log.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

actions! {
    /// To connect, and to replace the login of a connection.
    Connect = "connect",
    /// To list one's own rooms.
    Rooms = "rooms",
    /// To see one's inbox, and to set how one has a room.
    Inbox = "inbox",
    /// To search the directory of channels.
    Directory = "directory",
    /// To make a group or channel.
    Create = "create",
    /// To come into a channel, or by an invitation.
    Join = "join",
    /// To open the direct room with a user.
    Open = "open",
    /// To block a user, to unblock one, and to list whom one has blocked.
    Block = "block",
    /// To see who is online.
    Presence = "presence",
    /// To read what a room holds.
    Read = "read",
    /// To state how far one has received or read a room.
    Receipt = "receipt",
    /// To be seen typing.
    Typing = "typing",
    /// To send a message.
    Send = "send",
    /// To give one of one's messages another text.
    Edit = "edit",
    /// To delete a message: one's own, or as a moderator of others.
    Delete = "delete",
    /// To add a member, or to invite.
    Add = "add",
    /// To leave a group, or to take a lower role in it.
    Leave = "leave",
    /// To remove another member.
    Remove = "remove",
    /// To change the role of another member.
    ChangeRole = "change role",
    /// To see invitations and to take them back.
    Invites = "invites",
    /// To ban or mute in a room, to lift that, and to see who is banned or muted.
    Sanction = "ban or mute",
    /// To change what a room says about itself, its settings among it, and to archive it.
    Update = "update",
}

impl Action {
    /// The least role in the room that it needs; `None` for what happens in no room.
    pub const fn least_role(self) -> Option<Role> {
        match self {
            Self::Connect
            | Self::Rooms
            | Self::Inbox
            | Self::Directory
            | Self::Create
            | Self::Join
            | Self::Open
            | Self::Block
            | Self::Presence => None,
            Self::Read | Self::Receipt | Self::Leave => Some(Role::Reader),
            Self::Typing | Self::Send | Self::Edit | Self::Delete | Self::Add => Some(Role::Member),
            Self::Remove | Self::ChangeRole | Self::Invites | Self::Sanction => {
                Some(Role::Moderator)
            }
            Self::Update => Some(Role::Owner),
        }
    }
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It is allowed.
    Allowed,
    /// The user is banned.
    Banned,
    /// Neither the login nor the role is for this.
    Forbidden,
    /// To this user the room doesn't exist.
    NoRoom,
    /// The user is muted.
    Muted,
}

/// The table. `role` is the user's in the room of the action, `None` outside of it and without a room.
///
/// The first that speaks against it counts: a ban, the scopes of the login, membership, the role, a mute.
pub const fn may(
    action: Action,
    standing: &Standing,
    role: Option<Role>,
    by: &Principal,
) -> Permission {
    if !standing.bans.is_empty() {
        return Permission::Banned;
    }
    let scopes = &by.scopes;
    let in_scope = match action {
        Action::Connect
        | Action::Rooms
        | Action::Inbox
        | Action::Directory
        | Action::Presence
        | Action::Read
        | Action::Receipt => scopes.read,
        // The answer shows the room.
        Action::Open => scopes.read && scopes.send,
        // It is about writing to somebody, and changes what both may do.
        Action::Block => scopes.send || scopes.manage,
        Action::Typing | Action::Send | Action::Edit | Action::Delete => scopes.send,
        Action::Create
        | Action::Join
        | Action::Add
        | Action::Leave
        | Action::Remove
        | Action::ChangeRole
        | Action::Invites
        | Action::Sanction
        | Action::Update => scopes.manage,
    };
    if !in_scope {
        return Permission::Forbidden;
    }
    let Some(least) = action.least_role() else {
        return Permission::Allowed;
    };
    let Some(role) = role else {
        return match (action, by.rank) {
            (
                Action::Add
                | Action::Remove
                | Action::ChangeRole
                | Action::Invites
                | Action::Sanction
                | Action::Update,
                Rank::Admin,
            ) => Permission::Allowed,
            // An admin speaks to users by an announcement.
            (Action::Send, Rank::Admin) => Permission::Forbidden,
            _ => Permission::NoRoom,
        };
    };
    if role.number() < least.number() {
        return Permission::Forbidden;
    }
    match action {
        _ if standing.mutes.is_empty() => Permission::Allowed,
        Action::Typing | Action::Send | Action::Edit => Permission::Muted,
        Action::Add => Permission::Forbidden,
        _ => Permission::Allowed,
    }
}
