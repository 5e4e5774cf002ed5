import type { ClientEvent } from "./connection.js";

/** Changes that wait for their consumer. Beyond, the oldest are dropped, and entries among them reported. */
const LIMIT = 1_024;

/** An iterator over what happens, for `for await`. It ends with the client, or with the loop. */
export class Changes implements AsyncIterableIterator<ClientEvent> {
  readonly #waiting: ClientEvent[] = [];
  readonly #ready: ((result: IteratorResult<ClientEvent, undefined>) => void)[] = [];
  #skipped: (ClientEvent & { readonly type: "skipped" }) | undefined;
  #ended = false;
  #stop: () => void = () => {};

  /** `listen` begins the events, and gives what ends them. */
  constructor(listen: (listener: (event: ClientEvent) => void) => () => void) {
    this.#stop = listen((event) => this.#push(event));
  }

  #push(event: ClientEvent): void {
    const ready = this.#ready.shift();
    if (ready) ready({ value: event, done: false });
    else if (this.#waiting.push(event) > LIMIT) this.#drop(this.#waiting.shift());
    if (event.type === "ended" || event.type === "closed") void this.return();
  }

  #drop(event: ClientEvent | undefined): void {
    if (event?.type !== "entry") return;
    const { room, seq } = event;
    this.#skipped = { type: "skipped", room, from: this.#skipped?.from ?? seq, to: seq };
  }

  next(): Promise<IteratorResult<ClientEvent, undefined>> {
    const value = this.#skipped ?? this.#waiting.shift();
    this.#skipped = undefined;
    if (value) return Promise.resolve({ value, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#ready.push(resolve));
  }

  return(): Promise<IteratorResult<ClientEvent, undefined>> {
    this.#ended = true;
    this.#stop();
    const end = { value: undefined, done: true } as const;
    for (const ready of this.#ready.splice(0)) ready(end);
    return Promise.resolve(end);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
