import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChatError, EntryBody, Room } from "../src/index.js";
import { AT, entry, EPOCH, ME, ROOM, Stage } from "./stage.js";

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
  assert.equal(stage.chat.entered(ROOM), room);
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

test("a message of an earlier client that is sent again, and was stored, is shown once", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(5, "noon?", "alice", "c-5")], true);
  const kept = { key: "", author: "alice", clientId: "c-5", text: "noon?", status: "failed" } as const;
  const stored = { kind: "sent", room: ROOM, id: "id", at: AT, duplicate: true };
  void room.retry(kept);
  assert.deepEqual(texts(room), ["noon?"]);
  await stage.answer("send", { ...stored, seq: 5 });
  assert.deepEqual(texts(room), ["noon?"]);
  void room.retry({ ...kept, clientId: "c-2", text: "hi" });
  assert.deepEqual(texts(room), ["noon?", "hi (sending)"]);
  await stage.answer("send", { ...stored, seq: 2 });
  assert.deepEqual(texts(room), ["noon?"], "it is further up, in what was not read yet");
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

test("a room that the server has lost begins anew with what follows", async () => {
  const stage = await new Stage().live();
  const room = await stage.open([entry(1, "lost"), entry(2, "lost too")]);
  await stage.say({ type: "closed", room: ROOM });
  assert.deepEqual([texts(room), room.getSnapshot().closed], [["lost", "lost too"], true]);
  await stage.entry(1, "new");
  await stage.answer("history", stage.page([entry(1, "new")]));
  await stage.entry(2, "newer");
  assert.deepEqual([texts(room), room.getSnapshot().closed], [["new", "newer"], false]);
  assert.equal(room.getSnapshot().older, false);
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
  await stage.answer("room", { ...stage.view(0), members: [{ user: "bob", online: false, delivered: 1, read: 1 }] });
  assert.deepEqual(room.members, [{ user: "bob", online: false, delivered: 1, read: 1 }]);
});

/** The group that alice owns, with these entries. */
async function team(stage: Stage, more: object = {}): Promise<Room> {
  const entering = stage.chat.room("team");
  const members = [
    { user: "alice", role: "owner", online: true, delivered: 1, read: 1 },
    { user: "bob", role: "reader", online: false, delivered: 1, read: 1 },
  ];
  const info = { id: "team", kind: "group", name: "Team", topic: "work", settings: { slow_mode: 5 } };
  await stage.answer("room", { ...stage.view(1, info), me: { ...ME, role: "owner" }, members, ...more });
  await stage.answer("history", stage.page([]));
  return entering;
}

test("a room that the user was removed from while away is closed", async () => {
  const stage = await new Stage().live();
  const room = await stage.open();
  stage.socket.end();
  await stage.world.pass(500);
  await stage.live();
  await stage.refuse("room", 300);
  assert.equal(room.getSnapshot().closed, false);
  stage.socket.end();
  await stage.world.pass(1_000);
  await stage.live();
  await stage.refuse("room", 200);
  assert.equal(room.getSnapshot().closed, true);
});

test("a group has a name, settings, members and what the user has set, and follows their changes", async () => {
  const stage = await new Stage().live();
  const room = await team(stage);
  assert.deepEqual([room.name, room.topic, room.settings, room.me.role], ["Team", "work", { slow_mode: 5 }, "owner"]);
  assert.deepEqual(room.presence, [{ user: "bob", online: false }]);
  const before = room.getSnapshot();
  const change = (seq: number, body: EntryBody) => stage.say({ type: "entry", ...entry(seq, body), room: "team" });
  await change(2, { kind: "room", name: "Crew", topic: "", settings: { post: "moderators" }, archived: true });
  assert.deepEqual([room.name, room.topic, room.settings], ["Crew", "", { slow_mode: 5, post: "moderators" }]);
  assert.deepEqual([room.info.kind, room.info.archived, before.name], ["group", true, "Team"]);
  await change(3, { kind: "role", user: "alice", role: "member" });
  await change(4, { kind: "joined", user: "carol", role: "member" });
  assert.deepEqual([room.me.role, room.info.members], ["member", 3]);
  await stage.say({ type: "me", room: "team", ...ME, pinned: true });
  assert.equal(room.me.pinned, true);
  await stage.say({ type: "room", why: "removed", ...stage.row("team", 1, { room: { ...room.info, head: 5 } }) });
  assert.equal(room.getSnapshot().closed, true);
  const direct = await stage.open();
  assert.deepEqual([direct.name, direct.topic, direct.settings], ["bob", "", {}]);
});

test("what is done in a group is a question to the server", async () => {
  const stage = await new Stage().live();
  const room = await team(stage);
  const member = { user: "carol", role: "member", joined_at: AT, joined_seq: 2, delivered: 0, read: 0 };
  const sanction = { user: "carol", by: "alice", at: AT, reason: "spam" };
  const invite = { id: "i-1", room: "team", token: "t", by: "alice", role: "member", created_at: AT };
  const me = { ...ME, pinned: true };
  const until = new Date(AT);
  const calls: [() => Promise<unknown>, Record<string, unknown>, Record<string, unknown>][] = [
    [() => room.add("carol", "member"), { type: "add", user: "carol", role: "member" }, { kind: "member", ...member }],
    [() => room.add("carol"), { type: "add", user: "carol" }, { kind: "member", ...member }],
    [() => room.setRole("carol", "reader"), { type: "role", user: "carol", role: "reader" }, { kind: "member", ...member }],
    [() => room.remove("carol"), { type: "remove", user: "carol" }, { kind: "ok" }],
    [() => room.set({ pinned: true }), { type: "me", pinned: true }, { kind: "me", ...me }],
    [() => room.set({ muted_until: until }), { type: "me", muted_until: "2025-11-13T02:13:27.000Z" }, { kind: "me", ...me }],
    [() => room.set({ muted_until: null }), { type: "me", muted_until: null }, { kind: "me", ...me }],
    [() => room.invite({ uses: 5, ttl: 60 }), { type: "invite", uses: 5, ttl: 60 }, { kind: "invite", ...invite }],
    [() => room.invites({ limit: 5 }), { type: "invites", limit: 5 }, { kind: "invites", invites: [invite], more: false }],
    [() => room.uninvite("i-1"), { type: "uninvite", invite: "i-1" }, { kind: "ok" }],
    [() => room.ban("carol", { for: 60 }), { type: "ban", user: "carol", for: 60 }, { kind: "sanctioned", ...sanction }],
    [() => room.bans({ after: "bob" }), { type: "bans", after: "bob" }, { kind: "sanctions", users: [sanction], more: false }],
    [() => room.unban("carol"), { type: "unban", user: "carol" }, { kind: "ok" }],
    [() => room.mute("carol"), { type: "mute", user: "carol" }, { kind: "sanctioned", ...sanction }],
    [() => room.mutes(), { type: "mutes" }, { kind: "sanctions", users: [sanction], more: false }],
    [() => room.unmute("carol"), { type: "unmute", user: "carol" }, { kind: "ok" }],
  ];
  for (const [call, command, result] of calls) {
    await stage.world.pass(25);
    const calling = call();
    const type = String(command["type"]);
    const { id, ...heard } = await stage.hears(type);
    assert.deepEqual(heard, { room: "team", ...command });
    await stage.say({ type: "reply", id, result });
    const answer = await calling;
    if (type === "me") assert.deepEqual([answer, room.me], [me, me]);
    else if (result["kind"] !== "ok") assert.deepEqual(answer, result);
  }
  const updating = room.update({ name: "Crew" });
  const { id, ...update } = await stage.hears("update");
  assert.deepEqual(update, { type: "update", room: "team", name: "Crew", client_id: "id-1" });
  await stage.say({ type: "reply", id, result: stage.view(2, { id: "team", kind: "group", name: "Crew" }) });
  await updating;
  assert.equal(room.name, "Crew");
  const refused = assert.rejects(room.leave(), (error: ChatError) => error.code === 202);
  await stage.refuse("leave", 202);
  await refused;
});

test("the members of a large room are read in pages", async () => {
  const stage = await new Stage().live();
  const room = await team(stage, { members: [] });
  assert.deepEqual([room.members, room.getSnapshot().moreMembers], [[], true]);
  const first = room.readMembers(1);
  await stage.answer("members", { kind: "members", members: [{ user: "alice", role: "owner" }], more: true });
  await stage.answer("presence", { kind: "presence", users: [{ user: "alice", online: true }] });
  await first;
  const second = room.readMembers();
  const { after, limit, id } = await stage.hears("members");
  assert.deepEqual([after, limit], ["alice", 50]);
  await stage.say({ type: "reply", id, result: { kind: "members", members: [{ user: "bob", role: "reader" }], more: false } });
  await stage.answer("presence", { kind: "presence", users: [{ user: "bob", online: false, last_seen: AT }] });
  await second;
  assert.deepEqual(room.members, [
    { user: "alice", role: "owner", online: true },
    { user: "bob", role: "reader", online: false, last_seen: AT },
  ]);
  assert.deepEqual(room.presence, [{ user: "bob", online: false, last_seen: AT }]);
  await room.readMembers();
  assert.equal(room.getSnapshot().moreMembers, false);
});

test("a room that can not be entered can be tried again", async () => {
  const stage = await new Stage().live();
  const refused = assert.rejects(stage.chat.room("team"), (error: ChatError) => error.code === 200);
  await stage.refuse("room", 200);
  await refused;
  void stage.chat.room("team").catch(() => {});
  await stage.hears("room");
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
  assert.equal(room.getSnapshot().members, before.members, "what has not changed is the same, too");
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
