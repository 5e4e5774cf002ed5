import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChatError, Room } from "../src/index.js";
import { AT, entry, EPOCH, ROOM, Stage } from "./stage.js";

const texts = (room: Room) => room.messages.map(({ text, status }) => (status === "sent" ? text : `${text} (${status})`));

test("a room that is opened has its newest messages and its members", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "hello"), entry(2, "how are you?")], true);
  assert.deepEqual(texts(room), ["hello", "how are you?"]);
  assert.deepEqual(room.members, [{ user: "bob", online: true, delivered: 2, read: 1 }]);
  assert.equal(room.getSnapshot().older, true);
  const opening = stage.chat.open("bob");
  await stage.answer("open", { ...stage.view(2), members: [{ user: "bob", online: false, delivered: 2, read: 2 }] });
  assert.equal(await opening, room, "a room is opened once");
  assert.equal(room.members[0]?.read, 2);
});

test("a message is shown at once, and once", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "hello")]);
  const sending = room.send("hi");
  assert.deepEqual(texts(room), ["hello", "hi (sending)"]);
  const { client_id, id } = await stage.hears("send");
  const key = room.messages[1]?.key;
  // The entry comes before the answer.
  await stage.entry(2, "hi", "alice", String(client_id));
  assert.deepEqual(texts(room), ["hello", "hi"]);
  assert.equal(room.messages[1]?.key, key, "a list keeps its element");
  await stage.say({ type: "reply", id, result: { kind: "sent", room: ROOM, id: "id-2", seq: 2, at: AT, duplicate: false } });
  assert.equal((await sending).seq, 2);
  assert.deepEqual(texts(room), ["hello", "hi"]);
});

test("a message whose answer comes before its entry is shown once", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  const sending = room.send("hi");
  const { client_id, id } = await stage.hears("send");
  await stage.say({ type: "reply", id, result: { kind: "sent", room: ROOM, id: "id-1", seq: 1, at: AT, duplicate: false } });
  await sending;
  assert.deepEqual(texts(room), ["hi"]);
  await stage.entry(1, "hi", "alice", String(client_id));
  assert.deepEqual(texts(room), ["hi"]);
});

test("messages on their way are behind those that are stored", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  void room.send("mine");
  await stage.entry(1, "yours");
  assert.deepEqual(texts(room), ["yours", "mine (sending)"]);
});

test("a message that has failed says why, and can be sent again under its id or discarded", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  const failing = room.send("hi");
  const first = await stage.hears("send");
  await stage.say({ type: "error", id: first["id"], error: { code: 211, name: "muted", message: "wait", retry_after_ms: 5000 } });
  await assert.rejects(failing, (error: ChatError) => error.code === 211 && error.retryAfter === 5000);
  assert.deepEqual(texts(room), ["hi (failed)"]);
  const [message] = room.messages;
  assert(message);
  assert.equal(message.error?.code, 211);
  void room.retry(message);
  assert.deepEqual(texts(room), ["hi (sending)"]);
  const second = await stage.hears("send");
  assert.equal(second["client_id"], first["client_id"]);
  await stage.say({ type: "error", id: second["id"], error: { code: 202, name: "forbidden", message: "no" } });
  const [failed] = room.messages;
  assert(failed);
  room.discard(failed);
  assert.deepEqual(texts(room), []);
});

test("a failure that nobody looks at is no unhandled rejection", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  room.send("hi");
  await stage.refuse("send", 202);
  assert.deepEqual(texts(room), ["hi (failed)"]);
});

test("edits and deletions change the messages that are shown", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "helo"), entry(2, "oops")]);
  const before = room.messages[0];
  await stage.entry(3, { kind: "edit", target: 1, text: "hello" });
  await stage.entry(4, { kind: "delete", target: 2 });
  await stage.entry(5, { kind: "edit", target: 99, text: "of a message that is not shown" });
  assert.deepEqual(room.messages.map(({ text, editedAt, deleted }) => [text, editedAt, deleted]), [
    ["hello", AT, undefined],
    ["", undefined, true],
  ]);
  assert.notEqual(room.messages[0], before, "a message that changes is another object");
  void room.edit(1, "hello!");
  assert.equal((await stage.hears("edit"))["target"], 1);
});

test("a page shows messages as they are now, and what is left of deleted ones", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([
    { ...entry(1, { kind: "message", text: "third", edited_at: AT }) },
    entry(2, { kind: "edit", target: 1, text: "second" }),
    entry(3, { kind: "deleted" }),
    entry(4, { kind: "deleted" }),
    entry(5, { kind: "delete", target: 3 }),
    entry(6, { kind: "edit", target: 1, text: "third" }),
  ]);
  assert.deepEqual(room.messages.map(({ seq, text, deleted }) => [seq, text, deleted]), [
    [1, "third", undefined],
    [3, "", true],
  ]);
});

test("an edit that overtakes the page with its message is not lost", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(5, "five")], true);
  const more = room.more();
  const { id } = await stage.hears("history");
  await stage.entry(6, { kind: "edit", target: 4, text: "new" });
  await stage.say({ type: "reply", id, result: stage.page([entry(4, "old")]) });
  await more;
  assert.deepEqual(texts(room), ["new", "five"]);
  assert.equal(room.getSnapshot().older, false);
});

test("older messages are read from before the oldest entry", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(7, { kind: "joined", user: "bob" }), entry(8, "eight")], true);
  const more = room.more(20);
  const { page, limit, id } = await stage.hears("history");
  assert.deepEqual([page, limit], [{ before: 7 }, 20]);
  await stage.say({ type: "reply", id, result: stage.page([entry(6, "six")], true) });
  await more;
  assert.deepEqual(texts(room), ["six", "eight"]);
});

test("a page that fails leaves the room as it is", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(8, "eight")], true);
  const refused = assert.rejects(room.more(), (error: ChatError) => error.code === 300);
  await stage.refuse("history", 300);
  await refused;
  assert.deepEqual(texts(room), ["eight"]);
  assert.equal(room.getSnapshot().older, true);
});

test("a room that began anew is emptied, and what is on its way stays", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "old")]);
  void room.send("mine");
  await stage.say({ type: "gap", room: ROOM, epoch: "other", from: 1, to: 1, reason: "new_epoch" });
  assert.deepEqual(texts(room), ["mine (sending)"]);
  await stage.answer("history", { kind: "history", epoch: "other", entries: [entry(1, "new")], older: false, newer: false });
  assert.deepEqual(texts(room), ["new", "mine (sending)"]);
  assert.equal(room.getSnapshot().older, false);
});

test("entries that are left out leave no hole", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "old")]);
  await stage.say({ type: "gap", room: ROOM, epoch: EPOCH, from: 2, to: 20_000, reason: "too_many" });
  assert.deepEqual(texts(room), []);
  await stage.answer("history", stage.page([entry(10_001, "new")], true));
  assert.deepEqual(texts(room), ["new"]);
  assert.equal(room.getSnapshot().older, true);
});

test("receipts, presence and membership change the members", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "hello")]);
  await stage.say({ type: "receipt", room: ROOM, user: "bob", was: { delivered: 1, read: 0 }, delivered: 1, read: 1 });
  await stage.say({ type: "presence", user: "bob", online: false, last_seen: AT });
  await stage.say({ type: "presence", user: "zoe", online: true });
  assert.deepEqual(room.members, [{ user: "bob", online: false, last_seen: AT, delivered: 1, read: 1 }]);
  await stage.entry(2, { kind: "joined", user: "carol", role: "reader" });
  await stage.entry(3, { kind: "role", user: "carol", role: "moderator" });
  assert.deepEqual(room.members[1], { user: "carol", role: "moderator" });
  await stage.entry(4, { kind: "left", user: "carol" });
  assert.equal(room.members.length, 1);
});

test("typing ends when the server says so, by itself, and with the connection", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  const typing = (active: boolean) => stage.say({ type: "typing", room: ROOM, user: "bob", active });
  await typing(true);
  assert.deepEqual(room.typists, ["bob"]);
  await typing(false);
  assert.deepEqual(room.typists, []);
  await typing(true);
  await stage.world.pass(7_999);
  assert.deepEqual(room.typists, ["bob"]);
  await stage.world.pass(1);
  assert.deepEqual(room.typists, []);
  await typing(true);
  stage.socket.end();
  assert.deepEqual(room.typists, []);
});

test("receipts are for the newest message, and only when there is one", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  room.markRead();
  await stage.entry(1, "hello");
  await stage.entry(2, { kind: "edit", target: 1, text: "hello!" });
  assert.deepEqual(stage.socket.sent, []);
  room.markRead();
  const { mark, seq } = await stage.hears("receipt");
  assert.deepEqual([mark, seq], ["read", 1]);
});

test("after each reconnect a room asks again who is there", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  stage.socket.end();
  await stage.world.pass(500);
  await stage.live(1);
  await stage.answer("open", { ...stage.view(0), members: [{ user: "bob", online: false, delivered: 1, read: 1 }] });
  assert.deepEqual(room.members, [{ user: "bob", online: false, delivered: 1, read: 1 }]);
});

test("a group has its members, and its changes are questions", async () => {
  const stage = await new Stage().live();
  const entering = stage.chat.room(ROOM);
  await stage.answer("members", { kind: "members", members: [{ user: "alice", role: "owner" }], more: true });
  const { after, id } = await stage.hears("members");
  assert.equal(after, "alice");
  await stage.say({ type: "reply", id, result: { kind: "members", members: [{ user: "bob", role: "reader" }], more: false } });
  await stage.answer("presence", { kind: "presence", users: [{ user: "alice", online: true }] });
  await stage.answer("history", stage.page([]));
  const room = await entering;
  assert.deepEqual(room.members, [
    { user: "alice", role: "owner", online: true },
    { user: "bob", role: "reader" },
  ]);
  const added = room.add("carol", "member");
  const { id: number, ...add } = await stage.hears("add");
  assert.deepEqual(add, { type: "add", room: ROOM, user: "carol", role: "member" });
  await stage.say({ type: "reply", id: number, result: { kind: "member", user: "carol", role: "member" } });
  await added;
  const removed = room.remove("carol");
  await stage.answer("remove", { kind: "ok" });
  await removed;
  const changed = room.setRole("bob", "member");
  await stage.answer("role", { kind: "member", user: "bob", role: "member" });
  await changed;
  const refused = assert.rejects(room.leave(), (error: ChatError) => error.code === 202);
  await stage.refuse("leave", 202);
  await refused;
});

test("a room that can not be entered can be tried again", async () => {
  const stage = await new Stage().live();
  const refused = assert.rejects(stage.chat.room("team"), (error: ChatError) => error.code === 200);
  await stage.refuse("members", 200);
  await refused;
  void stage.chat.room("team").catch(() => {});
  await stage.hears("members");
});

test("a snapshot is the same until something happens, and listeners are called once for all of it", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "hello")]);
  let calls = 0;
  const stop = room.subscribe(() => (calls += 1));
  const before = room.getSnapshot();
  assert.equal(room.getSnapshot(), before);
  void room.send("one");
  void room.send("two");
  assert.equal(calls, 0);
  await stage.world.settle();
  assert.equal(calls, 1);
  assert.notEqual(room.getSnapshot(), before);
  assert.deepEqual(before.messages.length, 1, "a snapshot never changes");
  stop();
  await stage.entry(2, "hi");
  assert.equal(calls, 1);
});

test("a room keeps the newest ten thousand messages", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  for (let seq = 1; seq <= 10_001; seq++) stage.socket.say({ type: "entry", ...entry(seq, "hi") });
  assert.equal(room.messages.length, 9_001);
  assert.equal(room.messages[0]?.seq, 1_001);
  assert.equal(room.getSnapshot().older, true);
});
