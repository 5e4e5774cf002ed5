import { Changes } from "./changes.js";
import type { ClientEvent } from "./connection.js";
import { ask, type Core, type Listener, type Part } from "./core.js";
import { Driver, type Options } from "./driver.js";
import { ChatError } from "./errors.js";
import { Inbox, Shelf } from "./inbox.js";
import type {
  BlockList,
  Command,
  CreateCommand,
  Directory,
  Mark,
  Membership,
  Replies,
  Reply,
  RoomCursor,
  RoomView,
} from "./protocol.js";
import { Room } from "./room.js";
import { steady, Store } from "./store.js";

/** A room in the list of the user's rooms. */
export interface ListedRoom extends Pick<Membership, "id" | "head" | "delivered" | "read" | "unread"> {}

/** The record of a listed room: `last` is the number of the newest message of others, or a later one. */
interface Listed {
  readonly room: ListedRoom;
  readonly last: number;
}

/** The state of a chat. */
export interface ChatSnapshot {
  /** The state of the connection. Calls are queued while there is none, and fail once it has `ended`. */
  readonly state: "connecting" | "live" | "waiting" | "ended";
  /** The user that the token stands for, once it is known. */
  readonly user: string | undefined;
  /** All rooms of the user, in ascending order of id. */
  readonly rooms: readonly ListedRoom[];
  /** The number of unread messages in all rooms. */
  readonly unread: number;
  /** The reason why there is no connection. */
  readonly reason: string | undefined;
  /** The reason why the client has ended. */
  readonly error: ChatError | undefined;
}

/** A user's connection to a chat server, which keeps itself alive, and the rooms in it. */
export class Chat extends Store<ChatSnapshot> implements AsyncIterable<ClientEvent> {
  readonly #core: Core;
  readonly #open = new Map<string, Room>();
  readonly #shelf: Shelf;
  #rooms = new Map<string, Listed>();
  #listing: Map<string, Listed> | undefined;
  /** The rooms whose unread messages are being counted. */
  readonly #recounts = new Set<string>();
  #state: Omit<ChatSnapshot, "rooms" | "unread"> = { state: "connecting", user: undefined, reason: undefined, error: undefined };

  /** @internal */
  constructor(core: Core) {
    super();
    this.#core = core;
    this.#shelf = new Shelf(core, () => this.user, (id) => this.#rooms.get(id)?.room);
    core.listen((event) => this.#hear(event));
  }

  protected snapshot(before: ChatSnapshot | undefined): ChatSnapshot {
    const rooms = [...this.#rooms.values()].map(({ room }) => room).sort((a, b) => (a.id < b.id ? -1 : 1));
    const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
    return { ...this.#state, rooms: steady(before?.rooms, rooms), unread };
  }

  get state(): ChatSnapshot["state"] {
    return this.#state.state;
  }

  get user(): string | undefined {
    return this.#state.user;
  }

  get rooms(): readonly ListedRoom[] {
    return this.getSnapshot().rooms;
  }

  /** The rooms in the order of their newest messages; `more()` reads the first ones, `only("unread")` gives others. */
  get inbox(): Inbox {
    return this.#shelf.inbox("all");
  }

  /** Opens the direct room with a user, makes it if need be, and loads its newest messages. */
  async open(user: string): Promise<Room> {
    const view = await this.ask({ type: "open", user });
    // Nobody is told of a direct room before its first message, and whoever opens it expects it in the list.
    if (view.room.head === 0 && !this.#rooms.has(view.room.id)) {
      const nothing = { delivered: 0, read: 0, unread: 0, mentions: 0, active_at: view.room.created_at };
      this.#hear({ type: "room", why: "added", room: view.room, me: view.me, ...nothing });
    }
    return this.#enter(view);
  }

  /** Enters a room that the user is a member of, and loads its newest messages. */
  async room(id: string): Promise<Room> {
    return this.#enter(await this.ask({ type: "room", room: id }));
  }

  /** A room that was entered before, if there is one with this id: what to show while it is entered again. */
  entered(id: string): Room | undefined {
    return this.#open.get(id);
  }

  /** Makes a group or channel that the user owns. Fails with `unanswered` when it may have been made. */
  async create(room: CreateCommand): Promise<Room> {
    return this.#enter(await this.ask({ type: "create", ...room }));
  }

  /** Comes into a channel. */
  async join(id: string): Promise<Room> {
    return this.#enter(await this.ask({ type: "join", room: id }));
  }

  /** Comes into a room by the token of an invitation. */
  async accept(token: string): Promise<Room> {
    return this.#enter(await this.ask({ type: "accept", token }));
  }

  async #enter(view: RoomView): Promise<Room> {
    const { id } = view.room;
    const known = this.#open.get(id);
    if (known) {
      known.view(view);
      return known;
    }
    const room = new Room(view, this.#core, () => this.user ?? "");
    this.#open.set(id, room);
    try {
      await room.more();
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
    return room;
  }

  /** Searches the channels by name, in ascending order of id; without a query, all of them. */
  directory(query = "", part: Part = {}): Promise<Directory> {
    return this.ask({ type: "directory", query, ...part });
  }

  /** Blocks a user, who is not notified. */
  async block(user: string): Promise<void> {
    await this.ask({ type: "block", user });
  }

  /** Ends the block of a user. */
  async unblock(user: string): Promise<void> {
    await this.ask({ type: "unblock", user });
  }

  /** Lists the users whom this user has blocked, in ascending order of their names. */
  blocks(part: Part = {}): Promise<BlockList> {
    return this.ask({ type: "blocks", ...part });
  }

  /** Asks any question of the protocol. It is asked again if the connection breaks, and fails after 15 s. */
  ask<T extends Command["type"]>(command: Extract<Command, { type: T }>): Promise<Replies[T]> {
    return ask(this.#core, command);
  }

  /** Queues any command of the protocol that stores an entry, once; `command` gets the id that it needs for that. */
  store<T extends Command["type"]>(command: (clientId: string) => Extract<Command, { type: T }>): Promise<Replies[T]> {
    return this.#core.store(command(this.#core.id())) as Promise<Reply & Replies[T]>;
  }

  /** States that everything in a room up to `seq` has reached the user, or was read; see {@link Room.markRead}. */
  mark(room: string, mark: Mark, seq: number): void {
    this.#core.mark(room, mark, seq);
  }

  /** States that the user is typing in a room. */
  typing(room: string): void {
    this.#core.typing(room);
  }

  /** Calls with everything that the client reports, in order; the result ends that. */
  on(listener: Listener): () => void {
    return this.#core.listen(listener);
  }

  /** Everything that the client reports from now on. */
  [Symbol.asyncIterator](): Changes {
    return new Changes((listener) => this.#core.listen(listener));
  }

  /** The cursor up to which each room was received, for the `cursors` of a later client. */
  cursors(): RoomCursor[] {
    return this.#core.cursors();
  }

  /** Ends the client at once; what waits is not sent. Receipts are, if there is a connection. */
  close(): void {
    this.#core.close();
  }

  #hear(event: ClientEvent): void {
    switch (event.type) {
      case "connected":
        this.#state = { state: "live", user: event.user, reason: undefined, error: undefined };
        this.#listing = new Map();
        // What may have been missed: who is online, and how far others have read. The next connection asks again.
        for (const room of this.#open.values()) room.refresh();
        break;
      case "disconnected":
        this.#state = { ...this.#state, state: "waiting", reason: event.reason };
        this.#disconnected();
        break;
      case "ended":
        this.#state = { ...this.#state, state: "ended", error: event.error };
        this.#disconnected();
        break;
      case "listed": {
        const listing = (this.#listing ??= new Map());
        for (const room of event.rooms) listing.set(room.id, asListed(room));
        if (!event.more) [this.#rooms, this.#listing] = [listing, undefined];
        break;
      }
      case "entry":
      case "receipt":
      case "room":
      case "closed":
        this.#list(event);
    }
    this.changed();
    this.#shelf.hear(event);
    for (const room of this.#open.values()) if (room.concerns(event)) room.hear(event);
  }

  #disconnected(): void {
    for (const room of this.#open.values()) room.disconnected();
  }

  /** Keeps the list of rooms as it is on the server. */
  #list(event: ClientEvent & { readonly type: "entry" | "receipt" | "room" | "closed" }): void {
    const id = event.type === "room" ? event.room.id : event.room;
    for (const rooms of [this.#rooms, this.#listing]) {
      const known = rooms?.get(id) ?? { room: { id, head: 0, delivered: 0, read: 0, unread: 0 }, last: 0 };
      const listed = listedAfter(known, event, this.user);
      if (listed) rooms?.set(id, listed);
      else rooms?.delete(id);
      if (listed && isUncertain(listed, event, this.user)) void this.#recount(id);
    }
  }

  /** Asks how many messages of a room are unread; if that fails, the next connection lists it. */
  async #recount(id: string): Promise<void> {
    if (this.#recounts.has(id)) return;
    this.#recounts.add(id);
    const before = [...this.#rooms.keys()].filter((other) => other < id).sort().at(-1);
    const asking = this.ask({ type: "rooms", limit: 1, ...(before !== undefined && { after: before }) });
    const { rooms: [room] } = await asking.catch(() => ({ rooms: [] }));
    this.#recounts.delete(id);
    const known = this.#rooms.get(id);
    if (room?.id !== id || !known) return;
    // What has come meanwhile may not be in the answer.
    if (room.head < known.room.head || room.read < known.room.read) return this.#recount(id);
    for (const rooms of [this.#rooms, this.#listing]) rooms?.set(id, asListed(room));
    this.changed();
    this.#shelf.tell();
  }
}

function asListed({ id, head, delivered, read, unread }: ListedRoom): Listed {
  return { room: { id, head, delivered, read, unread }, last: head };
}

/** True if the unread messages have to be counted: after some were read, or one of them may be deleted. */
function isUncertain({ room }: Listed, event: ClientEvent, user: string | undefined): boolean {
  if (room.unread === 0) return false;
  if (event.type === "receipt") return event.user === user;
  return event.type === "entry" && event.body.kind === "delete" && event.body.target > room.read;
}

/** A listed room after an event; undefined when the user is no longer in it. */
function listedAfter(
  known: Listed,
  event: ClientEvent & { readonly type: "entry" | "receipt" | "room" | "closed" },
  user: string | undefined,
): Listed | undefined {
  const { room, last } = known;
  switch (event.type) {
    case "closed":
      return undefined;
    case "room": {
      const { id, head } = event.room;
      if (room.head > head) return known;
      return event.why === "added" ? asListed({ ...event, id, head }) : undefined;
    }
    case "receipt": {
      if (event.user !== user) return known;
      const { delivered, read } = event;
      const unread = Math.min(room.unread, Math.max(0, last - read));
      return { room: { ...room, delivered, read, unread }, last };
    }
    case "entry": {
      const { seq, author, body } = event;
      if (body.kind === "left" && body.user === user) return undefined;
      if (seq <= room.head) return known;
      const news = body.kind === "message" && author !== user;
      return { room: { ...room, head: seq, unread: room.unread + Number(news) }, last: news ? seq : last };
    }
  }
}

/** Connects to a chat server. Returns at once: calls are queued until there is a connection. */
export function connect(options: Options): Chat {
  return new Chat(new Driver(options));
}
