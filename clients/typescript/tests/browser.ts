import type { Browser, Channel, Environment, Locks, Page } from "../src/tabs.js";
import { FakeSocket, type World } from "./world.js";

interface Request {
  readonly tab: FakeTab;
  readonly callback: () => Promise<void>;
  readonly done: (value: unknown) => void;
  readonly failed: (error: Error) => void;
}

function aborted(): Error {
  return new DOMException("The request was aborted.", "AbortError");
}

/** The holder of one lock, and the requests that wait for it. */
class FakeLock {
  #held: Request | undefined;
  #waiting: Request[] = [];

  request(request: Request, steal: boolean, signal: AbortSignal | undefined): void {
    signal?.addEventListener("abort", () => {
      if (!this.#waiting.includes(request)) return;
      this.#waiting = this.#waiting.filter((waiting) => waiting !== request);
      request.failed(aborted());
    });
    if (signal?.aborted) return request.failed(aborted());
    if (steal) {
      this.#held?.failed(aborted());
      this.#held = undefined;
      this.#waiting.unshift(request);
    } else this.#waiting.push(request);
    this.#grant();
  }

  #grant(): void {
    if (this.#held) return;
    const request = this.#waiting.shift();
    if (!request) return;
    this.#held = request;
    const over = (): void => {
      request.done(undefined);
      if (this.#held === request) this.#release();
    };
    queueMicrotask(() => request.tab.run(() => void request.callback().then(over, over)));
  }

  #release(): void {
    this.#held = undefined;
    this.#grant();
  }

  forget(tab: FakeTab): void {
    this.#waiting = this.#waiting.filter((request) => request.tab !== tab);
    if (this.#held?.tab === tab) this.#release();
  }
}

/** A browser with several tabs: locks and channels as the standards have them, over the world of a test. */
export class FakeBrowser {
  readonly world: World;
  readonly #channels: FakeChannel[] = [];
  readonly #locks = new Map<string, FakeLock>();

  constructor(world: World) {
    this.world = world;
  }

  tab(): FakeTab {
    return new FakeTab(this);
  }

  lock(name: string): FakeLock {
    const lock = this.#locks.get(name) ?? new FakeLock();
    this.#locks.set(name, lock);
    return lock;
  }

  /** The tab is gone, and its locks and channels with it. */
  forget(tab: FakeTab): void {
    for (const channel of [...this.#channels]) if (channel.tab === tab) this.leave(channel);
    for (const lock of this.#locks.values()) lock.forget(tab);
  }

  join(channel: FakeChannel): void {
    this.#channels.push(channel);
  }

  leave(channel: FakeChannel): void {
    this.#channels.splice(this.#channels.indexOf(channel), 1);
  }

  post(from: FakeChannel, message: unknown): void {
    for (const channel of this.#channels) {
      if (channel === from || channel.name !== from.name) continue;
      const data = structuredClone(message);
      queueMicrotask(() => channel.tab.run(() => channel.onmessage?.({ data })));
    }
  }
}

class FakeChannel implements Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  readonly tab: FakeTab;
  readonly name: string;

  constructor(tab: FakeTab, name: string) {
    this.tab = tab;
    this.name = name;
    tab.browser.join(this);
  }

  postMessage(message: unknown): void {
    this.tab.browser.post(this, message);
  }

  close(): void {
    this.onmessage = null;
    this.tab.browser.leave(this);
  }
}

/** A tab: what happens in it waits while it is stopped, and never happens once it has crashed. */
export class FakeTab {
  readonly browser: FakeBrowser;
  readonly environment: Environment;
  readonly WebSocket: new (url: string) => FakeSocket;
  readonly its: Browser;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #sockets: FakeSocket[] = [];
  #stopped: (() => void)[] | undefined;
  #gone = false;
  #visibility = "visible";

  constructor(browser: FakeBrowser) {
    this.browser = browser;
    const { environment, WebSocket } = browser.world;
    this.environment = { ...environment, after: (wait, call) => environment.after(wait, () => this.run(call)) };
    const [tab, sockets] = [this, this.#sockets];
    this.WebSocket = class extends (WebSocket as new () => FakeSocket) {
      constructor() {
        super();
        sockets.push(this);
      }

      override say(frame: unknown): void {
        tab.run(() => super.say(frame));
      }

      override end(code?: number): void {
        tab.run(() => super.end(code));
      }
    };
    const locks: Locks = {
      request: (name, { steal = false, signal }, callback) =>
        new Promise((done, reject) => {
          const failed = (error: Error): void => this.run(() => reject(error));
          browser.lock(name).request({ tab: this, callback, done, failed }, steal, signal);
        }),
    };
    const document: Page = {
      get visibilityState() {
        return tab.#visibility;
      },
      addEventListener: (type, listener) => void this.#of(type).add(listener),
      removeEventListener: (type, listener) => void this.#of(type).delete(listener),
    };
    const BroadcastChannel = class extends FakeChannel {
      constructor(name: string) {
        super(tab, name);
      }
    };
    this.its = { locks, document, BroadcastChannel };
  }

  #of(type: string): Set<() => void> {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    return listeners;
  }

  run(call: () => void): void {
    if (this.#gone) return;
    if (this.#stopped) this.#stopped.push(call);
    else call();
  }

  #happens(type: string): void {
    for (const listener of [...this.#of(type)]) this.run(listener);
  }

  /** The user looks at this tab, or at another one. */
  show(visible: boolean): void {
    this.#visibility = visible ? "visible" : "hidden";
    this.#happens("visibilitychange");
  }

  /** The browser freezes the page, and says so. */
  freeze(): void {
    this.#happens("freeze");
    this.hang();
  }

  /** Nothing happens in the page any more. */
  hang(): void {
    this.#stopped ??= [];
  }

  /** The page goes on; a frozen one is told that first. */
  thaw(resumes = false): void {
    const waiting = this.#stopped ?? [];
    this.#stopped = undefined;
    if (resumes) this.#happens("resume");
    for (const call of waiting) this.run(call);
  }

  /** The tab is closed without a word, as by a crash. */
  crash(): void {
    this.#gone = true;
    for (const socket of this.#sockets) socket.ended = true;
    this.browser.forget(this);
  }
}
