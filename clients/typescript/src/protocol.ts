// Generated from the definitions in chat-core/src/wire by chat-server/tests/it/typescript.rs. Don't edit it.

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
  /** Lists the user's rooms, in ascending order of id. */
  | RoomsCommand & {
    readonly type: "rooms";
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

/** A position in a room's log: everything up to and including `seq` has been received. */
export type Cursor = {
  /** Which incarnation of the log `seq` counts in. */
  readonly epoch: Epoch;
  /** The last entry received. */
  readonly seq: Seq;
};

/** Takes one of the user's messages back. */
export type DeleteCommand = {
  /** Makes a retry safe. */
  readonly client_id?: ClientMessageId;
  /** The room of the message. */
  readonly room: RoomId;
  /** The number of the message. */
  readonly target: Seq;
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
  }
  /** `user`, a member of the group, has another role. */
  | {
    readonly kind: "role";
    /** The new role. */
    readonly role: Role;
    /** The member. */
    readonly user: UserId;
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

/** Leaves a group. */
export type LeaveCommand = {
  /** The group. */
  readonly room: RoomId;
};

/** The statement of a receipt. */
export type Mark = "delivered" | "read";

/** A member of a room. */
export type Member = {
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
export type MemberView = Presence & Watermarks;

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
  /** To `open`. */
  | RoomView & {
    readonly kind: "room";
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
  /** To `typing`, `remove` and `leave`. */
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
export type Room = {
  /** The server's clock when it was made. */
  readonly created_at: string;
  /** The incarnation of its log. */
  readonly epoch: Epoch;
  /** The number of its newest entry; 0 when it has none. */
  readonly head: Seq;
  /** Its id, which also shows its kind. */
  readonly id: RoomId;
};

/** A position in one room. */
export type RoomCursor = Cursor & {
  /** The room. */
  readonly room: RoomId;
};

/**
 * A room: `alice,bob` for the direct room of two users, a name without a comma for a group.
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

/** One page of a user's rooms. */
export type RoomList = {
  /** Whether there are more after the last one. */
  readonly more: boolean;
  /** The rooms, in ascending order of id. */
  readonly rooms: readonly Membership[];
};

/** A room with what a client needs to show it. */
export type RoomView = {
  /** Its members, at most 200, and how far each has received and read. */
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

/** Says that the user is typing. Repeated while it lasts; it ends by itself. */
export type TypingCommand = {
  /** The room that the user is typing in. */
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
  rooms: RoomList;
  send: Sent;
  edit: Sent;
  delete: Sent;
  history: HistoryPage;
  resume: Resumed;
  receipt: Watermarks;
  typing: Done;
  members: MemberList;
  add: Member;
  remove: Done;
  leave: Done;
  role: Member;
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
