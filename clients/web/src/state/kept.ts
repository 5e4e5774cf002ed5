import type { Message } from "@chat-engine/client";

/** A message that was not stored when the page was closed. */
export type Waiting = Pick<Message, "clientId" | "text">;

/** The parts of a message that are kept over a reload of the page, by user and room. */
const KEYS = { draft: "chat.draft", waiting: "chat.waiting" };

function key(kind: keyof typeof KEYS, user: string, room: string): string {
  return `${KEYS[kind]}:${user}:${room}`;
}

/** Nothing, where the browser forbids the page to keep anything. */
function get(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function put(name: string, text: string): void {
  try {
    if (text) localStorage.setItem(name, text);
    else localStorage.removeItem(name);
  } catch {
    // The browser keeps no more; the page goes on without.
  }
}

/** The text that a user has begun to write in a room. */
export function draft(user: string, room: string): string {
  return get(key("draft", user, room)) ?? "";
}

export function keepDraft(user: string, room: string, text: string): void {
  put(key("draft", user, room), text);
}

/** The messages of a user that wait to be stored in a room. */
export function waiting(user: string, room: string): readonly Waiting[] {
  return JSON.parse(get(key("waiting", user, room)) ?? "[]");
}

export function keepWaiting(user: string, room: string, messages: readonly Message[]): void {
  const those = messages.filter(({ status }) => status !== "sent").map(({ clientId, text }) => ({ clientId, text }));
  put(key("waiting", user, room), those.length > 0 ? JSON.stringify(those) : "");
}

/** The rooms in which messages of a user wait. */
export function roomsWithWaiting(user: string): string[] {
  const prefix = key("waiting", user, "");
  return Object.keys(localStorage).filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
