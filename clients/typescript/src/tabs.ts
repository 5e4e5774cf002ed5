import { type Chat, connect } from "./chat.js";
import { type Environment, type Options, type Socket, WORLD } from "./driver.js";
import { Hub, type ToHub, type ToTab } from "./hub.js";

/** The time that a hub has to be heard after a frame, and after it is asked whether it is alive. */
const SILENT = 3_000;
const ALIVE = 2_000;

/** The time in the background after which a page leaves the connection to one that the user looks at. */
const HIDDEN = 60_000;

/** The part of `navigator.locks` that is used. */
export interface Locks {
  request(
    name: string,
    options: { readonly steal?: boolean; readonly signal?: AbortSignal },
    callback: () => Promise<void>,
  ): Promise<unknown>;
}

/** The part of a `BroadcastChannel` that is used. */
export interface Channel {
  onmessage: ((event: any) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The part of a `document` that is used: a page freezes, resumes, and comes to the front. */
export interface Page {
  readonly visibilityState: string;
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** The parts of a browser that connect its tabs. */
export interface Browser {
  readonly locks: Locks;
  readonly BroadcastChannel: new (name: string) => Channel;
  readonly document: Page | undefined;
}

/** The settings of a client that shares its connection. */
export type { Environment } from "./driver.js";

export interface SharedOptions extends Options {
  /** The user's name. Tabs with the same user and `url` share a connection. */
  readonly user: string;
  /** The browser, for tests. */
  readonly browser?: Partial<Browser> | undefined;
}

/** The socket of a client whose connection may be in another tab. */
class SharedSocket implements Socket {
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  readonly #id: string;
  readonly #tab: Tab;
  readonly #url: string;
  #hub: string | undefined;
  #greeted = false;
  /** Stops what happens unless the hub is heard. */
  #stop: (() => void) | undefined;

  constructor(tab: Tab, url: string) {
    this.#id = tab.world.id();
    this.#tab = tab;
    this.#url = url;
    tab.socket = this;
    this.#open();
  }

  #open(): void {
    this.#tab.post({ socket: this.#id, type: "open", url: this.#url, tab: this.#tab.id });
    this.probe();
  }

  send(frame: string): void {
    this.#tab.post({ socket: this.#id, hub: this.#hub, type: "frame", frame });
    if (!this.#stop) this.#unlessHeard(SILENT, () => this.probe());
  }

  close(): void {
    this.#leave();
    this.#tab.post({ socket: this.#id, hub: this.#hub, type: "close" });
  }

  #leave(): void {
    this.#hears();
    this.#tab.socket = undefined;
  }

  /** Takes the connection if the tab that has it says nothing. */
  probe(): void {
    this.#tab.post({ socket: this.#id, hub: this.#hub, type: "alive" });
    this.#unlessHeard(ALIVE * (1 + this.#tab.world.random() / 2), () => this.#tab.stand(true));
  }

  #unlessHeard(wait: number, then: () => void): void {
    this.#hears();
    this.#stop = this.#tab.world.after(wait, () => {
      this.#stop = undefined;
      then();
    });
  }

  #hears(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  hear(message: ToTab): void {
    const { from, socket = this.#id, type } = message;
    if (type === "leads") return this.#hub === undefined ? this.#open() : this.#end(1006, "the tab with it is gone");
    if (socket !== this.#id || from !== (this.#hub ?? from)) return;
    this.#hears();
    switch (type) {
      case "opened":
        if (this.#hub !== undefined) return;
        this.#hub = from;
        return this.onopen?.({});
      case "frame":
        // What is for all tabs begins after the answer to this one's `hello`.
        this.#greeted ||= message.socket !== undefined;
        if (this.#greeted) this.onmessage?.({ data: message.frame });
        return;
      case "closed":
        return this.#end(message.code, message.reason);
      case "alive":
        if (message.hidden >= HIDDEN && this.#tab.isSeen) this.#tab.stand(true);
    }
  }

  #end(code: number, reason: string): void {
    this.#leave();
    this.onclose?.({ code, reason });
  }
}

/** The last message of a tab, to itself, behind what its socket has said to the hub. */
interface Bye {
  readonly bye: string;
}

/** One of the tabs that share a connection; the one that holds the lock has the connection. */
class Tab {
  readonly id: string;
  readonly world: Environment;
  readonly #name: string;
  readonly #options: SharedOptions;
  readonly #browser: Browser;
  /** The ends of the channel for the tab and for the hub in it, which is a tab like the others to it. */
  readonly #channel: Channel;
  readonly #hubs: Channel;
  #hub: Hub | undefined;
  /** Gives the lock back, or takes the request for it back. */
  #give: (() => void) | undefined;
  #hiddenAt = 0;
  #closed = false;
  socket: SharedSocket | undefined;

  constructor(options: SharedOptions, browser: Browser) {
    this.world = { ...WORLD, ...options.environment };
    this.id = this.world.id();
    this.#name = `chat-engine ${options.user} ${options.url}`;
    this.#options = options;
    this.#browser = browser;
    this.#channel = new browser.BroadcastChannel(this.#name);
    this.#hubs = new browser.BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }: { data: ToTab | ToHub | Bye }) => {
      if ("from" in data) this.socket?.hear(data);
    };
    this.#hubs.onmessage = ({ data }: { data: ToTab | ToHub | Bye }) => {
      if ("bye" in data) this.#heardBye(data);
      else if (!("from" in data)) this.#hub?.hear(data);
    };
    const { document } = browser;
    document?.addEventListener("visibilitychange", this.#seen);
    document?.addEventListener("freeze", this.#freeze);
    document?.addEventListener("resume", this.#resume);
    this.stand();
  }

  post(message: ToHub | Bye): void {
    this.#channel.postMessage(message);
  }

  get isSeen(): boolean {
    return this.#browser.document?.visibilityState !== "hidden";
  }

  #seen = (): void => {
    this.#hiddenAt = this.world.now();
    if (this.isSeen) this.socket?.probe();
  };

  #freeze = (): void => {
    this.#hub?.close();
    this.#hub = undefined;
    this.#give?.();
    this.#give = undefined;
  };

  #resume = (): void => {
    if (!this.#give) this.stand();
  };

  /** Waits for the lock, or takes it from a tab that has stopped. */
  stand(steal = false): void {
    if (this.#closed || (steal && this.#hub)) return;
    const waiting = new AbortController();
    this.#give?.();
    const give = (this.#give = () => waiting.abort());
    const lead = (): Promise<void> =>
      new Promise((resolve) => {
        if (waiting.signal.aborted) return resolve();
        waiting.signal.addEventListener("abort", () => resolve());
        this.#lead();
      });
    const options = steal ? { steal } : { signal: waiting.signal };
    this.#browser.locks.request(this.#name, options, lead).catch((error: Error) => {
      if (waiting.signal.aborted) return;
      // Another tab has taken the lock, or this page may have none and is for itself.
      if (error.name !== "AbortError") return this.#lead();
      this.#hub?.close();
      this.#hub = undefined;
      if (this.#give === give) this.stand();
    });
  }

  #lead(): void {
    const { WebSocket = globalThis.WebSocket } = this.#options;
    this.#hub = new Hub(this.world.id(), this.id, {
      post: (message) => this.#hubs.postMessage(message),
      world: this.world,
      WebSocket,
      hidden: () => (this.isSeen ? 0 : this.world.now() - this.#hiddenAt),
    });
  }

  /** Ends after all that the tab has said before. */
  close(): void {
    this.#closed = true;
    this.post({ bye: this.id });
    const { document } = this.#browser;
    document?.removeEventListener("visibilitychange", this.#seen);
    document?.removeEventListener("freeze", this.#freeze);
    document?.removeEventListener("resume", this.#resume);
  }

  #heardBye({ bye }: Bye): void {
    if (bye !== this.id) return;
    this.#freeze();
    this.#channel.close();
    this.#hubs.close();
  }
}

/**
 * Connects to a chat server over one connection that all tabs of the browser with this user share. Where there are no
 * Web Locks or broadcast channels, as in Node 20, each has a connection of its own.
 */
export function share(options: SharedOptions): Chat {
  const { navigator, BroadcastChannel, document } = globalThis;
  const browser = { locks: navigator?.locks, BroadcastChannel, document, ...options.browser };
  if (!browser.locks || !browser.BroadcastChannel) return connect(options);
  const tab = new Tab(options, browser as Browser);
  const WebSocket = class extends SharedSocket {
    constructor(url: string) {
      super(tab, url);
    }
  };
  const chat = connect({ ...options, WebSocket });
  chat.on((event) => event.type === "ended" && tab.close());
  return chat;
}
