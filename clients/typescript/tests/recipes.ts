// Runs the recipes of the readme against a real server, which asks for no tokens and limits no rates: `node recipes.js
// URL`. They are in `build/readme/js` once the readme was compiled.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { type Chat, connect, type Room, type RoomCursor } from "../src/index.js";
import { WebSocket } from "./socket.js";

const [url = ""] = process.argv.slice(2);
const folder = new URL("../readme/js/typescript/build/readme/", import.meta.url);
const recipes: Record<string, (...of: any[]) => any> = {};
const names = readdirSync(folder).filter((name) => name.startsWith("recipe-"));
for (const name of names) Object.assign(recipes, await import(new URL(name, folder).href));

const chats: Chat[] = [];

function client(name: string): Chat {
  const chat = connect({ url, token: name, WebSocket });
  chats.push(chat);
  return chat;
}

/** Waits until something holds. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); ) {
    assert(Date.now() < end, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const done: string[] = [];

async function recipe(name: string, play: () => Promise<void>): Promise<void> {
  await play();
  done.push(name);
}

const [alice, bob] = [client("alice"), client("bob")];
// Recipes that send through a global `WebSocket` find one.
globalThis.WebSocket ??= WebSocket as never;

await recipe("log in", async () => {
  const lines: string[] = [];
  let tokens = 0;
  const chat: Chat = recipes["logIn"]!(url, async () => (tokens++, "carol"), (line: string) => lines.push(line));
  await until("carol is there", () => lines.includes("logged in as carol"));
  chat.close();
  await until("carol is gone", () => lines.some((line) => line.startsWith("logged out")));
  assert.equal(tokens, 1);
});

let drawn: string[] = [];
let room!: Room;
let theirs!: Room;

await recipe("show a conversation", async () => {
  room = await recipes["show"]!(alice, "bob", (lines: string[]) => (drawn = lines));
  theirs = await bob.open("alice");
  const sending = room.send("helo");
  await Promise.resolve();
  assert.deepEqual(drawn, ["alice: helo ..."]);
  const { seq } = await sending;
  await theirs.send("hi");
  await room.edit(seq, "hello");
  await until("both are drawn", () => drawn.join() === "alice: hello (edited),bob: hi");
  await theirs.delete(theirs.messages.at(-1)?.seq ?? 0);
  await until("it is deleted", () => drawn[1] === "bob deleted a message");
});

await recipe("send again", async () => {
  const asked: string[] = [];
  const answers = [true, false];
  recipes["failures"]!(room, async (question: string) => (asked.push(question), answers.shift()));
  await bob.block("alice");
  await assert.rejects(room.send("are you there?"));
  await until("it is asked twice", () => asked.length === 2 && !drawn.some((line) => line.includes("are you there")));
  assert.match(asked[0] ?? "", /^"are you there\?" was not sent: .+\. Send it again\?$/);
  await bob.unblock("alice");
});

await recipe("scroll back", async () => {
  for (let n = 0; n < 120; n++) void room.send(`text ${n}`);
  await room.send("last");
  const late = await client("alice").open("bob");
  const before = late.messages.length;
  await recipes["scrolledToTop"]!(late);
  assert(late.messages.length > before);
  assert.deepEqual((await recipes["everything"]!(late)).slice(-2), ["text 119", "last"]);
  assert.equal(late.messages[0]?.text, "hello");
});

await recipe("an inbox", async () => {
  let [lines, title]: [string[], string] = [[], ""];
  await recipes["inbox"]!(bob, (all: string[], its: string) => ([lines, title] = [all, its]));
  await until("the inbox is drawn", () => lines[0] === "alice (122) last");
  assert.equal(title, "(122) Chat");
});

await recipe("ticks", async () => {
  const ticks = (): string => recipes["ticks"]!(room, "alice").at(-1);
  assert.equal(ticks(), "last");
  theirs.markDelivered();
  await until("it is received", () => ticks() === "last (received)");
  recipes["seen"]!(theirs);
  await until("it is read", () => ticks() === "last (read)");
  await until("nothing is unread", () => bob.getSnapshot().unread === 0);
});

await recipe("who is there", async () => {
  const header = (): string => recipes["header"]!(room);
  assert.equal(header(), "bob: online");
  recipes["typed"]!(theirs);
  await until("bob is typing", () => header() === "bob: bob typing...");
  const dave = client("dave");
  const other = await dave.open("alice");
  const direct = await alice.open("dave");
  assert.equal(other.name, "alice");
  dave.close();
  await until("dave is gone", () => /^dave: last seen 20/.test(recipes["header"]!(direct)));
});

await recipe("a group", async () => {
  const { room: team, link }: { room: Room; link: string } = await recipes["found"]!(alice, "Team", ["bob"]);
  assert.equal(recipes["header"]!(team), "Team: 1 online");
  const erin = client("erin");
  const hers: Room = await recipes["join"]!(erin, link);
  assert.deepEqual([hers.name, hers.settings.slow_mode], ["Team", 2]);
  await recipes["keepOrder"]!(team, "bob", "erin");
  await assert.rejects(hers.send("HELLO"), { code: 211 });
  const roles = () => team.members.map(({ user, role }) => `${user} ${role}`).sort().join();
  await until("bob is a moderator", () => roles() === "alice owner,bob moderator,erin member");
});

await recipe("notifications", async () => {
  const notified: string[] = [];
  recipes["notifications"]!(bob, (title: string, text: string) => notified.push(`${title}: ${text}`));
  await room.send("lunch?");
  await until("bob is notified", () => notified.join() === "alice: alice: lunch?");
  await recipes["quiet"]!(bob, room.id, 1);
  await room.send("lunch!");
  await theirs.set({ muted_until: null });
  await until("bob has it", () => theirs.messages.at(-1)?.text === "lunch!");
  await room.send("now");
  await until("bob is notified again", () => notified.length === 2);
  assert.equal(notified[1], "alice: alice: now");
});

await recipe("a bot", async () => {
  let saved: RoomCursor[] = [];
  const run = (): Promise<void> =>
    recipes["bot"]!({ url, token: "robot", WebSocket }, () => saved, (cursors: RoomCursor[]) => (saved = cursors));
  const asking = await alice.open("robot");
  const texts = () => asking.messages.map(({ text }) => text).join();
  const first = run();
  await until("the bot is there", () => asking.presence[0]?.online === true);
  await asking.send("one");
  await until("the bot answers", () => texts() === "one,you said: one");
  await asking.send("stop");
  await first;
  await asking.send("two");
  await asking.send("stop");
  await run();
  await until("it has missed nothing", () => texts().endsWith("two,stop,you said: two,you said: stop"));
  assert.equal(asking.messages.length, 8);
});

assert.equal(done.length, names.length);
for (const chat of chats) chat.close();
console.log(`${done.length} recipes`);
