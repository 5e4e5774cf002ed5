import type { Entry, Request } from "../src/index.js";
import { entry, EPOCH, ROOM, AT, ME } from "./stage.js";
import type { FakeSocket, World } from "./world.js";

/** A server with the room of alice and bob, which answers what clients ask, as fast as the test lets it. */
export class FakeServer {
  readonly log: Entry[] = [];
  /** The connections that have said hello. */
  connections: FakeSocket[] = [];
  /** All frames, by type. */
  readonly heard = new Map<string, number>();
  /** The number of connections so far. */
  accepted = 0;
  readonly #world: World;
  #open: FakeSocket[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** Takes and answers all there is, until there is nothing more. */
  async serve(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet++) {
      await this.#world.settle();
      for (const socket of this.#world.sockets.splice(0)) {
        if (socket.ended) continue;
        this.accepted += 1;
        this.#open.push(socket);
        socket.onopen?.();
      }
      for (const socket of this.#open) {
        for (const frame of socket.sent.splice(0)) {
          quiet = 0;
          this.#answer(socket, frame as unknown as Request);
        }
      }
      // What a client has sent before it closed its connection has arrived.
      this.#open = this.#open.filter(({ ended }) => !ended);
      this.connections = this.connections.filter(({ ended }) => !ended);
    }
  }

  /** Lets time pass in small steps, with all answers. */
  async pass(time: number): Promise<void> {
    for (let at = 0; at < time; at += 100) {
      await this.#world.pass(100);
      await this.serve();
    }
  }

  /** All connections end, as when the server is killed. */
  kill(): void {
    for (const socket of this.#open.splice(0)) {
      socket.ended = true;
      socket.end();
    }
    this.connections = [];
  }

  /** Somebody writes. */
  write(text: string, author = "bob", id = `c-${this.log.length}`): Entry {
    const known = this.log.find(({ author: by, client_id }) => by === author && client_id === id);
    if (known) return known;
    const next = entry(this.log.length + 1, text, author, id);
    this.log.push(next);
    this.says({ type: "entry", ...next });
    return next;
  }

  /** Says something on all connections. */
  says(event: object): void {
    for (const socket of this.connections) socket.say(event);
  }

  #answer(socket: FakeSocket, { id, ...frame }: Request): void {
    this.heard.set(frame.type, (this.heard.get(frame.type) ?? 0) + 1);
    const reply = (kind: string, result: object = {}) => socket.say({ type: "reply", id, result: { kind, ...result } });
    const room = { id: ROOM, kind: "direct", epoch: EPOCH, head: this.log.length, created_at: AT, members: 2 };
    const marks = { delivered: 0, read: 0 };
    switch (frame.type) {
      case "hello":
        reply("welcome", { user: "alice", session: "s" });
        this.connections.push(socket);
        for (const { seq } of frame.cursors ?? []) {
          for (const missed of this.log.slice(seq)) socket.say({ type: "entry", ...missed });
          socket.say({ type: "resumed", room: ROOM, cursor: { epoch: EPOCH, seq: this.log.length } });
        }
        return;
      case "rooms":
        return reply("rooms", { rooms: [{ ...room, ...marks, unread: 0 }], more: false });
      case "open":
      case "room":
        return reply("room", { room, me: ME, members: [] });
      case "history": {
        const { page = "newest" } = frame;
        const after = typeof page === "object" && "after" in page ? page.after : undefined;
        const entries = after === undefined ? this.log.slice(-200) : this.log.slice(after, after + 200);
        const [first, last] = [entries[0]?.seq ?? 1, entries.at(-1)?.seq ?? this.log.length];
        return reply("history", { epoch: EPOCH, entries, older: first > 1, newer: last < this.log.length });
      }
      case "send": {
        const sent = this.write(frame.text, "alice", frame.client_id);
        return reply("sent", { room: ROOM, id: sent.id, seq: sent.seq, at: sent.at, duplicate: false });
      }
      case "receipt":
        return reply("receipt", marks);
      case "renew":
        return reply("renewed");
      case "ping":
        return reply("pong");
      default:
        return socket.say({ type: "error", id, error: { code: 101, name: "unknown_command", message: frame.type } });
    }
  }
}
