//! The commands of the native protocol: **the table** in which each has its name, the row of the permission
//! table that it asks, its fields and its reply.
//!
//! Everything else about a command follows from its row: the variant of [`Command`], its name on the wire,
//! the engine's dispatch, and the typed [`Ask`] of a client. A new command is a row here and a file in
//! `engine/acts/`.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::reply::{
    BlockList, Directory, Done, HistoryPage, InboxPage, InviteList, MemberList, OnlineUsers, Pong,
    PresenceOfUsers, Renewed, Reply, Resumed, RoomList, RoomView, SanctionList, Sanctioned, Sent,
    Welcome,
};
use crate::model::{
    Action, ClientMessageId, Cursor, Data, InboxFilter, InboxPlace, Invite, InviteId, InviteToken,
    Mark, Me, MeChange, Member, Page, Reason, Role, RoomChange, RoomId, RoomKind, RoomName, Seq,
    SettingsChange, Topic, UserId, Watermarks,
};

/// A command that has one kind of reply.
pub trait Ask: Into<Command> + Serialize + DeserializeOwned {
    /// The name of the command on the wire.
    const NAME: &'static str;

    /// The reply to the command once it was carried out.
    type Reply: Into<Reply>;

    /// Takes the reply to this command out of any reply; `None` for the reply to another command.
    fn reply(any: Reply) -> Option<Self::Reply>;
}

/// Makes the types of all commands from the table. `$d` is a dollar sign for the macro within.
macro_rules! commands {
    (($d:tt) $(
        $(#[$doc:meta])*
        $name:ident = $wire:literal, $action:ident -> $variant:ident($reply:ty) {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
            #[cfg_attr(feature = "openapi", schema(as = command::$name))]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

            impl From<$name> for Command {
                fn from(command: $name) -> Self {
                    Self::$name(command)
                }
            }

            impl Ask for $name {
                const NAME: &'static str = $wire;

                type Reply = $reply;

                fn reply(any: Reply) -> Option<$reply> {
                    match any {
                        Reply::$variant(reply) => Some(reply),
                        _ => None,
                    }
                }
            }
        )+

        /// Any command.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        #[non_exhaustive]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Command {
            $($(#[$doc])* #[serde(rename = $wire)] $name($name),)+
        }

        impl Command {
            /// The names of all commands on the wire, in the order of the table.
            pub const NAMES: &'static [&'static str] = &[$($wire),+];

            /// The name of the command on the wire.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $wire,)+ }
            }

            /// Each name with the row of the permission table that the command asks, in the order of the
            /// table.
            pub const ACTIONS: &'static [(&'static str, Action)] = &[$(($wire, Action::$action)),+];

            /// Each name with the name of the type of its reply, in the order of the table.
            pub const REPLIES: &'static [(&'static str, &'static str)] = &[$(($wire, stringify!($reply))),+];
        }

        /// Matches a command against every row of the table: `$then` with `$it` bound to the command's own
        /// type, whichever it is.
        macro_rules! match_command {
            ($d command:expr, $d it:ident => $d then:expr) => {
                match $d command { $($crate::wire::Command::$name($d it) => $d then,)+ }
            };
        }
        pub(crate) use match_command;
    };
}

commands! { ($)
    /// Says who is there: the first command of a connection, and only the first.
    Hello = "hello", Connect -> Welcome(Welcome) {
        /// Proves who it is. With open authentication it is the user's name. May be empty after a handshake
        /// that has proved it.
        #[serde(default)]
        token: String,
        /// The rooms to resume, each from where the client left off.
        #[serde(default)]
        cursors: Vec<RoomCursor>,
    }

    /// Replaces the token of the connection by a newer one of the same user.
    Renew = "renew", Connect -> Renewed(Renewed) {
        /// The new token.
        token: String,
    }

    /// Opens the direct room with a user, making it if need be.
    Open = "open", Open -> Room(RoomView) {
        /// The other user.
        user: UserId,
    }

    /// Blocks a user, who is not notified.
    Block = "block", Block -> Ok(Done) {
        /// The user to block.
        user: UserId,
    }

    /// Ends the block of a user.
    Unblock = "unblock", Block -> Ok(Done) {
        /// The user who is blocked.
        user: UserId,
    }

    /// Lists the users whom this user has blocked, in ascending order of their names.
    Blocks = "blocks", Block -> Blocks(BlockList) {
        /// Begin after this user.
        #[serde(default)]
        after: Option<UserId>,
        /// The most users to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Lists the user's rooms, in ascending order of id.
    Rooms = "rooms", Rooms -> Rooms(RoomList) {
        /// Begin after this room.
        #[serde(default)]
        after: Option<RoomId>,
        /// The most rooms to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Lists the user's rooms in the order of their newest messages.
    Inbox = "inbox", Inbox -> Inbox(InboxPage) {
        /// The rooms to list. Default: all but the hidden ones.
        #[serde(default)]
        filter: InboxFilter,
        /// Begin after this place: `next` of the page before.
        #[serde(default)]
        after: Option<InboxPlace>,
        /// The most rooms to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Changes how the user has a room, on all of the user's devices.
    SetMe = "me", Inbox -> Me(Me) {
        /// The room.
        room: RoomId,
        /// What changes.
        #[serde(flatten)]
        change: MeChange,
    }

    /// Makes a group or channel that the user owns.
    Create = "create", Create -> Room(RoomView) {
        /// A group or a channel.
        kind: RoomKind,
        /// The name.
        #[serde(default)]
        name: RoomName,
        /// The topic.
        #[serde(default)]
        topic: Topic,
        /// The application's own data.
        #[serde(default)]
        data: Data,
        /// The settings; those that are absent have their defaults.
        #[serde(default)]
        settings: SettingsChange,
        /// The first members beside the user.
        #[serde(default)]
        members: Vec<UserId>,
        /// Makes a retry safe: once more under the same id, it gives the room that it made.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    }

    /// Shows a room.
    ViewRoom = "room", Read -> Room(RoomView) {
        /// The room.
        room: RoomId,
    }

    /// Changes what a group or channel says about itself, or archives it.
    Update = "update", Update -> Room(RoomView) {
        /// The room.
        room: RoomId,
        /// What changes.
        #[serde(flatten)]
        change: RoomChange,
        /// Makes a retry safe.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    }

    /// Searches the channels by name.
    FindChannels = "directory", Directory -> Directory(Directory) {
        /// Stands in the name, in upper or lower case. Default: every channel.
        #[serde(default)]
        query: String,
        /// Begin after this channel.
        #[serde(default)]
        after: Option<RoomId>,
        /// The most channels to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Comes into a channel.
    Join = "join", Join -> Room(RoomView) {
        /// The channel.
        room: RoomId,
    }

    /// Sends a message.
    Send = "send", Send -> Sent(Sent) {
        /// The room to send it to.
        room: RoomId,
        /// The text of the message.
        text: String,
        /// Makes a retry safe. Without one, a retry is another message.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    }

    /// Gives one of the user's messages another text.
    Edit = "edit", Edit -> Sent(Sent) {
        /// The room of the message.
        room: RoomId,
        /// The number of the message.
        target: Seq,
        /// The new text.
        text: String,
        /// Makes a retry safe.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    }

    /// Takes one of the user's messages back.
    Delete = "delete", Delete -> Sent(Sent) {
        /// The room of the message.
        room: RoomId,
        /// The number of the message.
        target: Seq,
        /// Makes a retry safe.
        #[serde(default)]
        client_id: Option<ClientMessageId>,
    }

    /// Reads a page of a room's log.
    History = "history", Read -> History(HistoryPage) {
        /// The room.
        room: RoomId,
        /// Which part of the log. Default: the newest entries.
        #[serde(default = "newest")]
        page: Page,
        /// The most entries to read. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Asks for everything in a room after a cursor.
    Resume = "resume", Read -> Resumed(Resumed) {
        /// The room.
        room: RoomId,
        /// How far its log has been received.
        #[serde(flatten)]
        cursor: Cursor,
    }

    /// States how far a room has been received, or read.
    Receipt = "receipt", Receipt -> Receipt(Watermarks) {
        /// The room.
        room: RoomId,
        /// Received or read.
        mark: Mark,
        /// Up to and including this entry.
        seq: Seq,
    }

    /// Says that the user is typing. Repeated while it lasts; it ends by itself.
    Typing = "typing", Typing -> Ok(Done) {
        /// The room that the user is typing in.
        room: RoomId,
    }

    /// Lists the members of a room, in ascending order of their names.
    Members = "members", Read -> Members(MemberList) {
        /// The room.
        room: RoomId,
        /// Begin after this user.
        #[serde(default)]
        after: Option<UserId>,
        /// The most members to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Lists the members who have read a room up to an entry or beyond, in ascending order of their names.
    Readers = "readers", Read -> Members(MemberList) {
        /// The room.
        room: RoomId,
        /// The number of the entry.
        seq: Seq,
        /// Begin after this user.
        #[serde(default)]
        after: Option<UserId>,
        /// The most members to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Adds a member to a group. A user who is a member already stays as they are.
    Add = "add", Add -> Member(Member) {
        /// The group.
        room: RoomId,
        /// The new member.
        user: UserId,
        /// The role of the new member. Default: `member`.
        #[serde(default)]
        role: Option<Role>,
    }

    /// Removes a member from a group.
    Remove = "remove", Remove -> Ok(Done) {
        /// The group.
        room: RoomId,
        /// The member.
        user: UserId,
    }

    /// Leaves a group.
    Leave = "leave", Leave -> Ok(Done) {
        /// The group.
        room: RoomId,
    }

    /// Gives a member of a group another role.
    ChangeRole = "role", ChangeRole -> Member(Member) {
        /// The group.
        room: RoomId,
        /// The member.
        user: UserId,
        /// The new role.
        role: Role,
    }

    /// Makes an invitation into a group or channel.
    MakeInvite = "invite", Add -> Invite(Invite) {
        /// The room.
        room: RoomId,
        /// How many users may come in by it. Default: any number.
        #[serde(default)]
        uses: Option<u32>,
        /// The seconds until it ends. Default: it has no end.
        #[serde(default)]
        ttl: Option<u64>,
        /// The role of those who come in. Default: `member`.
        #[serde(default)]
        role: Option<Role>,
    }

    /// Lists the invitations into a room, in ascending order of their ids.
    Invites = "invites", Invites -> Invites(InviteList) {
        /// The room.
        room: RoomId,
        /// Begin after this invitation.
        #[serde(default)]
        after: Option<InviteId>,
        /// The most invitations to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Takes an invitation back.
    Uninvite = "uninvite", Invites -> Ok(Done) {
        /// The room.
        room: RoomId,
        /// The invitation.
        invite: InviteId,
    }

    /// Comes into a room by an invitation.
    Accept = "accept", Join -> Room(RoomView) {
        /// The secret of the invitation.
        token: InviteToken,
    }

    /// Bans a user from a room: a member is removed, and nobody can let the user in.
    Ban = "ban", Sanction -> Sanctioned(Sanctioned) {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
        /// The seconds until the ban ends. Default: it has no end.
        #[serde(default, rename = "for")]
        seconds: Option<u64>,
        /// The reason, for the record.
        #[serde(default)]
        reason: Reason,
    }

    /// Lifts the bans of a user from a room.
    Unban = "unban", Sanction -> Ok(Done) {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
    }

    /// Lists who is banned from a room, in ascending order of the names.
    Bans = "bans", Sanction -> Sanctions(SanctionList) {
        /// The room.
        room: RoomId,
        /// Begin after this user.
        #[serde(default)]
        after: Option<UserId>,
        /// The most users to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Mutes a user in a room: the user reads, and says nothing.
    Mute = "mute", Sanction -> Sanctioned(Sanctioned) {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
        /// The seconds until the mute ends. Default: it has no end.
        #[serde(default, rename = "for")]
        seconds: Option<u64>,
        /// The reason, for the record.
        #[serde(default)]
        reason: Reason,
    }

    /// Lifts the mutes of a user in a room.
    Unmute = "unmute", Sanction -> Ok(Done) {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
    }

    /// Lists who is muted in a room, in ascending order of the names.
    Mutes = "mutes", Sanction -> Sanctions(SanctionList) {
        /// The room.
        room: RoomId,
        /// Begin after this user.
        #[serde(default)]
        after: Option<UserId>,
        /// The most users to list. Default 50, at most 200.
        #[serde(default)]
        limit: Option<usize>,
    }

    /// Asks whether users are online.
    Presence = "presence", Presence -> Presence(PresenceOfUsers) {
        /// The users, at most 100.
        users: Vec<UserId>,
    }

    /// Asks for the list of all users who are online.
    Online = "online", Presence -> Online(OnlineUsers) {}

    /// Asks for a sign of life.
    Ping = "ping", Connect -> Pong(Pong) {}
}

/// A command and the client's number for it, which the reply repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Request {
    /// Any number; the reply carries it.
    pub id: u64,
    /// The command.
    #[serde(flatten)]
    pub command: Command,
}

impl Request {
    /// The command under this number.
    pub fn new(id: u64, command: impl Into<Command>) -> Self {
        let command = command.into();
        Self { id, command }
    }
}

/// A position in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomCursor {
    /// The room.
    pub room: RoomId,
    /// How far its log has been received.
    #[serde(flatten)]
    pub cursor: Cursor,
}

impl Create {
    /// A group without a name, with the default settings and these members.
    pub fn group(members: Vec<UserId>) -> Self {
        Self {
            kind: RoomKind::Group,
            name: RoomName::default(),
            topic: Topic::default(),
            data: Data::default(),
            settings: SettingsChange::default(),
            members,
            client_id: None,
        }
    }
}

fn newest() -> Page {
    Page::Newest
}
