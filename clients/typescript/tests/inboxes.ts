// Three users do at random what can be done with rooms, at a real server, which may be killed meanwhile: `node inboxes.js
// URL COUNT SEED`. Says how much is done; fails when the inbox of a client that was there all the time is not that of one that
// comes later.
import assert from "node:assert/strict";
import { type Chat, ChatError, connect, type Inbox, type InboxFilter, type Room } from "../src/index.js";
import { dice } from "./dice.js";
import { WebSocket } from "./socket.js";

const [url = "", count = "", seed = "7"] = process.argv.slice(2);
const NAMES = ["alice", "bob", "carol"];
const FILTERS: readonly InboxFilter[] = ["all", "unread", "pinned", "hidden"];
const roll = dice(Number(seed));

function client(token: string): Chat {
  return connect({ url, token, WebSocket, backoff: [5, 50] });
}

function pick<T>(from: readonly T[]): T {
  return from[roll(from.length)] as T;
}

async function act(chat: Chat): Promise<unknown> {
  const { rooms } = chat;
  const other = pick(NAMES.filter((name) => name !== chat.user));
  if (rooms.length < 4 || roll(20) === 0) {
    if (roll(2)) return chat.open(other);
    return chat.create({ kind: "group", name: `Team ${roll(100)}`, members: [other], settings: { history: "all" } });
  }
  const room: Room = await chat.room(pick(rooms).id);
  const last = room.messages.at(-1);
  switch (roll(16)) {
    case 0:
      return room.set({ pinned: roll(2) === 0 });
    case 1:
      return room.set({ hidden: true });
    case 2:
      return room.update({ name: `Crew ${roll(100)}`, topic: roll(2) ? "work" : "" });
    case 3:
      return room.add(other);
    case 4:
      return room.remove(other);
    case 5:
      return room.leave();
    case 6:
      return room.setRole(other, "moderator");
    case 7:
    case 8:
      return room.markRead();
    case 9:
      return last?.seq && room.edit(last.seq, `edited ${roll(1_000)}`);
    case 10:
      return last?.seq && room.delete(last.seq);
    default:
      return room.send(`text ${roll(1_000)}`);
  }
}

/** The inbox as its user sees it. */
function shown({ rooms }: Inbox): unknown[] {
  // A direct room in which nobody has written yet is there for those who have opened it.
  const listed = rooms.filter(({ last, peer }) => last || peer === undefined);
  return listed.map(({ id, name, unread, read, last, me, room }) => {
    const { members, topic = "", archived = false, kind } = room;
    return { id, name, unread, read, last: last?.body, seq: last?.seq, me, members, topic, archived, kind };
  });
}

async function all(chat: Chat, filter: InboxFilter, limit: number): Promise<Inbox> {
  const inbox = chat.inbox.only(filter);
  while (inbox.getSnapshot().more) await inbox.more(limit);
  return inbox;
}

async function until(what: string, holds: () => void): Promise<void> {
  for (const end = Date.now() + 20_000; ; ) {
    try {
      return holds();
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what}: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const chats = NAMES.map(client);
for (const chat of chats) for (const filter of FILTERS) await chat.inbox.only(filter).more(3);
for (let n = 1; n <= Number(count); n++) {
  // What is not allowed, or was on its way when the server was killed, is a part of it.
  const failed = (error: unknown): void => assert(error instanceof ChatError, String(error));
  await act(pick(chats)).catch(failed);
  console.log(n);
}
for (const [n, chat] of chats.entries()) {
  const late = client(NAMES[n] ?? "");
  for (const filter of FILTERS) {
    const [kept, read] = [await all(chat, filter, 50), await all(late, filter, 50)];
    await until(`${NAMES[n]}, ${filter}`, () => assert.deepEqual(shown(kept), shown(read)));
  }
  const unread = ({ rooms }: Chat) => rooms.flatMap(({ id, head, unread }) => (head > 0 ? [`${id} ${unread}`] : []));
  await until(`${NAMES[n]}, unread`, () => assert.deepEqual(unread(chat), unread(late)));
  late.close();
}
for (const chat of chats) chat.close();
