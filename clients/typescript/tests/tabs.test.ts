import assert from "node:assert/strict";
import { test } from "node:test";
import { type Chat, type ClientEvent, connect, type Room } from "../src/index.js";
import { share } from "../src/tabs.js";
import { FakeBrowser, type FakeTab } from "./browser.js";
import { dice } from "./dice.js";
import { FakeServer } from "./server.js";
import { ROOM } from "./stage.js";
import { World } from "./world.js";

/** Tabs of one browser, and the server. */
class Desk {
  readonly world: World;
  readonly browser: FakeBrowser;
  readonly server: FakeServer;

  constructor(random?: number) {
    this.world = new World(random);
    this.browser = new FakeBrowser(this.world);
    this.server = new FakeServer(this.world);
  }

  /** A tab in which alice's chat is, unless it is another user's. */
  open(user = "alice"): Open {
    return new Open(this, user);
  }
}

class Open {
  readonly tab: FakeTab;
  readonly chat: Chat;
  /** The numbers of the entries that the application was given. */
  readonly given: number[] = [];
  readonly events: ClientEvent[] = [];
  tokens = 0;
  #room: Promise<Room> | undefined;
  room: Room | undefined;

  constructor({ browser }: Desk, user: string) {
    this.tab = browser.tab();
    const { environment, WebSocket, its } = this.tab;
    const token = () => (this.tokens++, user);
    this.chat = share({ url: "http://server.test", token, user, environment, WebSocket, browser: its });
    this.chat.on((event) => {
      this.events.push(event);
      if (event.type === "entry") this.given.push(event.seq);
    });
  }

  enter(): void {
    this.#room ??= this.chat.open("bob");
    this.#room.then((room) => (this.room = room), () => (this.#room = undefined));
  }

  get texts(): string[] {
    return this.room?.messages.map(({ text }) => text) ?? [];
  }

  get disconnects(): number {
    return this.events.filter(({ type }) => type === "disconnected").length;
  }
}

test("tabs share one connection: what one asks is answered to it, and events come to all", async () => {
  const desk = new Desk();
  const tabs = [desk.open(), desk.open(), desk.open()] as const;
  await desk.server.serve();
  assert.equal(desk.server.accepted, 1);
  assert.equal(desk.server.heard.get("hello"), 1);
  assert.deepEqual(tabs.map(({ chat }) => [chat.state, chat.user]), Array(3).fill(["live", "alice"]));
  tabs[1].enter();
  await desk.server.serve();
  assert.equal(desk.server.heard.get("open"), 1);
  assert.notEqual(tabs[1].room, undefined);
  assert.equal(tabs[0].room, undefined);
  desk.server.write("hello");
  await desk.server.serve();
  for (const tab of tabs) assert.deepEqual(tab.given, [1]);
  const sent = tabs[2].chat.store<"send">((client_id) => ({ type: "send", room: ROOM, text: "hi", client_id }));
  await desk.server.serve();
  assert.equal((await sent).seq, 2);
  assert.deepEqual(tabs[1].texts, ["hello", "hi"]);
  // Another user's tab has a connection of its own.
  const other = desk.open("carol");
  await desk.server.serve();
  assert.equal(desk.server.accepted, 2);
  assert.equal(other.chat.state, "live");
});

test("a tab that comes later is behind in nothing", async () => {
  const desk = new Desk();
  const first = desk.open();
  await desk.server.serve();
  for (let n = 1; n <= 3; n++) desk.server.write(`text ${n}`);
  await desk.server.serve();
  const cursors = first.chat.cursors();
  desk.server.write("text 4");
  const { environment, WebSocket, its } = desk.browser.tab();
  const later = share({ url: "http://server.test", token: "alice", user: "alice", cursors, environment, WebSocket, browser: its });
  const given: number[] = [];
  later.on((event) => event.type === "entry" && given.push(event.seq));
  await desk.server.serve();
  assert.deepEqual([given, later.state, desk.server.accepted], [[4], "live", 1]);
});

test("a tab that comes later hears nothing before it is welcome", async () => {
  const desk = new Desk();
  desk.open();
  await desk.server.serve();
  const later = desk.open();
  for (let n = 0; n < 100; n++) {
    desk.server.says({ type: "presence", user: "bob", online: true });
    await Promise.resolve();
  }
  await desk.server.serve();
  assert.equal(later.events[0]?.type, "connected");
  assert.equal(later.events[1]?.type, "presence");
});

test("when the tab with the connection is closed, another one takes it, and nothing is missing", async () => {
  const desk = new Desk();
  const [first, second, third] = [desk.open(), desk.open(), desk.open()];
  await desk.server.serve();
  second.enter();
  await desk.server.serve();
  first.tab.crash();
  desk.server.write("while nobody is there");
  void second.room?.send("mine");
  await desk.server.pass(1_000);
  assert.equal(desk.server.connections.length, 1);
  assert.deepEqual(second.texts, ["while nobody is there", "mine"]);
  for (const tab of [second, third]) assert.deepEqual([tab.given, tab.disconnects], [[1, 2], 1]);
});

test("a tab that ends leaves the connection to the others, with its last receipts", async () => {
  const desk = new Desk();
  const [first, second] = [desk.open(), desk.open()];
  await desk.server.serve();
  first.chat.mark(ROOM, "read", 1);
  first.chat.close();
  await desk.server.pass(1_000);
  assert.equal(desk.server.heard.get("receipt"), 1);
  assert.deepEqual([first.chat.state, second.chat.state, desk.server.connections.length], ["ended", "live", 1]);
  second.chat.mark(ROOM, "read", 1);
  second.chat.close();
  await desk.server.serve();
  assert.deepEqual([desk.server.heard.get("receipt"), desk.server.connections.length], [2, 0]);
  assert.equal(desk.world.timers, 0, "tabs that have ended leave no timer");
});

test("a tab that is not the first one ends alone", async () => {
  const desk = new Desk();
  const [first, second] = [desk.open(), desk.open()];
  await desk.server.serve();
  second.chat.mark(ROOM, "read", 1);
  second.chat.close();
  await desk.server.serve();
  assert.equal(desk.server.heard.get("receipt"), 1);
  assert.deepEqual([first.chat.state, first.disconnects, desk.server.connections.length], ["live", 0, 1]);
});

test("a page that is frozen hands the connection over at once, and comes back as one of the others", async () => {
  const desk = new Desk();
  const [first, second] = [desk.open(), desk.open()];
  await desk.server.serve();
  first.tab.freeze();
  await desk.server.pass(600);
  assert.deepEqual([second.chat.state, desk.server.connections.length], ["live", 1]);
  desk.server.write("while it is frozen");
  await desk.server.pass(600_000);
  first.tab.thaw(true);
  await desk.server.pass(1_000);
  assert.deepEqual([first.chat.state, first.given, desk.server.connections.length], ["live", [1], 1]);
});

test("a page that stops without a word loses the connection to one that needs it", async () => {
  const desk = new Desk();
  const [first, second] = [desk.open(), desk.open()];
  await desk.server.serve();
  first.tab.hang();
  second.enter();
  await desk.server.pass(7_000);
  assert.notEqual(second.room, undefined, "a question is answered within seven seconds");
  desk.server.write("hello");
  desk.server.says({ type: "presence", user: "bob", online: true });
  await desk.server.serve();
  first.tab.thaw();
  await desk.server.pass(1_000);
  assert.deepEqual([first.chat.state, first.given, second.given], ["live", [1], [1]]);
  const heard = second.events.filter(({ type }) => type === "presence");
  assert.equal(heard.length, 1, "what the page had heard before it stopped is old");
  assert.equal(desk.server.connections.length, 1, "the page has seen that the connection is not its own any more");
});

test("a page that comes to the front looks whether the connection lives, and takes it from one long in the background", async () => {
  const desk = new Desk();
  const [first, second] = [desk.open(), desk.open()];
  await desk.server.serve();
  const accepted = desk.server.accepted;
  first.tab.show(false);
  second.tab.show(true);
  await desk.server.pass(59_000);
  second.tab.show(true);
  await desk.server.pass(500);
  assert.equal(desk.server.accepted, accepted, "it lives, and has not been there for long");
  await desk.server.pass(1_000);
  second.tab.show(true);
  await desk.server.pass(1_000);
  assert.deepEqual([desk.server.accepted, second.chat.state, first.chat.state], [accepted + 1, "live", "live"]);
  second.tab.hang();
  first.tab.show(true);
  await desk.server.pass(4_000);
  assert.equal(desk.server.accepted, accepted + 2, "it does not live");
});

test("a server that is killed is found again by all tabs, over one connection", async () => {
  const desk = new Desk();
  const tabs = [desk.open(), desk.open(), desk.open()];
  await desk.server.serve();
  desk.server.write("one");
  await desk.server.serve();
  desk.server.kill();
  desk.server.write("two");
  await desk.server.pass(2_000);
  assert.equal(desk.server.connections.length, 1);
  for (const tab of tabs) assert.deepEqual([tab.given, tab.disconnects], [[1, 2], 1]);
});

test("a silent server is given up by all tabs", async () => {
  const desk = new Desk();
  const tabs = [desk.open(), desk.open()];
  await desk.server.serve();
  const { accepted } = desk.server;
  await desk.world.pass(50_000);
  await desk.server.pass(2_000);
  assert.equal(desk.server.accepted, accepted + 1);
  for (const { chat } of tabs) assert.equal(chat.state, "live");
});

test("a login that ends soon is renewed once, by the page with the connection", async () => {
  const desk = new Desk();
  const [first, second] = [desk.open(), desk.open()];
  await desk.server.serve();
  desk.server.says({ type: "expiring", expires_at: "2025-11-13T03:13:20Z" });
  await desk.server.serve();
  assert.deepEqual([first.tokens, second.tokens, desk.server.heard.get("renew")], [2, 1, 1]);
});

test("an end that is final is that of all tabs", async () => {
  const desk = new Desk();
  const tabs = [desk.open(), desk.open()];
  await desk.server.serve();
  desk.server.connections[0]?.end(4505);
  await desk.server.pass(1_000);
  assert.deepEqual(tabs.map(({ chat }) => [chat.state, chat.getSnapshot().error?.code]), Array(2).fill(["ended", 4505]));
});

test("all tabs together keep the pace that the server allows", async () => {
  const desk = new Desk();
  const tabs = [desk.open(), desk.open(), desk.open()];
  await desk.server.serve();
  await desk.server.pass(1_000);
  for (const { chat } of tabs) for (let n = 0; n < 40; n++) void chat.ask({ type: "ping" });
  const before = desk.server.heard.get("ping") ?? 0;
  for (let second = 1; second <= 3; second++) {
    await desk.server.pass(1_000);
    const pings = (desk.server.heard.get("ping") ?? 0) - before;
    assert(pings <= second * 40 + 10, `${pings} in ${second} s`);
  }
  await desk.server.pass(1_000);
  assert.equal((desk.server.heard.get("ping") ?? 0) - before, 120);
});

test("a page that may have no locks, and a browser without them, have connections of their own", async () => {
  const desk = new Desk();
  const locks = { request: () => Promise.reject(new DOMException("not here", "SecurityError")) };
  const { environment, WebSocket, its } = desk.browser.tab();
  const options = { url: "http://server.test", token: "alice", user: "alice", environment, WebSocket };
  const opaque = share({ ...options, browser: { ...its, locks } });
  const old = share({ ...options, browser: { locks: undefined as never } });
  await desk.server.serve();
  assert.deepEqual([opaque.state, old.state, desk.server.accepted], ["live", "live", 2]);
  opaque.close();
  old.close();
});

test("whatever happens to tabs and server, nothing is lost and nothing comes twice", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const roll = dice(seed);
    const desk = new Desk(0.5);
    let tabs = [desk.open(), desk.open()];
    const stopped = new Set<Open>();
    const sent = new Map<Open, string[]>();
    for (let step = 0; step < 40; step++) {
      const tab = tabs[roll(tabs.length)] as Open;
      switch (roll(9)) {
        case 0:
          if (tabs.length < 5) tabs.push(desk.open());
          break;
        case 1:
          if (tabs.length > 2 && !stopped.has(tab)) {
            tab.tab.crash();
            tabs = tabs.filter((other) => other !== tab);
          }
          break;
        case 2:
          tab.tab[roll(2) ? "freeze" : "hang"]();
          stopped.add(tab);
          break;
        case 3:
          for (const one of stopped) one.tab.thaw(roll(2) === 0);
          stopped.clear();
          break;
        case 4:
          desk.server.kill();
          break;
        case 5:
          if (!stopped.has(tab)) tab.tab.show(roll(2) === 0);
          break;
        case 6:
          if (stopped.has(tab)) break;
          tab.enter();
          if (tab.room) {
            const text = `${seed}/${step}`;
            void tab.room.send(text);
            sent.set(tab, [...(sent.get(tab) ?? []), text]);
          }
          break;
        default:
          desk.server.write(`bob ${step}`);
      }
      await desk.server.pass([0, 100, 1_000, 10_000][roll(4)] ?? 0);
    }
    for (const one of stopped) one.tab.thaw(true);
    await desk.server.pass(60_000);
    assert.equal(desk.server.connections.length, 1, `seed ${seed}`);
    for (const tab of tabs) {
      const { given, chat } = tab;
      assert.equal(chat.state, "live", `seed ${seed}`);
      const [first = 0] = given;
      assert.deepEqual(given, desk.server.log.map(({ seq }) => seq).filter((seq) => given.length > 0 && seq >= first), `seed ${seed}`);
      const mine = sent.get(tab) ?? [];
      const stored = desk.server.log.flatMap(({ body }) => (body.kind === "message" ? [body.text] : []));
      assert.deepEqual(stored.filter((text) => mine.includes(text)), mine, `seed ${seed}: each once, in order`);
      if (tab.room) assert.deepEqual(tab.room.messages.filter(({ status }) => status !== "sent"), []);
      chat.close();
    }
  }
});

test("a client of its own is not disturbed by the tabs", async () => {
  const desk = new Desk();
  const { environment, WebSocket } = desk.browser.tab();
  const own = connect({ url: "http://server.test", token: "alice", environment, WebSocket });
  desk.open();
  await desk.server.serve();
  assert.deepEqual([own.state, desk.server.accepted], ["live", 2]);
  own.close();
});
