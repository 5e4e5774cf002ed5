// A device that remembers the events that it received, on the library of the old backend's own clients.

import assert from "node:assert/strict";

// The transports that a client tries, in this order, and the one that it ends up on.
const TRANSPORTS = {
  polling: { transports: ["polling"], last: "polling" },
  websocket: { transports: ["websocket"], last: "websocket" },
  upgrade: { transports: ["polling", "websocket"], last: "websocket" },
  // Something between client and server lets no WebSocket through.
  broken: { transports: ["polling", "websocket"], last: "polling" },
};

/** The library in a version such as `4.0`, or in the newest one. */
export async function library(version) {
  const name = version === undefined ? "socket.io-client" : `socket.io-client-${version}`;
  return (await import(name)).io;
}

const PATIENCE_MS = 10_000;

/** A token of this user that is good for an hour, as the servers of the tests believe it. */
export function token(user) {
  return `${user} until ${new Date(Date.now() + 3_600_000).toISOString()}`;
}

export class Device {
  #received = [];
  #waiting = [];
  #transport;
  #login;

  constructor(world, options) {
    this.#login = world.login;
    const { transports, last } = TRANSPORTS[world.transport];
    this.#transport = last;
    this.socket = world.io(world.url, {
      transports,
      forceNew: true,
      reconnection: false,
      ...options,
    });
    this.socket.onAny((event, ...args) => this.#take(event, args));
    this.socket.on("connect", () => this.#take("connect", []));
    this.socket.on("connect_error", (error) => this.#take("connect_error", [error.message]));
    this.socket.on("disconnect", (reason) => this.#take("disconnect", [reason]));
  }

  #take(event, args) {
    const at = this.#waiting.findIndex((one) => one.wanted(event, args));
    if (at < 0) this.#received.push({ event, args });
    else this.#waiting.splice(at, 1)[0].resolve(args[0]);
  }

  emit(...args) {
    if (args[0] === "set-username") args[1] = this.#login(args[1]);
    this.socket.emit(...args);
    return this;
  }

  /** Emits, and gives what the server answers. */
  ask(...args) {
    const late = new Error(`no answer to ${args[0]} in ${PATIENCE_MS} ms`);
    // The older versions have neither `timeout` nor `emitWithAck`.
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(late), PATIENCE_MS);
      this.socket.emit(...args, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  }

  /** The next such event's first argument: one that came already, or one that will. */
  next(event, matches = () => true) {
    const wanted = (name, args) => name === event && matches(args[0]);
    const at = this.#received.findIndex((one) => wanted(one.event, one.args));
    if (at >= 0) return Promise.resolve(this.#received.splice(at, 1)[0].args[0]);
    // The stack of the caller is the useful one.
    const late = new Error(`no ${event} in ${PATIENCE_MS} ms`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        late.message += `; received: ${JSON.stringify(this.#received)}`;
        reject(late);
      }, PATIENCE_MS);
      this.#waiting.push({
        wanted,
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
      });
    });
  }

  async many(event, count) {
    const all = [];
    while (all.length < count) all.push(await this.next(event));
    return all;
  }

  /** What came and nobody asked for, but for who is online. */
  rest() {
    return this.#received.filter(({ event }) => event !== "online-users");
  }

  /** Waits until everything that was on its way has come, and checks that no event was left over. */
  async silent() {
    // Incoming and outgoing events of a socket are served in turns, by chance.
    for (let turn = 0; turn < 8; turn++) {
      const event = `turn-${turn}`;
      this.emit(event);
      await this.next("dm-error", (text) => text === `there is no event "${event}"`);
    }
    assert.deepEqual(this.rest(), []);
  }

  /** The list of who is online, once it is this. */
  online(...names) {
    return this.next("online-users", (users) => {
      assert.equal(new Set(users).size, users.length, `each once: ${users}`);
      return users.length === names.length && names.every((name) => users.includes(name));
    });
  }

  async named(name) {
    await this.next("connect");
    this.emit("set-username", name);
    await this.next("online-users", (users) => users.includes(name));
    return this;
  }

  async dm(peer) {
    await this.ask("start-dm", peer);
    return this;
  }

  /** Waits until it is on the transport that it is to end up on. */
  async settled() {
    const engine = this.socket.io.engine;
    const upgrade = new Promise((resolve) => engine.once("upgrade", resolve));
    if (engine.transport.name !== this.#transport) await upgrade;
    assert.equal(engine.transport.name, this.#transport);
  }

  leave() {
    this.socket.disconnect();
  }

  /** Waits until the server has closed the transport, and the library has connected again by itself. */
  async returns() {
    assert.match(await this.next("disconnect"), /^transport /);
    await this.next("connect");
  }

  /** Takes nothing from the server until the function that it gives is called. */
  stop_reading() {
    const { transport } = this.socket.io.engine;
    if (transport.name === "websocket") {
      const tcp = transport.ws._socket;
      tcp.pause();
      return () => tcp.resume();
    }
    const poll = transport.doPoll;
    let waiting = false;
    transport.doPoll = () => (waiting = true);
    return () => {
      transport.doPoll = poll;
      if (waiting) transport.doPoll();
    };
  }
}

export class World {
  /** The string by which a user of this name logs in. */
  login = (name) => name;
  #urls;
  #devices;

  /** `url` may be those of several nodes, with commas between them. */
  constructor(io, url, transport, devices = []) {
    this.io = io;
    this.#urls = url.split(",");
    this.url = this.#urls[0];
    this.transport = transport;
    this.#devices = devices;
  }

  /** The same world, as those on one of its nodes see it. */
  at(node) {
    return new World(this.io, this.#urls[node], this.transport, this.#devices);
  }

  device(options) {
    const device = new Device(this, options);
    this.#devices.push(device);
    return device;
  }

  /** A device of `name` that talks to `peer`. */
  async person(name, peer, options) {
    const device = await this.device(options).named(name);
    return peer === undefined ? device : device.dm(peer);
  }

  /** Checks that every device ended up on the transport it was to use. */
  async close() {
    for (const device of this.#devices) {
      if (device.socket.connected) await device.settled();
      device.leave();
    }
  }
}
