import type { Environment, Socket } from "../src/index.js";

/** One WebSocket of the client, whose other end is the test. */
export class FakeSocket implements Socket {
  onopen: ((event?: unknown) => void) | null = null;
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null = null;
  onerror: ((event?: unknown) => void) | null = null;
  /** The frames that the client has sent, and the test has not taken. */
  readonly sent: Record<string, unknown>[] = [];
  ended = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.ended = true;
  }

  /** The server says something. */
  say(frame: unknown): void {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  /** The connection ends; without a code, as by a power cut. */
  end(code = 1006): void {
    this.onclose?.({ code, reason: "" });
  }
}

/** A world in which time passes only when a test says so, and nothing is random. */
export class World {
  /** The sockets that the client has opened, and the test has not taken. */
  readonly sockets: FakeSocket[] = [];
  readonly WebSocket: new (url: string) => Socket;
  readonly environment: Environment;
  #now = 0;
  #ids = 0;
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();

  constructor(random = 1) {
    const sockets = this.sockets;
    this.WebSocket = class extends FakeSocket {
      constructor() {
        super();
        sockets.push(this);
      }
    };
    this.environment = {
      now: () => this.#now,
      random: () => random,
      id: () => `id-${++this.#ids}`,
      after: (wait, call) => {
        const timer = { at: this.#now + wait, call };
        this.#timers.add(timer);
        return () => this.#timers.delete(timer);
      },
    };
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets time pass, with everything that is due meanwhile. */
  async pass(time: number): Promise<void> {
    const end = this.#now + time;
    for (;;) {
      await this.settle();
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }
    this.#now = end;
    await this.settle();
  }

  /** The number of timers that wait. */
  get timers(): number {
    return this.#timers.size;
  }
}
