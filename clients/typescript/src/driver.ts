import { Backoff } from "./backoff.js";
import { type Action, type ClientEvent, closed, Connection, type End, Lasting } from "./connection.js";
import type { Core, Listener } from "./core.js";
import { ChatError } from "./errors.js";
import type { Command, Mark, Reply, RoomCursor } from "./protocol.js";
import type { Waiting } from "./queue.js";

/** The times that getting a token and connecting may take. */
const TOKEN = 30_000;
const CONNECT = 10_000;

/** The time that a question waits for its answer, through reconnects. */
const ANSWER = 15_000;

/** Commands that may wait for an answer. */
const LIMIT = 1_000;

/** Bytes of a frame that a server takes; it closes the connection for good over a larger one. */
const FRAME = 64 * 1024;

/** The part of `WebSocket` that the client uses; events as browsers have them, whatever their types are called. */
export interface Socket {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** The class of WebSockets. It is called with the address alone. */
export type SocketClass = new (...address: never[]) => Socket;

/** A user's proof of who they are: one for all connections, or a source of a new one for each. */
export type Token = string | (() => string | Promise<string>);

/** The settings of a client. */
export interface Options {
  /** The server, as `https://chat.example`. */
  readonly url: string | URL;
  /** The token, or its source. With open authentication it is the user's name. */
  readonly token: Token;
  /** The class of WebSockets, where there is none in `globalThis` (Node 20): that of the package `ws`. */
  readonly WebSocket?: SocketClass | undefined;
  /** The ceiling of the first wait before a reconnect, and where doubling stops. Default: 500 and 30,000 ms. */
  readonly backoff?: readonly [base: number, cap: number] | undefined;
  /** The cursors at which the client begins, instead of the newest entry of each room: from `chat.cursors()`. */
  readonly cursors?: readonly RoomCursor[] | undefined;
  /** Clock in milliseconds, randomness and timers, for tests. */
  readonly environment?: Partial<Environment> | undefined;
}

/** The world outside: everything that makes two runs differ. */
export interface Environment {
  /** Milliseconds from any beginning; never goes back. */
  now(): number;
  /** A number from 0 to 1. */
  random(): number;
  /** A random, unique id of a message. */
  id(): string;
  /** Calls once after some milliseconds; the result stops it. */
  after(wait: number, call: () => void): () => void;
}

/** The world as it is. */
export const WORLD: Environment = {
  now: () => performance.now(),
  random: Math.random,
  id: () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  after: (wait, call) => {
    const timer = setTimeout(call, wait);
    return () => clearTimeout(timer);
  },
};

/** The address of the native protocol at a server. */
function address(server: string | URL): string {
  const url = new URL(server);
  url.protocol = url.protocol.replace("http", "ws");
  url.pathname = url.pathname.replace(/\/+$/, "").replace(/(\/v1\/ws)?$/, "/v1/ws");
  return url.href;
}

/** Makes one connection after the other, and does for each what its state machine says. All input and output. */
export class Driver implements Core {
  readonly #options: Options;
  readonly #url: string;
  readonly #world: Environment;
  readonly #lasting: Lasting;
  readonly #listeners = new Set<Listener>();
  #connection: Connection | undefined;
  #socket: Socket | undefined;
  #stop: (() => void) | undefined;
  /** Counts attempts, so that what belongs to an earlier one is recognised. */
  #attempt = 0;
  #ended: ChatError | undefined;
  /** The number of calls that wait for an answer. */
  #waiting = 0;
  #stepping = false;
  #again = false;
  /** Without a connection: when the present wait is over, and what happens then. */
  #until = 0;
  #over = (): void => {};

  constructor(options: Options) {
    this.#options = options;
    this.#url = address(options.url);
    this.#world = { ...WORLD, ...options.environment };
    const backoff = new Backoff(this.#world.random, ...(options.backoff ?? []));
    this.#lasting = new Lasting(backoff, typeof options.token === "function");
    this.#lasting.positions.seed(options.cursors ?? []);
    queueMicrotask(() => this.#ended || void this.#connect());
    globalThis.addEventListener?.("online", this.#online);
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  id(): string {
    return this.#world.id();
  }

  after(wait: number, call: () => void): () => void {
    return this.#world.after(wait, call);
  }

  store(command: Command): Promise<Reply> {
    return this.#call(command, 104, (waiting) => this.#lasting.queue.messages.push({ ...waiting, tries: 0 }));
  }

  ask(command: Command): Promise<Reply> {
    const deadline = this.#world.now() + ANSWER;
    // Under a client id these are carried out once, however often they are asked for.
    const once = command.type === "create" || command.type === "update";
    const asked = once ? { ...command, client_id: command.client_id ?? this.#world.id() } : command;
    return this.#call(asked, 100, (waiting) => this.#lasting.queue.questions.push({ ...waiting, deadline }));
  }

  mark(room: string, mark: Mark, seq: number): void {
    this.#lasting.marks.raise(room, mark, seq);
    this.#step();
  }

  typing(room: string): void {
    this.#connection?.typing(room);
    this.#step();
  }

  cursors(): RoomCursor[] {
    return this.#lasting.positions.cursors();
  }

  close(): void {
    const connection = this.#connection;
    if (connection) this.#carryOut(connection, connection.farewell(this.#world.now()));
    this.#finish(new ChatError("ended", "the client was closed"));
  }

  #call(command: Command, code: number, queue: (waiting: Waiting) => void): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const frame = JSON.stringify({ id: Number.MAX_SAFE_INTEGER, ...command });
      const bytes = new TextEncoder().encode(frame).length;
      const refusal =
        this.#ended ??
        (bytes > FRAME
          ? new ChatError("refused", `too long: a frame has at most ${FRAME} bytes, and this has ${bytes}`, code)
          : this.#waiting >= LIMIT && new ChatError("queue_full", "too many messages are waiting; try again later"));
      if (refusal) return reject(refusal);
      this.#waiting += 1;
      const done = (reply: Reply) => (this.#waiting--, resolve(reply));
      const failed = (error: ChatError) => (this.#waiting--, reject(error));
      queue({ command, done, failed });
      this.#step();
    });
  }

  /** Tries at once when the device has a network again. */
  #online = (): void => {
    if (!this.#connection && !this.#socket) void this.#connect();
  };

  /** Waits; nothing else but an event of this attempt ends the wait earlier. */
  #wait(time: number, over: () => void): void {
    this.#until = this.#world.now() + time;
    this.#over = over;
    this.#step();
  }

  async #token(): Promise<string> {
    const { token } = this.#options;
    return typeof token === "string" ? token : token();
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#wait(TOKEN, () => this.#lost({ reason: "no token in time" }));
    try {
      const token = await this.#token();
      if (attempt === this.#attempt) this.#open(token);
    } catch (error) {
      if (attempt === this.#attempt) this.#lost({ reason: `no token: ${error}` });
    }
  }

  #open(token: string): void {
    let socket: Socket;
    try {
      const WebSocket: SocketClass = this.#options.WebSocket ?? globalThis.WebSocket;
      socket = new WebSocket(this.#url as never);
    } catch (error) {
      return this.#finish(new ChatError("ended", `no WebSocket: ${error}`));
    }
    this.#socket = socket;
    socket.onopen = () => {
      this.#connection = new Connection(this.#lasting, this.#world.now(), token);
      this.#step();
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      this.#connection?.hear(this.#world.now(), String(data));
      this.#step();
    };
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      // Without a welcome it was this token that the server did not take.
      const renewable = this.#lasting.renewable && this.#connection?.welcomed === true;
      this.#lost(closed(code, reason, renewable));
    };
    this.#wait(CONNECT, () => this.#lost({ reason: "no answer from the server" }));
  }

  async #renew(): Promise<void> {
    const connection = this.#connection;
    try {
      const token = await this.#token();
      if (connection !== this.#connection) return;
      connection?.renew(this.#world.now(), token);
      this.#step();
    } catch {
      // The connection lives until its login ends, and the next one asks for another token.
    }
  }

  /** Does what is due, and sets the alarm for what is due later. */
  #step(): void {
    this.#again = true;
    if (this.#stepping || this.#ended) return;
    this.#stepping = true;
    // What is due is said of one moment: what is not due now is due at an alarm, however long the step takes.
    let now = 0;
    while (this.#again && !this.#ended) {
      this.#again = false;
      now = this.#world.now();
      if (this.#connection) this.#carryOut(this.#connection, this.#connection.step(now));
      else {
        this.#lasting.queue.expire(now);
        if (now >= this.#until) this.#over();
      }
    }
    this.#stepping = false;
    if (this.#ended) return;
    const alarm = this.#connection?.alarm(now) ?? Math.min(this.#until, this.#lasting.queue.deadline());
    this.#stop?.();
    this.#stop = this.#world.after(Math.max(0, alarm - this.#world.now()), () => this.#step());
  }

  #carryOut(connection: Connection, actions: Action[]): void {
    for (const action of actions) {
      // A listener may have closed the client.
      if (connection !== this.#connection) return;
      if ("write" in action) this.#socket?.send(JSON.stringify(action.write));
      else if ("emit" in action) this.#emit(action.emit);
      else if ("renew" in action) void this.#renew();
      else this.#lost(action.end);
    }
  }

  #emit(event: ClientEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Leaves the connection, or the attempt. */
  #part(code?: number): void {
    const socket = this.#socket;
    this.#attempt += 1;
    this.#stop?.();
    this.#connection?.lost();
    this.#connection = undefined;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #lost({ reason, final }: End): void {
    if (final) return this.#finish(final);
    this.#part();
    const retryIn = this.#lasting.backoff.next();
    this.#wait(retryIn, () => void this.#connect());
    this.#emit({ type: "disconnected", reason, retryIn });
  }

  #finish(error: ChatError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#part(1000);
    globalThis.removeEventListener?.("online", this.#online);
    this.#lasting.queue.end(error);
    this.#emit({ type: "ended", error });
  }
}
