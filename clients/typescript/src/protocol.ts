// Generated from the definitions in chat-core/src/wire by chat-server/tests/it/typescript.rs. Don't edit it.

/** Comes into a room by an invitation. */
export type AcceptCommand = {
  /** The secret of the invitation. */
  readonly token: InviteToken;
};

/** Adds a member to a group. A user who is a member already stays as they are. */
export type AddCommand = {
  /** The role of the new member. Default: `member`. */
  readonly role?: Role;
  /** The group. */
  readonly room: RoomId;
  /** The new member. */
  readonly user: UserId;
};

/**
 * The text of an announcement: 1 to 1,000 characters, one of them visible, and no control characters but
 * tabs and line breaks.
 */
export type Announcement = string;

/** The answer to one command. */
export type Answer =
  /** The command was carried out. */
  | {
    /** The command's number. */
    readonly id: number;
    /** The result of the command. */
    readonly result: Reply;
    readonly type: "reply";
  }
  /** The command was not carried out. */
  | {
    /** The error. */
    readonly error: ErrorBody;
    /** The command's number; absent when it could not be read. */
    readonly id?: number;
    readonly type: "error";
  };

/** Bans a user from a room: a member is removed, and nobody can let the user in. */
export type BanCommand = {
  /** The seconds until the ban ends. Default: it has no end. */
  readonly for?: number;
  /** The reason, for the record. */
  readonly reason?: Reason;
  /** The room. */
  readonly room: RoomId;
  /** The user. */
  readonly user: UserId;
};

/** Lists who is banned from a room, in ascending order of the names. */
export type BansCommand = {
  /** Begin after this user. */
  readonly after?: UserId;
  /** The most users to list. Default 50, at most 200. */
  readonly limit?: number;
  /** The room. */
  readonly room: RoomId;
};

/** Blocks a user, who is not notified. */
export type BlockCommand = {
  /** The user to block. */
  readonly user: UserId;
};

/** One page of the users whom a user has blocked. */
export type BlockList = {
  /** The blocks, in ascending order of the names of those who are blocked. */
  readonly blocks: readonly BlockView[];
  /** True if there are more after the last one. */
  readonly more: boolean;
};

/** The block of a user, as the one who blocks sees it. */
export type BlockView = {
  /** The server's clock when the block began. */
  readonly at: string;
  /** The user who is blocked. */
  readonly user: UserId;
};

/** Lists the users whom this user has blocked, in ascending order of their names. */
export type BlocksCommand = {
  /** Begin after this user. */
  readonly after?: UserId;
  /** The most users to list. Default 50, at most 200. */
  readonly limit?: number;
};

/** Gives a member of a group another role. */
export type ChangeRoleCommand = {
  /** The new role. */
  readonly role: Role;
  /** The group. */
  readonly room: RoomId;
  /** The member. */
  readonly user: UserId;
};

/**
 * The sender's own id of a message, which makes a retry safe: 1 to 64 printable ASCII characters.
 *
 * It is unique per room and sender, for ever; a second send with it answers with the first.
 */
export type ClientMessageId = string;

/** Any command. */
export type Command =
  /** Says who is there: the first command of a connection, and only the first. */
  | HelloCommand & {
    readonly type: "hello";
  }
  /** Replaces the token of the connection by a newer one of the same user. */
  | RenewCommand & {
    readonly type: "renew";
  }
  /** Opens the direct room with a user, making it if need be. */
  | OpenCommand & {
    readonly type: "open";
  }
  /** Blocks a user, who is not notified. */
  | BlockCommand & {
    readonly type: "block";
  }
  /** Ends the block of a user. */
  | UnblockCommand & {
    readonly type: "unblock";
  }
  /** Lists the users whom this user has blocked, in ascending order of their names. */
  | BlocksCommand & {
    readonly type: "blocks";
  }
  /** Lists the user's rooms, in ascending order of id. */
  | RoomsCommand & {
    readonly type: "rooms";
  }
  /** Lists the user's rooms in the order of their newest messages. */
  | InboxCommand & {
    readonly type: "inbox";
  }
  /** Changes how the user has a room, on all of the user's devices. */
  | SetMeCommand & {
    readonly type: "me";
  }
  /** Makes a group or channel that the user owns. */
  | CreateCommand & {
    readonly type: "create";
  }
  /** Shows a room. */
  | ViewRoomCommand & {
    readonly type: "room";
  }
  /** Changes what a group or channel says about itself, or archives it. */
  | UpdateCommand & {
    readonly type: "update";
  }
  /** Searches the channels by name. */
  | FindChannelsCommand & {
    readonly type: "directory";
  }
  /** Comes into a channel. */
  | JoinCommand & {
    readonly type: "join";
  }
  /** Sends a message. */
  | SendCommand & {
    readonly type: "send";
  }
  /** Gives one of the user's messages another text. */
  | EditCommand & {
    readonly type: "edit";
  }
  /** Takes one of the user's messages back. */
  | DeleteCommand & {
    readonly type: "delete";
  }
  /** Reads a page of a room's log. */
  | HistoryCommand & {
    readonly type: "history";
  }
  /** Asks for everything in a room after a cursor. */
  | ResumeCommand & {
    readonly type: "resume";
  }
  /** States how far a room has been received, or read. */
  | ReceiptCommand & {
    readonly type: "receipt";
  }
  /** Says that the user is typing. Repeated while it lasts; it ends by itself. */
  | TypingCommand & {
    readonly type: "typing";
  }
  /** Lists the members of a room, in ascending order of their names. */
  | MembersCommand & {
    readonly type: "members";
  }
  /** Lists the members who have read a room up to an entry or beyond, in ascending order of their names. */
  | ReadersCommand & {
    readonly type: "readers";
  }
  /** Adds a member to a group. A user who is a member already stays as they are. */
  | AddCommand & {
    readonly type: "add";
  }
  /** Removes a member from a group. */
  | RemoveCommand & {
    readonly type: "remove";
  }
  /** Leaves a group. */
  | LeaveCommand & {
    readonly type: "leave";
  }
  /** Gives a member of a group another role. */
  | ChangeRoleCommand & {
    readonly type: "role";
  }
  /** Makes an invitation into a group or channel. */
  | MakeInviteCommand & {
    readonly type: "invite";
  }
  /** Lists the invitations into a room, in ascending order of their ids. */
  | InvitesCommand & {
    readonly type: "invites";
  }
  /** Takes an invitation back. */
  | UninviteCommand & {
    readonly type: "uninvite";
  }
  /** Comes into a room by an invitation. */
  | AcceptCommand & {
    readonly type: "accept";
  }
  /** Bans a user from a room: a member is removed, and nobody can let the user in. */
  | BanCommand & {
    readonly type: "ban";
  }
  /** Lifts the bans of a user from a room. */
  | UnbanCommand & {
    readonly type: "unban";
  }
  /** Lists who is banned from a room, in ascending order of the names. */
  | BansCommand & {
    readonly type: "bans";
  }
  /** Mutes a user in a room: the user reads, and says nothing. */
  | MuteCommand & {
    readonly type: "mute";
  }
  /** Lifts the mutes of a user in a room. */
  | UnmuteCommand & {
    readonly type: "unmute";
  }
  /** Lists who is muted in a room, in ascending order of the names. */
  | MutesCommand & {
    readonly type: "mutes";
  }
  /** Asks whether users are online. */
  | PresenceCommand & {
    readonly type: "presence";
  }
  /** Asks for the list of all users who are online. */
  | OnlineCommand & {
    readonly type: "online";
  }
  /** Asks for a sign of life. */
  | PingCommand & {
    readonly type: "ping";
  };

/** Makes a group or channel that the user owns. */
export type CreateCommand = {
  /** Makes a retry safe: once more under the same id, it gives the room that it made. */
  readonly client_id?: ClientMessageId;
  /** The application's own data. */
  readonly data?: Data;
  /** A group or a channel. */
  readonly kind: RoomKind;
  /** The first members beside the user. */
  readonly members?: readonly UserId[];
  /** The name. */
  readonly name?: RoomName;
  /** The settings; those that are absent have their defaults. */
  readonly settings?: SettingsChange;
  /** The topic. */
  readonly topic?: Topic;
};

/** A position in a room's log: everything up to and including `seq` has been received. */
export type Cursor = {
  /** Which incarnation of the log `seq` counts in. */
  readonly epoch: Epoch;
  /** The last entry received. */
  readonly seq: Seq;
};

/** The application's own data of a room: a JSON object of at most 4 KiB, which the engine doesn't look into. */
export type Data = Record<never, never>;

/** Takes one of the user's messages back. */
export type DeleteCommand = {
  /** Makes a retry safe. */
  readonly client_id?: ClientMessageId;
  /** The room of the message. */
  readonly room: RoomId;
  /** The number of the message. */
  readonly target: Seq;
};

/** What a room says about itself. A direct room says nothing. */
export type Details = {
  /** Whether the room is read-only for good, until an owner opens it again. */
  readonly archived?: boolean;
  /** The application's own data. */
  readonly data?: Data;
  /** The name. */
  readonly name?: RoomName;
  /** The settings; absent in a direct room. */
  readonly settings?: Settings;
  /** The topic. */
  readonly topic?: Topic;
};

/** One page of the directory of channels. */
export type Directory = {
  /** Whether there are more after the last one. */
  readonly more: boolean;
  /** The channels, in ascending order of id. */
  readonly rooms: readonly Room[];
};

/** The command has had its effect, and there is nothing else to say. */
export type Done = Record<never, never>;

/** Gives one of the user's messages another text. */
export type EditCommand = {
  /** Makes a retry safe. */
  readonly client_id?: ClientMessageId;
  /** The room of the message. */
  readonly room: RoomId;
  /** The number of the message. */
  readonly target: Seq;
  /** The new text. */
  readonly text: string;
};

/** One line of a room's log. */
export type Entry = {
  /** The server's clock at the time; to be shown, never to order by. */
  readonly at: string;
  /** The user who caused it. */
  readonly author: UserId;
  /** The body: what the entry says. */
  readonly body: EntryBody;
  /** The author's own id of it. */
  readonly client_id: ClientMessageId;
  /** The server's id of it. */
  readonly id: MessageId;
  /** The room. */
  readonly room: RoomId;
  /** Its number in the room. */
  readonly seq: Seq;
};

/** The body of an entry: what it says. */
export type EntryBody =
  /** A message, with the text it has now. */
  | {
    /** When it was last edited. */
    readonly edited_at?: string;
    readonly kind: "message";
    /** The text. */
    readonly text: string;
  }
  /** The author gave the message `target` another text. */
  | {
    readonly kind: "edit";
    /** The message. */
    readonly target: Seq;
    /** Its new text. */
    readonly text: string;
  }
  /**
   * The author took the message `target` back, or a moderator of the group deleted it; its text is gone
   * from the store.
   */
  | {
    readonly kind: "delete";
    /** The message. */
    readonly target: Seq;
  }
  /** What is left of a message, or of an edit of it, after a `Delete`. */
  | {
    readonly kind: "deleted";
  }
  /** `user` became a member of the group. */
  | {
    readonly kind: "joined";
    /**
     * The role of the new member. Entries from before there were roles have none, which is
     * `Role::Member`.
     */
    readonly role?: Role;
    /** The new member. */
    readonly user: UserId;
  }
  /** `user` is a member no longer. */
  | {
    readonly kind: "left";
    /** The former member. */
    readonly user: UserId;
    /** How it came to that. Entries from before it was said have `LeftWhy::Left`. */
    readonly why?: LeftWhy;
  }
  /** `user`, a member of the group, has another role. */
  | {
    readonly kind: "role";
    /** The new role. */
    readonly role: Role;
    /** The member. */
    readonly user: UserId;
  }
  /**
   * What the room says about itself has changed: its name, topic, data or settings, or it was archived or
   * opened again.
   */
  | RoomChange & {
    readonly kind: "room";
  }
  /** The application, or an administrator, says something in the room. The author is the user `system`. */
  | Notice & {
    readonly kind: "notice";
  };

/** One incarnation of a room's log. A room that lost its log gets another. */
export type Epoch = string;

/** An `Error` as it stands on the wire. */
export type ErrorBody = {
  /** The number of its `ErrorCode`. */
  readonly code: number;
  /** What to tell the user. */
  readonly message: string;
  /** The name of its `ErrorCode`. */
  readonly name: string;
  /** How long to wait, in milliseconds. */
  readonly retry_after_ms?: number;
};

/** Something that happened. */
export type Event =
  /** A room's log has grown. Entries of a room come in order of `seq`, each once. */
  | Entry & {
    readonly type: "entry";
  }
  /** Entries `from` to `to` were skipped; the history has them. */
  | {
    /** The incarnation of the log that the numbers count in. */
    readonly epoch: Epoch;
    /** The first one skipped. */
    readonly from: Seq;
    /** Why they were skipped. */
    readonly reason: GapReason;
    /** The room. */
    readonly room: RoomId;
    /** The last one skipped. */
    readonly to: Seq;
    readonly type: "gap";
  }
  /** A room named in `hello` is caught up; what follows is live. */
  | {
    /** The position reached. */
    readonly cursor: Cursor;
    /** The room. */
    readonly room: RoomId;
    readonly type: "resumed";
  }
  /** A room named in `hello` can't be resumed, for the user is not in it. */
  | {
    /** The room. */
    readonly room: RoomId;
    readonly type: "closed";
  }
  /** The user's inbox has changed otherwise than by an entry that the user is sent. */
  | InboxRoom & {
    /** What has become of the room. */
    readonly why: RoomNews;
  } & {
    readonly type: "room";
  }
  /** The user has changed on another device how a room is set. */
  | Me & {
    /** The room. */
    readonly room: RoomId;
  } & {
    readonly type: "me";
  }
  /** A member has received or read more. */
  | Watermarks & {
    /** The room. */
    readonly room: RoomId;
    /** The member. */
    readonly user: UserId;
    /** How far they had got before. */
    readonly was: Watermarks;
  } & {
    readonly type: "receipt";
  }
  /** A member is typing, or has stopped. */
  | {
    /** Typing, or stopped. */
    readonly active: boolean;
    /** The room. */
    readonly room: RoomId;
    readonly type: "typing";
    /** The member; never the user who receives the event. */
    readonly user: UserId;
  }
  /** A user who shares a room with this one came online or went. */
  | Presence & {
    readonly type: "presence";
  }
  /** An administrator says something to everybody who is connected. */
  | {
    /** The server's clock. */
    readonly at: string;
    /** The text. */
    readonly text: Announcement;
    readonly type: "announcement";
  }
  /** The login of this connection ends soon: renew it, or come back with another token. */
  | {
    /** The end of the login. */
    readonly expires_at: string;
    readonly type: "expiring";
  };

/** Searches the channels by name. */
export type FindChannelsCommand = {
  /** Begin after this channel. */
  readonly after?: RoomId;
  /** The most channels to list. Default 50, at most 200. */
  readonly limit?: number;
  /** Stands in the name, in upper or lower case. Default: every channel. */
  readonly query?: string;
};

/** The reason why entries were skipped. */
export type GapReason = "too_many" | "new_epoch";

/** Says who is there: the first command of a connection, and only the first. */
export type HelloCommand = {
  /** The rooms to resume, each from where the client left off. */
  readonly cursors?: readonly RoomCursor[];
  /**
   * Proves who it is. With open authentication it is the user's name. May be empty after a handshake
   * that has proved it.
   */
  readonly token?: string;
};

/** The part of a room's log that a member may read. */
export type History = "all" | "joined";

/** Reads a page of a room's log. */
export type HistoryCommand = {
  /** The most entries to read. Default 50, at most 200. */
  readonly limit?: number;
  /** Which part of the log. Default: the newest entries. */
  readonly page?: Page;
  /** The room. */
  readonly room: RoomId;
};

/** A page of a room's log, in ascending order. */
export type HistoryPage = {
  /** The entries. */
  readonly entries: readonly Entry[];
  /** The incarnation of the log that the numbers count in. */
  readonly epoch: Epoch;
  /** Whether there are entries after the last one. */
  readonly newer: boolean;
  /** Whether there are entries before the first one. */
  readonly older: boolean;
};

/** Lists the user's rooms in the order of their newest messages. */
export type InboxCommand = {
  /** Begin after this place: `next` of the page before. */
  readonly after?: InboxPlace;
  /** The rooms to list. Default: all but the hidden ones. */
  readonly filter?: InboxFilter;
  /** The most rooms to list. Default 50, at most 200. */
  readonly limit?: number;
};

/** The rooms of an inbox that are listed. */
export type InboxFilter = "all" | "unread" | "mentions" | "pinned" | "hidden";

/** One page of a user's inbox. */
export type InboxPage = {
  /** Where the next page begins; absent after the last one. */
  readonly next?: InboxPlace;
  /** The rooms, the one with the newest message first. */
  readonly rooms: readonly InboxRoom[];
};

/** A place in an inbox. */
export type InboxPlace = string;

/** A room in a user's inbox. */
export type InboxRoom = Watermarks & {
  /** The time of the newest message, or of the room when it has none: the inbox is in this order. */
  readonly active_at: string;
  /** The newest message that the user may read, or what is left of it; absent when there is none. */
  readonly last?: Entry;
  /** How the user has it set. */
  readonly me: Me;
  /** How many of them mention the user. */
  readonly mentions: number;
  /** The room. */
  readonly room: Room;
  /** How many messages of others stand after `read`; counting stops at `UNREAD_CAP`. */
  readonly unread: number;
};

/** An invitation into a room. */
export type Invite = {
  /** The member who invites. */
  readonly by: UserId;
  /** The server's clock when it was made. */
  readonly created_at: string;
  /** Its end; absent when it has none. */
  readonly expires_at?: string;
  /** The number by which it is taken back. */
  readonly id: InviteId;
  /** The role of those who come in. */
  readonly role: Role;
  /** The room. */
  readonly room: RoomId;
  /** The secret by which a user comes in. */
  readonly token: InviteToken;
  /** How many users may still come in by it; absent when any number may. */
  readonly uses_left?: number;
};

/** The number by which an invitation is named and taken back. */
export type InviteId = string;

/** One page of the invitations into a room. */
export type InviteList = {
  /** The invitations, in ascending order of id. */
  readonly invites: readonly Invite[];
  /** Whether there are more after the last one. */
  readonly more: boolean;
};

/** The secret of an invitation, by which a user comes in: 1 to 64 printable ASCII characters. */
export type InviteToken = string;

/** Lists the invitations into a room, in ascending order of their ids. */
export type InvitesCommand = {
  /** Begin after this invitation. */
  readonly after?: InviteId;
  /** The most invitations to list. Default 50, at most 200. */
  readonly limit?: number;
  /** The room. */
  readonly room: RoomId;
};

/** Comes into a channel. */
export type JoinCommand = {
  /** The channel. */
  readonly room: RoomId;
};

/** Leaves a group. */
export type LeaveCommand = {
  /** The group. */
  readonly room: RoomId;
};

/** How a membership ended. */
export type LeftWhy = "left" | "removed" | "banned";

/** Makes an invitation into a group or channel. */
export type MakeInviteCommand = {
  /** The role of those who come in. Default: `member`. */
  readonly role?: Role;
  /** The room. */
  readonly room: RoomId;
  /** The seconds until it ends. Default: it has no end. */
  readonly ttl?: number;
  /** How many users may come in by it. Default: any number. */
  readonly uses?: number;
};

/** The statement of a receipt. */
export type Mark = "delivered" | "read";

/** A room as one of its members has it set; the same on all devices of that member, and shown to nobody else. */
export type Me = {
  /** Whether the member has hidden the room, until the next message in it. */
  readonly hidden: boolean;
  /** No notifications until this moment. */
  readonly muted_until?: string;
  /** What the member is notified of. Default: every message. */
  readonly notify: Notify;
  /** Whether the member has pinned the room. */
  readonly pinned: boolean;
  /** The role in the room. */
  readonly role: Role;
};

/** A change of one's own settings for a room; what is absent stays as it is. */
export type MeChange = {
  /** Hidden until the next message, or not any more. */
  readonly hidden?: boolean;
  /** No notifications until this moment; `null` for notifications again. */
  readonly muted_until?: string;
  /** What to be notified of. */
  readonly notify?: Notify;
  /** Pinned, or not any more. */
  readonly pinned?: boolean;
};

/** A member of a room. */
export type Member = Watermarks & {
  /** The time of joining; for a first member that of the room. */
  readonly joined_at: string;
  /** The number of the entry by which the member joined; 0 for a first member. */
  readonly joined_seq: Seq;
  /** The role in the room. */
  readonly role: Role;
  /** The user. */
  readonly user: UserId;
};

/** One page of the members of a room. */
export type MemberList = {
  /** The members, in ascending order of their names. */
  readonly members: readonly Member[];
  /** Whether there are more after the last one. */
  readonly more: boolean;
};

/** A member of a room. */
export type MemberView = Presence & Watermarks & {
  /** The role in the room. */
  readonly role: Role;
};

/** Lists the members of a room, in ascending order of their names. */
export type MembersCommand = {
  /** Begin after this user. */
  readonly after?: UserId;
  /** The most members to list. Default 50, at most 200. */
  readonly limit?: number;
  /** The room. */
  readonly room: RoomId;
};

/** A room in a user's list of rooms. */
export type Membership = Room & Watermarks & {
  /** How many messages of others stand after `read`; counting stops at `UNREAD_CAP`. */
  readonly unread: number;
};

/** The server's id of an entry (UUIDv7): unique everywhere, and no measure of order. */
export type MessageId = string;

/** Mutes a user in a room: the user reads, and says nothing. */
export type MuteCommand = {
  /** The seconds until the mute ends. Default: it has no end. */
  readonly for?: number;
  /** The reason, for the record. */
  readonly reason?: Reason;
  /** The room. */
  readonly room: RoomId;
  /** The user. */
  readonly user: UserId;
};

/** Lists who is muted in a room, in ascending order of the names. */
export type MutesCommand = {
  /** Begin after this user. */
  readonly after?: UserId;
  /** The most users to list. Default 50, at most 200. */
  readonly limit?: number;
  /** The room. */
  readonly room: RoomId;
};

/** What a [notice](EntryBody::Notice) says. */
export type Notice = {
  /** The application's own data. */
  readonly data?: Data;
  /** The text; may be empty if there is data. */
  readonly text: string;
};

/** What a member is notified of. */
export type Notify = "all" | "mentions" | "none";

/** Asks for the list of all users who are online. */
export type OnlineCommand = Record<never, never>;

/** The users who are online. */
export type OnlineUsers = {
  /** Each user once, in ascending order. */
  readonly users: readonly UserId[];
};

/** Opens the direct room with a user, making it if need be. */
export type OpenCommand = {
  /** The other user. */
  readonly user: UserId;
};

/** The members to whom something is open in a room. */
export type OpenTo = "everyone" | "moderators";

/** Anything that is sent to a device. */
export type Outgoing =
  /** The answer to one command. */
  | Answer
  /** Something that happened. */
  | Event;

/** Which part of a room's log to read; every form gives entries in ascending order. */
export type Page =
  /** The newest entries. */
  | "newest"
  /** The newest entries below this number. */
  | {
    /** The newest entries below this number. */
    readonly before: Seq;
  }
  /** The oldest entries above this number. */
  | {
    /** The oldest entries above this number. */
    readonly after: Seq;
  }
  /** Entries on both sides of this number, and itself. */
  | {
    /** Entries on both sides of this number, and itself. */
    readonly around: Seq;
  };

/** Asks for a sign of life. */
export type PingCommand = Record<never, never>;

/** The sign of life that was asked for. */
export type Pong = Record<never, never>;

/** The presence of a user. */
export type Presence = {
  /** When the last device went, as far as is known; `None` while online. */
  readonly last_seen?: string;
  /** Whether at least one device of theirs is connected. */
  readonly online: boolean;
  /** The user. */
  readonly user: UserId;
};

/** Asks whether users are online. */
export type PresenceCommand = {
  /** The users, at most 100. */
  readonly users: readonly UserId[];
};

/** The presence of several users. */
export type PresenceOfUsers = {
  /** In the order in which the users were named. */
  readonly users: readonly Presence[];
};

/** Lists the members who have read a room up to an entry or beyond, in ascending order of their names. */
export type ReadersCommand = {
  /** Begin after this user. */
  readonly after?: UserId;
  /** The most members to list. Default 50, at most 200. */
  readonly limit?: number;
  /** The room. */
  readonly room: RoomId;
  /** The number of the entry. */
  readonly seq: Seq;
};

/** The reason for a decision, in words: at most 256 characters, none of them a control character. */
export type Reason = string;

/** States how far a room has been received, or read. */
export type ReceiptCommand = {
  /** Received or read. */
  readonly mark: Mark;
  /** The room. */
  readonly room: RoomId;
  /** Up to and including this entry. */
  readonly seq: Seq;
};

/** Removes a member from a group. */
export type RemoveCommand = {
  /** The group. */
  readonly room: RoomId;
  /** The member. */
  readonly user: UserId;
};

/** Replaces the token of the connection by a newer one of the same user. */
export type RenewCommand = {
  /** The new token. */
  readonly token: string;
};

/** A connection whose token was replaced. */
export type Renewed = {
  /** The end of the login; absent when it has none. */
  readonly expires_at?: string;
};

/** The reply to a command that was carried out. */
export type Reply =
  /** To `hello`. */
  | Welcome & {
    readonly kind: "welcome";
  }
  /** To `renew`. */
  | Renewed & {
    readonly kind: "renewed";
  }
  /** To `open`, `room`, `create`, `update`, `join` and `accept`. */
  | RoomView & {
    readonly kind: "room";
  }
  /** To `inbox`. */
  | InboxPage & {
    readonly kind: "inbox";
  }
  /** To `me`: all that the user has set for the room. */
  | Me & {
    readonly kind: "me";
  }
  /** To `directory`. */
  | Directory & {
    readonly kind: "directory";
  }
  /** To `invite`. */
  | Invite & {
    readonly kind: "invite";
  }
  /** To `invites`. */
  | InviteList & {
    readonly kind: "invites";
  }
  /** To `ban` and `mute`. */
  | Sanctioned & {
    readonly kind: "sanctioned";
  }
  /** To `bans` and `mutes`. */
  | SanctionList & {
    readonly kind: "sanctions";
  }
  /** To `rooms`. */
  | RoomList & {
    readonly kind: "rooms";
  }
  /** To `send`, `edit` and `delete`: the entry is stored for good. */
  | Sent & {
    readonly kind: "sent";
  }
  /** To `history`. */
  | HistoryPage & {
    readonly kind: "history";
  }
  /** To `resume`; what was missed has been sent as events before this reply. */
  | Resumed & {
    readonly kind: "resumed";
  }
  /** To `receipt`: the user's watermarks as they stand now. */
  | Watermarks & {
    readonly kind: "receipt";
  }
  /** To `members`. */
  | MemberList & {
    readonly kind: "members";
  }
  /** To `add` and `role`: the member as they are now. */
  | Member & {
    readonly kind: "member";
  }
  /** To `presence`. */
  | PresenceOfUsers & {
    readonly kind: "presence";
  }
  /** To `online`. */
  | OnlineUsers & {
    readonly kind: "online";
  }
  /** To `blocks`. */
  | BlockList & {
    readonly kind: "blocks";
  }
  /** To `typing`, `remove`, `leave`, `uninvite`, `unban`, `unmute`, `block` and `unblock`. */
  | Done & {
    readonly kind: "ok";
  }
  /** To `ping`. */
  | Pong & {
    readonly kind: "pong";
  };

/** A command and the client's number for it, which the reply repeats. */
export type Request = Command & {
  /** Any number; the reply carries it. */
  readonly id: number;
};

/** Asks for everything in a room after a cursor. */
export type ResumeCommand = Cursor & {
  /** The room. */
  readonly room: RoomId;
};

/** The end of a catch-up. */
export type Resumed = {
  /** The position reached. */
  readonly cursor: Cursor;
};

/**
 * The role of a member in a group, from the least to the highest. In a direct room both are
 * `Member`s.
 *
 * ```
 * use chat_core::Role;
 *
 * assert!(Role::Reader < Role::Member && Role::Moderator < Role::Owner);
 * assert_eq!(Role::from_name("owner"), Some(Role::Owner));
 * ```
 */
export type Role = "reader" | "member" | "moderator" | "owner";

/** A room as the store knows it. */
export type Room = Details & {
  /** The server's clock when it was made. */
  readonly created_at: string;
  /** The user who made it; absent in rooms from before that was kept. */
  readonly created_by?: UserId;
  /** The incarnation of its log. */
  readonly epoch: Epoch;
  /** The number of its newest entry; 0 when it has none. */
  readonly head: Seq;
  /** Its id. */
  readonly id: RoomId;
  /** Direct, a group or a channel. */
  readonly kind?: RoomKind;
  /** How many members it has. */
  readonly members?: number;
};

/**
 * A change of what a room says about itself; what is absent stays as it is. An empty name, topic or data
 * takes it away.
 */
export type RoomChange = {
  /** Archived, or opened again. */
  readonly archived?: boolean;
  /** Other data, in place of all that was there. */
  readonly data?: Data;
  /** Another name. */
  readonly name?: RoomName;
  /** Other settings. */
  readonly settings?: SettingsChange;
  /** Another topic. */
  readonly topic?: Topic;
};

/** A position in one room. */
export type RoomCursor = Cursor & {
  /** The room. */
  readonly room: RoomId;
};

/**
 * A room: `alice,bob` for the direct room of two users, anything without a comma for a group or channel.
 *
 * Because no name holds a comma, two pairs of users never share an id and no group takes the id
 * of a direct room.
 *
 * ```
 * use chat_core::{RoomId, UserId};
 *
 * let room = RoomId::direct(&UserId::new("bob")?, &UserId::new("alice")?)?;
 * assert_eq!(room.as_str(), "alice,bob");
 * # Ok::<(), chat_core::InvalidId>(())
 * ```
 */
export type RoomId = string;

/** The kind of a room, which is a field of the room. */
export type RoomKind = "direct" | "group" | "channel";

/** One page of a user's rooms. */
export type RoomList = {
  /** Whether there are more after the last one. */
  readonly more: boolean;
  /** The rooms, in ascending order of id. */
  readonly rooms: readonly Membership[];
};

/**
 * The name of a group or channel, for people and not unique: at most 100 characters in one line, or
 * empty.
 */
export type RoomName = string;

/** What has become of a room in a user's inbox. */
export type RoomNews = "added" | "removed" | "changed";

/** A room with what a client needs to show it. */
export type RoomView = {
  /** How the user has it set. */
  readonly me: Me;
  /**
   * Its members, and how far each has received and read. Empty for a room of more than 100 members, whose
   * members `members` lists.
   */
  readonly members: readonly MemberView[];
  /** The room. */
  readonly room: Room;
};

/** Lists the user's rooms, in ascending order of id. */
export type RoomsCommand = {
  /** Begin after this room. */
  readonly after?: RoomId;
  /** The most rooms to list. Default 50, at most 200. */
  readonly limit?: number;
};

/** One page of the users who are banned from a room, or muted in it. */
export type SanctionList = {
  /** Whether there are more after the last one. */
  readonly more: boolean;
  /** The users, in ascending order of their names; of several sanctions against one the one that ends last. */
  readonly users: readonly Sanctioned[];
};

/** A user who is banned from a room, or muted in it. */
export type Sanctioned = {
  /** The server's clock at the time. */
  readonly at: string;
  /** The user who decided. */
  readonly by: UserId;
  /** The reason. */
  readonly reason: Reason;
  /** The end; absent when only lifting it ends it. */
  readonly until?: string;
  /** The user. */
  readonly user: UserId;
};

/** Sends a message. */
export type SendCommand = {
  /** Makes a retry safe. Without one, a retry is another message. */
  readonly client_id?: ClientMessageId;
  /** The room to send it to. */
  readonly room: RoomId;
  /** The text of the message. */
  readonly text: string;
};

/** The place of an entry that is stored for good. */
export type Sent = {
  /** The server's clock when the entry was first accepted. */
  readonly at: string;
  /** Whether an earlier send with the same client message id had stored it already. */
  readonly duplicate: boolean;
  /** The server's id of the entry. */
  readonly id: MessageId;
  /** The room. */
  readonly room: RoomId;
  /** The number of the entry in its room. */
  readonly seq: Seq;
};

/** The number of an entry in its room: 1, 2, 3, ... without a gap; 0 stands before the first. */
export type Seq = number;

/** One connected device of a user. */
export type SessionId = string;

/** Changes how the user has a room, on all of the user's devices. */
export type SetMeCommand = MeChange & {
  /** The room. */
  readonly room: RoomId;
};

/** The settings of a group or channel. */
export type Settings = {
  /** The members who may add and invite others. Default: everyone. */
  readonly add?: OpenTo;
  /** What members may read. Default: what came after they joined. */
  readonly history?: History;
  /** The members who may send messages. Default: everyone. */
  readonly post?: OpenTo;
  /**
   * The seconds that each member waits between two messages; moderators and owners don't. Default: 0, no
   * wait.
   */
  readonly slow_mode?: number;
};

/** Other settings for a room; what is absent stays as it is. */
export type SettingsChange = {
  /** The members who may add and invite others. */
  readonly add?: OpenTo;
  /** What members may read. */
  readonly history?: History;
  /** The members who may send messages. */
  readonly post?: OpenTo;
  /** The seconds between two messages of a member, at most a day; 0 for no wait. */
  readonly slow_mode?: number;
};

/** The topic of a group or channel: at most 500 characters, among them tabs and line breaks, or empty. */
export type Topic = string;

/** Says that the user is typing. Repeated while it lasts; it ends by itself. */
export type TypingCommand = {
  /** The room that the user is typing in. */
  readonly room: RoomId;
};

/** Lifts the bans of a user from a room. */
export type UnbanCommand = {
  /** The room. */
  readonly room: RoomId;
  /** The user. */
  readonly user: UserId;
};

/** Ends the block of a user. */
export type UnblockCommand = {
  /** The user who is blocked. */
  readonly user: UserId;
};

/** Takes an invitation back. */
export type UninviteCommand = {
  /** The invitation. */
  readonly invite: InviteId;
  /** The room. */
  readonly room: RoomId;
};

/** Lifts the mutes of a user in a room. */
export type UnmuteCommand = {
  /** The room. */
  readonly room: RoomId;
  /** The user. */
  readonly user: UserId;
};

/** Changes what a group or channel says about itself, or archives it. */
export type UpdateCommand = RoomChange & {
  /** Makes a retry safe. */
  readonly client_id?: ClientMessageId;
  /** The room. */
  readonly room: RoomId;
};

/**
 * A user's name: 1 to 64 characters, no comma, no space at either end, at most four combining marks in a
 * row, and nothing invisible but the joiners and selectors that a script or an emoji needs.
 *
 * Names are kept in their composed form (NFC), with one kind of space, and differ by case. A name that a
 * store or a client names may also keep the rules of an earlier release; nobody new can take one.
 *
 * ```
 * use chat_core::UserId;
 *
 * assert_eq!(UserId::new("alice")?.as_str(), "alice");
 * assert!(UserId::new("a,b").is_err());
 * # Ok::<(), chat_core::InvalidId>(())
 * ```
 */
export type UserId = string;

/** Shows a room. */
export type ViewRoomCommand = {
  /** The room. */
  readonly room: RoomId;
};

/** How far one member has got in one room: `read <= delivered <= head`, and neither goes back. */
export type Watermarks = {
  /** Everything up to and including this entry has reached a device of the member. */
  readonly delivered: Seq;
  /** Everything up to and including this entry has been seen. */
  readonly read: Seq;
};

/** A connection that is accepted. */
export type Welcome = {
  /** The end of the login; absent when it has none. */
  readonly expires_at?: string;
  /** This connection. */
  readonly session: SessionId;
  /** The user that the token stands for. */
  readonly user: UserId;
};

/** The reply to each command. */
export interface Replies {
  hello: Welcome;
  renew: Renewed;
  open: RoomView;
  block: Done;
  unblock: Done;
  blocks: BlockList;
  rooms: RoomList;
  inbox: InboxPage;
  me: Me;
  create: RoomView;
  room: RoomView;
  update: RoomView;
  directory: Directory;
  join: RoomView;
  send: Sent;
  edit: Sent;
  delete: Sent;
  history: HistoryPage;
  resume: Resumed;
  receipt: Watermarks;
  typing: Done;
  members: MemberList;
  readers: MemberList;
  add: Member;
  remove: Done;
  leave: Done;
  role: Member;
  invite: Invite;
  invites: InviteList;
  uninvite: Done;
  accept: RoomView;
  ban: Sanctioned;
  unban: Done;
  bans: SanctionList;
  mute: Sanctioned;
  unmute: Done;
  mutes: SanctionList;
  presence: PresenceOfUsers;
  online: OnlineUsers;
  ping: Pong;
}

/** The codes of errors. */
export const ErrorCode = {
  bad_request: 100,
  unknown_command: 101,
  invalid_id: 102,
  invalid_text: 103,
  text_too_long: 104,
  no_address: 105,
  wrong_method: 106,
  unauthenticated: 110,
  token_expired: 111,
  no_room: 200,
  no_message: 201,
  forbidden: 202,
  blocked: 203,
  conflict: 204,
  full: 205,
  rate_limited: 210,
  muted: 211,
  moderated: 212,
  too_many_sessions: 213,
  banned: 214,
  store_unavailable: 300,
  store_full: 301,
  outcome_unknown: 302,
  overloaded: 303,
  moderation_unavailable: 304,
  auth_unavailable: 305,
  shutting_down: 310,
  internal: 399,
} as const;

/** The codes with which the server closes a connection. */
export const CloseCode = {
  protocol_error: 1002,
  unsupported_data: 1003,
  invalid_payload: 1007,
  too_big: 1009,
  shutdown: 4000,
  slow: 4001,
  idle: 4002,
  internal: 4003,
  flood: 4004,
  token_expired: 4005,
  kicked: 4006,
  bad_request: 4500,
  unauthenticated: 4501,
  too_many_sessions: 4502,
  finished: 4503,
  revoked: 4504,
  banned: 4505,
} as const;
