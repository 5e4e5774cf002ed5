import type { Environment, Socket, SocketClass } from "./driver.js";
import { Pace } from "./pace.js";
import type { Command, HelloCommand, Outgoing, Request, Welcome } from "./protocol.js";

/** Silence of the server after which a tab that gives up its connection is right about it. */
const QUIET = 30_000;

/** A message from the socket of a tab to the hub that it is at; without `hub`, to any. */
export type ToHub = { readonly socket: string; readonly hub?: string | undefined } & (
  | { readonly type: "open"; readonly url: string; readonly tab: string }
  | { readonly type: "frame"; readonly frame: string }
  | { readonly type: "close" | "alive" }
);

/** A message from a hub to the socket of a tab; without `socket`, to all. */
export type ToTab = { readonly from: string; readonly socket?: string } & (
  | { readonly type: "leads" | "opened" }
  | { readonly type: "frame"; readonly frame: string }
  | { readonly type: "closed"; readonly code: number; readonly reason: string }
  /** For how many milliseconds the page of the hub has been in the background. */
  | { readonly type: "alive"; readonly hidden: number }
);

/** A `hello` that waits for the welcome of the connection. */
interface Greeting {
  readonly socket: string;
  readonly id: number;
  readonly hello: HelloCommand;
}

/** The surroundings that a hub needs. */
export interface Around {
  /** Says something to the tabs. */
  post(message: ToTab): void;
  readonly world: Environment;
  readonly WebSocket: SocketClass;
  /** For how long the page has been in the background. */
  hidden(): number;
}

/**
 * One connection to the server that the sockets of several tabs are at. Each tab has the state machine of a client and
 * believes that the connection is its own: what it asks is answered to it alone, and events go to all.
 */
export class Hub {
  readonly id: string;
  /** The tab in whose page the hub is. */
  readonly #home: string;
  readonly #around: Around;
  /** The tab of each socket that is open, or about to be. */
  readonly #sockets = new Map<string, string>();
  #server: Socket | undefined;
  #open = false;
  #heard = 0;
  #welcome: Welcome | undefined;
  #greetings: Greeting[] = [];
  #greeter: string | undefined;
  /** The socket that sent each command, and its number there, by the command's number on the connection. */
  readonly #asked = new Map<number, { readonly socket: string; readonly id: number }>();
  #lastId = 0;
  /** Frames that wait, for all tabs together keep the pace of one. */
  #waiting: string[] = [];
  #pace = new Pace();
  #stop: (() => void) | undefined;

  constructor(id: string, home: string, around: Around) {
    this.id = id;
    this.#home = home;
    this.#around = around;
    around.post({ from: id, type: "leads" });
  }

  #tell(socket: string, frame: unknown): void {
    this.#around.post({ from: this.id, socket, type: "frame", frame: JSON.stringify(frame) });
  }

  /** Takes what a socket says. */
  hear(message: ToHub): void {
    const { socket, hub = this.id } = message;
    if (hub !== this.id) return;
    switch (message.type) {
      case "open":
        this.#sockets.set(socket, message.tab);
        if (this.#open) this.#around.post({ from: this.id, socket, type: "opened" });
        else if (!this.#server) this.#connect(message.url);
        break;
      case "frame":
        if (this.#sockets.has(socket)) this.#frame(socket, JSON.parse(message.frame));
        break;
      case "close":
        this.#sockets.delete(socket);
        if (this.#sockets.size === 0) this.#drop(1000, "");
        else if (this.#around.world.now() - this.#heard > QUIET) this.#drop(1006, "no sign of life");
        break;
      case "alive":
        this.#around.post({ from: this.id, socket, type: "alive", hidden: this.#around.hidden() });
    }
  }

  #connect(url: string): void {
    const { world, WebSocket } = this.#around;
    this.#heard = world.now();
    const server = new WebSocket(url as never);
    this.#server = server;
    server.onopen = () => {
      this.#open = true;
      for (const socket of this.#sockets.keys()) this.#around.post({ from: this.id, socket, type: "opened" });
    };
    server.onmessage = ({ data }: { data: unknown }) => this.#hears(String(data));
    server.onerror = () => {};
    server.onclose = ({ code, reason }: { code: number; reason: string }) => this.#drop(code, reason);
  }

  #frame(socket: string, { id, ...command }: Request): void {
    if (command.type !== "hello") return this.#ask(socket, id, command);
    const greeting = { socket, id, hello: command };
    if (this.#welcome) return this.#greet(greeting, this.#welcome);
    this.#greetings.push(greeting);
    if (this.#greetings.length > 1) return;
    this.#greeter = socket;
    this.#ask(socket, id, command);
  }

  /** The connection is there already: rooms are live, and the listing shows the tab which ones it is behind in. */
  #greet({ socket, id, hello }: Greeting, welcome: Welcome): void {
    this.#tell(socket, { type: "reply", id, result: welcome });
    for (const { room, epoch, seq } of hello.cursors ?? []) {
      this.#tell(socket, { type: "resumed", room, cursor: { epoch, seq } });
    }
  }

  #ask(socket: string, id: number, command: Command): void {
    this.#asked.set(++this.#lastId, { socket, id });
    this.#waiting.push(JSON.stringify({ id: this.#lastId, ...command }));
    this.#pump();
  }

  #pump(): void {
    const { world } = this.#around;
    while (this.#waiting.length > 0 && this.#pace.wait(world.now()) === 0) {
      this.#pace.spend(world.now());
      this.#server?.send(this.#waiting.shift() ?? "");
    }
    this.#stop?.();
    this.#stop = undefined;
    if (this.#waiting.length > 0) this.#stop = world.after(this.#pace.wait(world.now()), () => this.#pump());
  }

  #hears(text: string): void {
    this.#heard = this.#around.world.now();
    let frame: Outgoing;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    const { type } = frame;
    if (type === "reply" || type === "error") return this.#answer(frame);
    // These are for one tab: gaps come of the cursors of the \`hello\`, and one renewal is enough.
    if (type === "gap") return this.#tell(this.#greeter ?? "", frame);
    if (type === "expiring") return this.#tell(this.#nearest(), frame);
    this.#around.post({ from: this.id, type: "frame", frame: text });
  }

  /** A socket in this page, which is there as long as the hub. */
  #nearest(): string {
    const sockets = [...this.#sockets];
    const [socket = ""] = sockets.find(([, tab]) => tab === this.#home) ?? sockets[0] ?? [];
    return socket;
  }

  #answer(answer: Outgoing & { readonly type: "reply" | "error" }): void {
    const asked = this.#asked.get(answer.id ?? 0);
    if (!asked) return;
    this.#asked.delete(answer.id ?? 0);
    this.#tell(asked.socket, { ...answer, id: asked.id });
    if (this.#welcome) return;
    if (answer.type === "error" || answer.result.kind !== "welcome") return this.#drop(1006, "hello was refused");
    this.#welcome = answer.result;
    for (const greeting of this.#greetings.splice(0).slice(1)) this.#greet(greeting, this.#welcome);
  }

  /** The connection is over, for all tabs. */
  #drop(code: number, reason: string): void {
    const server = this.#server;
    this.#stop?.();
    this.#stop = undefined;
    if (server) {
      server.onopen = server.onmessage = server.onclose = null;
      // The last receipts of a tab that has ended.
      if (this.#open) for (const frame of this.#waiting) server.send(frame);
      server.close(1000);
    }
    [this.#server, this.#open, this.#welcome, this.#greeter] = [undefined, false, undefined, undefined];
    [this.#waiting, this.#greetings, this.#pace] = [[], [], new Pace()];
    this.#asked.clear();
    for (const socket of this.#sockets.keys()) {
      this.#around.post({ from: this.id, socket, type: "closed", code, reason });
    }
    this.#sockets.clear();
  }

  /** Leaves the connection to another tab. */
  close(): void {
    this.#drop(1006, "another tab takes the connection");
  }
}
