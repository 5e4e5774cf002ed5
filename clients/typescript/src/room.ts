import { Changes } from "./changes.js";
import type { ClientEvent } from "./connection.js";
import type { Core } from "./core.js";
import { ChatError } from "./errors.js";
import type { Command, EntryBody, Member, Presence, Role, Sent, Watermarks } from "./protocol.js";
import { Store } from "./store.js";
import { type Message, Timeline } from "./timeline.js";

/** The time after which a user who said nothing more is not typing any more. */
const TYPING = 8_000;

/** A member of a room, as far as it is known. */
export interface Person extends Partial<Presence>, Partial<Watermarks> {
  readonly user: string;
  readonly role?: Role;
}

/** What is known of a room. */
export interface RoomSnapshot {
  /** The stored messages in the order of the room, then those that are on their way or have failed. */
  readonly messages: readonly Message[];
  /** The members beside this user, in a direct room; all members, in a group. */
  readonly members: readonly Person[];
  /** The users who are typing. */
  readonly typing: readonly string[];
  /** Whether there are messages before the first one: `more()` reads them. */
  readonly older: boolean;
  /** Whether the user is no longer a member. */
  readonly closed: boolean;
}

/** A room: its messages and members, and what the user can do in it. */
export class Room extends Store<RoomSnapshot> implements AsyncIterable<ClientEvent> {
  readonly id: string;
  readonly #core: Core;
  readonly #user: () => string;
  readonly #timeline = new Timeline();
  readonly #people = new Map<string, Person>();
  readonly #typing = new Map<string, () => void>();
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  #closed = false;

  /** @internal */
  constructor(id: string, core: Core, user: () => string) {
    super();
    this.id = id;
    this.#core = core;
    this.#user = user;
  }

  protected snapshot(): RoomSnapshot {
    return {
      messages: this.#timeline.messages,
      members: [...this.#people.values()],
      typing: [...this.#typing.keys()],
      older: this.#timeline.older,
      closed: this.#closed,
    };
  }

  get messages(): readonly Message[] {
    return this.getSnapshot().messages;
  }

  get members(): readonly Person[] {
    return this.getSnapshot().members;
  }

  get typists(): readonly string[] {
    return this.getSnapshot().typing;
  }

  /** Sends a message, which is shown at once. Resolves when it is stored for good, however long that takes. */
  send(text: string): Promise<Sent> {
    return this.#send(this.#core.id(), text);
  }

  /** Sends a message again that has failed, under the same id: it is stored once. */
  retry({ clientId, text }: Message): Promise<Sent> {
    return this.#send(clientId, text);
  }

  /** Takes a message out that has failed. */
  discard({ author, clientId, status }: Message): void {
    if (status !== "failed") return;
    this.#timeline.discard(author, clientId);
    this.changed();
  }

  #send(clientId: string, text: string): Promise<Sent> {
    this.#timeline.sending(this.#user(), clientId, text);
    this.changed();
    const sent = this.#store({ type: "send", room: this.id, text, client_id: clientId });
    const outcome = (tell: () => void): void => (tell(), this.changed());
    sent.then(
      (sent) => outcome(() => this.#timeline.sent(clientId, sent)),
      (error: ChatError) => outcome(() => this.#timeline.failed(clientId, error)),
    );
    return sent;
  }

  /** Gives one of the user's own messages another text. */
  edit(target: number, text: string): Promise<Sent> {
    return this.#store({ type: "edit", room: this.id, target, text, client_id: this.#core.id() });
  }

  /** Deletes a message. */
  delete(target: number): Promise<Sent> {
    return this.#store({ type: "delete", room: this.id, target, client_id: this.#core.id() });
  }

  #store(command: Command): Promise<Sent> {
    const sent = this.#core.store(command).then((reply) => {
      if (reply.kind === "sent") return reply;
      throw new ChatError("mismatch", "the server gave an answer that does not fit the question");
    });
    // A caller that looks at `messages` need not look at the result, too.
    sent.catch(() => {});
    return sent;
  }

  /** Reads older messages, at most 200 entries; resolves when they are in `messages`. */
  async more(limit = 50): Promise<void> {
    const before = this.#timeline.oldest;
    this.#timeline.loads();
    let page;
    try {
      const reply = await this.#core.ask({
        type: "history",
        room: this.id,
        limit,
        page: before === undefined ? "newest" : { before },
      });
      if (reply.kind === "history") page = reply;
    } finally {
      this.#timeline.loaded(page);
      this.changed();
    }
  }

  /** States that the user can see everything up to this message; without a number, up to the newest. */
  markDelivered(seq = this.#timeline.newest): void {
    if (seq) this.#core.mark(this.id, "delivered", seq);
  }

  /** States that the user has read everything up to this message; without a number, up to the newest. */
  markRead(seq = this.#timeline.newest): void {
    if (seq) this.#core.mark(this.id, "read", seq);
  }

  /** States that the user is typing; call it with each key, it is sent once in 3 s. */
  typing(): void {
    this.#core.typing(this.id);
  }

  /** Adds a member to a group. */
  async add(user: string, role?: Role): Promise<void> {
    await this.#core.ask({ type: "add", room: this.id, user, ...(role && { role }) });
  }

  /** Removes a member from a group. */
  async remove(user: string): Promise<void> {
    await this.#core.ask({ type: "remove", room: this.id, user });
  }

  /** Gives a member of a group another role. */
  async setRole(user: string, role: Role): Promise<void> {
    await this.#core.ask({ type: "role", room: this.id, user, role });
  }

  /** Leaves a group. */
  async leave(): Promise<void> {
    await this.#core.ask({ type: "leave", room: this.id });
  }

  /** What happens in the room from now on: entries, receipts, typing, presence of members, and the end. */
  [Symbol.asyncIterator](): Changes {
    return new Changes((listener) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    });
  }

  /** Takes what is known of some members. @internal */
  people(people: readonly (Person | Member)[], all = false): void {
    if (all) this.#people.clear();
    for (const person of people) this.#meet(person.user, person);
    this.changed();
  }

  #meet(user: string, news: Partial<Person>): void {
    this.#people.set(user, { ...this.#people.get(user), ...news, user });
  }

  /** Whether an event is of this room. @internal */
  concerns(event: ClientEvent): boolean {
    if ("room" in event) return event.room === this.id;
    return event.type === "ended" || (event.type === "presence" && this.#people.has(event.user));
  }

  /** Takes an event of this room. @internal */
  hear(event: ClientEvent): void {
    switch (event.type) {
      case "entry":
        this.#timeline.add(event);
        this.#moves(event.body);
        break;
      case "reset":
        this.#timeline.reset();
        break;
      case "skipped":
        this.#timeline.skipped(event.to);
        break;
      case "receipt":
        if (this.#people.has(event.user)) this.#meet(event.user, { delivered: event.delivered, read: event.read });
        break;
      case "presence": {
        const { type: _, ...presence } = event;
        this.#meet(event.user, presence);
        break;
      }
      case "typing":
        this.#types(event.user, event.active);
        break;
      case "closed":
        this.#closed = true;
    }
    this.changed();
    for (const listener of [...this.#listeners]) listener(event);
  }

  #moves(body: EntryBody): void {
    if (body.kind === "joined" || body.kind === "role") this.#meet(body.user, { role: body.role ?? "member" });
    else if (body.kind === "left") this.#people.delete(body.user);
    else return;
    if (body.user === this.#user()) this.#closed = body.kind === "left";
  }

  /** The connection is lost: what was said of the moment is stale. @internal */
  disconnected(): void {
    for (const user of [...this.#typing.keys()]) this.#types(user, false);
    this.changed();
  }

  #types(user: string, active: boolean): void {
    this.#typing.get(user)?.();
    this.#typing.delete(user);
    if (!active) return;
    const end = (): void => {
      this.#typing.delete(user);
      this.changed();
    };
    this.#typing.set(user, this.#core.after(TYPING, end));
  }
}
