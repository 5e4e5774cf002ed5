import type { Chat, Me, Message, Room } from "@chat-engine/client";
import { keepWaiting, roomsWithWaiting, waiting } from "./kept.js";

/** The other user of a direct room; undefined for a group or channel. */
export function peerOf(room: string, me: string | undefined): string | undefined {
  const [first, second] = room.split(",");
  return second === undefined ? undefined : first === me ? second : first;
}

/** True if a room must not notify its user now. */
export function isQuiet({ me: { notify, muted_until } }: { readonly me: Me }): boolean {
  return notify === "none" || (muted_until !== undefined && Date.parse(muted_until) > Date.now());
}

/** The rooms whose waiting messages are kept, by chat. */
const opened = new WeakMap<Chat, Set<string>>();

/** The direct room with a user, which is made unless there is one. One that is there can be read despite a block. */
export async function direct(chat: Chat, peer: string): Promise<string> {
  const known = chat.rooms.find(({ id }) => peerOf(id, chat.user) === peer);
  return known?.id ?? (await chat.open(peer)).id;
}

/** Enters a room, and sends again what was waiting in it when the page was closed. */
export async function enter(chat: Chat, id: string): Promise<Room> {
  const peer = peerOf(id, chat.user);
  const room = await chat.room(peer === undefined ? id : await direct(chat, peer));
  const rooms = opened.get(chat) ?? new Set();
  opened.set(chat, rooms);
  const user = chat.user;
  if (user === undefined || rooms.has(id)) return room;
  rooms.add(id);
  for (const { clientId, text } of waiting(user, id)) {
    const message: Message = { key: "", author: user, clientId, text, status: "failed" };
    room.retry(message).catch(() => {});
  }
  room.subscribe(() => keepWaiting(user, id, room.messages));
  return room;
}

/** Sends again what was waiting when the page was closed, in every room. */
export function sendWaiting(chat: Chat): void {
  for (const room of roomsWithWaiting(chat.user ?? "")) enter(chat, room).catch(() => {});
}
