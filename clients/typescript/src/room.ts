import { Changes } from "./changes.js";
import type { ClientEvent } from "./connection.js";
import { ask, type Core, type Part } from "./core.js";
import { meAfter, nameOf, roomAfter } from "./details.js";
import { ChatError } from "./errors.js";
import {
  type Command,
  type Entry,
  type EntryBody,
  ErrorCode,
  type Room as Info,
  type Invite,
  type InviteList,
  type MakeInviteCommand,
  type Me,
  type MeChange,
  type Member,
  type MemberView,
  type Presence,
  type Role,
  type RoomChange,
  type RoomView,
  type Sanctioned,
  type SanctionList,
  type Sent,
  type Settings,
  type Watermarks,
} from "./protocol.js";
import { steady, Store } from "./store.js";
import { type Message, Timeline } from "./timeline.js";

/** The time after which a user who said nothing more is not typing any more. */
const TYPING = 8_000;

/** A member of a room, as far as it is known. */
export interface Person extends Partial<Presence>, Partial<Watermarks> {
  readonly user: string;
  readonly role?: Role;
}

/** The state of a room. */
export interface RoomSnapshot {
  /** The name to show: that of the room, or the other user. */
  readonly name: string;
  /** The server's description of it: kind, topic, data, settings, whether it is archived. */
  readonly info: Info;
  /** The user's role, and how the user has the room set. */
  readonly me: Me;
  /** The stored messages in the order of the room, then those that are on their way or have failed. */
  readonly messages: readonly Message[];
  /** The events among them, as far as the history was read: members came and went, the room was changed. */
  readonly events: readonly Entry[];
  /** The members; those of a room of more than 100 are read by `readMembers()`. */
  readonly members: readonly Person[];
  /** True if there are members that were not read. */
  readonly moreMembers: boolean;
  /** The users who are typing. */
  readonly typing: readonly string[];
  /** True if there are messages before the first one: `more()` reads them. */
  readonly older: boolean;
  /** True if the user is no longer a member. */
  readonly closed: boolean;
}

/** The duration of a ban or a mute, in seconds (default: until it is lifted), and its reason, for the record. */
export interface Sanction {
  readonly for?: number;
  readonly reason?: string;
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
  #info: Info;
  #me: Me;
  #closed = false;
  /** Set once the server has forgotten the room for the user: what follows may be of another log. */
  #gone = false;
  /** True if members are missing; and the last one that was read. */
  #moreMembers = false;
  #member: string | undefined;

  /** @internal */
  constructor(view: RoomView, core: Core, user: () => string) {
    super();
    this.id = view.room.id;
    this.#core = core;
    this.#user = user;
    this.#info = view.room;
    this.#me = view.me;
    this.view(view);
  }

  protected snapshot(before: RoomSnapshot | undefined): RoomSnapshot {
    return {
      name: nameOf(this.#info, this.#user()),
      info: this.#info,
      me: this.#me,
      messages: steady(before?.messages, this.#timeline.messages),
      events: this.#timeline.events,
      members: steady(before?.members, [...this.#people.values()]),
      moreMembers: this.#moreMembers,
      typing: steady(before?.typing, [...this.#typing.keys()]),
      older: this.#timeline.older,
      closed: this.#closed,
    };
  }

  /** The name to show: that of the room, or the other user. */
  get name(): string {
    return this.getSnapshot().name;
  }

  get topic(): string {
    return this.#info.topic ?? "";
  }

  get settings(): Settings {
    return this.#info.settings ?? {};
  }

  /** The server's description of the room: its kind, its data, whether it is archived, and more. */
  get info(): Info {
    return this.#info;
  }

  /** The user's role in the room, and how the user has it set. */
  get me(): Me {
    return this.#me;
  }

  /** The presence of the other members, as far as it is known; in a direct room, that of the other user. */
  get presence(): readonly Presence[] {
    const others = this.members.filter(({ user }) => user !== this.#user());
    return others.flatMap(({ user, online, last_seen }) =>
      online === undefined ? [] : [{ user, online, ...(last_seen !== undefined && { last_seen }) }],
    );
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

  /** Reads more members of a room of more than 100, in ascending order of their names (default 50, at most 100). */
  async readMembers(limit = 50): Promise<void> {
    if (!this.#moreMembers) return;
    const after = this.#member === undefined ? {} : { after: this.#member };
    const { members, more } = await this.#ask({ type: "members", room: this.id, limit, ...after });
    this.#member = members.at(-1)?.user ?? this.#member;
    this.#moreMembers = more;
    this.#meetAll(members);
    const users = members.map(({ user }) => user);
    if (users.length > 0) this.#meetAll((await this.#ask({ type: "presence", users })).users);
  }

  /** Adds a member to a group or channel, as `member` unless another role is given. */
  add(user: string, role?: Role): Promise<Member> {
    return this.#ask({ type: "add", room: this.id, user, ...(role && { role }) });
  }

  /** Removes a member. */
  async remove(user: string): Promise<void> {
    await this.#ask({ type: "remove", room: this.id, user });
  }

  /** Gives a member another role. */
  setRole(user: string, role: Role): Promise<Member> {
    return this.#ask({ type: "role", room: this.id, user, role });
  }

  /** Leaves a group or channel. */
  async leave(): Promise<void> {
    await this.#ask({ type: "leave", room: this.id });
  }

  /** Changes the name, topic, data or settings, or archives the room; an empty value takes one away. */
  async update(change: RoomChange): Promise<void> {
    this.view(await this.#ask({ type: "update", room: this.id, ...change }));
  }

  /** Changes how the user has the room, on all devices; `muted_until: null` for notifications again. */
  async set(change: Omit<MeChange, "muted_until"> & { readonly muted_until?: string | Date | null }): Promise<Me> {
    const reply = await this.#ask({ type: "me", room: this.id, ...(change as MeChange) });
    const { kind: _, ...me } = reply as Me & { readonly kind: "me" };
    this.#me = me;
    this.changed();
    return me;
  }

  /** Makes an invitation, whose `token` lets users in by `chat.accept`: how many, for how many seconds, as what. */
  invite(invite: Omit<MakeInviteCommand, "room"> = {}): Promise<Invite> {
    return this.#ask({ type: "invite", room: this.id, ...invite });
  }

  /** Lists the invitations, in ascending order of id. */
  invites(part: Part = {}): Promise<InviteList> {
    return this.#ask({ type: "invites", room: this.id, ...part });
  }

  /** Takes an invitation back. */
  async uninvite(invite: string): Promise<void> {
    await this.#ask({ type: "uninvite", room: this.id, invite });
  }

  /** Bans a user: a member is removed, and nobody can let the user in. */
  ban(user: string, sanction: Sanction = {}): Promise<Sanctioned> {
    return this.#ask({ type: "ban", room: this.id, user, ...sanction });
  }

  /** Lifts the bans of a user. */
  async unban(user: string): Promise<void> {
    await this.#ask({ type: "unban", room: this.id, user });
  }

  /** Lists who is banned, in ascending order of the names. */
  bans(part: Part = {}): Promise<SanctionList> {
    return this.#ask({ type: "bans", room: this.id, ...part });
  }

  /** Mutes a user, who then reads and says nothing. */
  mute(user: string, sanction: Sanction = {}): Promise<Sanctioned> {
    return this.#ask({ type: "mute", room: this.id, user, ...sanction });
  }

  /** Lifts the mutes of a user. */
  async unmute(user: string): Promise<void> {
    await this.#ask({ type: "unmute", room: this.id, user });
  }

  /** Lists who is muted, in ascending order of the names. */
  mutes(part: Part = {}): Promise<SanctionList> {
    return this.#ask({ type: "mutes", room: this.id, ...part });
  }

  #ask<T extends Command["type"]>(command: Extract<Command, { type: T }>): ReturnType<typeof ask<T>> {
    return ask(this.#core, command);
  }

  /** The events in the room from now on: entries, receipts, typing, presence of members, and the end. */
  [Symbol.asyncIterator](): Changes {
    return new Changes((listener) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    });
  }

  /** Takes the room as the server shows it; members come with it if there are at most 100. @internal */
  view({ room, me, members }: RoomView): void {
    if (room.head >= this.#info.head) [this.#info, this.#me, this.#closed] = [room, me, false];
    if (members.length > 0) this.#people.clear();
    else if (this.#people.size === 0) this.#moreMembers = true;
    this.#meetAll(members);
  }

  /** Asks again what may have been missed; if the connection breaks, the next one does. @internal */
  refresh(): void {
    this.#ask({ type: "room", room: this.id }).then(
      (view) => this.view(view),
      ({ code }: ChatError) => {
        if (code !== ErrorCode.no_room) return;
        this.#closed = this.#gone = true;
        this.changed();
      },
    );
  }

  #meetAll(people: readonly (Presence | Member | MemberView)[]): void {
    for (const person of people) this.#meet(person.user, person);
    this.changed();
  }

  #meet(user: string, news: Partial<Person>): void {
    this.#people.set(user, { ...this.#people.get(user), ...news, user });
  }

  /** True if an event is of this room. @internal */
  concerns(event: ClientEvent): boolean {
    if (event.type === "room") return event.room.id === this.id;
    if ("room" in event) return event.room === this.id;
    return event.type === "ended" || (event.type === "presence" && this.#people.has(event.user));
  }

  /** Takes an event of this room. @internal */
  hear(event: ClientEvent): void {
    switch (event.type) {
      case "entry":
        if (this.#gone) this.#begin(event);
        this.#timeline.add(event);
        this.#info = roomAfter(this.#info, event);
        this.#me = meAfter(this.#me, event, this.#user());
        this.#moves(event.body);
        break;
      case "room":
        if (this.#gone || event.room.head >= this.#info.head) this.#closed = event.why === "removed";
        break;
      case "me": {
        const { type: _, room: __, ...me } = event;
        this.#me = me;
        break;
      }
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
        this.#closed = this.#gone = true;
    }
    this.changed();
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Forgets what was known: a membership begins with this entry. */
  #begin({ seq }: Entry): void {
    this.#closed = this.#gone = false;
    this.#timeline.reset();
    this.#timeline.older = seq > 1;
    this.#people.clear();
    this.#info = { ...this.#info, head: 0 };
    this.refresh();
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
