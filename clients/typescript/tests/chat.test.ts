import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChatError, type ClientEvent, connect } from "../src/index.js";
import { AT, entry, EPOCH, ROOM, Stage } from "./stage.js";
import { World } from "./world.js";

test("a chat says in which state it is", async () => {
  const stage = new Stage();
  const { chat } = stage;
  assert.equal(chat.state, "connecting");
  await stage.live();
  assert.deepEqual([chat.state, chat.user], ["live", "alice"]);
  stage.socket.end();
  assert.equal(chat.state, "waiting");
  assert.match(chat.getSnapshot().reason ?? "", /closed the connection/);
  await stage.world.pass(500);
  await stage.live();
  assert.deepEqual([chat.state, chat.getSnapshot().reason], ["live", undefined]);
  stage.socket.end(4505);
  assert.deepEqual([chat.state, chat.getSnapshot().error?.code], ["ended", 4505]);
});

test("the list of rooms follows entries and the user's own receipts", async () => {
  const stage = await new Stage().live(3, 1);
  const { chat } = stage;
  assert.deepEqual(chat.rooms, [{ id: ROOM, head: 3, delivered: 3, read: 3, unread: 1 }]);
  await stage.entry(4, "hello");
  await stage.entry(5, "mine", "alice");
  await stage.entry(6, { kind: "edit", target: 4, text: "hello!" });
  assert.deepEqual([chat.rooms[0]?.head, chat.rooms[0]?.unread], [6, 2]);
  await stage.say({ type: "receipt", room: ROOM, user: "bob", was: { delivered: 0, read: 0 }, delivered: 6, read: 6 });
  assert.equal(chat.rooms[0]?.unread, 2);
  await stage.say({ type: "receipt", room: ROOM, user: "alice", was: { delivered: 3, read: 3 }, delivered: 4, read: 4 });
  assert.equal(chat.rooms[0]?.unread, 0);
  await stage.say({ type: "entry", ...entry(1, "new here"), room: "alice,carol" });
  await stage.answer("history", { kind: "history", epoch: EPOCH, entries: [{ ...entry(1, "new here"), room: "alice,carol" }], older: false, newer: false });
  assert.deepEqual(chat.rooms.map(({ id, unread }) => [id, unread]), [[ROOM, 0], ["alice,carol", 1]]);
  await stage.say({ type: "closed", room: ROOM });
  assert.equal(chat.rooms.length, 1);
});

test("a room that the user has left is not in the list", async () => {
  const stage = await new Stage().live(3);
  const room = await stage.open();
  await stage.entry(4, { kind: "left", user: "alice" });
  assert.deepEqual(stage.chat.rooms, []);
  assert.equal(room.getSnapshot().closed, true);
  await stage.entry(5, { kind: "joined", user: "alice" });
  const back = stage.row(ROOM, 1);
  await stage.say({ type: "room", why: "added", ...back });
  await stage.answer("history", stage.page([entry(5, { kind: "joined", user: "alice" })]));
  assert.equal(room.getSnapshot().closed, false);
});

test("the loop over a room ends with the client", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  const seen: string[] = [];
  const loop = (async () => {
    for await (const change of room) seen.push(change.type === "entry" ? `entry ${change.seq}` : change.type);
  })();
  await stage.entry(1, "hello");
  await stage.say({ type: "typing", room: ROOM, user: "bob", active: true });
  await stage.say({ type: "presence", user: "zoe", online: true });
  await stage.entry(2, "hi");
  stage.chat.close();
  await loop;
  assert.deepEqual(seen, ["entry 1", "typing", "entry 2", "ended"]);
});

test("the loop over a room can be left, and begins with the next change", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  await stage.entry(1, "before");
  const changes = room[Symbol.asyncIterator]();
  await stage.entry(2, "hello");
  for await (const change of changes) {
    assert.equal(change.type === "entry" && change.seq, 2);
    break;
  }
  assert.deepEqual(await changes.next(), { value: undefined, done: true });
});

test("a loop that does not keep up is told which entries it has missed", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  const changes = room[Symbol.asyncIterator]();
  for (let seq = 1; seq <= 1_030; seq++) stage.socket.say({ type: "entry", ...entry(seq, "hi") });
  assert.deepEqual((await changes.next()).value, { type: "skipped", room: ROOM, from: 1, to: 6 });
  const next: ClientEvent | undefined = (await changes.next()).value;
  assert.equal(next?.type === "entry" && next.seq, 7);
});

test("a listener may call the client, and end it", async () => {
  const stage = await new Stage().live();
  const heard: string[] = [];
  stage.chat.on((event) => {
    heard.push(event.type);
    if (event.type === "entry") stage.chat.mark(ROOM, "read", event.seq);
    if (event.type === "typing") stage.chat.close();
  });
  await stage.open();
  await stage.entry(1, "hello");
  assert.equal((await stage.hears("receipt"))["seq"], 1);
  await stage.say({ type: "typing", room: ROOM, user: "bob", active: true });
  assert.deepEqual(heard, ["entry", "typing", "ended"]);
  assert.equal(stage.world.timers, 0);
});

test("any command of the protocol can be sent", async () => {
  const stage = await new Stage().live();
  const online = stage.chat.ask({ type: "online" });
  await stage.answer("online", { kind: "online", users: ["bob"] });
  assert.deepEqual((await online).users, ["bob"]);
  const sent = stage.chat.store<"send">((client_id) => ({ type: "send", room: ROOM, text: "hi", client_id }));
  await stage.answer("send", { kind: "sent", room: ROOM, id: "id-1", seq: 1, at: AT, duplicate: false });
  assert.equal((await sent).seq, 1);
});

test("a later client begins where an earlier one was", async () => {
  const first = await new Stage().live(3);
  await first.entry(4, "hello");
  const cursors = first.chat.cursors();
  first.chat.close();
  assert.deepEqual(cursors, [{ room: ROOM, epoch: EPOCH, seq: 4 }]);
  const second = new Stage({ cursors });
  await second.world.settle();
  const socket = second.world.sockets[0];
  socket?.onopen?.();
  assert.deepEqual(socket?.sent[0]?.["cursors"], cursors);
});

test("an address without WebSockets ends the client, and says so", async () => {
  const none = class {
    constructor() {
      throw new Error("not here");
    }
  } as never;
  const chat = connect({ url: "http://server.test", token: "alice", WebSocket: none });
  const call = chat.ask({ type: "online" });
  await assert.rejects(call, (error: ChatError) => error.failure === "ended" && /not here/.test(error.message));
  assert.equal(chat.state, "ended");
});

test("the address of the server is turned into that of the protocol", async () => {
  const seen: string[] = [];
  const WebSocket = class {
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;
    constructor(url: string) {
      seen.push(url);
    }
    send(): void {}
    close(): void {}
  };
  for (const url of ["http://a.test", "https://b.test/chat/", "wss://c.test/v1/ws", "ws://d.test:5000"]) {
    const chat = connect({ url, token: "alice", WebSocket });
    await new Promise((resolve) => setImmediate(resolve));
    chat.close();
  }
  assert.deepEqual(seen, ["ws://a.test/v1/ws", "wss://b.test/chat/v1/ws", "wss://c.test/v1/ws", "ws://d.test:5000/v1/ws"]);
  assert.throws(() => connect({ url: "no address", token: "alice" }), TypeError);
});

test("a room that is made, joined or accepted is entered", async () => {
  const stage = await new Stage().live();
  const calls = [
    [
      () => stage.chat.create({ kind: "group", name: "Team" }),
      { type: "create", kind: "group", name: "Team", client_id: "id-1" },
    ],
    [() => stage.chat.join("news"), { type: "join", room: "news" }],
    [() => stage.chat.accept("secret"), { type: "accept", token: "secret" }],
  ] as const;
  for (const [n, [call, command]] of calls.entries()) {
    const entering = call();
    const { id, ...heard } = await stage.hears(command.type);
    assert.deepEqual(heard, command);
    await stage.say({ type: "reply", id, result: stage.view(1, { id: `room-${n}`, name: "Team" }) });
    await stage.answer("history", stage.page([{ ...entry(1, "hello"), room: `room-${n}` }]));
    const room = await entering;
    assert.deepEqual([room.id, room.name, room.messages.length], [`room-${n}`, "Team", 1]);
    await stage.say({ type: "entry", ...entry(2, "hi"), room: room.id });
    assert.equal(room.messages.length, 2, "its entries are live from then on");
  }
});

test("an invitation that may have been made is not made again", async () => {
  const stage = await new Stage().live();
  const making = assert.rejects(
    stage.chat.ask({ type: "invite", room: "team" }),
    (error: ChatError) => error.failure === "unanswered",
  );
  const asking = stage.chat.directory("news", { limit: 5 });
  await stage.hears("invite");
  stage.socket.end();
  await making;
  await stage.world.pass(500);
  await stage.live();
  const { id, ...asked } = await stage.hears("directory");
  assert.deepEqual(asked, { type: "directory", query: "news", limit: 5 });
  await stage.say({ type: "reply", id, result: { kind: "directory", rooms: [], more: false } });
  assert.deepEqual((await asking).rooms, []);
});

test("users are blocked, listed and unblocked", async () => {
  const stage = await new Stage().live();
  const blocking = stage.chat.block("bob");
  await stage.answer("block", { kind: "ok" });
  await blocking;
  const blocks = stage.chat.blocks();
  await stage.answer("blocks", { kind: "blocks", blocks: [{ user: "bob", at: AT }], more: false });
  assert.deepEqual((await blocks).blocks, [{ user: "bob", at: AT }]);
  const unblocking = stage.chat.unblock("bob");
  await stage.answer("unblock", { kind: "ok" });
  await unblocking;
});

test("a room that the user is let into is listed with its unread messages, until the user is put out", async () => {
  const stage = await new Stage().live(3, 1);
  const row = stage.row("team", 1, { unread: 2 });
  await stage.say({ type: "room", why: "added", ...row });
  assert.deepEqual(stage.chat.rooms.map(({ id, unread }) => [id, unread]), [[ROOM, 1], ["team", 2]]);
  assert.equal(stage.chat.getSnapshot().unread, 3);
  const body = { kind: "left", user: "alice", why: "removed" } as const;
  const heard: string[] = [];
  stage.chat.on((event) => event.type === "entry" && heard.push(event.body.kind));
  await stage.say({ type: "entry", ...entry(9, body), room: "team" });
  assert.deepEqual(heard, ["left"], "the last entry comes also when those before it can't be read any more");
  assert.deepEqual(stage.chat.rooms.map(({ id }) => id), [ROOM]);
  assert.deepEqual(stage.chat.cursors().map(({ room }) => room), [ROOM]);
});

test("a removal that is older than the return changes nothing", async () => {
  const stage = await new Stage().live();
  await stage.say({ type: "room", why: "added", ...stage.row("team", 1) });
  const old = stage.row("team", 1);
  await stage.say({ type: "room", why: "removed", ...old, room: { ...old.room, head: 4 } });
  assert.deepEqual(stage.chat.rooms.map(({ id }) => id), ["team"]);
  await stage.say({ type: "room", why: "removed", ...old });
  assert.deepEqual(stage.chat.rooms, []);
});

test("what is unread is counted by the server when a part was read, or a message may be deleted", async () => {
  const stage = await new Stage().live(3, 0, [ROOM, "alice,carol"]);
  const unread = () => stage.chat.rooms.map(({ unread }) => unread);
  for (const seq of [4, 5, 6]) await stage.say({ type: "entry", ...entry(seq, "hi", "carol"), room: "alice,carol" });
  assert.deepEqual(unread(), [0, 3]);
  const counted = async (head: number, read: number, unread: number) => {
    const { id, ...asked } = await stage.hears("rooms");
    assert.deepEqual(asked, { type: "rooms", limit: 1, after: ROOM });
    const room = { id: "alice,carol", epoch: EPOCH, head, created_at: AT, delivered: read, read, unread };
    await stage.say({ type: "reply", id, result: { kind: "rooms", rooms: [room], more: false } });
  };
  const read = { type: "receipt", room: "alice,carol", user: "alice", was: { delivered: 3, read: 3 } };
  await stage.say({ ...read, delivered: 5, read: 5 });
  await counted(6, 5, 1);
  assert.deepEqual(unread(), [0, 1]);
  const erased = { kind: "delete", target: 6 } as const;
  await stage.say({ type: "entry", ...entry(7, erased, "dave"), room: "alice,carol" });
  await counted(6, 5, 1);
  await counted(7, 5, 0);
  assert.deepEqual(unread(), [0, 0], "an answer from before the deletion does not count");
  await stage.say({ ...read, delivered: 6, read: 6 });
  assert.deepEqual(stage.socket.sent, [], "what is known is not asked for");
});

test("a direct room that the user opens is in the lists before anybody has written", async () => {
  const stage = await new Stage().live();
  const reading = stage.chat.inbox.more();
  await stage.answer("inbox", { kind: "inbox", rooms: [] });
  await reading;
  await stage.open();
  assert.deepEqual([stage.chat.rooms.map(({ id }) => id), stage.chat.inbox.rooms.map(({ name }) => name)], [[ROOM], ["bob"]]);
});

test("a client goes on at its pace although time passes while it works", async () => {
  for (let moment = 1; moment < 25; moment++) {
    const world = new World();
    const { environment, WebSocket } = world;
    let worked = 0;
    const now = () => environment.now() + (worked += 0.5);
    const stage = await new Stage({ environment: { ...environment, now }, WebSocket }, world).live();
    await world.pass(1_000);
    for (let n = 0; n < 11; n++) void stage.chat.ask({ type: "online" }).catch(() => {});
    await world.pass(moment);
    await stage.say({ type: "typing", room: ROOM, user: "bob", active: true });
    await world.pass(100);
    assert.equal(stage.socket.sent.length, 11, `something comes after ${moment} ms`);
    stage.chat.close();
  }
});
