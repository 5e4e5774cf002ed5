import { Changes } from "./changes.js";
import type { ClientEvent } from "./connection.js";
import type { Core, Listener } from "./core.js";
import { Driver, type Options } from "./driver.js";
import { ChatError } from "./errors.js";
import type { Command, Mark, Membership, Replies, Reply, RoomCursor } from "./protocol.js";
import { Room } from "./room.js";
import { Store } from "./store.js";

/** A room in the list of the user's rooms. */
export interface ListedRoom extends Pick<Membership, "id" | "head" | "delivered" | "read" | "unread"> {}

/** What is kept of a listed room: `last` is the number of the newest message of others, or a later one. */
interface Listed {
  readonly room: ListedRoom;
  readonly last: number;
}

/** The state of a chat. */
export interface ChatSnapshot {
  /** Whether there is a connection. Calls are queued without one, and fail once it has `ended`. */
  readonly state: "connecting" | "live" | "waiting" | "ended";
  /** The user that the token stands for, once it is known. */
  readonly user: string | undefined;
  /** The user's rooms, in ascending order of id. */
  readonly rooms: readonly ListedRoom[];
  /** Why there is no connection. */
  readonly reason: string | undefined;
  /** Why the client has ended. */
  readonly error: ChatError | undefined;
}

/** A user's connection to a chat server, which keeps itself alive, and the rooms in it. */
export class Chat extends Store<ChatSnapshot> implements AsyncIterable<ClientEvent> {
  readonly #core: Core;
  readonly #open = new Map<string, { room: Room; refresh: () => Promise<unknown> }>();
  #rooms = new Map<string, Listed>();
  #listing: Map<string, Listed> | undefined;
  #state: Omit<ChatSnapshot, "rooms"> = { state: "connecting", user: undefined, reason: undefined, error: undefined };

  /** @internal */
  constructor(core: Core) {
    super();
    this.#core = core;
    core.listen((event) => this.#hear(event));
  }

  protected snapshot(): ChatSnapshot {
    const rooms = [...this.#rooms.values()].map(({ room }) => room).sort((a, b) => (a.id < b.id ? -1 : 1));
    return { ...this.#state, rooms };
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

  /** Opens the direct room with a user, makes it if need be, and loads its newest messages. */
  async open(user: string): Promise<Room> {
    const ask = () => this.ask({ type: "open", user });
    const view = await ask();
    const refresh = async (room: Room): Promise<void> => room.people((await ask()).members);
    return this.#enter(view.room.id, refresh, (room) => room.people(view.members));
  }

  /** Enters a room that the user is a member of, and loads its members and newest messages. */
  room(id: string): Promise<Room> {
    return this.#enter(id, (room) => this.#members(room));
  }

  async #enter(
    id: string,
    refresh: (room: Room) => Promise<unknown>,
    first: (room: Room) => unknown = refresh,
  ): Promise<Room> {
    const known = this.#open.get(id)?.room;
    if (known) {
      await first(known);
      return known;
    }
    const room = new Room(id, this.#core, () => this.#state.user ?? "");
    this.#open.set(id, { room, refresh: () => refresh(room) });
    try {
      await first(room);
      await room.more();
    } catch (error) {
      this.#open.delete(id);
      throw error;
    }
    return room;
  }

  /** Reads the members of a room, and whether the first 100 are online. */
  async #members(room: Room): Promise<void> {
    let after: string | undefined;
    let first: string[] | undefined;
    do {
      const command = { type: "members", room: room.id, limit: 200, ...(after !== undefined && { after }) } as const;
      const { members, more } = await this.ask(command);
      room.people(members, first === undefined);
      first ??= members.slice(0, 100).map(({ user }) => user);
      after = more ? members.at(-1)?.user : undefined;
    } while (after !== undefined);
    if (first.length > 0) room.people((await this.ask({ type: "presence", users: first })).users);
  }

  /** Asks any question of the protocol. It is asked again if the connection breaks, and fails after 15 s. */
  ask<T extends Command["type"]>(command: Extract<Command, { type: T }>): Promise<Replies[T]> {
    return this.#core.ask(command) as Promise<Reply & Replies[T]>;
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

  /** How far each room was received, for the `cursors` of a later client. */
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
        for (const { refresh } of this.#open.values()) refresh().catch(() => {});
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
        for (const { id, head, delivered, read, unread } of event.rooms) {
          listing.set(id, { room: { id, head, delivered, read, unread }, last: head });
        }
        if (!event.more) [this.#rooms, this.#listing] = [listing, undefined];
        break;
      }
      case "entry":
      case "receipt":
      case "closed":
        this.#list(event);
    }
    this.changed();
    for (const { room } of this.#open.values()) if (room.concerns(event)) room.hear(event);
  }

  #disconnected(): void {
    for (const { room } of this.#open.values()) room.disconnected();
  }

  /** Keeps the list of rooms as it is on the server. */
  #list(event: ClientEvent & { readonly type: "entry" | "receipt" | "closed" }): void {
    for (const rooms of [this.#rooms, this.#listing]) {
      if (!rooms) continue;
      const none = { id: event.room, head: 0, delivered: 0, read: 0, unread: 0 };
      const { room, last } = rooms.get(event.room) ?? { room: none, last: 0 };
      const me = this.#state.user;
      const left = event.type === "entry" && event.body.kind === "left" && event.body.user === me;
      if (event.type === "closed" || left) rooms.delete(event.room);
      else if (event.type === "entry") {
        if (event.seq <= room.head) continue;
        const news = event.body.kind === "message" && event.author !== me;
        const unread = room.unread + Number(news);
        rooms.set(event.room, { room: { ...room, head: event.seq, unread }, last: news ? event.seq : last });
      } else if (event.user === me) {
        const { delivered, read } = event;
        const unread = Math.min(room.unread, Math.max(0, last - read));
        rooms.set(event.room, { room: { ...room, delivered, read, unread }, last });
      }
    }
  }
}

/** Connects to a chat server. Returns at once: calls are queued until there is a connection. */
export function connect(options: Options): Chat {
  return new Chat(new Driver(options));
}
