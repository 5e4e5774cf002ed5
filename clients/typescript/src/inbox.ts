import type { ClientEvent } from "./connection.js";
import { ask, type Core } from "./core.js";
import { meAfter, nameOf, peerOf, roomAfter } from "./details.js";
import { ChatError } from "./errors.js";
import type { Entry, EntryBody, InboxCommand, InboxFilter, InboxPage, InboxRoom, Presence, Watermarks } from "./protocol.js";
import { steady, Store } from "./store.js";

/** Rooms in a page that is read again, and users in a question for presence. */
const PAGE = 200;
const USERS = 100;

/** The wait before a list is read again when the server could not. */
const AGAIN = 5_000;

/** A room in the inbox. It is never changed; a room that changes is another object. */
export interface InboxItem extends InboxRoom {
  readonly id: string;
  /** The name to show: that of the room, or the other user. */
  readonly name: string;
  /** The other user of a direct room, and whether that user is online, once it is known. */
  readonly peer: string | undefined;
  readonly presence: Presence | undefined;
}

/** The state of an inbox. */
export interface InboxSnapshot {
  /** The rooms that were read, the one with the newest message first. */
  readonly rooms: readonly InboxItem[];
  /** True if there are rooms after the last one, or none were read yet: `more()` reads them. */
  readonly more: boolean;
  /** True if rooms are on their way. */
  readonly loading: boolean;
}

/** The watermarks and the number of unread messages of a room; see `chat.rooms`. */
export interface Counts extends Watermarks {
  readonly unread: number;
}

/** The place of a room in the order of the inbox, as a text and an id: the texts descend, then the ids ascend. */
type Place = readonly [at: string, id: string];

/** A moment as a text that sorts as it should, however many digits its seconds have. */
function moment(at: string): string {
  return at.replace("Z", "");
}

function place({ active_at, room }: InboxRoom): Place {
  return [moment(active_at), room.id];
}

function compare(a: Place, b: Place): number {
  if (a[0] !== b[0]) return a[0] > b[0] ? -1 : 1;
  return a[1] < b[1] ? -1 : Number(a[1] > b[1]);
}

/** The body of a message after an edit or a deletion. */
function changed(body: EntryBody, at: string): EntryBody {
  return body.kind === "edit" ? { kind: "message", text: body.text, edited_at: at } : { kind: "deleted" };
}

function isListed({ me, unread, mentions }: InboxItem, filter: InboxFilter): boolean {
  if (me.hidden || filter === "hidden") return me.hidden && filter === "hidden";
  return filter === "all" || (filter === "pinned" ? me.pinned : (filter === "unread" ? unread : mentions) > 0);
}

/** The user's rooms in the order of their newest messages, kept as they are now: a store for user interfaces. */
export class Inbox extends Store<InboxSnapshot> {
  readonly filter: InboxFilter;
  readonly #shelf: Shelf;
  /** The place of the last room that was read; undefined before the first page and after the last one. */
  #floor: Place | undefined;
  #next: string | undefined;
  #more = true;
  #reading: Promise<void> | undefined;

  /** @internal */
  constructor(filter: InboxFilter, shelf: Shelf) {
    super();
    this.filter = filter;
    this.#shelf = shelf;
  }

  protected snapshot(before: InboxSnapshot | undefined): InboxSnapshot {
    const rooms = this.#isRead ? this.#shelf.items().filter((item) => this.#shows(item)) : [];
    rooms.sort((a, b) => compare(place(a), place(b)));
    return { rooms: steady(before?.rooms, rooms), more: this.#more, loading: this.#reading !== undefined };
  }

  get #isRead(): boolean {
    return this.#floor !== undefined || !this.#more;
  }

  #shows(item: InboxItem): boolean {
    return isListed(item, this.filter) && (!this.#floor || compare(place(item), this.#floor) <= 0);
  }

  get rooms(): readonly InboxItem[] {
    return this.getSnapshot().rooms;
  }

  /** The inbox of other rooms: the `unread`, `pinned` or `hidden` ones, those with `mentions`, or `all` but the hidden. */
  only(filter: InboxFilter): Inbox {
    return this.#shelf.inbox(filter);
  }

  /** Reads the first rooms, or more of them (default 50, at most 200); resolves when they are in `rooms`. */
  more(limit = 50): Promise<void> {
    if (!this.#more) return Promise.resolve();
    const done = (): void => {
      this.#reading = undefined;
      this.changed();
    };
    this.#reading ??= this.#shelf
      .alone(async () => {
        const page = await this.#read(limit, this.#next);
        this.#shelf.take(page.rooms);
        this.#turn(page);
      })
      .finally(done);
    this.changed();
    return this.#reading;
  }

  #read(limit: number, after: string | undefined): Promise<InboxPage> {
    const query: InboxCommand = { filter: this.filter, limit, ...(after !== undefined && { after }) };
    return this.#shelf.ask(query);
  }

  #turn({ rooms, next }: InboxPage): void {
    const last = rooms.at(-1);
    this.#next = next;
    this.#more = next !== undefined;
    this.#floor = last && this.#more ? place(last) : undefined;
  }

  /** Reads as many rooms again as there were; the result takes them. @internal */
  async again(): Promise<{ rooms: readonly InboxRoom[]; take: () => void } | undefined> {
    if (!this.#isRead) return undefined;
    const rooms: InboxRoom[] = [];
    let page: InboxPage = { rooms };
    do {
      page = await this.#read(PAGE, page.next);
      rooms.push(...page.rooms);
    } while (page.next !== undefined && rooms.length < this.rooms.length);
    return { rooms, take: () => this.#turn({ ...page, rooms }) };
  }

  /** Something has happened. @internal */
  hear(): void {
    this.changed();
  }
}

/** The rooms and presences that the inboxes of a chat share. */
export class Shelf {
  readonly #core: Core;
  readonly #user: () => string | undefined;
  readonly #counts: (id: string) => Counts | undefined;
  readonly #inboxes = new Map<InboxFilter, Inbox>();
  readonly #presence = new Map<string, Presence>();
  #rooms = new Map<string, InboxRoom>();
  #items = new Map<string, { of: readonly unknown[]; item: InboxItem }>();
  /** One read at a time, and the events that came meanwhile: what is read may not show them. */
  #turn: Promise<unknown> = Promise.resolve();
  #meanwhile: ClientEvent[] | undefined;
  #refreshing = false;

  constructor(core: Core, user: () => string | undefined, counts: (id: string) => Counts | undefined) {
    this.#core = core;
    this.#user = user;
    this.#counts = counts;
  }

  inbox(filter: InboxFilter): Inbox {
    let inbox = this.#inboxes.get(filter);
    if (!inbox) this.#inboxes.set(filter, (inbox = new Inbox(filter, this)));
    return inbox;
  }

  /** All rooms that are known. An item is the same object until something in it changes. */
  items(): InboxItem[] {
    return [...this.#rooms.values()].map((row) => {
      const { id } = row.room;
      const [user, counts] = [this.#user(), this.#counts(id)];
      const peer = peerOf(id, user);
      const presence = this.#presence.get(peer ?? "");
      const of = [row, counts, presence];
      const known = this.#items.get(id);
      if (known && known.of.every((part, n) => part === of[n])) return known.item;
      const { delivered, read, unread } = counts ?? row;
      const item = { ...row, delivered, read, unread, id, name: nameOf(row.room, user), peer, presence };
      this.#items.set(id, { of, item });
      return item;
    });
  }

  ask(query: InboxCommand): Promise<InboxPage> {
    return ask(this.#core, { type: "inbox", ...query });
  }

  alone<T>(read: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      this.#meanwhile = [];
      try {
        return await read();
      } finally {
        for (const event of this.#meanwhile.splice(0)) this.#apply(event);
        this.#meanwhile = undefined;
        this.tell();
      }
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  take(rooms: readonly InboxRoom[], all = false): void {
    if (all) this.#rooms.clear();
    for (const row of rooms) this.#rooms.set(row.room.id, row);
    this.#look(rooms, all);
  }

  /** Asks which of the other users in these direct rooms are online, of `all` or of those not asked about yet. */
  #look(rooms: readonly InboxRoom[], all = false): void {
    const peers = rooms.map(({ room }) => peerOf(room.id, this.#user()) ?? "");
    this.#ask(peers.filter((peer) => peer && (all || !this.#presence.has(peer)))).catch(() => {});
  }

  async #ask(users: readonly string[]): Promise<void> {
    for (let n = 0; n < users.length; n += USERS) {
      const reply = await ask(this.#core, { type: "presence", users: users.slice(n, n + USERS) });
      for (const presence of reply.users) this.#presence.set(presence.user, presence);
      this.tell();
    }
  }

  /** Reads everything again that was read, for something may have been missed. */
  #refresh(): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const refreshed = this.alone(async () => {
      this.#refreshing = false;
      const read = [];
      for (const inbox of this.#inboxes.values()) read.push(await inbox.again());
      this.take(read.flatMap((news) => news?.rooms ?? []), true);
      for (const news of read) news?.take();
    });
    refreshed.catch((error: ChatError) => {
      if (error.failure === "refused") this.#core.after(AGAIN, () => this.#refresh());
    });
  }

  /** Something has changed. */
  tell(): void {
    for (const inbox of this.#inboxes.values()) inbox.hear();
  }

  /** Takes what happens, if there is an inbox that somebody looks at. */
  hear(event: ClientEvent): void {
    if (this.#inboxes.size === 0) return;
    this.#meanwhile?.push(event);
    this.#apply(event);
    if (event.type === "connected" || event.type === "reset" || event.type === "skipped") this.#refresh();
    this.tell();
  }

  #apply(event: ClientEvent): void {
    switch (event.type) {
      case "entry": {
        const row = this.#rooms.get(event.room);
        if (row) this.#add(row, event);
        else if (event.body.kind === "message") this.#refresh();
        break;
      }
      case "room": {
        const { type: _, why, ...row } = event;
        const known = this.#rooms.get(row.room.id);
        const isNews = (known?.room.head ?? 0) <= row.room.head;
        if (why === "added" || (why === "changed" && isNews)) {
          this.#rooms.set(row.room.id, row);
          this.#look([row]);
        } else if (why === "removed" && isNews) this.#rooms.delete(row.room.id);
        break;
      }
      case "me": {
        const { type: _, room, ...me } = event;
        const row = this.#rooms.get(room);
        if (row) this.#rooms.set(room, { ...row, me });
        else this.#refresh();
        break;
      }
      case "presence": {
        const { type: _, ...presence } = event;
        if (this.#presence.has(event.user)) this.#presence.set(event.user, presence);
        break;
      }
      case "closed":
        this.#rooms.delete(event.room);
    }
  }

  #add(row: InboxRoom, entry: Entry): void {
    const { room: id, seq, at, body } = entry;
    const user = this.#user();
    if (seq <= row.room.head) return;
    if (body.kind === "left" && body.user === user) return void this.#rooms.delete(id);
    const next = { ...row, room: roomAfter(row.room, entry), me: meAfter(row.me, entry, user) };
    if (body.kind === "message") {
      next.last = entry;
      // The clocks of servers differ, and a message moves no room down.
      if (moment(at) > moment(row.active_at)) next.active_at = at;
    }
    if ("target" in body && body.target === row.last?.seq) next.last = { ...row.last, body: changed(body, at) };
    this.#rooms.set(id, next);
  }
}
