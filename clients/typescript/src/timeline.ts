import type { ChatError } from "./errors.js";
import type { Entry, Sent } from "./protocol.js";

/** Messages that are kept of a room; beyond, the oldest tenth is forgotten, and can be read again. */
const KEEP = 10_000;

/** A message as it is shown. It is never changed; a message that changes is another object. */
export interface Message {
  /** The same for the life of the message, also before it is stored. */
  readonly key: string;
  readonly author: string;
  readonly clientId: string;
  readonly text: string;
  /** `sending` until it is stored for good; `failed` when it won't be, unless it is sent again. */
  readonly status: "sending" | "sent" | "failed";
  /** Its number in the room, once it is stored. */
  readonly seq?: number;
  /** The server's clock when it was stored. */
  readonly at?: string;
  readonly editedAt?: string;
  /** A deleted message has no text. */
  readonly deleted?: true;
  /** The reason why it has failed. */
  readonly error?: ChatError;
}

function key(author: string, clientId: string): string {
  return `${author}/${clientId}`;
}

function stored({ author, client_id, seq, at }: Entry, text: string, more?: Partial<Message>): Message {
  return { key: key(author, client_id), author, clientId: client_id, text, status: "sent", seq, at, ...more };
}

/** True if an entry is neither a message nor a change of one: members came or went, or the room was changed. */
function isEvent({ body }: Entry): boolean {
  return body.kind === "joined" || body.kind === "left" || body.kind === "role" || body.kind === "room";
}

/** The messages of one room: those that are stored, in the order of the log, then those on their way. */
export class Timeline {
  #stored: (Message & { readonly seq: number })[] = [];
  #pending: Message[] = [];
  #events: readonly Entry[] = [];
  /** The targets of the deletions that are known. */
  readonly #deleted = new Set<number>();
  /** Edits and deletions that came while a page was on its way, which may not show them. */
  #changes: Entry[] = [];
  #loading = 0;
  /** True if there are messages before the first one. */
  older = false;

  get messages(): readonly Message[] {
    return [...this.#stored, ...this.#pending];
  }

  /** The events among the messages, in the order of the log; the same list until there is another one. */
  get events(): readonly Entry[] {
    return this.#events;
  }

  /** The number of the oldest entry that was loaded; undefined when none was. */
  oldest: number | undefined;

  /** The number of the newest stored message. */
  get newest(): number {
    return this.#stored.at(-1)?.seq ?? 0;
  }

  /** Takes the next entry of the log. */
  add(entry: Entry): void {
    this.oldest ??= entry.seq;
    if (entry.body.kind === "edit" || entry.body.kind === "delete") {
      if (this.#loading) this.#changes.push(entry);
      this.#change(entry);
    } else this.#insert(entry);
    this.#happened([entry]);
    if (this.#stored.length > KEEP) this.#forget(this.#stored[KEEP / 10]?.seq ?? 0);
  }

  /** Notes that a page of the history is on its way. */
  loads(): void {
    this.#loading += 1;
  }

  /** Takes a page of the history, or that there was none. Its messages are as they are now. */
  loaded(page?: { readonly entries: readonly Entry[]; readonly older: boolean }): void {
    this.#loading -= 1;
    for (const { body } of page?.entries ?? []) if (body.kind === "delete") this.#deleted.add(body.target);
    for (const entry of page?.entries ?? []) this.#insert(entry);
    this.#happened(page?.entries ?? []);
    for (const entry of this.#changes) this.#change(entry);
    if (!this.#loading) this.#changes = [];
    if (!page) return;
    const first = page.entries[0]?.seq ?? Infinity;
    if (first <= (this.oldest ?? Infinity)) {
      this.oldest = first;
      this.older = page.older;
    }
  }

  /** The log began anew. What is on its way stays. */
  reset(): void {
    this.#forget(Infinity);
    this.#deleted.clear();
    this.#changes = [];
    this.older = false;
  }

  /** Entries up to `to` are left out: what is older is forgotten, so that there is no hole. */
  skipped(to: number): void {
    this.#forget(to + 1);
  }

  #forget(before: number): void {
    this.#stored = this.#stored.filter(({ seq }) => seq >= before);
    this.#events = this.#events.filter(({ seq }) => seq >= before);
    this.oldest = this.#stored[0]?.seq;
    this.older = true;
  }

  #place(seq: number): number {
    let [low, high] = [0, this.#stored.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#stored[middle]?.seq ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(entry: Entry): void {
    const { body, seq } = entry;
    let message;
    if (body.kind === "message") {
      message = stored(entry, body.text, body.edited_at ? { editedAt: body.edited_at } : {});
    } else if (body.kind === "deleted" && this.#deleted.has(seq)) {
      message = stored(entry, "", { deleted: true });
    } else return;
    this.discard(message.author, message.clientId);
    const place = this.#place(seq);
    if (this.#stored[place]?.seq !== seq) this.#stored.splice(place, 0, { ...message, seq });
  }

  #happened(entries: readonly Entry[]): void {
    const known = new Set(this.#events.map(({ seq }) => seq));
    const news = entries.filter((entry) => isEvent(entry) && !known.has(entry.seq));
    if (news.length > 0) this.#events = [...this.#events, ...news].sort((a, b) => a.seq - b.seq);
  }

  #change({ body, at }: Entry): void {
    if (body.kind !== "edit" && body.kind !== "delete") return;
    if (body.kind === "delete") this.#deleted.add(body.target);
    const place = this.#place(body.target);
    const message = this.#stored[place];
    if (message?.seq !== body.target) return;
    const { editedAt: _, ...rest } = message;
    this.#stored[place] =
      body.kind === "edit" ? { ...message, text: body.text, editedAt: at } : { ...rest, text: "", deleted: true };
  }

  /** Shows a message that was queued, or queued again. */
  sending(author: string, clientId: string, text: string): void {
    this.discard(author, clientId);
    // An earlier try may have been stored, and its entry be there.
    if (this.#stored.some((message) => message.key === key(author, clientId))) return;
    this.#pending.push({ key: key(author, clientId), author, clientId, text, status: "sending" });
  }

  /** The message is stored; its entry follows, or was there before. */
  sent(clientId: string, { seq, at }: Sent): void {
    // An earlier try was stored before what was loaded: the history has it.
    const before = seq < (this.#stored[0]?.seq ?? 0);
    if (before) this.#pending = this.#pending.filter((message) => message.clientId !== clientId);
    this.#update(clientId, { status: "sent", seq, at });
  }

  failed(clientId: string, error: ChatError): void {
    this.#update(clientId, { status: "failed", error });
  }

  #update(clientId: string, change: Partial<Message>): void {
    this.#pending = this.#pending.map((message) =>
      message.clientId === clientId ? { ...message, ...change } : message,
    );
  }

  /** Takes a message out that is not stored, or whose entry takes its place. */
  discard(author: string, clientId: string): void {
    this.#pending = this.#pending.filter((message) => message.key !== key(author, clientId));
  }
}
