import assert from "node:assert/strict";
import { type Chat, connect, type Entry, type EntryBody, type InboxRoom, type Me, type Options } from "../src/index.js";
import { type FakeSocket, World } from "./world.js";

export const EPOCH = "01980000-0000-7000-8000-0000000000e1";
export const ROOM = "alice,bob";
export const AT = "2025-11-13T02:13:27Z";

export const ME: Me = { role: "member", notify: "all", pinned: false, hidden: false };

/** A moment of the day. */
export function at(minute: number): string {
  return `2025-11-13T02:${String(minute).padStart(2, "0")}:00Z`;
}

/** An entry of the room of alice and bob. */
export function entry(seq: number, body: EntryBody | string, author = "bob", client_id = `c-${seq}`): Entry {
  const said = typeof body === "string" ? ({ kind: "message", text: body } as const) : body;
  return { room: ROOM, seq, id: `id-${seq}`, author, client_id, at: AT, body: said };
}

/** Alice's chat, and a server with the room of alice and bob, whose frames the test takes and answers. */
export class Stage {
  readonly world: World;
  readonly chat: Chat;
  socket!: FakeSocket;

  constructor(options: Partial<Options> = {}, world = new World()) {
    this.world = world;
    const { WebSocket, environment } = this.world;
    this.chat = connect({ url: "http://server.test", token: "alice", WebSocket, environment, ...options });
  }

  /** The server takes the next connection, and lists the rooms with these ids. */
  async live(head = 0, unread = 0, ids = head ? [ROOM] : []): Promise<this> {
    await this.world.settle();
    const socket = this.world.sockets.shift();
    assert(socket, "the client does not connect");
    this.socket = socket;
    socket.onopen?.();
    await this.answer("hello", { kind: "welcome", user: "alice", session: "s" });
    const listed = { epoch: EPOCH, head, created_at: AT, delivered: head, read: head, unread };
    const rooms = ids.map((id) => ({ id, ...listed }));
    await this.answer("rooms", { kind: "rooms", rooms, more: false });
    return this;
  }

  /** Takes the frame of this type that the client has sent. */
  async hears(type: string): Promise<Record<string, unknown>> {
    await this.world.settle();
    const place = this.socket.sent.findIndex((frame) => frame["type"] === type);
    assert(place >= 0, `the client has not sent ${type}: ${JSON.stringify(this.socket.sent)}`);
    return this.socket.sent.splice(place, 1)[0] ?? {};
  }

  /** Answers the frame of this type. */
  async answer(type: string, result: Record<string, unknown>): Promise<void> {
    const { id } = await this.hears(type);
    await this.say({ type: "reply", id, result });
  }

  async refuse(type: string, code: number, more: Record<string, unknown> = {}): Promise<void> {
    const { id } = await this.hears(type);
    await this.say({ type: "error", id, error: { code, name: "name", message: "message", ...more } });
  }

  async say(frame: unknown): Promise<void> {
    this.socket.say(frame);
    await this.world.settle();
  }

  async entry(...of: Parameters<typeof entry>): Promise<void> {
    await this.say({ type: "entry", ...entry(...of) });
  }

  view(head: number, room: object = {}): Record<string, unknown> {
    const info = { id: ROOM, kind: "direct", epoch: EPOCH, head, created_at: AT, members: 2, ...room };
    return { kind: "room", room: info, me: ME, members: [{ user: "bob", online: true, delivered: head, read: 1 }] };
  }

  /** The room of this id as the inbox shows it; `minute` is the time of its newest message. */
  row(id: string, minute: number, more: Partial<InboxRoom> = {}): InboxRoom {
    const room = { id, epoch: EPOCH, head: 5, created_at: AT };
    return { room, me: ME, delivered: 5, read: 5, unread: 0, mentions: 0, active_at: at(minute), ...more };
  }

  page(entries: readonly Entry[], older = false): Record<string, unknown> {
    return { kind: "history", epoch: EPOCH, entries, older, newer: false };
  }

  /** Opens the room with bob, in which these entries are. */
  async open(entries: readonly Entry[] = [], older = false) {
    const opening = this.chat.open("bob");
    await this.answer("open", this.view(entries.at(-1)?.seq ?? 0));
    await this.answer("history", this.page(entries, older));
    return opening;
  }
}
