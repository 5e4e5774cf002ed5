// Alice and bob send COUNT messages over a real server, which is killed meanwhile: `node conversation.js URL COUNT`. Says
// how many are stored; fails when one is missing, comes twice or out of order.
import assert from "node:assert/strict";
import { type Chat, connect, type Room } from "../src/index.js";
import { WebSocket } from "./socket.js";

const [url = "", count = ""] = process.argv.slice(2);
const COUNT = Number(count) / 2;
const PATIENCE = 60_000;

function client(token: string): Chat {
  return connect({ url, token, WebSocket, backoff: [5, 50] });
}

/** Waits until something holds of a room. */
function until(room: Room, holds: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not in time: ${room.messages.length} messages`)), PATIENCE);
    const look = (): void => {
      if (!holds()) return;
      clearTimeout(late);
      stop();
      resolve();
    };
    const stop = room.subscribe(look);
    look();
  });
}

let stored = 0;

/** Sends all messages of a user, of which ten at most are on their way. */
async function talk(room: Room, name: string): Promise<void> {
  const sending = new Set<Promise<unknown>>();
  for (let n = 0; n < COUNT; n++) {
    const sent = room.send(`${name} ${n}`).then(() => {
      sending.delete(sent);
      console.log(++stored);
    });
    sending.add(sent);
    if (sending.size >= 10) await Promise.race(sending);
  }
  await Promise.all(sending);
}

function check(room: Room): void {
  const numbers = room.messages.map(({ seq }) => seq);
  assert.deepEqual(numbers, Array.from({ length: 2 * COUNT }, (_, n) => n + 1), "each once, in order");
  for (const name of ["alice", "bob"]) {
    const texts = room.messages.filter(({ author }) => author === name).map(({ text }) => text);
    assert.deepEqual(texts, Array.from({ length: COUNT }, (_, n) => `${name} ${n}`), "in the order of the calls");
  }
}

const chats = ["alice", "bob"].map(client);
const [alice, bob] = chats as [Chat, Chat];
const heard = chats.map((chat) => {
  const numbers: number[] = [];
  chat.on((event) => event.type === "entry" && numbers.push(event.seq));
  return numbers;
});
const rooms = await Promise.all([alice.open("bob"), bob.open("alice")]);
await Promise.all(rooms.map((room, n) => talk(room, n === 0 ? "alice" : "bob")));
for (const [n, room] of rooms.entries()) {
  // A message is among those that are shown before its entry has come.
  await until(room, () => heard[n]?.at(-1) === 2 * COUNT && room.messages.length === 2 * COUNT);
  check(room);
}
for (const numbers of heard) {
  const [first = 0] = numbers;
  assert.deepEqual(numbers, Array.from({ length: 2 * COUNT + 1 - first }, (_, n) => n + first), "no entry comes twice");
}
rooms[0]?.markRead();
await until(rooms[1] as Room, () => rooms[1]?.members.some(({ read }) => read === 2 * COUNT) === true);
// Somebody who comes later finds the same in the history.
const late = client("alice");
const history = await late.open("bob");
while (history.getSnapshot().older) await history.more(200);
check(history);
for (const chat of [alice, bob, late]) chat.close();
