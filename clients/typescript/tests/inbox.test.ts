import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChatError, Inbox, InboxRoom } from "../src/index.js";
import { at, entry, ME, ROOM, Stage } from "./stage.js";

const names = (inbox: Inbox) => inbox.rooms.map(({ name }) => name);

function page(rooms: readonly InboxRoom[], next?: string): Record<string, unknown> {
  return { kind: "inbox", rooms, ...(next && { next }) };
}

/** Alice's inbox with the first rooms in it, of which that with bob is the newest. */
async function inbox(stage: Stage, next?: string): Promise<Inbox> {
  const { inbox } = stage.chat;
  const reading = inbox.more();
  const news = stage.row("r-1", 20);
  await stage.answer("inbox", page([stage.row(ROOM, 30), { ...news, room: { ...news.room, name: "News" } }], next));
  await reading;
  await stage.answer("presence", { kind: "presence", users: [{ user: "bob", online: true }] });
  return inbox;
}

test("an inbox has the rooms in the order of their newest messages, with names and presence", async () => {
  const stage = await new Stage().live();
  const read = await inbox(stage);
  assert.deepEqual(read.rooms.map(({ id, name, peer, presence }) => [id, name, peer, presence?.online]), [
    [ROOM, "bob", "bob", true],
    ["r-1", "News", undefined, undefined],
  ]);
  assert.deepEqual([read.getSnapshot().more, read.getSnapshot().loading], [false, false]);
  await stage.say({ type: "presence", user: "bob", online: false, last_seen: at(1) });
  assert.equal(read.rooms[0]?.presence?.last_seen, at(1));
});

test("a direct room that appears is shown with the presence of the other user", async () => {
  const stage = await new Stage().live();
  const read = await inbox(stage);
  await stage.say({ type: "room", why: "added", ...stage.row("alice,carol", 40) });
  await stage.answer("presence", { kind: "presence", users: [{ user: "carol", online: true }] });
  assert.equal(read.rooms.find(({ peer }) => peer === "carol")?.presence?.online, true);
});

test("a message moves its room to the top, with its text and as unread, until the user reads it", async () => {
  const stage = await new Stage().live(5, 0, [ROOM, "r-1"]);
  const read = await inbox(stage);
  const [bob] = read.rooms;
  await stage.say({ type: "entry", ...entry(6, "news!"), room: "r-1", at: at(40) });
  assert.deepEqual(names(read), ["News", "bob"]);
  assert.deepEqual(read.rooms[0]?.last?.body, { kind: "message", text: "news!" });
  assert.equal(read.rooms[1], bob, "a room that did not change is the same object");
  assert.equal(read.rooms[0]?.unread, 1);
  await stage.say({ type: "receipt", room: "r-1", user: "alice", was: { delivered: 5, read: 5 }, delivered: 6, read: 6 });
  assert.deepEqual([read.rooms[0]?.unread, read.rooms[0]?.read], [0, 6]);
  await stage.say({ type: "entry", ...entry(7, "from a slow clock"), room: "r-1", at: at(1) });
  assert.deepEqual(names(read), ["News", "bob"]);
});

test("edits and deletions change the newest message, and settings the room", async () => {
  const stage = await new Stage().live(5, 0, [ROOM, "r-1"]);
  const read = await inbox(stage);
  await stage.entry(6, "helo");
  await stage.entry(7, { kind: "edit", target: 6, text: "hello" });
  const last = () => read.rooms.find(({ id }) => id === ROOM)?.last?.body;
  assert.deepEqual(last(), { kind: "message", text: "hello", edited_at: "2025-11-13T02:13:27Z" });
  await stage.entry(8, { kind: "edit", target: 3, text: "of an older one" });
  await stage.entry(9, { kind: "delete", target: 6 });
  assert.deepEqual(last(), { kind: "deleted" });
  await stage.say({ type: "entry", ...entry(6, { kind: "room", name: "Old news" }), room: "r-1" });
  assert.deepEqual(names(read).sort(), ["Old news", "bob"]);
  await stage.say({ type: "me", room: ROOM, ...ME, pinned: true });
  assert.equal(read.rooms.find(({ id }) => id === ROOM)?.me.pinned, true);
});

test("more rooms are read page by page, and rooms beyond the last page are not shown", async () => {
  const stage = await new Stage().live();
  const read = await inbox(stage, "20:r-1");
  assert.equal(read.getSnapshot().more, true);
  await stage.say({ type: "room", why: "added", ...stage.row("r-3", 5) });
  await stage.say({ type: "room", why: "added", ...stage.row("r-2", 25) });
  assert.deepEqual(names(read), ["bob", "r-2", "News"]);
  const reading = read.more(10);
  assert.equal(read.more(10), reading, "one page at a time");
  assert.equal(read.getSnapshot().loading, true);
  const { id, ...asked } = await stage.hears("inbox");
  assert.deepEqual(asked, { type: "inbox", filter: "all", limit: 10, after: "20:r-1" });
  await stage.say({ type: "reply", id, result: page([stage.row("r-3", 5)]) });
  await reading;
  assert.deepEqual(names(read), ["bob", "r-2", "News", "r-3"]);
  await read.more();
  assert.deepEqual([read.getSnapshot().more, read.getSnapshot().loading], [false, false]);
});

test("moments are compared to the last digit", async () => {
  const stage = await new Stage().live();
  const reading = stage.chat.inbox.more();
  const moments = ["02:10:00.5Z", "02:10:00Z", "02:10:00.000001Z", "02:10:00.50001Z"];
  const rows = moments.map((time, n) => stage.row(`r-${n}`, 0, { active_at: `2025-11-13T${time}` }));
  await stage.answer("inbox", page([...rows, stage.row("r-4", 0, { active_at: "2025-11-13T02:10:00Z" })]));
  await reading;
  assert.deepEqual(names(stage.chat.inbox), ["r-3", "r-0", "r-2", "r-1", "r-4"]);
});

test("what comes while a page is on its way is not lost", async () => {
  const stage = await new Stage().live(5, 0, [ROOM, "r-1"]);
  const reading = stage.chat.inbox.more();
  const { id } = await stage.hears("inbox");
  await stage.entry(6, "hello");
  await stage.say({ type: "room", why: "removed", ...stage.row("r-1", 1) });
  await stage.say({ type: "reply", id, result: page([stage.row("r-1", 20), stage.row(ROOM, 10)]) });
  await reading;
  assert.deepEqual(names(stage.chat.inbox), ["bob"]);
  assert.equal(stage.chat.inbox.rooms[0]?.last?.seq, 6);
});

test("a message in a room that was not read yet brings the room", async () => {
  const stage = await new Stage().live();
  const read = await inbox(stage, "20:r-1");
  await stage.say({ type: "room", why: "added", ...stage.row("r-9", 1) });
  assert.deepEqual(names(read), ["bob", "News"]);
  await stage.say({ type: "entry", ...entry(6, "hello"), room: "r-9", at: at(40) });
  assert.deepEqual(names(read), ["r-9", "bob", "News"]);
  await stage.say({ type: "entry", ...entry(1, "hello"), room: "r-8" });
  await stage.answer("history", stage.page([{ ...entry(1, "hello"), room: "r-8" }]));
  await stage.answer("inbox", page([stage.row("r-8", 41), stage.row("r-9", 40), stage.row(ROOM, 30)], "30:b"));
  assert.deepEqual(names(read), ["r-8", "r-9", "bob"]);
});

test("after each reconnect as many rooms are read again as there were", async () => {
  const stage = await new Stage().live();
  const read = await inbox(stage);
  stage.socket.end();
  await stage.world.pass(500);
  await stage.live();
  await stage.answer("inbox", page([stage.row("r-2", 50)], "50:r-2"));
  assert.deepEqual(names(read), ["bob", "News"], "until all is read");
  const { after, id } = await stage.hears("inbox");
  assert.equal(after, "50:r-2");
  await stage.say({ type: "reply", id, result: page([stage.row(ROOM, 30)], "30:alice,bob") });
  assert.deepEqual(names(read), ["r-2", "bob"]);
  assert.equal(read.getSnapshot().more, true);
});

test("a page that fails can be asked for again, and one that is read again is tried until it comes", async () => {
  const stage = await new Stage().live();
  const refused = assert.rejects(stage.chat.inbox.more(), (error: ChatError) => error.code === 300);
  await stage.refuse("inbox", 300);
  await refused;
  const read = await inbox(stage);
  await stage.say({ type: "me", room: "r-7", ...ME });
  await stage.refuse("inbox", 300);
  assert.deepEqual(names(read), ["bob", "News"]);
  await stage.world.pass(5_000);
  await stage.answer("inbox", page([stage.row("r-7", 50), stage.row(ROOM, 30)]));
  assert.deepEqual(names(read), ["r-7", "bob"]);
});

test("other inboxes have the rooms that are unread, pinned or hidden, and follow", async () => {
  const stage = await new Stage().live(5);
  const all = await inbox(stage);
  const [unread, pinned, hidden] = [all.only("unread"), all.only("pinned"), all.only("hidden")];
  assert.equal(all.only("unread"), unread, "each is there once");
  for (const [view, row] of [
    [unread, stage.row("r-2", 9, { unread: 3 })],
    [pinned, stage.row("r-3", 8, { me: { ...ME, pinned: true } })],
    [hidden, stage.row("r-4", 7, { me: { ...ME, hidden: true } })],
  ] as const) {
    const reading = view.more();
    const { filter, id } = await stage.hears("inbox");
    assert.equal(filter, view.filter);
    await stage.say({ type: "reply", id, result: page([row]) });
    await reading;
    assert.deepEqual(names(view), [row.room.id]);
  }
  assert.deepEqual(names(all), ["bob", "News", "r-2", "r-3"]);
  await stage.entry(6, "hello");
  assert.deepEqual(names(unread), ["bob", "r-2"]);
  await stage.say({ type: "me", room: "r-3", ...ME });
  await stage.say({ type: "me", room: ROOM, ...ME, hidden: true });
  assert.deepEqual([names(pinned), names(hidden), names(unread)], [[], ["bob", "r-4"], ["r-2"]]);
  await stage.say({ type: "entry", ...entry(7, "a message shows it again"), at: at(50) });
  assert.deepEqual([names(hidden), names(all)], [["r-4"], ["bob", "News", "r-2", "r-3"]]);
});
