import type { Cursor, Entry, GapReason, HistoryPage, Room, RoomCursor } from "./protocol.js";

/** Missing entries that are read from the history; more are skipped, with a notice. */
const CATCH_UP = 10_000;

/** Bytes of cursors in a `hello`. Rooms that don't fit are caught up from the listing of rooms. */
const HELLO_BYTES = 32 * 1024;

/** Something about a room that the application has to know. */
export type Notice =
  /** The log began anew: forget the room's numbers. Its entries follow from 1. */
  | { readonly type: "reset"; readonly room: string; readonly epoch: string }
  /** So much was missed that these entries are left out; the history has them. */
  | { readonly type: "skipped"; readonly room: string; readonly from: number; readonly to: number };

interface Feed {
  epoch: string | undefined;
  /** The application has everything up to here, or it was there before the client. */
  seq: number;
  /** The highest number known to exist. */
  head: number;
  /** The state of the room's entries on this connection. Before the server sends them, the epoch is in doubt. */
  standing: "unsure" | "resuming" | "live";
  /** True if `seq` is exact, false if it is the head that the room had when the client first heard of it. */
  exact: boolean;
}

function restart(feed: Feed, epoch: string, head: number): void {
  Object.assign(feed, { epoch, seq: 0, head, exact: true });
}

/** Takes note of the epoch; says whether it changed. */
function learn(feed: Feed, epoch: string, head: number): boolean {
  const anew = feed.epoch !== undefined && feed.epoch !== epoch;
  if (anew) restart(feed, epoch, head);
  else Object.assign(feed, { epoch, head: Math.max(feed.head, head) });
  return anew;
}

function isBehind(feed: Feed): boolean {
  return feed.standing === "live" && (feed.epoch === undefined || feed.seq < feed.head);
}

/** The position of the application in each room, and what is missing. */
export class Positions {
  readonly #feeds = new Map<string, Feed>();
  /** The user, once a server has said who that is. */
  me: string | undefined;
  /** True if a listing was complete: a room that appears after it is new, and starts at 0. */
  #listed = false;

  /** Begins where another client of the same user was. */
  seed(cursors: readonly RoomCursor[]): void {
    for (const { room, epoch, seq } of cursors) {
      this.#feeds.set(room, { epoch, seq, head: seq, standing: "unsure", exact: true });
      this.#listed = true;
    }
  }

  /** The cursor of the application in each room. */
  cursors(): RoomCursor[] {
    return [...this.#feeds].flatMap(([room, { epoch, seq }]) => (epoch === undefined ? [] : [{ room, epoch, seq }]));
  }

  disconnected(): void {
    for (const feed of this.#feeds.values()) feed.standing = "unsure";
  }

  /** The cursors from which the server is to resume; these rooms count as resuming from now on. */
  resume(): RoomCursor[] {
    const cursors = [];
    let bytes = 0;
    for (const [room, feed] of this.#feeds) {
      if (feed.epoch === undefined) continue;
      const cursor = { room, epoch: feed.epoch, seq: feed.seq };
      bytes += new TextEncoder().encode(JSON.stringify(cursor)).length + 1;
      if (bytes > HELLO_BYTES) break;
      feed.standing = "resuming";
      cursors.push(cursor);
    }
    return cursors;
  }

  /** Takes a room as the server lists it, or as it was opened: its entries so far are history. */
  learn(room: Room, opened = false): Notice | undefined {
    let feed = this.#feeds.get(room.id);
    if (!feed) {
      const old = opened || !this.#listed;
      const seq = old ? room.head : 0;
      feed = { epoch: room.epoch, seq, head: room.head, standing: "live", exact: !old };
      this.#feeds.set(room.id, feed);
    }
    if (feed.standing === "unsure") feed.standing = "live";
    return this.#learn(room.id, feed, room.epoch, room.head);
  }

  #learn(room: string, feed: Feed, epoch: string, head: number): Notice | undefined {
    return learn(feed, epoch, head) ? { type: "reset", room, epoch } : undefined;
  }

  allListed(): void {
    this.#listed = true;
    // Those that entries have brought, and that the listing does not have, were made meanwhile.
    for (const feed of this.#feeds.values()) if (feed.epoch === undefined) feed.standing = "live";
  }

  /** The user is no longer a member of the room. */
  forget(room: string): void {
    this.#feeds.delete(room);
  }

  /** The user was no member of this room when it looked like this; one who has come back has later entries. */
  removed({ id, head }: Room): void {
    if ((this.#feeds.get(id)?.head ?? 0) <= head) this.forget(id);
  }

  /**
   * Takes an entry that came live; says whether it is the next one, for the application. The entry by which the
   * user leaves a room is the last one, also when others are missing: they can't be read any more.
   */
  entry({ room, seq, body }: Entry): boolean {
    const before = seq - 1;
    const leaves = body.kind === "left" && body.user === this.me;
    let feed = this.#feeds.get(room);
    if (!feed) {
      if (leaves) return false;
      // What was before the user came in is history. Before the first listing the epoch is on its way; after it,
      // a page has it.
      const joins = body.kind === "joined" && body.user === this.me;
      const from = this.#listed && !joins ? 0 : before;
      feed = { epoch: undefined, seq: from, head: seq, standing: this.#listed ? "live" : "unsure", exact: true };
      this.#feeds.set(room, feed);
    }
    if (!feed.exact && seq <= feed.seq) Object.assign(feed, { seq: before, exact: true });
    feed.head = Math.max(feed.head, seq);
    const next = feed.standing !== "unsure" && feed.epoch !== undefined && seq === feed.seq + 1;
    const given = next || (leaves && seq > feed.seq);
    if (given) Object.assign(feed, { seq, exact: true });
    if (leaves) this.forget(room);
    return given;
  }

  /** The server skipped entries up to `to`, or began the log anew. */
  gap(room: string, epoch: string, to: number, reason: GapReason): Notice | undefined {
    const feed = this.#feeds.get(room);
    if (!feed) return undefined;
    // The epoch may be the same when the server lost entries that the client has seen.
    if (reason !== "new_epoch") return this.#learn(room, feed, epoch, to);
    restart(feed, epoch, to);
    return { type: "reset", room, epoch };
  }

  /** The server has sent all that it sends of what was missed. */
  resumed(room: string, { epoch, seq }: Cursor): Notice | undefined {
    const feed = this.#feeds.get(room);
    if (!feed) return undefined;
    feed.standing = "live";
    return this.#learn(room, feed, epoch, seq);
  }

  /** A room of which entries are missing, after they are skipped if they are too many. */
  behind(notify: (notice: Notice) => void): { room: string; after: number } | undefined {
    for (const [room, feed] of this.#feeds) {
      if (!isBehind(feed)) continue;
      const to = feed.head - CATCH_UP;
      if (to > feed.seq) {
        notify({ type: "skipped", room, from: feed.seq + 1, to });
        feed.seq = to;
      }
      return { room, after: feed.seq };
    }
    return undefined;
  }

  /** A page after the position came in; gives what is new for the application. */
  page(room: string, page: HistoryPage): { notice?: Notice | undefined; entries: readonly Entry[] } {
    const feed = this.#feeds.get(room);
    if (!feed) return { entries: [] };
    const last = page.entries.at(-1)?.seq ?? 0;
    const notice = this.#learn(room, feed, page.epoch, page.newer ? last + 1 : last);
    if (notice) return { notice, entries: [] };
    const from = feed.seq;
    if (last > from) Object.assign(feed, { seq: last, exact: true });
    return { entries: page.entries.filter((entry) => entry.seq > from) };
  }
}
