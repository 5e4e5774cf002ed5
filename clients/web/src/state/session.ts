import { type Chat, type ChatError, connect } from "@chat-engine/client";
import { signal } from "@preact/signals";
import { takeFragment } from "./place.js";
import { sendWaiting } from "./rooms.js";

/** The keys of the session of this tab, and of the name that was taken last. */
const TOKEN = "chat.token";
const NAME = "chat.name";

/** The rooms that are read of the inbox at first. */
const FIRST = 100;

/** The address of the server: this file is in its folder `/app`. */
export const server = new URL("..", import.meta.url);

/** The server's description of itself before a login. */
export interface About {
  readonly login: "name" | "token";
  readonly login_url?: string;
}

/** The chat of this tab; undefined while nobody is logged in. */
export const session = signal<Chat | undefined>(undefined);

/** The reason why the last session has ended. */
export const ended = signal<ChatError | undefined>(undefined);

/** The name that the user had last, for the form. */
export const lastName = (): string => localStorage.getItem(NAME) ?? "";

/** Asks the server how users log in. */
export async function about(): Promise<About> {
  const response = await fetch(new URL("app/config.json", server));
  if (!response.ok) throw new Error(`the server answers with ${response.status}`);
  return response.json();
}

/** Goes on with the session of this tab, or with a token in the address. */
export function resume(): void {
  const token = takeFragment("token") ?? sessionStorage.getItem(TOKEN);
  if (token) login(token);
}

/** Begins a session. With an open login the token is the user's name. */
export function login(token: string): void {
  sessionStorage.setItem(TOKEN, token);
  const chat = connect({ url: server, token });
  ended.value = undefined;
  session.value = chat;
  let first = true;
  chat.on((event) => {
    if (event.type === "connected") {
      if (event.user === token) localStorage.setItem(NAME, token);
      if (first) sendWaiting(chat);
      first = false;
    } else if (event.type === "ended" && session.value === chat) {
      ended.value = event.error;
      forget();
    }
  });
  const read = (): void => void chat.inbox.more(FIRST).catch(() => session.value === chat && read());
  read();
}

/** Ends the session, and forgets its token. */
export function logout(): void {
  const chat = session.value;
  forget();
  chat?.close();
}

function forget(): void {
  sessionStorage.removeItem(TOKEN);
  session.value = undefined;
}
